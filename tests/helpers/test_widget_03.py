"""Lesson 3's widgets: they count what the library counts, and show what each head looks at."""

import numpy as np
import pytest
import torch
from support import LLAMA, Panel
from transformers import LlamaConfig, LlamaForCausalLM

from helpers.lesson_03 import widget

WORDS = ["(begin)", "A", " <red>", "\n"]
LOOKS = np.array([np.eye(4), np.tril(np.ones((4, 4))) / np.arange(1, 5)[:, None]])


def parts_of(config):
    """Everything in two parts, counted by the library."""
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**vars(config)))
    blocks = sum(p.numel() for p in model.model.layers.parameters())
    return {"MLP": blocks, "embeddings": sum(p.numel() for p in model.parameters()) - blocks}


@pytest.fixture
def counter():
    return Panel(widget.counter(parts_of, LLAMA, {"GPT-2 small": {"attention": 124439808}}))


def test_it_starts_with_the_config_and_follows_each_knob(counter):
    assert "8,030,261,248 parameters; most are in: MLP, 87%" in counter.said
    turned = {"layers": 16, "embedding dimension": 2048, "hidden dimension": 8192}
    for name, value in turned.items():
        counter.find(name).value = value
    counter.find("tied embeddings").value = True
    assert "1,235,814,400 parameters" in counter.said  # Llama 3.2 1B, as published
    counter.find("heads of keys and values").value = 32
    counter.find("vocabulary").value = 1000
    more = 16 * 2 * 2048 * (2048 - 8 * 64) - 127256 * 2048
    assert f"{1235814400 + more:,} parameters" in counter.said


def test_the_other_models_are_beside_it(counter):
    assert "<th>GPT-2 small</th>" in counter.said and "<td>124,439,808</td>" in counter.said
    assert counter.said.count("<rect") == 2 + 1 + len(widget.PARTS)


@pytest.mark.parametrize(
    "name, value, says",
    [
        ("heads", 24, "4096 (embedding dimension) does not divide by 24 (heads)"),
        ("heads of keys and values", 5, "32 (heads) does not divide by 5"),
    ],
)
def test_heads_that_do_not_fit_are_explained(counter, name, value, says):
    before = counter.find(name).value
    counter.find(name).value = value
    assert f"✗ {says}" in counter.said and "<table" not in counter.said
    counter.find(name).value = before
    assert "8,030,261,248" in counter.said


def test_a_word_shows_its_row_of_each_head():
    panel = Panel(widget.attention(WORDS, torch.tensor(LOOKS), 2))
    buttons = panel.box.children[0]
    assert "Layer 2, ↵ looks most at: head 0: ↵ (1.00); head 1: (begin) (0.25)" in panel.said
    assert panel.said.count(f"{widget.ADAPTER}ff; color: black") == 1
    buttons.value = 2
    assert (
        "&lt;red&gt; looks most at: head 0: &lt;red&gt; (1.00); head 1: (begin) (0.33)"
        in panel.said
    )
    assert panel.said.count(f"{widget.ADAPTER}55") == 3, "a third each, and nothing after it"
    assert "<red>" not in panel.said


def test_without_a_kernel_sentences_lead_to_the_pictures(capsys):
    widget.show_counter(parts_of, LLAMA, {})
    widget.show_attention(WORDS, LOOKS, 0)
    said = capsys.readouterr().out
    assert "picture above shows the three models" in said
    assert "picture above shows three heads" in said
