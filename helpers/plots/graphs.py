"""Pictures of lesson 02: autograd's graph, a slope, a decision boundary, the cost of a gradient."""

import re

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from helpers.plots import FROZEN, MUTED, REFERENCE, SIGNED, TRAINING, show

GREEN = "#009E73"


def grad_fn_graph(root, names):
    """Draw the operations behind the tensor `root`, by walking `grad_fn.next_functions`.

    names: {what to call it: tensor}, for the leaves that ask for a gradient and for `root`.
    """
    root_name = next((name for name, tensor in names.items() if tensor is root), "the result")

    def parents(node):
        return [parent for parent, _ in node.next_functions if parent is not None]

    def label(node):
        leaf = getattr(node, "variable", None)
        if leaf is None:
            return re.sub(r"(?=Backward\d+$)", "\n", node.name())
        name = next((name for name, tensor in names.items() if tensor is leaf), "?")
        return f"{name}\n{node.name().split('::')[-1]}"

    places = _places(root.grad_fn, parents)
    met = [node.variable for node in places if hasattr(node, "variable")]
    leaves = [name for name, tensor in names.items() if any(tensor is leaf for leaf in met)]
    n_operations = len(places) - len(met)
    title = f"Torch recorded {n_operations} operations from {' and '.join(leaves)} to {root_name}"
    figure = _draw(places, parents, label, lambda node: hasattr(node, "variable"), title)
    walk = " → ".join(
        label(node).replace("\nBackward", "Backward").replace("\n", " ") for node in places
    )
    show(figure, f"The graph of {root_name} from the result back to its leaves: {walk}.")


def value_graph(root, names):
    """Draw a graph of the lesson's own engine: each value, its gradient, each edge's slope.

    root and names' values have `data`, `grad`, `op`, `parents` and `slopes`;
    names: {what to call it: value}.
    """

    def name(node):
        return next((name for name, value in names.items() if value is node), node.op)

    def label(node):
        named = name(node)
        head = named if named == node.op or not node.op else f"{named} = {node.op}"
        return f"{head}\ndata {node.data:.4f}\ngrad {node.grad:.4f}".replace("-", "−")

    def edge(node, i):
        return f"× {node.slopes[i]:.3g}".replace("-", "−")

    places = _places(root, lambda node: node.parents)
    title = f"From the right, multiply by each edge's slope: {len(places)} gradients in one walk"
    figure = _draw(
        places, lambda node: node.parents, label, lambda node: not node.parents, title, edge
    )
    facts = "; ".join(f"{name(n)}: data {n.data:.4f}, gradient {n.grad:.4f}" for n in places)
    show(figure, f"The engine's graph, from the loss back to the inputs: {facts}.")


def slope(function, at, gradient, name="w"):
    """Draw `function` (the loss against one parameter) with its tangent of slope `gradient`."""
    xs = np.linspace(at - 3, at + 3, 121)
    losses = np.array([function(x) for x in xs])
    figure, ax = plt.subplots()
    ax.plot(xs, losses, color=TRAINING, label="the loss")
    near = np.array([at - 1.8, at + 1.8])
    tangent = function(at) + gradient * (near - at)
    written = f"{gradient:.4f}".replace("-", "−")
    ax.plot(near, tangent, "--", color=REFERENCE, label=f"slope {written}")
    ax.plot([at], [function(at)], "o", color=TRAINING)
    ax.set(xlabel=f"{name} (no unit)", ylabel="loss (nats)")
    way = "more" if gradient < 0 else "less"
    ax.set_title(f"At {name} = {at:g} the loss slopes by {written}: {way} {name}, less loss")
    ax.legend()
    show(
        figure,
        f"The loss against {name} from {xs[0]:g} to {xs[-1]:g}: from {losses[0]:.3f} to "
        f"{losses[-1]:.3f}. At {name} = {at:g} it is {function(at):.4f}, and the dashed tangent "
        f"has the slope {gradient:.4f}.",
    )


def boundaries(probability, before, after, X, y):
    """Draw p(label 1) over the plane, before and after training, with the points and their error.

    probability: function of points (N, 2) and parameters, to (N, 1).
    before, after: parameters (W1, b1, W2, b2); after's hidden units are drawn as dashed lines.
    X: (N, 2). y: (N, 1), of 0 and 1.
    """
    import torch

    reach = 1.05 * float(X.abs().max())
    axis = np.linspace(-reach, reach, 81)
    grid = torch.tensor(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2), dtype=X.dtype)
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 4.3), sharey=True)
    points, ones = X.numpy(), y.numpy()[:, 0] == 1
    shares = []
    for ax, params, when in zip(panels, (before, after), ("before", "after"), strict=True):
        p = probability(grid, params).detach().numpy().reshape(81, 81)
        drawn = ax.contourf(axis, axis, p, np.linspace(0, 1, 11), cmap=SIGNED, alpha=0.6)
        ax.set_aspect("equal")
        ax.contour(axis, axis, p, levels=[0.5], colors="black", linewidths=1.6)
        ax.scatter(*points[~ones].T, s=12, color=TRAINING, edgecolor="white", linewidth=0.4)
        ax.scatter(*points[ones].T, s=22, marker="^", color="#B36B00", edgecolor="white", lw=0.4)
        right = ((probability(X, params) > 0.5).numpy()[:, 0] == ones).mean()
        shares.append(right)
        ax.set_title(f"{when}: {right:.0%} right", fontweight="normal", fontsize=10)
        ax.set(xlabel="first input", xlim=(-reach, reach), ylim=(-reach, reach))
    panels[0].set_ylabel("second input")
    W1, b1 = after[0].detach().numpy(), after[1].detach().numpy()
    for (w_first, w_second), b in zip(W1, b1, strict=True):
        panels[1].axline(
            (-w_first * b / (w_first**2 + w_second**2), -w_second * b / (w_first**2 + w_second**2)),
            slope=-w_first / w_second,
            color=REFERENCE,
            linestyle="--",
            linewidth=0.9,
        )
    figure.legend(
        handles=[
            Line2D([], [], color="black", label="p = 0.5"),
            Line2D([], [], color=REFERENCE, linestyle="--", lw=0.9, label="a hidden unit's zero"),
            Line2D([], [], color=TRAINING, marker="o", ls="", markersize=4, label="label 0"),
            Line2D([], [], color="#B36B00", marker="^", ls="", markersize=5, label="label 1"),
        ],
        loc="outside lower center",
        ncols=4,
    )
    figure.colorbar(drawn, ax=panels, label="p(label 1)", ticks=[0, 0.5, 1], shrink=0.75)
    edge = np.concatenate([p[0], p[-1], p[:, 0], p[:, -1]])
    shape = "a closed" if (edge < 0.5).all() else "an open"
    title = f"{len(W1)} hidden units bend {len(W1)} lines into {shape} boundary"
    figure.suptitle(title, fontsize=11, fontweight="bold", x=0.02, ha="left")
    show(
        figure,
        f"{len(points)} points of two labels, label 1 inside a disc. Before training the network "
        f"has {shares[0]:.0%} of them right and its boundary is one bent line. After training it "
        f"has {shares[1]:.0%} right, with {shape} boundary; dashed lines show where each of the "
        f"{len(W1)} hidden units is zero.",
    )


