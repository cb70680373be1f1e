"""What `counting` counts is what peft trains, for every family of models, on the meta device."""

from importlib.metadata import version

import numpy as np
import pytest
import torch
from packaging.version import Version
from support import ATTENTION, LLAMA, QWEN3, peft_count
from transformers import (
    CONFIG_MAPPING,
    BartConfig,
    CLIPConfig,
    DeepseekV3Config,
    FalconConfig,
    FalconH1Config,
    FalconMambaConfig,
    Gemma3Config,
    Glm4MoeConfig,
    GPT2Config,
    Llama4Config,
    LlamaConfig,
    MambaConfig,
    MixtralConfig,
    MllamaConfig,
    OPTConfig,
    Qwen2_5_VLConfig,
    Qwen2Config,
    Qwen2VLConfig,
    T5Config,
    ViTConfig,
    WhisperConfig,
)

from helpers import counting
from helpers.shapes import is_ordinary

all_linear_with_experts = pytest.mark.skipif(
    Version(version("peft")) < Version("0.20"),
    reason="""peft 0.19 takes "all-linear" for a list of letters where a model has experts""",
)
TWO = {"num_hidden_layers": 2}
ONE = {"num_hidden_layers": 1}
QWEN2 = Qwen2Config(hidden_size=3584, num_attention_heads=28, num_key_value_heads=4, **TWO)
SHORT_LLAMA = LlamaConfig(vocab_size=128256, num_key_value_heads=8, **TWO)
TARGETS = {
    "llama": (SHORT_LLAMA, ATTENTION),
    "llama, a regular expression": (LLAMA, r".*layers\.(0|7)\.mlp\.(up|down)_proj"),
    "llama, head and embeddings": (SHORT_LLAMA, ["q_proj", "lm_head", "embed_tokens"]),
    "qwen3": (QWEN3, ["v_proj"]),
    "qwen2": (QWEN2, ATTENTION + ["down_proj"]),
    "gpt2": (GPT2Config(), ["c_attn"]),
    "gpt2, full names": (GPT2Config(), ["attn.c_proj", "mlp.c_proj"]),
    "opt, projections outside the layers": (
        OPTConfig(**TWO, word_embed_proj_dim=512),
        "all-linear",
    ),
    "falcon": (FalconConfig(**TWO), ["query_key_value"]),
    "mixtral, attention": (MixtralConfig(**TWO), ATTENTION),
    "mixtral, as its experts were called": (MixtralConfig(**TWO), ["q_proj", "w1", "w2", "w3"]),
    "deepseek v3, one dense layer": (
        DeepseekV3Config(**TWO, first_k_dense_replace=1),
        "all-linear",
    ),
    "glm4 moe, no layer of experts": (Glm4MoeConfig(**TWO, first_k_dense_replace=2), "all-linear"),
    "mamba": (MambaConfig(**TWO), ["in_proj", "x_proj"]),
}
CASES = [
    pytest.param(case, marks=all_linear_with_experts)
    if case.startswith(("deepseek", "glm4"))
    else case
    for case in TARGETS
]
# Families of ordinary matrices, for which the formula is right, and others, for which peft is asked
BY_FORMULA = """llama mistral qwen2 qwen3 gemma gemma2 gemma3_text gpt2 gpt_neox gptj gpt_bigcode
codegen opt bloom falcon phi phi3 stablelm starcoder2 cohere cohere2 olmo olmo2 granite glm glm4 smollm3
helium exaone4 persimmon mpt biogpt xglm bert""".split()
BY_PEFT = """mixtral qwen2_moe qwen3_moe olmoe deepseek_v2 deepseek_v3 glm4_moe ernie4_5_moe qwen3_next
minimax llama4_text gpt_oss granitemoe jamba phimoe""".split()
WHOLES = {  # more than a text model: kind of the auto class, and a small config
    "t5": ("Seq2SeqLM", T5Config(num_layers=2)),
    "bart": ("Seq2SeqLM", BartConfig(encoder_layers=1, decoder_layers=2)),
    "modernbert": ("MaskedLM", CONFIG_MAPPING["modernbert"](**TWO)),
    "whisper": ("SpeechSeq2Seq", WhisperConfig(encoder_layers=1, decoder_layers=2)),
    "llama 4": ("ImageTextToText", Llama4Config(text_config=TWO, vision_config=ONE)),
    "mllama": (
        "ImageTextToText",
        MllamaConfig(
            text_config=TWO | {"cross_attention_layers": [1]},
            vision_config=ONE | {"num_global_layers": 1},
        ),
    ),
    "gemma 3": ("ImageTextToText", Gemma3Config(text_config=TWO, vision_config=ONE)),
    "qwen2 vl": ("ImageTextToText", Qwen2VLConfig(text_config=TWO, vision_config={"depth": 1})),
    "qwen2.5 vl": (
        "ImageTextToText",
        Qwen2_5_VLConfig(text_config=TWO, vision_config={"depth": 1}),
    ),
}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("case", CASES)
def test_counts_what_peft_trains(case):
    config, target_modules = TARGETS[case]
    trained = peft_count(config, 6, target_modules)
    assert counting.lora_parameters(config, 6, target_modules) == trained


