"""Price items one after the other, against the model: the game of lessons 8 and 9.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

import math
from html import escape

import ipywidgets
import numpy as np
from IPython.display import display

from helpers import scoring, widgets


class Game:
    """Items to price, in a widget or as a list.

    texts: the items' descriptions. prices: dollars, shape (N,). typed: guesses for the first items,
        in their order; if they cannot be used, the widget says why in its place.
    """

    def __init__(self, texts: list[str], prices, typed=()):
        self.texts, self.prices = texts, [float(price) for price in prices]
        self.played, self.fault = [], ""
        try:
            if len(typed) > len(texts):
                raise ValueError(f"{len(typed)} guesses were typed for {len(texts)} items")
            self.played = [dollars(guess) for guess in typed]
        except (ValueError, TypeError) as error:
            self.fault = str(error)

    def guesses(self) -> np.ndarray | None:
        """Your guesses in dollars, shape (N,); None until all items are priced."""
        return np.array(self.played) if len(self.played) == len(self.texts) else None

    def show(self) -> None:
        """Display the game, and the items with their prices folded below, for when no kernel runs."""
        display(self.box())
        items = "".join(f"<li>{escape(text).replace(chr(10), '<br>')}</li>" for text in self.texts)
        prices = ", ".join(f"{price:.0f}" for price in self.prices)
        html = (
            f"<ol>{items}</ol><details><summary>Their prices in dollars</summary>{prices}</details>"
        )
        lines = [f"{n}. {' '.join(text.split())}" for n, text in enumerate(self.texts, start=1)]
        widgets.static_twin("Without a kernel: the items", html, "\n".join(lines))

    def box(self) -> ipywidgets.VBox:
        """The item, a box for the guess, a button, and the answer as the last child."""
        self.item = ipywidgets.HTML()
        self.entry = ipywidgets.Text(
            description="your price in dollars",
            continuous_update=False,  # a guess is taken at Enter, or when the box is left
            style=widgets.NAMED,
            layout={"width": "260px"},
        )
        self.button = ipywidgets.Button(description="guess")
        self.said = widgets.Answer(self._answer)
        self.entry.observe(self.take, "value")
        self.button.on_click(self.take)
        self._next()
        return ipywidgets.VBox([self.item, widgets.row([self.entry, self.button]), self.said])

    def take(self, _=None) -> None:
        """Take what is in the box as the guess for the item shown; an empty box is left alone."""
        if not self.entry.value.strip() or len(self.played) == len(self.texts):
            return
        try:
            self.played.append(dollars(self.entry.value))
            self.fault = ""
        except ValueError as error:
            self.fault = str(error)
            self.said.update()
        else:
            self._next()

    def _next(self):
        n, self.entry.value = len(self.played), ""
        over = n == len(self.texts)
        self.entry.disabled = self.button.disabled = over
        text = "" if over else escape(self.texts[n]).replace("\n", "<br>")
        title = f"All {n} are priced." if over else f"Item {n + 1} of {len(self.texts)}"
        self.item.value = f"<p><b>{title}</b></p><p>{text}</p>"
        self.said.update()

    def _answer(self):
        if self.fault:
            raise ValueError(self.fault)
        if not self.played:
            return "What does it cost?", ""
        n = len(self.played)
        guesses, prices = np.array(self.played), np.array(self.prices[:n])
        colour = scoring.colours(guesses, prices)[-1]
        said = f"Item {n}: It costs ${prices[-1]:.0f}; you said ${guesses[-1]:.0f}: {colour}."
        bands = "; ".join(
            f"{name}: off by less than ${limit} or than {share:.0%} of the price"
            for name, (limit, share) in scoring.BANDS.items()
        )
        mean = f"So far you are off by ${abs(guesses - prices).mean():.1f} on average."
        return said, f"<p>{mean}</p><p>{bands}; red: the rest.</p>"


def dollars(entry) -> float:
    """`entry` (text or a number) as dollars. Raises ValueError with a sentence if it is no price."""
    text = str(entry).strip().removeprefix("$").replace(",", "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        raise ValueError(f"{entry!r} is no price: type dollars in digits, such as 45")
    return value