def two_runs(losses, chance):
    """Draw two runs' training losses over each other: {name: losses}, with chance dashed."""
    figure, ax = plt.subplots()
    styles = [{"color": TRAINING, "lw": 5, "alpha": 0.35}, {"color": TRAINING, "lw": 1.4}]
    for (name, values), style in zip(losses.items(), styles, strict=True):
        ax.plot(values, label=name, **style)
    ax.axhline(chance, ls="--", color=REFERENCE, label="knows nothing")
    ax.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, None))
    gap = max(abs(a - b) for a, b in zip(*losses.values(), strict=True))
    same = "The same curve" if gap < 1e-3 else f"Curves up to {gap:.2g} apart"
    ax.set_title(f"{same}, {' and '.join(losses)}")
    ax.legend()
    ends = "; ".join(f"{name}: {v[0]:.3f} to {v[-1]:.3f}" for name, v in losses.items())
    show(figure, f"Training loss over {len(values)} steps. {ends}. Chance is {chance:.3f}. {same}.")


def gradient_cost(n_params, finite_flops, backward_flops):
    """Draw the FLOPs of one gradient against the number of parameters, for both ways.

    n_params, finite_flops, backward_flops: one number a network, of the same length.
    """
    figure, ax = plt.subplots()
    ax.loglog(n_params, finite_flops, "s-", color=GREEN)
    ax.loglog(n_params, backward_flops, "o-", color=TRAINING)
    ax.annotate("finite differences", (n_params[-1], finite_flops[-1]), (-12, -1), color=GREEN,
                textcoords="offset points", ha="right")  # fmt: skip
    ax.annotate("one forward, one backward", (n_params[-1], backward_flops[-1]), (-8, 10),
                color=TRAINING, textcoords="offset points", ha="right")  # fmt: skip
    ratio = finite_flops[-1] / backward_flops[-1]
    ax.set(xlabel="parameters of the network", ylabel="FLOPs of one gradient")
    ax.set_title(f"At {n_params[-1]:,} parameters, backward is {ratio:,.0f} times cheaper")
    facts = "; ".join(
        f"{n:,} parameters: {f:.3g} against {b:.3g}"
        for n, f, b in zip(n_params, finite_flops, backward_flops, strict=True)
    )
    show(figure, f"FLOPs of one gradient, by finite differences against one backward: {facts}.")


def _places(root, parents):
    """{node: (column, height)}, the root at column 0; every parent left of all that use it."""
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in parents(node):
                visit(parent)
            order.append(node)

    visit(root)
    column, height = {root: 0}, {root: 0.0}
    for node in reversed(order):
        above = parents(node)
        for i, parent in enumerate(above):
            column[parent] = min(column.get(parent, 0), column[node] - 1)
            height[parent] = height[node] + (len(above) - 1) / 2 - i
    return {node: (column[node], height[node]) for node in reversed(order)}


def _draw(places, parents, label, is_leaf, title, edge=None):
    columns = [column for column, _ in places.values()]
    heights = [height for _, height in places.values()]
    rise = max(heights) - min(heights)
    figure, ax = plt.subplots(figsize=(8.4, 1.5 + 0.95 * rise))
    ax.set(xlim=(min(columns) - 0.5, 0.5), ylim=(min(heights) - 0.5, max(heights) + 0.5))
    ax.axis("off")
    boxes = {}
    for node, (column, height) in places.items():
        face = FROZEN if is_leaf(node) else MUTED
        box = {"boxstyle": "round,pad=0.4", "facecolor": face, "edgecolor": "none"}
        text = ax.text(column, height, label(node), ha="center", va="center", fontsize=9, bbox=box)
        boxes[node] = text.get_bbox_patch()
    for node, (column, height) in places.items():
        for i, parent in enumerate(parents(node)):
            to = places[parent]
            arrow = {"arrowstyle": "-|>", "color": REFERENCE, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
            arrow |= {"patchA": boxes[node], "patchB": boxes[parent]}
            ax.annotate("", to, (column, height), arrowprops=arrow)
            if edge:
                middle = ((to[0] + column) / 2, (to[1] + height) / 2 + 0.16)
                ax.text(*middle, edge(node, i), ha="center", va="bottom", fontsize=8.5)
    ax.set_title(title)
    return figure
