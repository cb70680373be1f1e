"""Lesson 5's widget: an optimizer's walk through a valley, drawn again as its knobs move.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

from collections.abc import Callable

import ipywidgets
import numpy as np
from IPython.display import display

from helpers import svg, widgets
from helpers.plots import FROZEN, TRAINING, VALIDATION

START, N_STEPS, WARM_UP = (-4.0, 1.2), 40, 8
WIDE, HIGH = 5.0, 2.4  # of the valley: weights from -5 to 5, and from -2.4 to 2.4


def show_walks(optimizers: dict, factor: Callable, curvature) -> None:
    """Display the walk with its knobs; without a kernel a sentence points at the picture above.

    Arguments: as in `walks`.
    """
    display(walks(optimizers, factor, curvature))
    note = "The picture above shows three of these walks. Run the cell to move the knobs."
    widgets.static_note(note)


def walks(optimizers: dict, factor: Callable, curvature) -> ipywidgets.VBox:
    """Optimizer, learning rate, momentum and schedule, and the answer as the last child.

    optimizers: {name: step(w, gradient, memory, lr)}; the one called "momentum" takes beta, too.
    factor: factor(step, schedule, warm-up steps, all steps), the share of the learning rate.
    curvature: a tensor (2,); the loss is its sum with the squares of the weights, halved.
    """
    optimizer = widgets.dropdown("optimizer", optimizers)
    rate = widgets.knob("learning rate", 0.02, 0.001, 0.5, 0.001)
    beta = widgets.knob("momentum", 0.8, 0.0, 0.99, 0.01)
    schedule = widgets.dropdown("schedule", ["constant", "linear", "cosine"])

    def answer():
        has_beta = optimizer.value == "momentum"
        for control in beta:
            control.disabled = not has_beta
        more = {"beta": beta[0].value} if has_beta else {}
        rising = 0 if schedule.value == "constant" else WARM_UP
        shares = [factor(n, schedule.value, rising, N_STEPS) for n in range(N_STEPS)]
        path = walk(optimizers[optimizer.value], curvature, rate[0].value, shares, more)
        losses = (np.asarray(curvature) * path**2).sum(1) / 2
        up = not losses[-1] < losses[0]
        end = "it diverges" if up else "it comes down"
        name = f"{optimizer.value}, learning rate {rate[0].value:g}"
        said = f"{name}: {end}, loss {_short(losses[0])} to {_short(losses[-1])} in {N_STEPS} steps"
        return said, _chart(path, np.asarray(curvature), VALIDATION if up else TRAINING)

    said = widgets.answer_to(answer, optimizer, rate[0], beta[0], schedule)
    rows = widgets.row([optimizer, schedule]), widgets.row(rate), widgets.row(beta)
    return ipywidgets.VBox([*rows, said])


def walk(step: Callable, curvature, rate: float, shares: list[float], more: dict) -> np.ndarray:
    """The weights before and after each step, (steps + 1, 2), from `START`.

    shares: of the learning rate, one a step; more: further arguments of `step`.
    """
    w, memory = curvature.new_tensor(START), {}
    path = [w]
    for share in shares:
        w = step(w, curvature * w, memory, lr=rate * share, **more)
        path.append(w)
    return np.array([w.tolist() for w in path])


def _short(loss):
    return f"{loss:,.0f}" if 100 < loss < 1e6 else f"{loss:.3g}"


def _chart(path, curvature, colour):
    chart = svg.Chart((-WIDE, WIDE), (-HIGH, HIGH), "weight w0", "weight w1", height=270)
    turn = np.linspace(0, 2 * np.pi, 60)
    for loss in (1, 10, 40):  # points of equal loss are an ellipse
        radius = (2 * loss / curvature) ** 0.5
        chart.line(radius[0] * np.cos(turn), radius[1] * np.sin(turn), FROZEN)
    seen = path[np.isfinite(path).all(1)].clip(-1e4, 1e4)  # what is far outside shows as a line
    chart.line(*seen.T, colour)
    chart.dots(*seen.T, colour)
    chart.dots(*path[:1].T, colour, radius=6)
    return chart.html()
