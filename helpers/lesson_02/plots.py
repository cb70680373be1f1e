"""Pictures of lesson 2: a slope, a neuron, two graphs, the U, a boundary that closes, 255 years."""

import math
import re

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from helpers.plots import (
    ADAPTER,
    FROZEN,
    GREEN,
    MUTED,
    REFERENCE,
    SIGNED,
    TRAINING,
    VALIDATION,
    heading,
    panel_title,
    show,
)

N_GRID = 61  # points along each side of a map of probabilities
MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 365 * 86_400  # in seconds


def nudge(function, x, dx):
    """Draw `function` around `x`, and again so near that a nudge of `dx` can be seen."""
    y, dy = function(x), function(x + dx) - function(x)
    slope = dy / dx
    reach = max(2.0, 2 * abs(dx))  # of the left panel, to each side
    factor = reach / (2 * abs(dx))
    figure, panels = plt.subplots(1, 2, figsize=(6.0, 2.9))
    for ax, half in zip(panels, (reach, 2 * abs(dx)), strict=True):
        xs = np.linspace(x - half, x + half, 201)
        ax.plot(xs, [function(value) for value in xs], color=TRAINING)
        ax.plot([x], [y], "o", color=TRAINING)
        ax.set(xlabel="x", ylabel="y")
    ax.ticklabel_format(useOffset=False)
    ax.set_xticks([x, x + dx], [_minus(f"{end:.6g}") for end in (x, x + dx)])
    ax.plot([x, x + dx], [y, y], color=VALIDATION)
    ax.plot([x + dx, x + dx], [y, y + dy], color=GREEN, linestyle=(0, (3, 1)))
    sides = ("top", "bottom") if dy > 0 else ("bottom", "top")
    ax.annotate("nudge", (x + dx / 2, y), (0, -4 if dy > 0 else 4), textcoords="offset points",
                ha="center", va=sides[0], color=VALIDATION)  # fmt: skip
    above = 9 if abs(dy) < 0.3 * abs(dx) else 0
    ax.annotate("move of y", (x + dx, y + dy / 2), (6, above), textcoords="offset points",
                ha="left", va="center", color=GREEN)  # fmt: skip
    panel_title(panels[0], "the function")
    panel_title(ax, f"{factor:,.0f} times nearer" if factor > 1 else "a nudge as wide as this")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, y - 2 * abs(dx)), max(high, y + 2 * abs(dx)))  # flat is to look flat
    low, high = ax.get_ylim()
    ends = [y, y + dy] if abs(dy) > 0.1 * (high - low) else [y]
    ax.set_yticks(ends, [_minus(f"{end:.6g}") for end in ends])
    curved = abs(function(x + dx / 2) - y - dy / 2) > 0.01 * max(abs(dx), abs(dy))
    look = "and it is still bent" if curved else "and the curve is a straight line"
    heading(figure, _minus(f"Look near enough, {look}: slope {slope:.4g}"))
    show(
        figure,
        f"Left, the function from x = {x - reach:g} to {x + reach:g}. Right, {factor:,.0f} times "
        f"nearer: x moves by {dx:g}, y by {dy:.6g}, a slope of {slope:.6g}.",
    )


