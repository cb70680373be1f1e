"""Lesson 4's widget: it says what the model believes of the texts typed, at the temperature set."""

import json

import numpy as np
import pytest
import site_tables
import torch
from support import Panel

from helpers import catalogue, pricing
from helpers.lesson_04 import widget

DOLLARS = np.arange(1000.0)


def belief_of(text):
    """A skewed hill: the more letters, the dearer."""
    scores = -abs(DOLLARS - 10 * len(text)) / np.where(DOLLARS > 10 * len(text), 40, 10)
    return np.exp(scores) / np.exp(scores).sum()


@pytest.fixture
def panel():
    return Panel(widget.beliefs(belief_of, "a lamp"))


def prices(text, temperature=1.0):
    logits = torch.tensor(belief_of(text)).log()
    belief = (logits / temperature).softmax(-1).numpy()[None]
    read = pricing.most_likely, pricing.median, pricing.mean
    one, two, three = (f"${reader(belief)[0]:.0f}" for reader in read)
    return f"most likely {one}, median {two}, mean {three}"


def test_the_belief_follows_each_text(panel):
    assert f"Both texts: {prices('a lamp')}" in panel.said and panel.said.count("<polyline") == 2
    panel.find("second text").value = "a large lamp"
    assert f"First: {prices('a lamp')}. Second: {prices('a large lamp')}" in panel.said
    assert "moves by +60 dollars" in panel.said and panel.said.count("<polyline") == 4
    panel.find("first text").value = " a large lamp\n"  # space around it is none of the text
    assert f"Both texts: {prices('a large lamp')}" in panel.said


@pytest.mark.parametrize("temperature", [0.1, 0.5, 3.0])
def test_temperature_divides_the_logits(panel, temperature):
    number, slider = panel.box.children[2].children
    slider.value = temperature
    assert number.value == temperature
    assert prices("a lamp", temperature) in panel.said


def test_a_belief_of_exact_zeros_can_be_heated():
    belief = np.zeros(1000)
    belief[[7, 9]] = 0.75, 0.25
    hot = widget.at_temperature(belief, 2.0)
    assert hot.sum() == pytest.approx(1) and hot[7] / hot[9] == pytest.approx(3**0.5)
    assert "most likely $7" in Panel(widget.beliefs(lambda _: belief, "x")).said


@pytest.mark.parametrize("text, n", [("", "0"), (" \n", "0"), ("a" * 1001, "1001")])
def test_an_impossible_text_is_explained_and_the_next_one_answered(panel, text, n):
    panel.find("second text").value = text
    assert f"✗ second text: {n} characters" in panel.said and "<svg" not in panel.said
    panel.find("second text").value = "a lamp"
    assert "Both texts" in panel.said


def test_a_moved_temperature_asks_no_model():
    asked = []
    box = widget.beliefs(lambda text: asked.append(text) or belief_of(text), "a lamp")
    box.children[2].children[1].value = 2.0
    assert asked == ["a lamp"]


def test_without_a_kernel_a_table_says_what_temperature_does(monkeypatch):
    shown = []
    monkeypatch.setattr("helpers.widgets.display", lambda data, **_: shown.append(data))
    monkeypatch.setattr(widget, "display", lambda box: None)
    widget.show_beliefs(belief_of, "a lamp")
    [data] = shown
    assert data["text/html"].startswith("<details><summary>No widget above? The")
    for kind in ("text/html", "text/plain"):
        assert "most likely" in data[kind] and "60" in data[kind]


def test_the_beliefs_of_the_site_are_the_models():
    """They are drawn in JavaScript; tests/site holds what it says to the lesson's numbers."""
    file = site_tables.SITE / "beliefs.json"
    shipped = json.loads(file.read_text(encoding="utf-8"))
    assert {row["name"]: row["text"] for row in shipped} == site_tables.texts()
    assert len({row["text"] for row in shipped}) == len(shipped) >= 8
    assert shipped[0]["text"] == catalogue.descriptions(catalogue.load("train"))[2980]  # lesson 4's
    nats = np.array([row["nats"] for row in shipped]) / 10_000
    beliefs = site_tables.beliefs_of([row["text"] for row in shipped])
    assert abs(nats + np.log(beliefs)).max() < 5e-4, "run: site_tables.py"
    assert file.stat().st_size < 150_000
    for row, belief in zip(nats, beliefs, strict=True):
        for temperature in (0.5, 1.0, 2.0):
            ours, theirs = (
                widget._prices(widget.at_temperature(b, temperature))
                for b in (np.exp(-row), belief)
            )
            assert ours["most likely"] == theirs["most likely"]
            assert abs(ours["median"] - theirs["median"]) <= 1  # where half is nearly reached
            assert ours["mean"] == pytest.approx(theirs["mean"], rel=1e-3)
