"""Lesson 9's widget: all test items, sorted and filtered, each with its dot among the guesses.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

from html import escape

import ipywidgets
import numpy as np
from IPython.display import display

from helpers import catalogue, svg, widgets
from helpers.plots import REFERENCE, TRAINING, VALIDATION

HIGHEST = 1050  # dollars, where the axes end
ALL = "all"
N_ROWS = 7  # of the table, around the item that is shown


def show_items(items, guesses) -> None:
    """Display the items to look through; without a kernel a sentence points at the table above.

    Arguments: as in `browser`.
    """
    display(browser(items, guesses))
    note = "The table above has the ten worst of these items. Run the cell to look at all of them."
    widgets.static_note(note)


def browser(items, guesses) -> ipywidgets.VBox:
    """Order, category, words and place of an item; the answer is the last child.

    items: a `datasets.Dataset` of N items with category and product. guesses: dollars, shape (N,).
    Raises ValueError when there are more or fewer guesses than items.
    """
    texts, prices = catalogue.descriptions(items), catalogue.prices(items)
    guesses, categories = np.asarray(guesses, dtype=float), np.array(items["category"])
    if guesses.shape != prices.shape:
        raise ValueError(f"{guesses.shape} guesses for {len(prices)} items: they must pair up")
    errors, products = abs(guesses - prices), list(items["product"])
    orders = {
        "error, largest first": np.argsort(-errors, kind="stable"),
        "price, highest first": np.argsort(-prices, kind="stable"),
        "category, then error": np.lexsort((-errors, categories)),
    }
    order = widgets.dropdown("order", orders)
    category = widgets.dropdown("category", [ALL, *sorted(set(categories))])
    words = ipywidgets.Text(
        description="words in the text", style=widgets.NAMED, layout=widgets.APART
    )
    number, slider = widgets.knob("place", 1, 1, len(prices))

    def wanted():
        return words.value.replace(",", " ").split()

    def found():
        lower = [word.lower() for word in wanted()]
        return [
            i
            for i in orders[order.value]
            if category.value in (ALL, categories[i])
            and all(word in texts[i].lower() for word in lower)
        ]

    def answer():
        if not (chosen := found()):
            where = "no item" if category.value == ALL else f"no item of {category.value}"
            listed = " and ".join(map(repr, wanted()))
            raise ValueError(f"{where} has {listed} in its text: type other words")
        n = len(chosen)
        number.max, slider.max = n, max(n, 2)  # a slider needs two ends
        place = min(number.value, n)
        item = chosen[place - 1]
        text = escape(f"{categories[item]}: {texts[item]}").replace("\n", "<br>")
        mean = f"These {n:,} are off by ${errors[chosen].mean():.1f} on average. Click a dot to see its item."
        first = max(0, min(place - 1 - N_ROWS // 2, n - N_ROWS))
        rows = [
            [f"→ {k}" if k == place else f"{k}", *_row(prices[i], guesses[i]), products[i]]
            for k, i in enumerate(chosen[first : first + N_ROWS], start=first + 1)
        ]
        table, _ = widgets.table(["", "price", "guess", "off by", "product"], rows)
        below = f"<p>{text}</p>{_chart(prices, guesses, chosen, item)}<p>{mean}</p>{table}"
        return f"{place} of {n:,}: {_said(prices[item], guesses[item])}", below

    def to_first(_):
        number.value = 1

    for control in (order, category, words):
        control.observe(to_first, "value")
    said = widgets.answer_to(answer, order, category, words, number)
    turn = []
    for name, steps in {"previous": -1, "next": 1}.items():
        turn.append(ipywidgets.Button(description=name))
        turn[-1].on_click(lambda _, steps=steps: number.set_trait("value", number.value + steps))
    rows = widgets.row([order, category, words]), widgets.row([number, slider, *turn])
    return ipywidgets.VBox([*rows, said])


def _said(price, guess) -> str:
    off = guess - price
    how = f"${abs(off):.0f} too {'low' if off < 0 else 'high'}"
    how = how if round(off) else "right to the dollar"
    return f"it costs ${price:.0f}, the guess is ${guess:.0f}, {how}"


def _row(price, guess) -> list[str]:
    return [f"{price:.0f}", f"{guess:.0f}", f"{guess - price:+.0f}".replace("-", "−")]


def _chart(prices, guesses, chosen, item) -> str:
    """Guesses against prices: grey what is filtered out, blue what is chosen, one item large."""
    ends = 0, HIGHEST
    chart = svg.Chart(ends, ends, "asking price (dollars)", "guess (dollars)", height=300)
    others = np.setdiff1d(np.arange(len(prices)), chosen)
    chart.line(ends, ends, REFERENCE, "4 3")
    chart.dots(prices[others], guesses[others], REFERENCE, radius=1)
    places = range(1, len(chosen) + 1)
    chart.dots(prices[chosen], guesses[chosen], TRAINING, radius=2, places=places)
    chart.dots(prices[[item]], guesses[[item]], VALIDATION, radius=7)
    return chart.html()
