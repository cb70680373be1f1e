"""Lesson 6's widgets: the calculator counts what peft trains, and the word out of stripes."""

import json
import subprocess
import sys

import pytest
import site_tables
from support import ATTENTION, LLAMA, QWEN3, Panel, peft_count
from transformers import Glm4MoeConfig, GPT2Config, MambaConfig, ViTConfig

from helpers import counting
from helpers.lesson_06 import widget


@pytest.fixture
def panel():
    configs = {"Llama 3.1 8B": LLAMA, "Qwen3 0.6B": QWEN3, "GPT-2": GPT2Config()}
    return Panel(widget.calculator(configs))


def test_the_calculator_counts(panel):
    assert "27,262,976 weights: 109.05 MB in fp32, 54.53 MB in bf16; 0.34 % of" in panel.said
    panel.find("rank r").value = 64
    assert "54,525,952" in panel.said
    panel.find("k_proj").value = False
    assert f"{64 * (8192 + 5120 + 8192) * 32:,}" in panel.said


def test_the_total_comes_first_and_is_announced(panel):
    assert panel.said.startswith('<p role="status"')
    assert panel.said.index("27,262,976") < panel.said.index("<table")


def test_a_rank_between_the_powers_of_two_is_offered():
    panel = Panel(widget.calculator({"GPT-2": GPT2Config()}, r=12))
    assert panel.find("rank r").value == 12
    assert f"{peft_count(GPT2Config(), 12, ['c_attn']):,}" in panel.said


def test_the_calculator_follows_the_model(panel):
    panel.find("rank r").value = 8
    panel.find("model").value = "GPT-2"
    assert panel.find("q_proj") is None
    panel.find("c_attn").value = panel.find("c_fc").value = True
    panel.find("c_proj").value = False
    assert f"{peft_count(GPT2Config(), 8, ['c_attn', 'c_fc']):,}" in panel.said


def test_ticks_stay_when_the_model_changes(panel):
    panel.find("k_proj").value = False
    panel.find("up_proj").value = True
    panel.find("model").value = "Qwen3 0.6B"
    ticked = ["q_proj", "v_proj", "o_proj", "up_proj"]
    assert f"{peft_count(QWEN3, 32, ticked):,}" in panel.said
    panel.find("model").value = "GPT-2"
    panel.find("model").value = "Llama 3.1 8B"
    assert [name for name in [*ATTENTION, "up_proj"] if panel.find(name).value] == ticked


def test_the_calculator_says_what_it_cannot_count(panel):
    for name in ATTENTION:
        panel.find(name).value = False
    assert "no target module chosen" in panel.said and "<table" not in panel.said
    panel.find("q_proj").value = True
    assert "no target module chosen" not in panel.said


def test_what_peft_refuses_or_adapts_beside_the_matrices_is_said():
    moe = Glm4MoeConfig(num_hidden_layers=2)
    panel = Panel(
        widget.calculator({"Mamba": MambaConfig(num_hidden_layers=2), "GLM 4 MoE": moe}, r=8)
    )
    panel.find("out_proj").value = True
    assert "peft refuses" in panel.said and "&#x27;out_proj&#x27; is incompatible" in panel.said
    panel.find("model").value = "GLM 4 MoE"
    assert f"{peft_count(moe, 8, ATTENTION):,}" in panel.said
    for name in ("gate_proj", "up_proj", "down_proj"):  # of the shared expert, and of the others
        panel.find(name).value = True
    names = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]
    assert f"experts&#x27; shared parameters): {peft_count(moe, 1, names):,} weights" in panel.said


def test_a_config_of_no_language_model_is_refused():
    with pytest.raises(ValueError, match="ViTConfig is not the config of a language model"):
        widget.calculator({"ViT": ViTConfig()})


def test_an_unexpected_error_shows_in_the_calculator(panel, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("gone <wrong>")

    monkeypatch.setattr(widget, "lora_table", fail)
    panel.find("rank r").value = 2
    assert "ZeroDivisionError: gone &lt;wrong&gt;" in panel.said


def test_the_static_form_is_folded_and_says_the_same(monkeypatch):
    shown = []
    monkeypatch.setattr("helpers.widgets.display", lambda data, **_: shown.append(data))
    monkeypatch.setattr(widget, "display", lambda box: None)
    widget.show_calculator({"Llama 3.1 8B": LLAMA})
    (data,) = shown
    assert data["text/html"].startswith("<details><summary>No widget above? The")
    for part in ("27,262,976", "109.05 MB", "8,388,608", "5,242,880"):
        assert part in data["text/html"] and part in data["text/plain"]


def test_the_table_refuses_an_impossible_rank():
    with pytest.raises(ValueError, match="r = 0"):
        widget.lora_table(counting.module_shapes(LLAMA), 8_030_261_248, 0, ATTENTION)


def test_a_word_out_of_stripes():
    panel = Panel(widget.stripes("LoRA", 4))
    assert "rank 4: 1,760 numbers instead of 38,400" in panel.said
    before = panel.box.children[1].value
    assert bytes(before).startswith(b"\x89PNG")
    panel.find("rank").value = 8
    assert panel.box.children[1].value != before and "rank 8" in panel.said
    slider = panel.box.children[0].children[-1]
    slider.value = 40
    assert panel.find("rank").value == 40 and "rank 40" in panel.said
    panel.find("word").value = "$_x^2$"  # letters, not a formula
    assert "✗" not in panel.said


@pytest.mark.parametrize(
    ("word", "said"),
    [("", "this one has 0"), ("a" * 13, "this one has 13"), ("名前", "the font has no")],
)
def test_a_word_that_cannot_be_drawn_is_refused(word, said, recwarn):
    panel = Panel(widget.stripes("LoRA"))
    panel.find("word").value = word
    assert said in panel.said
    panel.find("word").value = "Żółć"
    assert "✗" not in panel.said
    assert not [w for w in recwarn.list if "Glyph" in str(w.message)]


def test_widgets_import_no_torch():
    modules = "helpers.widgets, helpers.counting, helpers.lesson_06.widget"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_calculator_of_the_site_knows_the_same_layers():
    """It is JavaScript; tests/site holds what it says to the lesson's numbers."""
    shipped = json.loads((site_tables.SITE / "models.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(site_tables.models())), "run: site_tables.py"