def neuron(z, p, loss, label):
    """Draw the sigmoid and −log p, with one neuron's z, p and loss on them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.0, 3.0))
    reach = max(6.0, abs(z) * 1.2)
    zs = np.linspace(-reach, reach, 201)
    left.plot(zs, 1 / (1 + np.exp(-zs)), color=TRAINING)
    left.axhline(0.5, color=REFERENCE, linestyle="--", linewidth=1)
    left.plot([z], [p], "o", color=TRAINING)
    left.annotate(f"p = {p:.2f}", (z, p), (-6, 5), textcoords="offset points", ha="right")
    left.set(xlabel="z", ylabel="p, probability of label 1", ylim=(-0.03, 1.13))
    left.set_yticks([0, 0.5, 1])
    panel_title(left, "sigmoid: any z becomes 0 to 1")
    ps = np.linspace(0.005, 0.995, 199)
    for value, colour, style in ((1, TRAINING, "-"), (0, VALIDATION, "--")):
        losses = -np.log(ps if value else 1 - ps)
        right.plot(ps, losses, color=colour, linestyle=style)
        right.text(0.07 if value else 0.93, 3.6, f"label {value}", color=colour,
                   ha="left" if value else "right")  # fmt: skip
    right.plot([0.5], [math.log(2)], "s", color=REFERENCE)
    right.annotate("ln 2", (0.5, math.log(2)), (0, 7), textcoords="offset points", ha="center",
                   color=REFERENCE)  # fmt: skip
    right.plot([p], [loss], "o", color=TRAINING if label else VALIDATION)
    right.set(xlabel="p, probability of label 1", ylabel="loss (nats)", ylim=(-0.15, 4.6))
    right.set_xticks([0, 0.5, 1])
    panel_title(right, "−log of the right answer's p")
    heading(figure, "Sure and right costs nothing, sure and wrong costs any amount")
    show(
        figure,
        f"Left, the sigmoid rises from 0 to 1 as z grows; at z = {z:.3g} it is p = {p:.3g}. "
        f"Right, the loss of label 1 falls from about 5 nats at p = 0.005 to 0 at p = 1, that of "
        f"label 0 is its mirror image; they cross at p = 0.5, at ln 2 = 0.693. The neuron's own "
        f"loss for label {label:g} is {loss:.4f}.",
    )


def value_graph(root, names):
    """Draw a graph of the lesson's own engine: each value, its gradient, each edge's slope.

    root and names' values have `data`, `grad`, `op`, `parents` and `slopes`;
    names: {what to call it: value}.
    """

    def name(node):
        return next((name for name, value in names.items() if value is node), node.op)

    def label(node):
        named = name(node)
        head = named if named == node.op or not node.op else f"{named} ({node.op})"
        return _minus(f"{head}: {node.data:.4f}\ngrad {node.grad:.4f}")

    def edge(node, i):
        return _minus(f"× {node.slopes[i]:.3g}")

    where = places(root, lambda node: node.parents)
    title = f"Downwards, multiply by each arrow's slope: {len(where)} gradients"
    figure = _draw(
        where, lambda node: node.parents, label, lambda node: not node.parents, title, edge
    )
    facts = "; ".join(f"{name(n)}: data {n.data:.4f}, gradient {n.grad:.4f}" for n in where)
    show(figure, f"The engine's graph, from the loss back to the inputs: {facts}.")


def grad_fn_graph(root, names):
    """Draw the operations behind the tensor `root`, by walking `grad_fn.next_functions`.

    names: {what to call it: tensor}, for the leaves that want a gradient and for `root`.
    """
    root_name = next((name for name, tensor in names.items() if tensor is root), "the result")

    def parents(node):
        return [parent for parent, _ in node.next_functions if parent is not None]

    def label(node):
        leaf = getattr(node, "variable", None)
        if leaf is None:
            return node.name()
        name = next((name for name, tensor in names.items() if tensor is leaf), "?")
        return f"{name}\n{node.name().split('::')[-1]}"

    where = places(root.grad_fn, parents)
    met = [node.variable for node in where if hasattr(node, "variable")]
    leaves = [name for name, tensor in names.items() if any(tensor is leaf for leaf in met)]
    n_operations = len(where) - len(met)
    title = f"Torch recorded {n_operations} operations between {root_name} and {', '.join(leaves)}"
    figure = _draw(where, parents, label, lambda node: hasattr(node, "variable"), title)
    walk = " → ".join(label(node).replace("\n", " ") for node in where)
    show(figure, f"The graph of {root_name} from the result back to its leaves: {walk}.")


def exactness(epsilons, one_side, both_sides, autodiff):
    """Draw the error of a nudged slope against the nudge, and autodiff's, which needs none.

    epsilons, one_side, both_sides: of the same length. autodiff: one number.
    """
    figure, ax = plt.subplots(figsize=(5.6, 3.5))
    ax.loglog(epsilons, one_side, color=VALIDATION, linestyle=(0, (4, 1)))
    ax.loglog(epsilons, both_sides, color=TRAINING)
    floor = max(float(autodiff), 1e-18)
    ax.axhline(floor, color=GREEN, linewidth=2.5)
    ax.set(xlabel="size of the nudge, epsilon", ylabel="error of the slope", ylim=(floor / 30, 10))
    ax.set_xticks([1e-12, 1e-8, 1e-4, 1])
    ax.set_yticks([1e-16, 1e-12, 1e-8, 1e-4, 1])
    ax.minorticks_off()
    near = int(np.argmin(np.abs(np.log10(np.asarray(epsilons)) + 3)))  # at 0.001
    ax.annotate("one side", (epsilons[near], one_side[near]), (-8, 6), color=VALIDATION,
                textcoords="offset points", ha="right")  # fmt: skip
    ax.annotate("both sides", (epsilons[near], both_sides[near]), (8, -8), color=TRAINING,
                textcoords="offset points", ha="left", va="top")  # fmt: skip
    ax.text(epsilons[0], floor * 2, "autodiff", color=GREEN, va="bottom")
    ax.text(epsilons[0], 1e-8, "rounding", va="center", color=REFERENCE)
    ax.text(epsilons[-1], 3e-13, "truncation", ha="right", va="center", color=REFERENCE)
    best = float(f"{float(min(both_sides)) / floor:.0e}")  # its size, not its digits
    ax.set_title(f"The best nudge is {best:,.0f} times less exact than autodiff")
    rows = zip(("one side", "both sides"), (one_side, both_sides), strict=True)
    facts = "; ".join(
        f"{name}: {float(max(values)):.1g} at most, {float(min(values)):.1g} at best, at epsilon "
        f"{float(epsilons[int(np.argmin(values))]):.1g}"
        for name, values in rows
    )
    show(
        figure,
        "Error of the slope against the nudge, both axes logarithmic: two curves in the shape of "
        f"a U or V. {facts}. Autodiff is a flat line at {float(autodiff):.1g}.",
    )


def boundary(forward, history, X, y):
    """Draw p(label 1) over the plane at four steps of a training, as the boundary closes.

    forward: (points (N, 2), params) → (anything, p (N, 1)).
    history: the parameters (W1, b1, W2, b2) before each step, and after the last.
    X: (N, 2). y: (N, 1), of 0 and 1.
    """
    import torch

    _, square = _plane(X)
    rim = torch.cat([square[0], square[-1], square[:, 0], square[:, -1]])

    def is_closed(params):
        return bool((forward(rim, params)[1] < 0.5).all() and (forward(X, params)[1] > 0.5).any())

    last, hidden = len(history) - 1, len(history[-1][0])
    closed = is_closed(history[-1])
    closes = last
    while closed and closes > 0 and is_closed(history[closes - 1]):
        closes -= 1
    shares = (0, 0.6, 1) if closed else (0, 0.1, 0.3)
    steps = [round(share * closes) for share in shares] + [last]
    figure, panels = plt.subplots(2, 2, figsize=(4.3, 5.0), sharex=True, sharey=True)
    told = []
    for ax, step in zip(panels.flat, steps, strict=True):
        right = draw_boundary(ax, forward, history[step], X, y)
        told.append(f"step {step}, {right:.0%} right")
        panel_title(ax, f"step {step:,}: {right:.0%} right")
    for W, b in zip(*(param.detach().numpy() for param in history[-1][:2]), strict=True):
        if np.any(W != 0):
            foot = -b * W / (W @ W)  # the point of the neuron's line that is nearest to 0
            ax.axline(foot, foot + [-W[1], W[0]], color=REFERENCE, linestyle="--", linewidth=0.9)
    for side in panels[:, 0]:
        side.set_ylabel("second input")
    for below in panels[-1]:
        below.set_xlabel("first input")
    figure.legend(
        handles=[
            Line2D([], [], color="black", lw=2, label="p = 0.5"),
            Line2D([], [], color=REFERENCE, linestyle="--", lw=0.9, label="a hidden neuron's 0"),
            Line2D([], [], color=TRAINING, marker="o", ls="", markersize=5, label="label 0"),
            Line2D(
                [],
                [],
                color=ADAPTER,
                marker="^",
                markeredgecolor="black",
                ls="",
                markersize=6,
                label="label 1",
            ),
        ],  # fmt: skip
        loc="outside lower center",
        ncols=2,
    )
    end = f"close at step {closes:,}" if closed else "have not closed yet"
    end = "enclose nothing" if hidden < 3 and not closed else end
    title = f"{hidden} line{'s' if hidden > 1 else ''} bend and {end}"
    heading(figure, title)
    show(
        figure,
        f"{len(X)} points of two labels, label 1 inside a disc, and the line where the "
        f"network's p is 0.5: {'; '.join(told)}. {title}. In the last panel dashed lines show "
        f"where each of the {hidden} hidden neurons is zero.",
    )


def draw_boundary(ax, forward, params, X, y):
    """Draw p(label 1) over the plane, its line p = 0.5 and the points; returns the share right.

    forward, X, y: as in `boundary`. params: those of one step.
    """
    axis, square = _plane(X)
    p = forward(square.reshape(-1, 2), params)[1].detach().numpy().reshape(N_GRID, N_GRID)
    ax.contourf(axis, axis, p, np.linspace(0, 1, 9), cmap=SIGNED, alpha=0.75)
    if p.min() < 0.5 < p.max():
        ax.contour(axis, axis, p, levels=[0.5], colors="black", linewidths=2)
    points, ones = X.numpy(), y.numpy()[:, 0] == 1
    ax.scatter(*points[~ones].T, s=13, color=TRAINING, edgecolor="white", lw=0.5)
    ax.scatter(*points[ones].T, s=18, marker="^", color=ADAPTER, edgecolor="black", lw=0.4)
    ax.set(xlim=(axis[0], axis[-1]), ylim=(axis[0], axis[-1]), aspect="equal")
    return ((forward(X, params)[1] > 0.5).numpy()[:, 0] == ones).mean()


def _plane(X):
    """An axis that holds the points X (N, 2), and all places of its square, (grid, grid, 2)."""
    import torch

    reach = 1.05 * float(X.abs().max())
    axis = np.linspace(-reach, reach, N_GRID)
    return axis, torch.tensor(np.stack(np.meshgrid(axis, axis), -1), dtype=X.dtype)


def two_runs(losses, chance):
    """Draw two runs' training losses over each other: {name: losses}, with chance dashed."""
    figure, ax = plt.subplots(figsize=(5.4, 2.8))
    styles = [{"color": TRAINING, "lw": 6, "alpha": 0.35}, {"color": TRAINING, "lw": 1.4}]
    for (name, values), style in zip(losses.items(), styles, strict=True):
        ax.plot(values, label=name, marker="" if len(values) > 2 else "o", **style)
    ax.axhline(chance, ls="--", color=REFERENCE, label="knows nothing: ln 2")
    ax.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, None))
    ax.locator_params(nbins=4)
    gap = max(abs(a - b) for a, b in zip(*losses.values(), strict=True))
    same = "The same curve" if gap < 1e-3 else f"Curves up to {gap:.2g} apart"
    ax.set_title(f"{same}, {' and '.join(losses)}")
    ax.legend()
    ends = "; ".join(f"{name}: {v[0]:.3f} to {v[-1]:.3f}" for name, v in losses.items())
    show(figure, f"Training loss over {len(values)} steps. {ends}. Chance is {chance:.3f}. {same}.")


