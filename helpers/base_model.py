"""Load a base model and its tokenizer: the shipped Pocket Llama, or any folder or hub name."""

import torch

from helpers.catalogue import checked

POCKET = "pocket-llama"
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


def locate(name: str) -> str:
    """Where `name` is: Pocket Llama's folder after checking its files, else `name` itself."""
    if name != POCKET:
        return name
    return str([checked(f"{POCKET}/{file}") for file in FILES][0].parent)


def load_tokenizer(name: str, revision: str | None = None):
    """The tokenizer of `name`; it pads on the left, so that a batch's last tokens line up."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(locate(name), revision=revision, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(name: str, revision: str | None = None):
    """The transformers config of `name`: the shapes of the base, a few kilobytes."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(locate(name), revision=revision)


def load_base(
    name: str,
    revision: str | None = None,
    quantization_config=None,
    dtype: torch.dtype | str = torch.float32,
):
    """The causal language model `name` on this machine's GPU or CPU, ready to evaluate or tune.

    revision: branch, tag or commit of a hub's model; what lies in a folder has none.
    quantization_config: a transformers BitsAndBytesConfig, or None for plain weights. Of a base
        that is stored in 4 bits it only sets what its weights are unpacked to.
    dtype: of all that is not quantized.
    Raises ValueError if the base is stored in another 4-bit code than the one asked for.
    """
    from transformers import AutoModelForCausalLM

    config = load_config(name, revision)
    stored = getattr(config, "quantization_config", None)
    if stored and quantization_config is not None:
        _unpack_as(stored, quantization_config, name)
        quantization_config = None
    model = AutoModelForCausalLM.from_pretrained(
        locate(name),
        config=config,
        revision=revision,
        quantization_config=quantization_config,
        dtype=dtype,
        device_map={"": 0 if torch.cuda.is_available() else "cpu"},
    )
    keep_trainable(model)
    return model


def _unpack_as(stored: dict, wanted, name: str) -> None:
    """Take the compute dtype of `wanted` into the `stored` settings: it is no matter of storage."""
    for key in ("load_in_4bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant"):
        if stored.get(key) != getattr(wanted, key):
            raise ValueError(
                f"{name} is stored with {key} = {stored.get(key)}, and {getattr(wanted, key)} was asked "
                "for: ask for the same, or load a base that is not quantized yet"
            )
    stored["bnb_4bit_compute_dtype"] = str(wanted.bnb_4bit_compute_dtype).removeprefix("torch.")


def keep_trainable(model: torch.nn.Module) -> None:
    """Stop bitsandbytes from repacking 4-bit weights on a CPU; nothing changes on a GPU.

    On CPUs with AVX512-BF16, `Linear4bit.forward` in eval mode repacks its weight in place for
    a kernel that has no gradient. A training step after an evaluation would then lose the
    gradients of everything below, in silence (bitsandbytes 0.50, nn/modules.py).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
