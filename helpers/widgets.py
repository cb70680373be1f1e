"""What the widgets of several lessons share: labelled controls, a spoken answer, tables, a static twin.

Written to what ipywidgets 7.7 (Colab) and 8.1 share. No torch at import time.
A control here has a name and a value that a screen reader reads; a SelectionSlider has neither.
"""

from collections.abc import Callable
from html import escape

import ipywidgets
from IPython.display import display

NAMED = {"description_width": "initial"}  # the label is as wide as its text
TABLE = 'style="text-align: right; border-collapse: separate; border-spacing: 16px 1px"'
# The classic Notebook takes what is between two dollar signs for a formula, but not in this class
NO_FORMULA = 'class="tex2jax_ignore"'
LINES = "line-height: 1.4"  # ipywidgets' own is that of a control: too much for text in lines
FITS = "width: 0; min-width: 100%; overflow-x: auto"  # what is wider than a phone moves by itself
APART = {"width": "auto", "margin": "2px 20px 2px 0"}  # nearer to its own label than to the next


def dropdown(label: str, options, value=None) -> ipywidgets.Dropdown:
    """A labelled list to choose from. value: what is chosen at the start, else the first one."""
    chosen = {} if value is None else {"value": value}
    return ipywidgets.Dropdown(
        options=list(options), description=label, style=NAMED, layout=APART, **chosen
    )


def tick(label: str, value: bool) -> ipywidgets.Checkbox:
    """A labelled box to tick."""
    return ipywidgets.Checkbox(value=value, description=label, indent=False, layout=APART)


def knob(label: str, value, low, high, step=1) -> tuple:
    """A number to type and a slider for the same number: (labelled box, slider).

    low, high: inclusive; the box puts what lies outside on the nearest of them. step: an int for
    whole numbers.
    """
    limits = {"value": value, "min": low, "max": high, "step": step}
    kinds = ipywidgets.BoundedFloatText, ipywidgets.FloatSlider
    if isinstance(step, int):
        kinds = ipywidgets.BoundedIntText, ipywidgets.IntSlider
    width = f"{8 * len(label) + 80}px"
    number = kinds[0](description=label, style=NAMED, layout={"width": width}, **limits)
    slider = kinds[1](
        readout=False, layout={"width": "180px", "margin": "2px 20px 2px 2px"}, **limits
    )
    ipywidgets.link((number, "value"), (slider, "value"))
    return number, slider


def row(children=()) -> ipywidgets.HBox:
    """Controls side by side, in as many lines as they need."""
    return ipywidgets.HBox(
        list(children), layout={"flex_flow": "row wrap", "align_items": "center"}
    )


class Answer(ipywidgets.HTML):
    """What a widget found: a sentence that a screen reader announces, and more below it.

    answer: a function that returns (sentence in plain text, HTML to show below it). What goes wrong
    in it is said in the same place: a callback's error shows nowhere else in the notebook.
    """

    def __init__(self, answer: Callable[[], tuple[str, str]]):
        super().__init__()
        self._answer = answer

    def follow(self, *controls) -> None:
        """Answer again whenever one of `controls` changes."""
        for control in controls:
            control.observe(self.update, "value")

    def update(self, _=None) -> None:
        """Answer now."""
        try:
            sentence, below = self._answer()
        except ValueError as error:  # a choice that cannot be, explained
            sentence, below = f"✗ {error}", ""
        except Exception as error:
            sentence, below = f"✗ {type(error).__name__}: {error}", ""
        spoken = f'role="status" aria-live="polite" {NO_FORMULA} style="{LINES}"'
        said = f"<p {spoken}><b>{escape(sentence)}</b></p>"
        self.value = said + (below and f'<div {NO_FORMULA} style="{LINES}; {FITS}">{below}</div>')


def answer_to(answer: Callable[[], tuple[str, str]], *controls) -> Answer:
    """An `Answer` that is given at once, and again whenever one of `controls` changes."""
    said = Answer(answer)
    said.follow(*controls)
    said.update()
    return said


def table(head: list[str], rows: list[list[str]]) -> tuple[str, str]:
    """A table of texts: (as HTML, as plain text)."""

    def line(tag, items):
        return "<tr>" + "".join(f"<{tag}>{escape(item)}</{tag}>" for item in items) + "</tr>"

    html = (
        f"<table {TABLE}>{line('th', head)}{''.join(line('td', items) for items in rows)}</table>"
    )
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = (
        "  ".join(item.rjust(width) for item, width in zip(items, widths, strict=True))
        for items in (head, *rows)
    )
    return html, "\n".join(lines)


def static_twin(summary: str, html: str, text: str) -> None:
    """Display `html` folded under `summary`, an ordinary output: a widget is lost without a kernel.

    text: the same in plain text, for front ends without HTML.
    """
    folded = f"<details><summary>{escape(summary)}</summary>{html}</details>"
    display({"text/html": folded, "text/plain": f"{summary}:\n{text}"}, raw=True)


def static_note(note: str) -> None:
    """`static_twin` of a sentence that leads to a picture of the same."""
    static_twin("No widget above?", f"<p>{escape(note)}</p>", note)