def years(nudging, backward):
    """Draw the seconds of one gradient by nudging, {model: seconds}, beside `backward`'s seconds."""
    figure, ax = plt.subplots(figsize=(5.6, 3.0))
    rows = range(len(nudging))[::-1]
    ax.barh(rows, nudging.values(), color=VALIDATION, height=0.5)
    ax.axvline(backward, color=GREEN, linewidth=2.5)
    for row, seconds in zip(rows, nudging.values(), strict=True):
        ax.annotate(in_words(seconds), (seconds, row), (6, 0), textcoords="offset points",
                    va="center", fontsize=11, fontweight="bold", color=VALIDATION)  # fmt: skip
    ax.annotate(f"backward: {in_words(backward)}, all three", (backward, len(rows) - 0.45), (4, 0),
                textcoords="offset points", va="bottom", color=GREEN)  # fmt: skip
    low = min(backward, *nudging.values()) / 5
    high = max(backward, *nudging.values()) * 300
    marks = {"1 second": 1, "1 hour": HOUR, "1 month": 30 * DAY, "100 years": 100 * YEAR}
    marks = {name: at for name, at in marks.items() if low <= at <= high}
    ax.set_xscale("log")
    ax.set_xticks(list(marks.values()), list(marks))
    ax.minorticks_off()
    ax.set_yticks(list(rows), list(nudging))
    ax.set(xlim=(low, high), ylim=(-0.5, len(rows)), xlabel="time for one gradient (logarithmic)")
    longest = in_words(max(nudging.values()))
    ax.set_title(f"One gradient: {longest} of nudging, or {in_words(backward)} backward")
    facts = "; ".join(f"{name}: {in_words(seconds)}" for name, seconds in nudging.items())
    show(
        figure,
        f"Time of one gradient by nudging, on a logarithmic axis: {facts}. "
        f"By one forward and one backward pass: {in_words(backward)}.",
    )


