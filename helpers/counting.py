"""Weights that LoRA trains and bytes that a base takes, of any Hugging Face config.

Lesson 6 builds the count of a Llama in the open. Here, a model of ordinary matrices is counted with
the lesson's formula; for any other one, peft itself is asked. The shapes come from
`helpers.shapes`, whose functions are at hand here too. peft is imported when it is first asked.
"""

import contextlib
import math
import re
import warnings
from collections.abc import Iterable
from numbers import Integral

from helpers.shapes import (
    first_sentence,
    is_ordinary,
    llama_3_1_8b,
    llama_3_1_70b,
    meta_model,
    module_names,
    module_shapes,
    n_parameters,
    quantized_shapes,
    shapes_in,
    shared_model,
)

__all__ = [
    "count",
    "llama_3_1_8b",
    "llama_3_1_70b",
    "lora_parameters",
    "lora_shapes",
    "meta_model",
    "module_names",
    "module_shapes",
    "n_bytes",
    "n_parameters",
    "stored_bytes",
]

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
DTYPE_BYTES |= {"fp32": 4, "bf16": 2, "fp16": 2}


def lora_shapes(config, target_modules: str | Iterable[str]) -> dict[str, tuple[int, int]]:
    """{module's full name: (in_features, out_features)} of the modules that get an adapter.

    target_modules: as in peft's LoraConfig: names or their endings, a regular expression of
        whole names, or "all-linear" (all but the output head).
    Raises ValueError if nothing is chosen, if one of the names is not in the model (peft silently
    ignores such a name if another one matches), if a chosen module is no matrix, and if peft
    refuses the modules, or adapts more than matrices (`lora_parameters` can count that).
    """
    target_modules = _listed(target_modules)
    model = shared_model(config)
    if is_ordinary(model):
        return _chosen(model, target_modules)
    trained, shapes = lora_parameters(config, 1, target_modules), {}
    with contextlib.suppress(ValueError):  # of names that peft alone can translate
        shapes = _chosen(model, target_modules)
    if trained != count(shapes.values(), 1):
        raise ValueError(
            f"peft adapts more than the matrices of this {type(config).__name__} (such as the "
            f"experts' shared parameters): {trained:,} weights at r = 1, which lora_parameters "
            "counts; choose attention's modules alone for a list of matrices"
        )
    return shapes


def _listed(target_modules):
    """`target_modules` as a string or a list that is not empty."""
    if isinstance(target_modules, str):
        everything = target_modules.lower() == "all-linear"
        return "all-linear" if everything else target_modules
    target_modules = list(target_modules)
    if not target_modules:
        raise ValueError("no target module chosen: LoRA needs at least one")
    return target_modules


def _chosen(model, target_modules):
    """The shapes of the modules that `target_modules` chooses, as peft matches their names."""
    if target_modules == "all-linear":
        return shapes_in(model, linear_only=True)
    targets = [target_modules] if isinstance(target_modules, str) else target_modules
    matches = re.fullmatch if isinstance(target_modules, str) else _fits
    shapes = shapes_in(model)
    modules = {
        name: module
        for name, module in model.named_modules()
        if name and any(matches(target, name) for target in targets)
    }
    if isinstance(target_modules, str) and not modules:
        raise ValueError(
            f"no module's whole name matches the regular expression {target_modules!r}: put names "
            f"into a list; the model has {_known(shapes)}"
        )
    missing = [t for t in targets if not any(matches(t, name) for name in modules)]
    if missing:
        raise ValueError(f"no module {', '.join(missing)} in this model; it has {_known(shapes)}")
    for name, module in modules.items():
        if name not in shapes:
            raise ValueError(
                f"{name} is a {type(module).__name__}, and LoRA adapts single matrices: choose "
                f"among {_known(shapes)}"
            )
    return {name: shapes[name] for name in modules}


def _fits(target, name):
    return name == target or name.endswith(f".{target}")


def _known(shapes):
    """The names in `shapes` as text, cut after 20."""
    names = module_names(shapes)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more


def lora_parameters(config, r: int, target_modules: str | Iterable[str]) -> int:
    """Weights that LoRA of rank `r` trains: r · (in_features + out_features), summed.

    If the model has more than ordinary matrices, peft counts what it would train.
    target_modules and errors: as in `lora_shapes`; also ValueError if r is not 1 or more.
    Source: LoRA (Hu et al., 2021), section 4.2.
    """
    r, target_modules = _rank(r), _listed(target_modules)
    model = shared_model(config)
    if is_ordinary(model):
        return count(_chosen(model, target_modules).values(), r)
    trained = _ask_peft(config, r, target_modules)
    if not isinstance(target_modules, str):  # a name that changes nothing is not in the model
        names = [name for name, _ in model.named_modules()]
        unknown = [t for t in target_modules if not any(_fits(t, name) for name in names)]
        rest = [t for t in target_modules if t not in unknown]
        if unknown and rest and trained == _ask_peft(config, r, rest):
            _chosen(model, unknown)  # raises
    return trained


