"""What `counting` counts is what peft trains, for every family of shapes, on the meta device."""

import pytest
import torch
from support import ATTENTION, LLAMA, QWEN3, peft_count
from transformers import (
    FalconConfig,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    Qwen2Config,
)

from helpers import counting

QWEN2 = Qwen2Config(
    hidden_size=3584, num_attention_heads=28, num_key_value_heads=4, num_hidden_layers=3
)
FAMILIES = {
    "llama": (LLAMA, ATTENTION),
    "llama, all linear": (LLAMA, "all-linear"),
    "llama, a regular expression": (LLAMA, r".*layers\.(0|7)\.mlp\.(up|down)_proj"),
    "llama, head and embeddings": (LLAMA, ["q_proj", "lm_head", "embed_tokens"]),
    "qwen3": (QWEN3, ATTENTION),
    "qwen3, all linear": (QWEN3, "all-linear"),
    "qwen2": (QWEN2, ATTENTION + ["down_proj"]),
    "mistral": (MistralConfig(num_hidden_layers=2), ["q_proj", "v_proj", "gate_proj"]),
    "gemma": (GemmaConfig(), ATTENTION),
    "gpt2": (GPT2Config(), ["c_attn"]),
    "gpt2, full names": (GPT2Config(), ["attn.c_proj", "mlp.c_proj"]),
    "gpt2, all linear": (GPT2Config(), "all-linear"),
    "falcon": (FalconConfig(num_hidden_layers=2), ["query_key_value"]),
    "gemma 3": (Gemma3TextConfig(num_hidden_layers=2), "all-linear"),
    "opt, projections outside the layers": (
        OPTConfig(num_hidden_layers=2, word_embed_proj_dim=512),
        "all-linear",
    ),
    "phi3": (Phi3Config(num_hidden_layers=2), ["qkv_proj", "gate_up_proj"]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_counts_what_peft_trains(family):
    config, target_modules = FAMILIES[family]
    assert counting.lora_parameters(config, 6, target_modules) == peft_count(
        config, 6, target_modules
    )


def test_known_counts():
    assert counting.n_parameters(LLAMA) == 8_030_261_248
    assert counting.n_parameters(GPT2Config()) == 124_439_808  # tied embeddings count once
    assert counting.lora_parameters(LLAMA, 32, ATTENTION) == 27_262_976
    assert counting.lora_parameters(LLAMA, 32, "all-linear") == 83_886_080
    shapes = counting.lora_shapes(LLAMA, ["k_proj"])
    assert len(shapes) == 32 and set(shapes.values()) == {(4096, 1024)}
    assert counting.lora_shapes(GPT2Config(), ["c_attn"])["transformer.h.0.attn.c_attn"] == (
        768,
        2304,
    )


def test_bytes():
    assert counting.n_bytes(27_262_976) == 109_051_904
    assert (
        counting.n_bytes(27_262_976, torch.bfloat16)
        == counting.n_bytes(27_262_976, "bf16")
        == 54_525_952
    )
    with pytest.raises(ValueError, match="dtype nf4: known are"):
        counting.n_bytes(1, "nf4")


@pytest.mark.parametrize("r", [0, -4, 2.5, True])
def test_an_impossible_rank_is_refused(r):
    with pytest.raises(ValueError, match="whole number, 1 or more"):
        counting.lora_parameters(GPT2Config(), r, ["c_attn"])


def test_a_name_that_the_model_lacks_is_refused():
    with pytest.raises(
        ValueError,
        match="no module q_proj in this model; it has wte, wpe, c_attn, c_proj, c_fc, lm_head",
    ):
        counting.lora_shapes(GPT2Config(), ["c_attn", "q_proj"])
    with pytest.raises(ValueError, match="at least one"):
        counting.lora_shapes(GPT2Config(), [])
