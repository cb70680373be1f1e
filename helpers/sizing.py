"""Parameters and bytes from shapes alone: nothing is downloaded, no weight is allocated.

Lesson 06 builds the count of a Llama in the open; this one takes any Hugging Face config.
torch and transformers are imported when a function first needs them.
"""

import copy
import math
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

SHARED_INPUT = {"q_proj": "x", "k_proj": "x", "v_proj": "x", "gate_proj": "y", "up_proj": "y"}
LOSS_CHUNK = 256  # tokens: trl's SFTTrainer takes the loss of so many at a time
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
DTYPE_BYTES |= {"fp32": 4, "bf16": 2, "fp16": 2}


def llama_3_1_8b():
    """The config of Llama 3.1 8B, as lesson 06 writes it out: 8,030,261,248 parameters."""
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


def module_shapes(config, inner: bool = False) -> dict[str, tuple[int, int]]:
    """{module's full name: (in_features, out_features)} of all that LoRA can sit on.

    Linear; GPT-2's Conv1D, whose weight is stored the other way round; and embeddings, which
    map num_embeddings one-hot features to embedding_dim.
    inner: leave out the embeddings and the output head, as peft's "all-linear" does.
    """
    from torch.nn import Embedding, Linear
    from transformers.pytorch_utils import Conv1D

    shapes = {}
    model = meta_model(config)
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if inner and (isinstance(module, Embedding) or module is head):
            continue
        if isinstance(module, Linear):
            out_features, in_features = module.weight.shape
        elif isinstance(module, Conv1D | Embedding):
            in_features, out_features = module.weight.shape
        else:
            continue
        shapes[name] = in_features, out_features
    return shapes


