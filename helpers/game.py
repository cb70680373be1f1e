"""Price items one after the other, against the model: the game of lessons 8 and 9.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

import hashlib
import json
import math
from contextlib import suppress
from html import escape

import ipywidgets
import numpy as np
from IPython.display import display

from helpers import BUILD, scoring, widgets, write_json

KEPT = {}  # of this kernel's games: what `file` holds of them, also where no file can be written


class Game:
    """Items to price, in a widget or as a list.

    texts: the items' descriptions. prices: dollars, shape (N,). typed: guesses for the first items,
        in their order; if they cannot be used, the widget says why in its place.

    What was guessed in the widget is kept in build/guesses.json. A game of the same texts goes on
    there, in this kernel and in the next one; the typed guesses come first.
    """

    def __init__(self, texts: list[str], prices, typed=()):
        self.texts, self.prices = texts, [float(price) for price in prices]
        self.name = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
        self.typed, self.fault = [], ""
        try:
            if len(typed) > len(texts):
                raise ValueError(f"{len(typed)} guesses were typed for {len(texts)} items")
            self.typed = [dollars(guess) for guess in typed]
        except (ValueError, TypeError) as error:
            self.fault = str(error)
        self.played = self.typed + kept().get(self.name, [])[len(self.typed) : len(texts)]

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
        widgets.static_twin("No widget above? The items", html, "\n".join(lines))

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
        self.again = ipywidgets.Button(description="start over")
        self.said = widgets.Answer(self._answer)
        self.entry.observe(self.take, "value")
        self.button.on_click(self.take)
        self.again.on_click(self.start_over)
        self._next()
        controls = widgets.row([self.entry, self.button, self.again])
        return ipywidgets.VBox([self.item, controls, self.said])

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
            self._keep()
            self._next()

    def start_over(self, _=None) -> None:
        """Forget the guesses, but for those that were typed into the cell."""
        self.played, self.fault = list(self.typed), ""
        self._keep()
        self._next()

    def _keep(self):
        KEPT[self.name] = list(self.played)
        with suppress(OSError):  # then they last as long as the kernel
            file().parent.mkdir(parents=True, exist_ok=True)
            write_json(file(), kept())

    def _next(self):
        n, self.entry.value = len(self.played), ""
        over = n == len(self.texts)
        self.again.disabled = n == len(self.typed)
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
        said = f"Item {n}: It costs ${prices[-1]:.0f}; you said ${guesses[-1]:.15g}: {colour}."
        bands = "; ".join(
            f"{name}: off by less than ${limit} or than {share:.0%} of the price"
            for name, (limit, share) in scoring.BANDS.items()
        )
        mean = f"So far you are off by ${abs(guesses - prices).mean():.1f} on average."
        return said, f"<p>{mean}</p><p>{bands}; red: the rest.</p>"


def file():
    """Where the guesses of all games are kept."""
    return BUILD / "guesses.json"


def kept() -> dict[str, list[float]]:
    """{a game's name: its guesses in dollars}; empty if there is no file or it cannot be used."""
    try:
        found = json.loads(file().read_text(encoding="utf-8"))
        return {name: [dollars(guess) for guess in of] for name, of in found.items()} | KEPT
    except (OSError, ValueError, TypeError, AttributeError):
        return dict(KEPT)


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