@pytest.mark.parametrize("family", BY_FORMULA)
def test_the_formula_is_right_for_ordinary_matrices(family):
    config = CONFIG_MAPPING[family](**TWO)
    assert is_ordinary(counting.meta_model(config))
    trained = peft_count(config, 6, "all-linear")
    assert counting.lora_parameters(config, 6, "all-linear") == trained
    assert counting.count(counting.lora_shapes(config, "all-linear").values(), 6) == trained


@all_linear_with_experts
@pytest.mark.parametrize("family", BY_PEFT)
def test_peft_is_asked_about_experts(family):
    config = CONFIG_MAPPING[family](**TWO)
    assert not is_ordinary(counting.meta_model(config))
    trained = peft_count(config, 6, "all-linear")
    assert counting.lora_parameters(config, 6, "all-linear") == trained
    try:
        shapes = counting.lora_shapes(config, "all-linear")
    except ValueError as error:
        assert "peft adapts more than the matrices" in str(error)
    else:
        assert counting.count(shapes.values(), 6) == trained


@pytest.mark.parametrize("family", WHOLES)
def test_a_config_of_more_than_a_text_model_is_counted_as_a_whole(family):
    kind, config = WHOLES[family]
    assert counting.lora_parameters(config, 6, "all-linear") == peft_count(
        config, 6, "all-linear", kind
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


@pytest.mark.parametrize("config, around", [(SHORT_LLAMA, 2), (GPT2Config(), 3)])
def test_linear_only_leaves_out_the_embeddings_and_the_head(config, around):
    inside = counting.module_shapes(config, linear_only=True)
    assert inside == counting.lora_shapes(config, "all-linear")
    assert len(counting.module_shapes(config)) == len(inside) + around


def test_bytes():
    assert counting.n_bytes(27_262_976) == 109_051_904
    assert (
        counting.n_bytes(27_262_976, torch.bfloat16)
        == counting.n_bytes(27_262_976, "bf16")
        == 54_525_952
    )
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.int8):
        assert counting.n_bytes(10, dtype) == torch.empty(10, dtype=dtype).nbytes
    with pytest.raises(ValueError, match="dtype nf4: known are float32, bfloat16, "):
        counting.n_bytes(1, "nf4")


@pytest.mark.parametrize("r", [0, -4, 2.5, True, "8", None, np.float64(2), np.bool_(True)])
def test_an_impossible_rank_is_refused(r):
    with pytest.raises(ValueError, match="whole number, 1 or more"):
        counting.lora_parameters(GPT2Config(), r, ["c_attn"])


@all_linear_with_experts
def test_a_known_count_with_experts():
    assert counting.lora_parameters(MixtralConfig(), 6, "all-linear") == 134_874_624


@pytest.mark.parametrize(
    "config",
    [GPT2Config(), pytest.param(Glm4MoeConfig(**TWO), marks=all_linear_with_experts)],
)
def test_a_rank_of_numpys_is_as_good(config):
    expected = counting.lora_parameters(config, 8, "all-linear")
    assert counting.lora_parameters(config, np.int64(8), "all-linear") == expected


REFUSED = {
    "another name": (
        GPT2Config(),
        ["c_attn", "q_proj"],
        "no module q_proj in this model; it has wte, wpe, c_attn, c_proj, c_fc, lm_head",
    ),
    "another name beside experts": (MixtralConfig(**TWO), ["q_proj", "c_attn"], "no module c_attn"),
    "a name that is no list": (
        LLAMA,
        "q_proj",
        "regular expression 'q_proj': put names into a list",
    ),
    "no name": (GPT2Config(), [], "at least one"),
    "a module of several": (LLAMA, ["mlp"], "layers.0.mlp is a LlamaMLP, and LoRA adapts single"),
    "a norm": (LLAMA, ["norm"], "model.norm is a LlamaRMSNorm, and LoRA adapts single matrices"),
    "one half of a fused parameter": (MixtralConfig(**TWO), ["w1"], "without also targeting w3"),
    "mamba": (
        MambaConfig(**TWO),
        "all-linear",
        "peft refuses .* MambaConfig: .* 'out_proj' is incompatible",
    ),
    "falcon mamba": (
        FalconMambaConfig(**TWO),
        "all-linear",
        "peft refuses .*; choose others among",
    ),
    "falcon h1": (FalconH1Config(**TWO), "all-linear", "peft .* FalconH1Config: .*; choose others"),
    "images alone": (ViTConfig(), "all-linear", "ViTConfig is not the config of a language model"),
    "no text to write": (CLIPConfig(), "all-linear", "CLIPConfig is not the config of a language"),
    "no config": ({}, "all-linear", "dict is not the config of a language model"),
    "wrong values": (
        LlamaConfig(**TWO, vocab_size=10, pad_token_id=11),
        "all-linear",
        "cannot build the model of this LlamaConfig: Padding_idx .*; check the config's values",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_counted_is_refused_in_one_sentence(case):
    config, target_modules, said = REFUSED[case]
    for count in (counting.lora_shapes, lambda c, t: counting.lora_parameters(c, 8, t)):
        with pytest.raises(ValueError, match=said) as caught:
            count(config, target_modules)
        assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)
