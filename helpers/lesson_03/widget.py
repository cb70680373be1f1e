"""Lesson 3's widgets: the parameters of a model that one configures, and whom a word looks at.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

from collections.abc import Callable
from html import escape
from types import SimpleNamespace

import ipywidgets
import numpy as np
from IPython.display import display

from helpers import svg, widgets
from helpers.lesson_03.plots import PARTS
from helpers.plots import ADAPTER

KNOBS = {  # what the lesson calls it: the library's name
    "layers": "num_hidden_layers",
    "embedding dimension": "hidden_size",
    "hidden dimension": "intermediate_size",
    "heads": "num_attention_heads",
    "heads of keys and values": "num_key_value_heads",
    "vocabulary": "vocab_size",
}
MOST = 1_000_000  # of any knob
YOURS = "yours"


def show_counter(parts_of: Callable, config, others: dict) -> None:
    """Display a config's knobs and what they make; without a kernel, a sentence leads to a picture.

    Arguments: as in `counter`.
    """
    display(counter(parts_of, config, others))
    note = "The picture above shows the three models. Run the cell to configure one of your own."
    widgets.static_note(note)


def counter(parts_of: Callable, config, others: dict) -> ipywidgets.VBox:
    """A box for each number of a Llama's configuration; the answer is the last child.

    parts_of: a function of a config that returns {part: parameters}. config: where the boxes start.
    others: {name of a model: its {part: parameters}}, to compare with.
    """
    boxes = {
        name: ipywidgets.BoundedIntText(
            value=getattr(config, attribute),
            min=1,
            max=MOST,
            description=name,
            style=widgets.NAMED,
            layout=widgets.APART | {"width": f"{8 * len(name) + 100}px"},
        )
        for name, attribute in KNOBS.items()
    }
    tied = widgets.tick("tied embeddings", config.tie_word_embeddings)

    def answer():
        chosen = {KNOBS[name]: box.value for name, box in boxes.items()}
        for whole, part in (
            ("embedding dimension", "heads"),
            ("heads", "heads of keys and values"),
        ):
            if boxes[whole].value % boxes[part].value:
                raise ValueError(
                    f"{boxes[whole].value} ({whole}) does not divide by {boxes[part].value} ({part})"
                )
        parts = parts_of(SimpleNamespace(tie_word_embeddings=tied.value, **chosen))
        total, largest = sum(parts.values()), max(parts, key=parts.get)
        said = f"{total:,} parameters; most are in: {largest}, {parts[largest] / total:.0%}"
        models = {YOURS: parts} | others
        return said, _shares(models) + _table(models)

    said = widgets.answer_to(answer, *boxes.values(), tied)
    return ipywidgets.VBox([widgets.row([*boxes.values(), tied]), said])


def _table(models):
    rows = [[part, *(f"{parts.get(part, 0):,}" for parts in models.values())] for part in PARTS]
    rows.append(["together", *(f"{sum(parts.values()):,}" for parts in models.values())])
    return widgets.table(["", *models], rows)[0]


def _shares(models):
    """A bar of each model's parts, as shares."""
    left, high, drawn = 110, 24, []
    for row, (name, parts) in enumerate(models.items()):
        drawn.append(svg.text(left - 6, row * high + 16, name, "end"))
        x, scale = left, (svg.WIDTH - left) / sum(parts.values())
        for part, n in parts.items():
            drawn.append(
                f'<rect x="{x:.1f}" y="{row * high + 3}" width="{n * scale:.1f}" '
                f'height="{high - 6}" fill="{PARTS[part]}"/>'
            )
            x += n * scale
    x, y = 0, len(models) * high + 16
    for part, colour in PARTS.items():
        drawn.append(f'<rect x="{x}" y="{y - 10}" width="10" height="10" fill="{colour}"/>')
        drawn.append(svg.text(x + 14, y, part))
        x += 8 * len(part) + 30
    return svg.picture(drawn, y + 8)


def show_attention(words: list[str], looks, layer: int) -> None:
    """Display a text's words to choose from; without a kernel, a sentence leads to a picture.

    Arguments: as in `attention`.
    """
    display(attention(words, looks, layer))
    note = (
        "The picture above shows three heads and the last place. Run the cell to choose any word."
    )
    widgets.static_note(note)


def attention(words: list[str], looks, layer: int) -> ipywidgets.VBox:
    """A button for each word, the last one chosen; the answer, as last child, has a line a head.

    words: the tokens' texts. looks: weights, (heads, T, T): a row looks at the columns.
    """
    weights = np.asarray(looks)
    labels = [word.strip() or "↵" for word in words]
    chosen = ipywidgets.ToggleButtons(
        options=[(label, place) for place, label in enumerate(labels)],
        value=len(words) - 1,
        style={"button_width": "auto"},
    )

    def answer():
        rows = weights[:, chosen.value]  # (heads, T)
        most = [f"{labels[row.argmax()]} ({row.max():.2f})" for row in rows]
        heads = "; ".join(f"head {n}: {one}" for n, one in enumerate(most))
        said = f"Layer {layer}, {labels[chosen.value]} looks most at: {heads}"
        return said, "".join(_line(f"head {n}", labels, row) for n, row in enumerate(rows))

    said = widgets.answer_to(answer, chosen)
    return ipywidgets.VBox([chosen, said])


def _line(name, labels, weights):
    """The words, each on a colour as strong as the look at it."""
    words = []
    for label, weight in zip(labels, weights, strict=True):
        strong = "; color: black" if weight > 0.5 else ""
        colour = f"background: {ADAPTER}{round(255 * float(weight)):02x}{strong}"
        words.append(f'<span style="{colour}">{escape(label)}</span>')
    return f"<p><b>{name}</b> {' '.join(words)}</p>"
