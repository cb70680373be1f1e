"""Lesson 4's widget: what the model believes of any text that one types, and at any temperature.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

import functools
from collections.abc import Callable

import ipywidgets
import numpy as np
from IPython.display import display

from helpers import svg, widgets
from helpers.lesson_04.plots import price_range
from helpers.plots import ADAPTER, TRAINING

LONGEST = 1000  # characters of a text
COOLEST, HOTTEST = 0.1, 3.0


def show_beliefs(belief_of: Callable, text: str) -> None:
    """Display two boxes to type texts into, and the belief about each; folded below, a table.

    Arguments: as in `beliefs`.
    """
    display(beliefs(belief_of, text))
    head = ["temperature", "most likely", "median", "mean"]
    rows = [(T, _prices(at_temperature(belief_of(text), T))) for T in (0.5, 1.0, 2.0)]
    cells = [[f"{T:g}", *(f"{price:.0f}" for price in prices.values())] for T, prices in rows]
    html, plain = widgets.table(head, cells)
    widgets.static_twin("No widget above? The first text's prices in dollars", html, plain)


def beliefs(belief_of: Callable, text: str) -> ipywidgets.VBox:
    """Two texts, a temperature, and the answer as the last child.

    belief_of: a function that returns the belief about a text's price, an array of shape (1000,).
    text: what both boxes hold at the start.
    """
    belief_of = functools.lru_cache(maxsize=8)(belief_of)  # a moved temperature asks no model
    wide, even = {"width": "auto", "max_width": "600px"}, {"description_width": "90px"}
    texts = [
        ipywidgets.Textarea(value=text, description=name, rows=3, style=even, layout=wide)
        for name in ("first text", "second text")
    ]
    number, slider = widgets.knob("temperature", 1.0, COOLEST, HOTTEST, 0.1)

    def answer():
        typed = [box.value.strip() for box in texts]
        for box, one in zip(texts, typed, strict=True):
            if not 1 <= len(one) <= LONGEST:
                raise ValueError(f"{box.description}: {len(one)} characters, not 1 to {LONGEST:,}")
        found = [at_temperature(belief_of(one), number.value) for one in dict.fromkeys(typed)]
        return _said(found), _chart(found).html()

    said = widgets.answer_to(answer, *texts, number)
    return ipywidgets.VBox([*texts, widgets.row([number, slider]), said])


def at_temperature(belief, temperature: float) -> np.ndarray:
    """`belief` (1000,) as it is when the logits behind it are divided by `temperature`."""
    belief = np.asarray(belief, dtype=float)
    cooled = (belief / belief.max()) ** (1 / temperature)
    return cooled / cooled.sum()


def _prices(belief):
    from helpers import pricing  # imports torch

    readers = {"most likely": pricing.most_likely, "median": pricing.median, "mean": pricing.mean}
    return {name: float(read(belief[None])[0]) for name, read in readers.items()}


def _said(found):
    each = [
        ", ".join(f"{name} ${price:.0f}" for name, price in _prices(belief).items())
        for belief in found
    ]
    if len(found) == 1:
        return f"Both texts: {each[0]}"
    first, second = (_prices(belief)["median"] for belief in found)
    return f"First: {each[0]}. Second: {each[1]}. The median moves by {second - first:+.0f} dollars"


def _chart(found):
    low, high = price_range(*found)
    dollars = np.arange(low, high + 1)
    top = 100 * max(belief.max() for belief in found)
    chart = svg.Chart((low, high), (0, 1.3 * top), "price (dollars)", "probability (%)")
    medians = [_prices(belief)["median"] for belief in found]
    looks = (TRAINING, "", "first median"), (ADAPTER, "6 3", "second median")
    for belief, median, (colour, dashes, name) in zip(found, medians, looks, strict=False):
        heights = [0, *(100 * belief[low : high + 1]), 0]
        chart.line([low, *dollars, high], heights, colour, dashes, filled=not dashes)
        left = median < max(medians) or median > (low + high) / 2 and len(found) == 1
        chart.upright(median, colour, name if len(found) > 1 else "median", dashes, left)
    return chart
