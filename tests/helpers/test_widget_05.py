"""Lesson 5's widget: the walk is the optimizer's own, and the edge of divergence is theory's."""

import math

import pytest
import torch
from support import Panel

from helpers.lesson_05 import widget

CURVATURE = torch.tensor([1.0, 50.0])


def sgd(w, g, memory, lr):
    return w - lr * g


def momentum(w, g, memory, lr, beta=0.9):
    memory["speed"] = beta * memory.get("speed", 0) + g
    return w - lr * memory["speed"]


def factor(step, shape, rising, n_steps):
    if step < rising:
        return step / rising
    return {"constant": 1.0, "linear": 0.5, "cosine": 0.0}[shape]


@pytest.fixture
def panel():
    return Panel(widget.walks({"SGD": sgd, "momentum": momentum}, factor, CURVATURE))


def torchs(make):
    """The loss after the walk's steps, by an optimizer of torch."""
    w = torch.nn.Parameter(torch.tensor(widget.START))
    optimizer = make([w])
    for _ in range(widget.N_STEPS):
        w.grad = CURVATURE * w.detach()
        optimizer.step()
    return f"{(CURVATURE * w**2).sum().item() / 2:.3g}"


def test_the_walk_ends_where_torchs_optimizer_ends(panel):
    panel.find("learning rate").value = 0.03
    assert f"loss 44 to {torchs(lambda w: torch.optim.SGD(w, 0.03))} in 40" in panel.said
    panel.find("optimizer").value = "momentum"
    panel.find("momentum").value = 0.7
    ends = torchs(lambda w: torch.optim.SGD(w, 0.03, momentum=0.7))
    assert f"loss 44 to {ends} in 40" in panel.said


@pytest.mark.parametrize(
    "name, beta, edge", [("SGD", 0.8, 2 / 50), ("momentum", 0.5, 2 * (1 + 0.5) / 50)]
)
def test_it_diverges_above_the_edge_and_not_below(panel, name, beta, edge):
    panel.find("optimizer").value = name
    panel.find("momentum").value = beta
    for share, says in {0.95: "it comes down", 1.05: "it diverges"}.items():
        panel.find("learning rate").value = share * edge
        assert says in panel.said


def test_a_schedule_multiplies_the_rate(panel):
    panel.find("learning rate").value = 0.03
    panel.find("schedule").value = "cosine"  # here: 0 after the warm-up
    w, rates = list(widget.START), [0.03 * n / widget.WARM_UP for n in range(widget.WARM_UP)]
    for i, c in enumerate(CURVATURE.tolist()):
        w[i] *= math.prod(1 - rate * c for rate in rates)
    assert f"to {(w[0] ** 2 + 50 * w[1] ** 2) / 2:.3g} in" in panel.said


def test_momentum_can_be_moved_where_it_acts(panel):
    assert panel.find("momentum").disabled
    panel.find("optimizer").value = "momentum"
    assert not panel.find("momentum").disabled


def test_a_walk_beyond_all_numbers_is_drawn_and_told(panel):
    panel.find("optimizer").value = "momentum"
    panel.find("momentum").value = 0.99
    panel.find("learning rate").value = 0.5
    assert "it diverges" in panel.said and "<svg" in panel.said
    assert "nan," not in panel.said and "inf," not in panel.said, "no such point in the picture"


def test_without_a_kernel_a_sentence_leads_to_the_picture(capsys):
    widget.show_walks({"SGD": sgd}, factor, CURVATURE)
    assert "The picture above shows three of these walks" in capsys.readouterr().out
