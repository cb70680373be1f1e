"""sizing counts what peft trains, for every family of shapes, on the meta device."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

from helpers import sizing, widgets

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LLAMA = sizing.llama_3_1_8b()
QWEN3 = Qwen3Config(  # 0.6B: queries twice as wide as the model
    vocab_size=151936,
    hidden_size=1024,
    num_hidden_layers=28,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    intermediate_size=3072,
    tie_word_embeddings=True,
)
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


def peft_count(config, r, target_modules):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    lora = LoraConfig(
        r=r,
        target_modules=target_modules,
        task_type="CAUSAL_LM",
        fan_in_fan_out=isinstance(config, GPT2Config),
    )
    model = get_peft_model(model, lora, low_cpu_mem_usage=True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_counts_what_peft_trains(family):
    config, target_modules = FAMILIES[family]
    assert sizing.lora_parameters(config, 6, target_modules) == peft_count(
        config, 6, target_modules
    )


def test_known_counts():
    assert sizing.n_parameters(LLAMA) == 8_030_261_248
    assert sizing.n_parameters(GPT2Config()) == 124_439_808  # tied embeddings count once
    assert sizing.lora_parameters(LLAMA, 32, ATTENTION) == 27_262_976
    assert sizing.lora_parameters(LLAMA, 32, "all-linear") == 83_886_080
    shapes = sizing.lora_shapes(LLAMA, ["k_proj"])
    assert len(shapes) == 32 and set(shapes.values()) == {(4096, 1024)}
    assert sizing.lora_shapes(GPT2Config(), ["c_attn"])["transformer.h.0.attn.c_attn"] == (
        768,
        2304,
    )


def test_bytes():
    assert sizing.n_bytes(27_262_976) == 109_051_904
    assert (
        sizing.n_bytes(27_262_976, torch.bfloat16)
        == sizing.n_bytes(27_262_976, "bf16")
        == 54_525_952
    )
    with pytest.raises(ValueError, match="dtype nf4: known are"):
        sizing.n_bytes(1, "nf4")


@pytest.mark.parametrize("r", [0, -4, 2.5, True])
def test_a_rank_that_is_none_is_refused(r):
    with pytest.raises(ValueError, match="whole number, 1 or more"):
        sizing.lora_parameters(GPT2Config(), r, ["c_attn"])


def test_a_name_that_the_model_lacks_is_refused():
    with pytest.raises(
        ValueError,
        match="no module q_proj in this model; it has wte, wpe, c_attn, c_proj, c_fc, lm_head",
    ):
        sizing.lora_shapes(GPT2Config(), ["c_attn", "q_proj"])
    with pytest.raises(ValueError, match="at least one"):
        sizing.lora_shapes(GPT2Config(), [])


def test_a_full_disk_is_said_in_a_sentence(tmp_path):
    sizing.check_disk(1, tmp_path)
    with pytest.raises(OSError, match="MB are free"):
        sizing.check_disk(10**18, tmp_path)


class Panel:
    """The calculator's widgets, found by their descriptions."""

    def __init__(self, box):
        self.box = box

    def find(self, description, box=None):
        for child in (box or self.box).children:
            if getattr(child, "description", None) == description:
                return child
            if hasattr(child, "children") and (found := self.find(description, child)):
                return found

    @property
    def said(self):
        return self.box.children[-1].value


@pytest.fixture
def panel():
    return Panel(widgets.lora_calculator({"Llama 3.1 8B": LLAMA, "GPT-2": GPT2Config()}))


def test_the_calculator_counts(panel):
    assert "27,262,976" in panel.said and "109.05 MB" in panel.said and "0.34 %" in panel.said
    panel.find("r").value = 64
    assert "54,525,952" in panel.said
    panel.find("k_proj").value = False
    assert f"{64 * (8192 + 5120 + 8192) * 32:,}" in panel.said


def test_the_calculator_follows_the_model(panel):
    panel.find("r").value = 8
    panel.find("model").value = "GPT-2"
    assert panel.find("q_proj") is None
    panel.find("c_attn").value = panel.find("c_fc").value = True
    panel.find("c_proj").value = False
    assert f"{peft_count(GPT2Config(), 8, ['c_attn', 'c_fc']):,}" in panel.said


def test_the_calculator_says_what_it_cannot_count(panel):
    for name in ATTENTION:
        panel.find(name).value = False
    assert "no target module chosen" in panel.said
    panel.find("q_proj").value = True
    assert "no target module chosen" not in panel.said


def test_an_unexpected_error_shows_in_the_calculator(panel, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("gone wrong")

    monkeypatch.setattr(widgets, "lora_table", fail)
    panel.find("r").value = 2
    assert "ZeroDivisionError: gone wrong" in panel.said


def test_the_static_form_is_the_same_table():
    html, text = widgets.lora_table(sizing.module_shapes(LLAMA), 8_030_261_248, 32, ATTENTION)
    for part in ("27,262,976", "109.05 MB", "8,388,608", "5,242,880"):
        assert part in html and part in text
    with pytest.raises(ValueError, match="r = 0"):
        widgets.lora_table(sizing.module_shapes(LLAMA), 8_030_261_248, 0, ATTENTION)


def test_widgets_import_no_torch():
    import subprocess
    import sys

    code = "import sys; from helpers import widgets, sizing; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