def in_words(seconds):
    """Seconds as people say them: "34 seconds", "3.9 years"."""
    units = {"years": YEAR, "days": DAY, "hours": HOUR, "minutes": MINUTE, "seconds": 1}
    name, size = next(((n, s) for n, s in units.items() if seconds >= 2 * s), ("seconds", 1))
    count = seconds / size
    return f"{count:,.0f} {name}" if count >= 10 else f"{count:.2g} {name}"


def _minus(text):
    return re.sub(r"-(?=\d)", "−", text)


def places(root, parents):
    """{node: (across, down)}, the root at (0, 0); every parent below all that use it."""
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in parents(node):
                visit(parent)
            order.append(node)

    visit(root)
    across, down = {root: 0.0}, {root: 0}
    for node in reversed(order):
        below = parents(node)
        for i, parent in enumerate(below):
            down[parent] = max(down.get(parent, 0), down[node] + 1)
            across[parent] = across[node] + i - (len(below) - 1) / 2
    return {node: (across[node], down[node]) for node in reversed(order)}


def _draw(places, parents, label, is_leaf, title, edge=None):
    acrosses, downs = zip(*places.values(), strict=True)
    figure, ax = plt.subplots(figsize=(5.0, 0.3 + (0.85 if edge else 0.7) * (max(downs) + 1)))
    ax.set(xlim=(min(acrosses) - 0.55, max(acrosses) + 0.55), ylim=(max(downs) + 0.35, -0.35))
    ax.axis("off")
    boxes = {}
    for node, place in places.items():
        face = FROZEN if is_leaf(node) else MUTED
        box = {"boxstyle": "round,pad=0.4", "facecolor": face, "edgecolor": "none"}
        text = ax.text(*place, label(node), ha="center", va="center", fontsize=10, bbox=box)
        boxes[node] = text.get_bbox_patch()
    for node, place in places.items():
        for i, parent in enumerate(parents(node)):
            to = places[parent]
            arrow = {"arrowstyle": "-|>", "color": REFERENCE, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
            arrow |= {"patchA": boxes[node], "patchB": boxes[parent]}
            ax.annotate("", to, place, arrowprops=arrow)
            if edge:
                middle = ((to[0] + place[0]) / 2, (to[1] + place[1]) / 2)
                offset, side = ((-6, 0), "right") if to[0] < place[0] else ((6, 0), "left")
                ax.annotate(edge(node, i), middle, offset, textcoords="offset points", ha=side,
                            va="center", fontweight="bold")  # fmt: skip
    ax.set_title(title)
    return figure