def _ask_peft(config, r, target_modules):
    """The weights that peft trains on the model of `config`; ValueError if it refuses."""
    from peft import LoraConfig, get_peft_model

    model = meta_model(config)
    names = _known(shapes_in(model))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lora = LoraConfig(r=r, target_modules=target_modules)
            model = get_peft_model(model, lora, low_cpu_mem_usage=True)
    except Exception as error:  # several types of error, some of them with thousands of names
        raise ValueError(
            f"peft refuses these target modules of this {type(config).__name__}: "
            f"{first_sentence(error)}; choose others among {names}"
        ) from error
    return model.get_nb_trainable_parameters()[0]


def count(shapes: Iterable[tuple[int, int]], r: int) -> int:
    """Weights of adapters of rank `r` on matrices of (in_features, out_features)."""
    r = _rank(r)
    return sum(r * (in_features + out_features) for in_features, out_features in shapes)


def _rank(r):
    """`r` as a Python int, also if it is one of numpy's."""
    if isinstance(r, bool) or not isinstance(r, Integral) or r < 1:
        raise ValueError(f"r = {r!r}: the rank has to be a whole number, 1 or more")
    return int(r)


def n_bytes(n_weights: int, dtype="float32") -> int:
    """Bytes of `n_weights` weights; dtype: a torch dtype or its name ("bf16" will do).

    Raises ValueError for a dtype that does not take whole bytes a weight.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPE_BYTES:
        raise ValueError(f"dtype {name}: known are {', '.join(DTYPE_BYTES)}")
    return n_weights * DTYPE_BYTES[name]


def stored_bytes(config, storage: str = "nf4", dtype="bfloat16") -> dict[str, int]:
    """Bytes of the base in memory: {"base weights": …, "scales": …, "not quantized": …}.

    storage: "nf4" (with double quantization), "int8", or a dtype for all of it. dtype: of what
    stays as it is: embeddings, norms, the output head, and whatever else transformers does not
    quantize (see `quantized_shapes`); a few models keep some of it in 32 bits in any case.
    NF4: half a byte a weight, an 8-bit scale for 64 weights, a 32-bit scale for 256 of those, and
    per matrix one 32-bit offset and tables of 16 and of 256 floats.
    Int8: a byte a weight and a 32-bit scale for each output row.
    Sources: QLoRA (Dettmers et al., 2023), section 3; bitsandbytes' functional.py and modules.py.
    """
    model = shared_model(config)
    if storage in DTYPE_BYTES and storage != "int8":
        kept = _plain_bytes(model, storage, packed={})
        return {"base weights": kept, "scales": 0, "not quantized": 0}
    if storage not in ("nf4", "int8"):
        raise ValueError(f"storage {storage!r}: take nf4, int8, or one of {', '.join(DTYPE_BYTES)}")
    packed = quantized_shapes(model)
    sizes = [in_features * out_features for in_features, out_features in packed.values()]
    if storage == "int8":
        weights, scales = sum(sizes), sum(4 * out_features for _, out_features in packed.values())
    else:
        weights = sum(math.ceil(size / 2) for size in sizes)
        blocks = [math.ceil(size / 64) for size in sizes]
        scales = sum(n + 4 * math.ceil(n / 256) + 4 + 4 * (16 + 256) for n in blocks)
    rest = _plain_bytes(model, dtype, packed)
    return {"base weights": weights, "scales": scales, "not quantized": rest}


def _plain_bytes(model, dtype, packed):
    """Bytes in `dtype` of all parameters but the weights of the modules in `packed`."""
    half = n_bytes(1, dtype) == 2
    strict = model._keep_in_fp32_modules_strict if half else set()
    if str(dtype).removeprefix("torch.") in ("float16", "fp16"):
        strict = strict | model._keep_in_fp32_modules
    in_32_bits = [pattern.replace("*", ".*") for pattern in strict]
    total = 0
    for name, parameter in model.named_parameters():
        if name.removesuffix(".weight") in packed:
            continue
        wide = any(re.search(pattern, name) for pattern in in_32_bits)
        total += n_bytes(parameter.numel(), "float32" if wide else dtype)
    return total
