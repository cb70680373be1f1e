"""Lesson 2's widget: values flow forward, and edge by edge the gradients of the engine come back."""

import math
import re

import pytest
import torch
from support import Panel

from helpers.lesson_02 import widget


class Value:
    def __init__(self, data, op="", parents=(), slopes=()):
        self.data, self.op, self.parents, self.slopes = data, op, parents, slopes


def build(x, w):
    """(x w + w)²: w is used twice, and so is the sum."""
    product = Value(x.data * w.data, "×", (x, w), (w.data, x.data))
    total = Value(product.data + w.data, "+", (product, w), (1.0, 1.0))
    loss = Value(total.data**2, "×", (total, total), (total.data, total.data))
    return loss, {"x": x, "w": w, "loss": loss}


@pytest.fixture
def panel():
    return Panel(widget.graph(Value, build, {"x": 1.5, "w": -2.0}))


def by_torch(x, w):
    x, w = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (x, w))
    ((x * w + w) ** 2).backward()
    return x.grad.item(), w.grad.item()


def test_values_flow_forward_and_no_gradient_is_known_yet(panel):
    assert "x = 1.5, w = -2, loss = 25" in panel.said
    assert panel.said.count("grad ?") == 4 and "loss: 25" in panel.said
    panel.find("x").value = 0.5
    assert "loss = 9" in panel.said


def test_six_steps_bring_torchs_gradients_and_each_is_told(panel):
    heard = []
    for step in range(1, 7):
        panel.find("steps back").value = step
        heard.append(re.search(r"<b>(.*?)</b>", panel.said)[1])
        assert panel.said.count("font-size") == 1 and panel.said.count("× ") >= step - 1
    assert heard[0].startswith("Step 1 of 6, from loss to +: 1 times the slope -5")
    assert "The gradient of + is now -5" in heard[0] and "is now -10" in heard[1]
    dx, dw = by_torch(1.5, -2.0)
    assert f"grad {dx:.4g}" in panel.said and f"grad {dw:.4g}" in panel.said
    assert "grad ?" not in panel.said


def test_an_input_may_start_far_out():
    assert "x = 40, w = -10" in Panel(widget.graph(Value, build, {"x": 40.0, "w": -10.0})).said


def test_a_changed_input_changes_the_gradients_that_are_shown(panel):
    panel.find("steps back").value = 6
    panel.find("w").value = 3.0
    assert f"grad {by_torch(1.5, 3.0)[1]:.4g}" in panel.said


def test_a_value_that_cannot_be_is_told_in_place():
    def logarithm(x):
        return Value(math.log(x.data), "log", (x,), (1 / x.data,)), {"x": x}

    panel = Panel(widget.graph(Value, logarithm, {"x": 2.0}))
    panel.find("x").value = -1.0
    assert "✗" in panel.said and "<svg" not in panel.said
    panel.find("x").value = 1.0
    assert "x = 1" in panel.said


def test_without_a_kernel_a_sentence_leads_to_the_picture(capsys):
    widget.show_graph(Value, build, {"x": 1.0, "w": 1.0})
    assert "The picture above shows the same graph" in capsys.readouterr().out
