"""Lesson 1's widget: whether two shapes meet, by + or by @, and what shape comes out.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

import re

import ipywidgets
from IPython.display import display

from helpers import svg, widgets
from helpers.plots import ADAPTER, FROZEN, MUTED, VALIDATION

MOST_DIMENSIONS, LARGEST = 6, 100_000
WIDE, HIGH, LEFT = 56, 28, 90  # pixels: a box for a size, and the names at the left
LOOKS = {  # what a size does: its colour
    "equal, or kept": FROZEN,
    "repeated": ADAPTER,
    "disappears": MUTED,
    "refused": VALIDATION,
}


def show_shapes(first: str, second: str) -> None:
    """Display two shapes to type, and whether they meet; folded below, the first answers.

    first, second: shapes as typed, such as "3, 1".
    """
    display(shapes(first, second))
    rows = []
    for operation in ("+", "@"):
        result = meet(parse(first), parse(second), operation)
        rows.append(
            [f"({first}) {operation} ({second})", _written(result) if result else "refused"]
        )
    html, text = widgets.table(["", "shape"], rows)
    widgets.static_twin("No widget above? The first answers", html, text)


def shapes(first: str, second: str) -> ipywidgets.VBox:
    """Two shapes and an operation; the answer is the last child."""
    boxes = [
        ipywidgets.Text(value=value, description=name, style=widgets.NAMED, layout=widgets.APART)
        for name, value in {"first shape": first, "second shape": second}.items()
    ]
    operation = widgets.dropdown("operation", ["+", "@"])

    def answer():
        a, b = (parse(box.value) for box in boxes)
        result = meet(a, b, operation.value)
        said = f"{_written(a)} {operation.value} {_written(b)}"
        said += (
            f": {_refusal(a, b, operation.value)}"
            if result is None
            else f" makes {_written(result)}"
        )
        return said, _drawn(a, b, operation.value, result)

    said = widgets.answer_to(answer, *boxes, operation)
    return ipywidgets.VBox([widgets.row([boxes[0], operation, boxes[1]]), said])


def parse(text: str) -> tuple[int, ...]:
    """The shape typed as `text`: "3, 1", "(3, 1)" or "3 1". Raises ValueError with a sentence."""
    if re.search(r"[^\d\s,()]", text):
        raise ValueError(f"{text!r} is no shape: type sizes such as 3, 1")
    shape = tuple(map(int, re.findall(r"\d+", text)))
    if len(shape) > MOST_DIMENSIONS or max(shape, default=0) > LARGEST:
        raise ValueError(f"at most {MOST_DIMENSIONS} sizes, each at most {LARGEST:,}")
    return shape


def meet(a: tuple, b: tuple, operation: str) -> tuple | None:
    """The shape of a + b or a @ b as torch plans it; None if it refuses."""
    import torch

    first, second = (torch.empty(shape, device="meta") for shape in (a, b))
    try:
        return tuple((first + second if operation == "+" else first @ second).shape)
    except RuntimeError:
        return None


def _refusal(a, b, operation):
    if operation == "@" and not (a and b):
        return "refused, because @ needs a dimension on both sides"
    pairs = [f"{x} meets {y}" for x, y, *fates in aligned(a, b, operation) if "refused" in fates]
    return f"refused, because {' and '.join(pairs)}"


def _written(shape):
    return f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"


def aligned(a: tuple, b: tuple, operation: str) -> list[tuple]:
    """(size of a, size of b, what a's does, what b's does) from the last position to the first.

    A missing size is None. With @, the last two positions hold the rows of a and the columns of b,
    then the two that have to be equal.
    """
    columns = []
    if operation == "@":
        rows, columns_of_b = (a[-2] if len(a) > 1 else None), (b[-1] if len(b) > 1 else None)
        inner = a[-1], b[-2] if len(b) > 1 else b[-1]
        fate = "disappears" if inner[0] == inner[1] else "refused"
        columns = [(None, columns_of_b, None, "equal, or kept"), (*inner, fate, fate)]
        columns += [(rows, None, "equal, or kept", None)]
        a, b = a[:-2], b[:-2]
    for place in range(1, max(len(a), len(b)) + 1):
        x, y = (shape[-place] if place <= len(shape) else None for shape in (a, b))
        if None in (x, y) or x == y:
            columns.append((x, y, "equal, or kept", "equal, or kept"))
        elif 1 in (x, y):
            fates = ("repeated" if size == 1 else "equal, or kept" for size in (x, y))
            columns.append((x, y, *fates))
        else:
            columns.append((x, y, "refused", "refused"))
    return columns


def _drawn(a, b, operation, result):
    """The two shapes below each other, each size in the colour of what it does, and the result."""
    if operation == "@" and not (a and b):
        return ""  # a scalar has no rows and no columns
    columns = aligned(a, b, operation)[::-1]
    parts = [
        svg.text(LEFT - 10, row * HIGH + 19, name, "end")
        for row, name in enumerate(("first", "second", "result"))
    ]
    sizes = [[column[0] for column in columns], [column[1] for column in columns]]
    fates = [[column[2] for column in columns], [column[3] for column in columns]]
    if result is not None:
        kept = [n for n, column in enumerate(columns) if column[2:] != ("disappears",) * 2]
        kept = [n for n in kept if columns[n][:2] != (None, None)]
        row = [None] * len(columns)
        for n, size in zip(kept, result, strict=True):
            row[n] = size
        sizes.append(row)
        fates.append(["equal, or kept"] * len(columns))
    for row, (in_row, their_fates) in enumerate(zip(sizes, fates, strict=True)):
        for column, (size, fate) in enumerate(zip(in_row, their_fates, strict=True)):
            if size is not None:
                parts += _box(LEFT + column * WIDE, row * HIGH, f"{size}", LOOKS[fate])
    for row, (fate, colour) in enumerate(LOOKS.items()):
        parts += _box(LEFT + len(columns) * WIDE + 20, row * 22, "", colour, 16, 16)
        parts.append(svg.text(LEFT + len(columns) * WIDE + 46, row * 22 + 15, fate))
    width = LEFT + len(columns) * WIDE + 160
    return svg.picture(parts, 3 * HIGH + 10, width)


def _box(x, y, words, colour, width=WIDE - 6, height=HIGH - 6):
    box = f'<rect x="{x}" y="{y + 2}" width="{width}" height="{height}" fill="{colour}"/>'
    return [box, svg.text(x + width / 2, y + 18, words, "middle", 'style="fill: black"')]
