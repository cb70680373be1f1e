"""Lesson 2's widget: the engine's graph, values forward, and gradients back one edge at a time.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

from collections.abc import Callable

import ipywidgets
from IPython.display import display

from helpers import svg, widgets
from helpers.lesson_02.plots import places
from helpers.plots import ADAPTER, FROZEN, MUTED, REFERENCE

REACH = 5.0  # of an input, on either side of 0, unless it starts farther out
ACROSS, DOWN, BOX = 120, 64, (104, 40)  # pixels from box to box, and a box's size


def show_graph(make: Callable, build: Callable, inputs: dict[str, float]) -> None:
    """Display the graph; without a kernel, a sentence leads to the picture of it.

    Arguments: as in `graph`.
    """
    display(graph(make, build, inputs))
    note = "The picture above shows the same graph with all gradients. Run the cell to walk it."
    widgets.static_note(note)


def graph(make: Callable, build: Callable, inputs: dict[str, float]) -> ipywidgets.VBox:
    """A box for each input, and the number of edges walked back; the answer is the last child.

    make: makes a value of a number; values have `data`, `op`, `parents` and `slopes`.
    build: build(**values) returns (the value to start back from, {what to call it: value}).
    """
    boxes = {
        name: ipywidgets.BoundedFloatText(
            value=value,
            min=-max(REACH, abs(value)),
            max=max(REACH, abs(value)),
            step=0.1,
            description=name,
            style=widgets.NAMED,
            layout=widgets.APART | {"width": "110px"},
        )
        for name, value in inputs.items()
    }
    root, _ = build(**{name: make(value) for name, value in inputs.items()})
    steps = widgets.knob("steps back", 0, 0, len(edges(root)))

    def answer():
        root, names = build(**{name: make(box.value) for name, box in boxes.items()})
        called = {node: name for name, node in names.items()}
        all_edges = edges(root)
        walked = all_edges[: steps[0].value]
        grads = {root: 1.0}
        for node, parent, slope in walked:
            grads[parent] = grads.get(parent, 0.0) + slope * grads[node]
        said = ", ".join(f"{name} = {node.data:.4g}" for name, node in names.items())
        if walked:
            node, parent, slope = walked[-1]
            one, other = (called.get(n, n.op) for n in (node, parent))
            said = (
                f"Step {len(walked)} of {len(all_edges)}, from {one} to {other}: {grads[node]:.4g} "
                f"times the slope {slope:.4g}. The gradient of {other} is now {grads[parent]:.4g}"
            )
        return said, _drawn(root, called, grads, all_edges, len(walked))

    said = widgets.answer_to(answer, *boxes.values(), steps[0])
    return ipywidgets.VBox([widgets.row(boxes.values()), widgets.row(steps), said])


def edges(root) -> list[tuple]:
    """(value, parent, slope) in the order in which `backward` walks: a value after all its users."""
    return [
        (node, parent, slope)
        for node in places(root, lambda node: node.parents)
        for parent, slope in zip(node.parents, node.slopes, strict=True)
    ]


def _drawn(root, called, grads, all_edges, n_walked):
    where = places(root, lambda node: node.parents)
    least = min(across for across, _ in where.values())
    most = max(across for across, _ in where.values())
    centre = {
        node: ((across - least) * ACROSS + 80, down * DOWN + BOX[1] / 2 + 2)
        for node, (across, down) in where.items()
    }
    lines, cards = [], []
    for n, (node, parent, slope) in enumerate(all_edges):
        (x, y), (to_x, to_y) = centre[node], centre[parent]
        colour, width = (ADAPTER, 3) if n < n_walked else (REFERENCE, 1)
        look = f'stroke="{colour}" stroke-width="{width}"'
        lines.append(svg.path([x, to_x], [y, to_y], look))
        if n < n_walked:
            middle = (x + to_x) / 2 + 8, (y + to_y) / 2 + 5
            lines.append(svg.text(*middle, f"× {slope:.3g}"))
    for node, (x, y) in centre.items():
        fill = MUTED if node.parents else FROZEN
        left, top = x - BOX[0] / 2, y - BOX[1] / 2
        cards.append(
            f'<rect x="{left}" y="{top}" width="{BOX[0]}" height="{BOX[1]}" fill="{fill}" rx="6"/>'
        )
        grad = f"grad {grads[node]:.4g}" if node in grads else "grad ?"
        for row, words in enumerate((f"{called.get(node, node.op)}: {node.data:.4g}", grad)):
            cards.append(svg.text(x, y - 4 + 17 * row, words, "middle", 'style="fill: black"'))
    deepest = max(down for _, down in where.values())
    return svg.picture(lines + cards, deepest * DOWN + BOX[1] + 4, (most - least) * ACROSS + 160)
