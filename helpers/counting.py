"""Parameters and stored bytes from shapes alone: nothing is downloaded, no weight is allocated.

Lesson 6 builds the count of a Llama in the open; this one takes any Hugging Face config.
torch and transformers are imported when a function first needs them.
"""

import copy
import math
import re
from collections.abc import Iterable

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
DTYPE_BYTES |= {"fp32": 4, "bf16": 2, "fp16": 2}


def llama_3_1_8b():
    """The config of Llama 3.1 8B, as lesson 6 writes it out: 8,030,261,248 parameters."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        tie_word_embeddings=False,
    )


def llama_3_1_70b():
    """The config of Llama 3.1 70B: 70,553,706,496 parameters."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=128256,
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        tie_word_embeddings=False,
    )


def meta_model(config):
    """The causal language model of `config` on the meta device: shapes, no storage.

    config: a transformers config; it is left as it was.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(copy.deepcopy(config))


def n_parameters(config) -> int:
    """Parameters of the model of `config`; tied embeddings count once."""
    return sum(parameter.numel() for parameter in meta_model(config).parameters())


def module_shapes(config, linear_only: bool = False) -> dict[str, tuple[int, int]]:
    """{module's full name: (in_features, out_features)} of every module that LoRA can adapt.

    These are Linear layers, GPT-2's Conv1D, whose weight is stored the other way round, and
    embeddings, which map num_embeddings one-hot features to embedding_dim.
    linear_only: leave out the embeddings and the output head, as peft's "all-linear" does.
    """
    from torch.nn import Embedding, Linear
    from transformers.pytorch_utils import Conv1D

    shapes = {}
    model = meta_model(config)
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if linear_only and (isinstance(module, Embedding) or module is head):
            continue
        if isinstance(module, Linear):
            out_features, in_features = module.weight.shape
        elif isinstance(module, Conv1D | Embedding):
            in_features, out_features = module.weight.shape
        else:
            continue
        shapes[name] = in_features, out_features
    return shapes


def module_names(shapes: dict[str, tuple[int, int]]) -> list[str]:
    """The last parts of the modules' names, once each, in the model's order."""
    return list(dict.fromkeys(name.split(".")[-1] for name in shapes))


def lora_shapes(config, target_modules: str | Iterable[str]) -> dict[str, tuple[int, int]]:
    """{module's full name: (in_features, out_features)} of the modules that get an adapter.

    target_modules: as in peft's LoraConfig: names or their endings, a regular expression of
        whole names, or "all-linear" (all but the output head).
    Raises ValueError if nothing is chosen, or if one of the names is not in the model
    (peft silently ignores such a name if another one matches).
    """
    if target_modules == "all-linear":
        return module_shapes(config, linear_only=True)
    shapes = module_shapes(config)
    if isinstance(target_modules, str):
        wanted = {
            name: shape for name, shape in shapes.items() if re.fullmatch(target_modules, name)
        }
        missing = [] if wanted else [target_modules]
    else:
        targets = list(target_modules)
        if not targets:
            raise ValueError("no target module chosen: LoRA needs at least one")
        wanted = {n: shape for n, shape in shapes.items() if any(_fits(n, t) for t in targets)}
        missing = [target for target in targets if not any(_fits(n, target) for n in wanted)]
    if missing:
        known = ", ".join(module_names(shapes))
        raise ValueError(f"no module {', '.join(missing)} in this model; it has {known}")
    return wanted


def lora_parameters(config, r: int, target_modules: str | Iterable[str]) -> int:
    """Weights that LoRA of rank `r` trains: r · (in_features + out_features), summed.

    target_modules and errors: as in `lora_shapes`; also ValueError if r is not 1 or more.
    Source: LoRA (Hu et al., 2021), section 4.2.
    """
    return count(lora_shapes(config, target_modules).values(), r)


def count(shapes: Iterable[tuple[int, int]], r: int) -> int:
    """Weights of adapters of rank `r` on matrices of (in_features, out_features)."""
    if isinstance(r, bool) or not isinstance(r, int) or r < 1:
        raise ValueError(f"r = {r}: the rank has to be a whole number, 1 or more")
    return sum(r * (in_features + out_features) for in_features, out_features in shapes)


def n_bytes(n_parameters: int, dtype="float32") -> int:
    """Bytes of `n_parameters` weights; dtype: a torch dtype or its name ("bf16" will do).

    Raises ValueError for a dtype that does not take whole bytes a weight.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPE_BYTES:
        raise ValueError(f"dtype {name}: known are {', '.join(DTYPE_BYTES)}")
    return n_parameters * DTYPE_BYTES[name]


def stored_bytes(config, storage: str = "nf4", dtype="bfloat16") -> dict[str, int]:
    """Bytes of the base in memory: {"base weights": …, "scales": …, "not quantized": …}.

    storage: "nf4" (with double quantization), "int8", or a dtype for all of it. dtype: of what
    stays as it is: embeddings, norms and the output head.
    NF4: half a byte a weight, an 8-bit scale for 64 weights, a 32-bit scale for 256 of those, and
    per matrix one 32-bit offset and tables of 16 and of 256 floats.
    Int8: a byte a weight and a 32-bit scale for each output row.
    Sources: QLoRA (Dettmers et al., 2023), section 3; bitsandbytes' functional.py and modules.py.
    """
    n_all = n_parameters(config)
    if storage in DTYPE_BYTES and storage != "int8":
        return {"base weights": n_bytes(n_all, storage), "scales": 0, "not quantized": 0}
    if storage not in ("nf4", "int8"):
        raise ValueError(f"storage {storage!r}: take nf4, int8, or one of {', '.join(DTYPE_BYTES)}")
    shapes = module_shapes(config, linear_only=True).values()
    sizes = [in_features * out_features for in_features, out_features in shapes]
    if storage == "int8":
        weights, scales = sum(sizes), sum(4 * out_features for _, out_features in shapes)
    else:
        weights = sum(math.ceil(size / 2) for size in sizes)
        blocks = [math.ceil(size / 64) for size in sizes]
        scales = sum(n + 4 * math.ceil(n / 256) + 4 + 4 * (16 + 256) for n in blocks)
    rest = n_bytes(n_all - sum(sizes), dtype)
    return {"base weights": weights, "scales": scales, "not quantized": rest}


def _fits(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
