"""Parameters and bytes from shapes alone: nothing is downloaded, no weight is allocated.

Lesson 06 builds the count of a Llama in the open; this one takes any Hugging Face config.
torch and transformers are imported when a function first needs them.
"""

import copy
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
DTYPE_BYTES |= {"fp32": 4, "bf16": 2, "fp16": 2}


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


def _fits(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
