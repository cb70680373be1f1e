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


def load_tokenizer(name: str):
    """The tokenizer of `name`; it pads on the left, so that a batch's last tokens line up."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(locate(name), padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(name: str, quantization_config=None, dtype: torch.dtype = torch.float32):
    """The causal language model `name` on this machine's GPU or CPU, ready to evaluate or tune.

    quantization_config: a transformers BitsAndBytesConfig, or None for plain weights.
    dtype: of all that is not quantized.
    """
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        locate(name),
        quantization_config=quantization_config,
        dtype=dtype,
        device_map={"": 0 if torch.cuda.is_available() else "cpu"},
    )
    keep_trainable(model)
    return model


def keep_trainable(model: torch.nn.Module) -> None:
    """Stop bitsandbytes from repacking 4-bit weights on a CPU; nothing changes on a GPU.

    On CPUs with AVX512-BF16, `Linear4bit.forward` in eval mode repacks its weight in place for
    a kernel that has no gradient. A training step after an evaluation would then lose the
    gradients of everything below, in silence (bitsandbytes 0.50, nn/modules.py).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
