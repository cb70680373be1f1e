"""Pictures of lesson 06: low rank, an adapter's matrices, its shapes, sizes and growth."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.plots import ADAPTER, FROZEN, REFERENCE, SIGNED, show

CHOICES = ("#CC79A7", ADAPTER, "#009E73")


def letters(text, height, width):
    """`text` as a matrix of ink, (height, width) float64, from 0 (paper) to 1 (ink)."""
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="none")
    canvas = FigureCanvasAgg(figure)
    figure.text(0.5, 0.46, text, size=0.62 * height, weight="bold", ha="center", va="center")
    canvas.draw()
    return 1 - np.asarray(canvas.buffer_rgba())[:, :, 0].astype(np.float64) / 255


def rebuilt(matrix, copies):
    """Draw `matrix` beside its copies of low rank.

    matrix: (rows, columns), 0 to 1. copies: {rank: matrix of the same shape}.
    """
    rows, columns = matrix.shape
    panels = {f"the matrix: {matrix.size:,} numbers": matrix}
    numbers = {rank: rank * (rows + columns) for rank in copies}
    panels |= {
        f"rank {rank}: {numbers[rank]:,} numbers": np.asarray(copies[rank]) for rank in copies
    }
    n_rows = (len(panels) + 1) // 2
    figure, axes = plt.subplots(
        n_rows, 2, figsize=(7.2, 0.4 + 1.6 * n_rows), squeeze=False, layout="compressed"
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, values) in zip(axes.flat, panels.items(), strict=False):
        ax.imshow(values, cmap="gray_r", vmin=0, vmax=1)
        ax.set_title(title, fontweight="normal", fontsize=10)
    best = max(copies)
    finding = (
        f"Rank {best} gives the word back from {numbers[best] / matrix.size:.0%} of the numbers"
    )
    figure.suptitle(finding, fontsize=11, fontweight="bold", x=0.02, ha="left")
    facts = "; ".join(
        f"rank {rank} from {numbers[rank]:,} numbers, relative error "
        f"{np.linalg.norm(matrix - np.asarray(copy)) / np.linalg.norm(matrix):.0%}"
        for rank, copy in copies.items()
    )
    show(
        figure,
        f"A matrix of {rows} × {columns} that shows a word, and copies of low rank, which grow "
        f"from stripes to letters: {facts}.",
    )


def rank_error(errors, ranks):
    """Draw the relative error of the best copy against its rank, with dots at `ranks`.

    errors: {what the matrix is: errors at rank 1, 2, …}; the second is the reference.
    """
    figure, ax = plt.subplots()
    styles = {"color": ADAPTER}, {"color": REFERENCE, "linestyle": "--"}
    for style, (name, values) in zip(styles, errors.items(), strict=True):
        values = np.asarray(values)
        ax.plot(np.arange(1, len(values) + 1), values, **style, label=name)
        ax.plot(ranks, values[np.array(ranks) - 1], "o", color=style["color"])
    ax.set(xlabel="rank of the copy", ylabel="relative error (share of the norm)", ylim=(0, 1.02))
    at = max(ranks)
    first, second = ((name, float(values[at - 1])) for name, values in errors.items())
    ax.set_title(
        f"At rank {at}, {first[1]:.0%} of {first[0]} is missing, {second[1]:.0%} of {second[0]}"
    )
    ax.legend()
    facts = "; ".join(
        f"{name}: " + ", ".join(f"{float(values[r - 1]):.2f} at rank {r}" for r in ranks)
        for name, values in errors.items()
    )
    show(figure, f"Relative error of the best copy, falling with its rank. {facts}.")


def adapter(W, B, A, change):
    """Draw W, B, A and the change (lora_alpha / r)·B·A that they make, each in a scale of its own.

    W and change: (out_features, in_features); B: (out_features, r); A: (r, in_features).
    """
    matrices = {"W, frozen": W, "B": B, "A": A, "(lora_alpha / r) · B · A": change}
    matrices = {name: np.asarray(matrix.detach()) for name, matrix in matrices.items()}
    figure, ax = plt.subplots(figsize=(8.6, 2.3))
    left, gap = 0, 6
    for name, values in matrices.items():
        rows, columns = values.shape
        limit = np.abs(values).max()
        box = (left, left + columns, -rows, 0)
        ax.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit, extent=box)
        ax.add_patch(Rectangle((left, -rows), columns, rows, fill=False, edgecolor=REFERENCE))
        ax.text(left, 1.2, name, va="bottom")
        ax.text(left, -rows - 1.2, f"{rows} × {columns}", va="top", fontsize=9)
        left += columns + gap
    ax.set(xlim=(-1, left - gap + 1), ylim=(-len(W) - 6, 5))
    ax.axis("off")
    r = len(matrices["A"])
    n_adapter, n_full = matrices["A"].size + matrices["B"].size, W.numel()
    finding = f"{n_adapter} numbers in B and A change all {n_full:,} of W; the change has rank {r}"
    figure.suptitle(finding, fontsize=11, fontweight="bold", x=0.02, ha="left")
    shapes = "; ".join("{}: {} × {}".format(n, *m.shape) for n, m in matrices.items())
    show(
        figure,
        f"Four signed matrices, blue below and orange above zero. {shapes}. The last "
        f"one, the change, has stripes: its rows are mixtures of the {r} rows of A. W has none.",
    )


def to_scale(shapes, r):
    """Draw each frozen matrix with its B (left) and its A (below), all in one scale.

    shapes: {name: (in_features, out_features)}.
    """
    widest = max(max(shape) for shape in shapes.values())
    gap = widest / 12
    figure, axes = plt.subplots(1, len(shapes), figsize=(2.1 * len(shapes), 2.9))
    for ax, (name, (n_in, n_out)) in zip(axes, shapes.items(), strict=True):
        ax.add_patch(Rectangle((0, -n_out), n_in, n_out, facecolor=FROZEN))
        ax.add_patch(Rectangle((-gap / 2 - r, -n_out), r, n_out, facecolor=ADAPTER))
        ax.add_patch(Rectangle((0, -n_out - gap / 2 - r), n_in, r, facecolor=ADAPTER))
        ax.text(n_in / 2, -n_out / 2, f"{n_out:,} × {n_in:,}", ha="center", va="center")
        ax.text(-gap / 2 - 2 * r, -n_out / 2, "B", ha="right", va="center")
        ax.text(n_in / 2, -n_out - gap / 2 - 2 * r, "A", ha="center", va="top")
        ax.set(xlim=(-4 * gap, widest + gap), ylim=(-widest - 4 * gap, gap), aspect="equal")
        ax.axis("off")
        ax.set_title(
            f"{name}\n{r * (n_in + n_out):,} in A and B", fontweight="normal", fontsize=9.5
        )
    trained = sum(r * sum(shape) for shape in shapes.values())
    frozen = sum(n_in * n_out for n_in, n_out in shapes.values())
    finding = (
        f"To scale at r = {r}: A and B hold {trained / frozen:.1%} of what their matrices hold"
    )
    figure.suptitle(finding, fontsize=11, fontweight="bold", x=0.02, ha="left")
    facts = "; ".join(
        f"{name} {n_out:,} × {n_in:,} with {r * (n_in + n_out):,} weights in A and B"
        for name, (n_in, n_out) in shapes.items()
    )
    show(
        figure, f"The frozen matrices of a layer and, thin as a line beside them, A and B: {facts}."
    )


def sizes(megabytes):
    """Draw bars of megabytes (10⁶ bytes), from zero. megabytes: {name: size}, largest first."""
    names, values = list(megabytes), list(megabytes.values())
    figure, ax = plt.subplots(figsize=(7, 0.9 + 0.45 * len(names)))
    colours = [ADAPTER if "adapter" in name else FROZEN for name in names]
    bars = ax.barh(names, values, color=colours, edgecolor=colours)
    ax.bar_label(bars, [f"{value:,.2f} MB" for value in values], padding=4)
    ax.invert_yaxis()
    ax.set(xlabel="size (MB, 10⁶ bytes)", xlim=(0, 1.22 * max(values)))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    adapters = [value for name, value in megabytes.items() if "adapter" in name]
    ax.set_title(
        f"The adapter is 1/{values[0] / adapters[0]:.0f} of its base, in the same precision"
    )
    facts = "; ".join(f"{name} {value:,.2f} MB" for name, value in megabytes.items())
    show(figure, f"Bars from zero: {facts}. The adapters' bars are barely to be seen.")


def growth(ranks, counts, n_base):
    """Draw weights, and their MB in fp32, against the rank for each choice of target modules.

    counts: {choice: weights at each of ranks}, the smallest first. n_base: the base's weights.
    """
    figure, ax = plt.subplots(figsize=(7, 3.6))
    for colour, (name, values) in zip(CHOICES, counts.items(), strict=False):
        ax.loglog(ranks, values, "o-", color=colour, markersize=4)
        ax.annotate(name, (ranks[-1], values[-1]), (8, 0), textcoords="offset points", va="center",
                    color=colour, fontsize=9)  # fmt: skip
    ax.axhline(n_base, color=REFERENCE, linestyle="--")
    ax.text(
        ranks[0], 0.75 * n_base, f"all {n_base:,} weights of the base", va="top", color=REFERENCE
    )
    ax.set_xticks(ranks, [str(rank) for rank in ranks])
    ax.minorticks_off()
    ax.set(xlabel="rank r", ylabel="weights that LoRA trains", ylim=(None, 2 * n_base))
    ax.set_xlim(0.8 * ranks[0], 6 * ranks[-1])  # room for the names
    right = ax.secondary_yaxis("right", functions=(lambda n: 4 * n / 1e6, lambda mb: mb * 1e6 / 4))
    right.set_ylabel("MB in fp32")
    right.spines["right"].set_visible(True)
    *_, (middle, some), (last, most) = ((n, v[0]) for n, v in counts.items())
    ax.set_title(f"Twice the rank, twice the weights; {last}: {most / some:.2f} times {middle}")
    facts = "; ".join(
        f"{name}: {values[0]:,} at rank {ranks[0]}, {values[-1]:,} at rank {ranks[-1]}"
        for name, values in counts.items()
    )
    show(
        figure,
        f"Weights against the rank, both on logarithmic axes: straight parallel lines. {facts}. "
        f"The base's {n_base:,} lie above them all.",
    )
