"""Load a base model and its tokenizer: the shipped Pocket Llama, or any folder or hub name."""

import torch

from helpers import environment
from helpers.catalogue import checked

POCKET = "pocket-llama"
WEIGHTS = "model.safetensors"
TEXT = ("config.json", "tokenizer.json", "tokenizer_config.json")


def locate(name: str, files: tuple[str, ...] = (*TEXT, "generation_config.json", WEIGHTS)) -> str:
    """Where to load `name` from: Pocket Llama's folder once its `files` are checked, else `name`."""
    if name != POCKET:
        return name
    return str([checked(f"{POCKET}/{file}") for file in files][0].parent)


def load_tokenizer(name: str, revision: str | None = None):
    """The tokenizer of `name`. It pads on the left, so that a batch's last tokens line up."""
    from transformers import AutoTokenizer

    place = locate(name, TEXT)
    tokenizer = AutoTokenizer.from_pretrained(place, revision=revision, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(name: str, revision: str | None = None):
    """The transformers config of `name`: the shapes of the base model, in a few kilobytes."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(locate(name, TEXT), revision=revision)


def load_base(
    name: str,
    revision: str | None = None,
    quantization_config=None,
    dtype: torch.dtype | str = torch.float32,
):
    """The causal language model `name` on this machine's GPU or CPU, ready to evaluate or tune.

    revision: branch, tag or commit of a model on the hub; ignored for what is in a folder.
    quantization_config: a transformers BitsAndBytesConfig, or None for plain weights. If the base
        is already stored in 4 bits, only the compute dtype is taken from it.
    dtype: of everything that is not quantized.
    Reads safetensors files only, which cannot run code. Raises OSError if one is damaged, and
    ValueError if the weights do not belong to the config, or are stored in another 4-bit format than
    the one in `quantization_config`.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    place = locate(name)
    config = AutoConfig.from_pretrained(place, revision=revision)
    stored = getattr(config, "quantization_config", None)
    if stored and quantization_config is not None:
        _unpack_as(stored, quantization_config, name)
        quantization_config = None
    try:
        model = AutoModelForCausalLM.from_pretrained(
            place,
            config=config,
            revision=revision,
            quantization_config=quantization_config,
            dtype=dtype,
            device_map={"": environment.device()},
            use_safetensors=True,
        )
    except SafetensorError as error:
        again = "download or copy them again"
        raise OSError(f"the weights of {name} are damaged ({error}): {again}") from None
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):  # such as too little memory
            raise
        said = f"the weights of {name} have other shapes than its config.json says"
        raise ValueError(f"{said}: take both from one model") from None
    if stored:  # transformers leaves what is not quantized in the type that the file has
        wanted = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        for parameter in model.parameters():
            if parameter.dtype in (torch.bfloat16, torch.float16):
                parameter.data = parameter.data.to(wanted)
    keep_trainable(model)
    return model


def _unpack_as(stored: dict, wanted, name: str) -> None:
    """Copy `wanted`'s compute dtype into `stored`; it does not affect how the weights are stored."""
    for key in ("load_in_4bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant"):
        if stored.get(key) != getattr(wanted, key):
            raise ValueError(
                f"{name} is stored with {key} = {stored.get(key)}, but quantization_config says "
                f"{getattr(wanted, key)}: use the stored value, or load a base that is not quantized"
            )
    stored["bnb_4bit_compute_dtype"] = str(wanted.bnb_4bit_compute_dtype).removeprefix("torch.")


def keep_trainable(model: torch.nn.Module) -> None:
    """Stop bitsandbytes from repacking 4-bit weights on a CPU; nothing changes on a GPU.

    On CPUs with AVX512-BF16, `Linear4bit.forward` in eval mode repacks its weight in place for
    a kernel that has no gradient. A training step after an evaluation would then silently lose
    the gradients of all layers below (bitsandbytes 0.50, nn/modules.py).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