def lora_shapes(config, target_modules: str | Iterable[str]) -> dict[str, tuple[int, int]]:
    """{module's full name: (in_features, out_features)} of the modules that get an adapter.

    target_modules: as in peft's LoraConfig: names or their endings, a regular expression of
        whole names, or "all-linear" (all but the output head).
    Raises ValueError if nothing is chosen, or if one of the names is not in the model
    (peft passes over such a name in silence as long as another one fits).
    """
    if target_modules == "all-linear":
        return module_shapes(config, inner=True)
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
    """Bytes of the base as it lies in memory: {"base weights": …, "scales": …, "not quantized": …}.

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
    shapes = module_shapes(config, inner=True).values()
    sizes = [in_features * out_features for in_features, out_features in shapes]
    if storage == "int8":
        weights, scales = sum(sizes), sum(4 * out_features for _, out_features in shapes)
    else:
        weights = sum(math.ceil(size / 2) for size in sizes)
        blocks = [math.ceil(size / 64) for size in sizes]
        scales = sum(n + 4 * math.ceil(n / 256) + 4 + 4 * (16 + 256) for n in blocks)
    rest = n_bytes(n_all - sum(sizes), dtype)
    return {"base weights": weights, "scales": scales, "not quantized": rest}


def optimizer_bytes(sizes: Iterable[int], optim: str) -> int:
    """Bytes of AdamW's two moments for trained tensors of `sizes` (numbers of weights).

    optim: as SFTConfig names it. Two floats a weight, paged or not (a paged state may move to RAM);
    8-bit: two bytes a weight and two 32-bit scales for 256 of them, but floats in tensors of
    fewer than 4,096 weights. Source: bitsandbytes' optim/optimizer.py.
    """
    if "8bit" not in optim:
        return sum(8 * size for size in sizes)
    return sum(8 * n if n < 4096 else 2 * n + 8 * math.ceil(n / 256) for n in sizes)


def activation_bytes(
    config, shapes: dict, r: int, dtype, dropout: bool, cpu: bool
) -> dict[str, int]:
    """Bytes a token that autograd keeps from forward to backward: {"layer", "first", "last", "input"}.

    For Llama's kind of layer with a frozen 4-bit base: a frozen matrix keeps no input, an adapter
    keeps its (dropped-out) input, the mask and A's output; RMSNorm keeps its input in 32 bits;
    attention its q, k, v, output and a log-sum; the MLP three tensors of its width. The first
    layer keeps less: nothing before it is trained. Checked tensor by tensor in tests/test_memory.py.
    shapes: of the adapters' modules, as `lora_shapes` gives them.
    """
    size, hidden = n_bytes(1, dtype), config.hidden_size
    heads, n_key_value, head_dim = _heads(config)
    mask = 0 if not dropout else 4 if cpu else 1  # torch's CPU dropout keeps floats, CUDA's bytes
    norm = 4 * hidden + 4
    attention = size * 2 * head_dim * (heads + n_key_value) + 4 * heads
    inputs = {n.split(".")[-1]: shape[0] for n, shape in shapes.items() if ".layers.0." in f".{n}."}
    kept = inputs
    if not mask and size == 4:  # no copy made: neighbours share one, o shares attention's output
        kept = {SHARED_INPUT.get(k, k): n for k, n in inputs.items() if k != "o_proj"}
    adapters = size * (sum(kept.values()) + r * len(inputs)) + mask * sum(inputs.values())
    saved = norm + mask * sum(n for name, n in inputs.items() if SHARED_INPUT.get(name) == "x")
    layer = 2 * norm + attention + adapters + 3 * size * config.intermediate_size
    return {"layer": layer, "first": layer - saved, "last": norm, "input": size * hidden}


def training_memory(config, profile, cpu: bool = False) -> dict[str, int]:
    """Bytes at the peak of training `profile`'s adapters on the base of `config`, part by part.

    The sum of the parts is the peak; libraries (half a GB in RAM, CUDA's context on a card) come on
    top. "loss" is the larger of what the loss needs (trl takes it in chunks of 256 tokens: logits,
    their log-softmax, and the gradients of both, in 32 bits) and what the backward pass needs for
    a moment: one matrix unpacked, and the gradients of an MLP. On a CPU the tensors that are not
    quantized stay in the checkpoint's file, mapped into memory, and with them the rest of it; the
    system takes that back when it is short.
    """
    dtype = profile.compute_dtype
    size = n_bytes(1, dtype)
    shapes = lora_shapes(config, profile.target_modules)
    tensors = [n for i, o in shapes.values() for n in (profile.r * i, profile.r * o)]
    n_adapter = sum(tensors)
    tokens = profile.batch_size * profile.max_length
    kept = activation_bytes(config, shapes, profile.r, dtype, profile.lora_dropout > 0, cpu)
    n_layers = config.num_hidden_layers
    if profile.gradient_checkpointing:  # the inputs of all layers, and all of the one at work
        a_token = n_layers * kept["input"] + kept["layer"] + kept["last"]
    else:
        a_token = (n_layers - 1) * kept["layer"] + kept["first"] + kept["last"]
    mlp = tokens * (3 * size * config.intermediate_size + 8 * config.hidden_size)
    logits = LOSS_CHUNK * config.vocab_size * (16 + (2 * size if size < 4 else 0))
    base = stored_bytes(config, "nf4", dtype)
    half_copies = 0 if size == 4 else n_adapter * size  # autocast keeps the adapters in 16 bits too
    parts = {
        "base, 4-bit": base["base weights"] + base["scales"],
        "base, not quantized": base["not quantized"],
        "adapters": n_bytes(n_adapter),
        "gradients": n_bytes(n_adapter),
        "optimizer": optimizer_bytes(tensors, profile.optim),
        "activations": tokens * a_token + half_copies,
        "loss": max(logits, _largest_matrix(config) * size + mlp),
    }
    if cpu:
        parts["file, mapped"] = n_bytes(2 * base["base weights"], config.dtype or "float32")
    return parts


def generating_memory(config, batch_size: int, n_tokens: int, dtype="bfloat16") -> dict[str, int]:
    """Bytes when the 4-bit base of `config` answers `batch_size` prompts of `n_tokens` each.

    The KV cache holds a key and a value of every layer and token; of the logits only the last
    place is made. "layer at work": its MLP's tensors and a matrix unpacked.
    """
    size = n_bytes(1, dtype)
    _, n_key_value, head_dim = _heads(config)
    tokens = batch_size * n_tokens
    base = stored_bytes(config, "nf4", dtype)
    return {
        "base, 4-bit": base["base weights"] + base["scales"],
        "base, not quantized": base["not quantized"],
        "KV cache": 2 * config.num_hidden_layers * tokens * n_key_value * head_dim * size,
        "layer at work": _largest_matrix(config) * size
        + tokens * size * (3 * config.intermediate_size + 4 * config.hidden_size),
        "logits": batch_size * config.vocab_size * (size + 4),
    }


def load_peak(config, storage: str = "nf4", dtype="bfloat16") -> int:
    """Bytes at the worst moment of loading: all of it, and the largest matrix not yet quantized."""
    extra = n_bytes(_largest_matrix(config), "bf16") if storage in ("nf4", "int8") else 0
    return sum(stored_bytes(config, storage, dtype).values()) + extra


def fits(parts: dict[str, int], n_bytes_there: int, profile) -> str:
    """Whether `parts` (bytes) fit, in a sentence; if not, what to change first in `profile`."""
    need = sum(parts.values())
    said = f"{need / 1e9:.2f} GB needed, {n_bytes_there / 1e9:.1f} GB there"
    if need <= n_bytes_there:
        return f"fits: {said}"
    part = max(("activations", "loss", "optimizer", "base, 4-bit"), key=parts.get)
    change = {
        "activations": "gradient_checkpointing=True"
        if not profile.gradient_checkpointing
        else "a smaller batch_size with more accumulation, or a smaller max_length",
        "loss": "a smaller batch_size with more accumulation",
        "optimizer": 'a smaller r, or optim="paged_adamw_8bit"',
        "base, 4-bit": "a smaller base: Qwen/Qwen3-1.7B or Qwen/Qwen3-0.6B",
    }[part]
    return f"does not fit: {said}. Largest is {part}: try {change}"


def minutes(n_items: int, tokens_per_item: float, epochs: float, tokens_per_second: float) -> float:
    """How long training takes at a rate that was measured on the spot."""
    return n_items * tokens_per_item * epochs / tokens_per_second / 60


def module_names(shapes: dict[str, tuple[int, int]]) -> list[str]:
    """The last parts of the modules' names, once each, in the model's order."""
    return list(dict.fromkeys(name.split(".")[-1] for name in shapes))


def check_disk(n_bytes: int, folder: Path) -> None:
    """Raise OSError, in a sentence, if `folder`'s disk has no room for `n_bytes`."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(
            f"this needs {n_bytes / 1e6:,.0f} MB of disk and {free / 1e6:,.0f} MB are free: "
            f"empty {folder.name}/ or make room, then run the cell again"
        )


def _heads(config) -> tuple[int, int, int]:
    """(query heads, key/value heads, width of a head)."""
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    return heads, getattr(config, "num_key_value_heads", None) or heads, head_dim


def _largest_matrix(config) -> int:
    """Weights of the largest matrix that is quantized."""
    return max(i * o for i, o in module_shapes(config, inner=True).values())


def _fits(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
