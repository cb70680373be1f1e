"""Pictures of lesson 6: low rank, an adapter's matrices, Llama's heads and shapes, sizes, growth."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle

from helpers.plots import (
    ADAPTER,
    FROZEN,
    GREEN,
    PINK,
    REFERENCE,
    SIGNED,
    SKY,
    heading,
    panel_title,
    show,
)

CHOICES = {PINK: ":", ADAPTER: "-", GREEN: "--"}
RANKS = [2**power for power in range(9)]  # 1 to 256
FONT = FontProperties(family="DejaVu Sans", weight="bold")  # comes with matplotlib


def letters(word, height, width):
    """`word` as a matrix of ink, (height, width) float64, from 0 (paper) to 1 (ink).

    Raises ValueError for no word, one of more than 12 letters, or a letter that the font lacks.
    """
    word = word.strip()
    if not 1 <= len(word) <= 12:
        raise ValueError(f"a word of 1 to 12 letters, please: this one has {len(word)}")
    known = get_font(findfont(FONT)).get_charmap()
    missing = [letter for letter in word if ord(letter) not in known]
    if missing:
        raise ValueError(f"the font has no {missing[0]!r}: take Latin, Greek or Cyrillic letters")
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="none")
    canvas = FigureCanvasAgg(figure)
    text = figure.text(0.5, 0.46, word, size=0.62 * height, fontproperties=FONT)
    text.set(ha="center", va="center", parse_math=False, size=0.62 * height)
    taken = text.get_window_extent(canvas.get_renderer()).width
    text.set_size(0.62 * height * min(1, 0.95 * width / taken))
    canvas.draw()
    return 1 - np.asarray(canvas.buffer_rgba())[:, :, 0].astype(np.float64) / 255


def rebuilt(matrix, copies):
    """Draw `matrix` and its copies of low rank.

    matrix: (rows, columns), 0 to 1. copies: {rank: matrix of the same shape}.
    """
    matrix = np.asarray(matrix)
    rows, columns = matrix.shape
    numbers = {rank: rank * (rows + columns) for rank in copies}
    panels = {f"the picture: {matrix.size:,} numbers": matrix}
    for rank, copy in copies.items():
        panels[f"rank {rank}: {numbers[rank]:,} numbers"] = np.asarray(copy)
    n_rows = (len(panels) + 1) // 2
    size = (5.4, 0.5 + 1.3 * n_rows)
    figure, axes = plt.subplots(n_rows, 2, figsize=size, squeeze=False, layout="compressed")
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, values) in zip(axes.flat, panels.items(), strict=False):
        ax.imshow(values, cmap="gray_r", vmin=0, vmax=1)
        panel_title(ax, title)
    off = {rank: _missing(matrix, np.asarray(copy)) for rank, copy in copies.items()}
    best = max(copies)
    share = numbers[best] / matrix.size
    kept = "all" if off[best] < 0.005 else f"all but {off[best]:.0%}"
    heading(figure, f"Rank {best}: {share:.0%} of the numbers, {kept} of the word")
    facts = "; ".join(
        f"rank {rank} from {numbers[rank]:,} numbers, {off[rank]:.0%} missing" for rank in copies
    )
    show(
        figure,
        f"A picture of {rows} × {columns} numbers that shows a word, and copies of low rank, which "
        f"grow from stripes to letters: {facts}.",
    )


def _missing(matrix, copy):
    """The share of `matrix`'s Frobenius norm that `copy` lacks."""
    return np.linalg.norm(matrix - copy) / np.linalg.norm(matrix)


def rank_error(errors, ranks):
    """Draw what the best copy lacks against its rank, with dots at `ranks`.

    errors: {what the matrix is: share missing at rank 1, 2, …}; the second is the reference.
    """
    figure, ax = plt.subplots(figsize=(5.4, 3.2))
    errors = {name: np.asarray(values) for name, values in errors.items()}
    ranks = [rank for rank in ranks if rank <= min(map(len, errors.values()))]
    styles = {"color": ADAPTER}, {"color": REFERENCE, "linestyle": "--"}
    for style, (name, values) in zip(styles, errors.items(), strict=True):
        ax.plot(np.arange(1, len(values) + 1), values, **style, label=name)
        ax.plot(ranks, [values[rank - 1] for rank in ranks], "o", color=style["color"])
    ax.set(xlabel="rank of the copy", ylabel="missing (share of the norm)", ylim=(0, 1.05))
    ax.yaxis.set_major_formatter("{x:.0%}")
    at = max(ranks, default=1)
    (first, low), (second, high) = ((name, values[at - 1]) for name, values in errors.items())
    ax.set_title(f"At rank {at}, {low:.0%} of {first} is missing, {high:.0%} of {second}")
    ax.legend()
    facts = "; ".join(
        f"{name}: " + ", ".join(f"{values[r - 1]:.0%} at rank {r}" for r in ranks)
        for name, values in errors.items()
    )
    show(figure, f"What the best copy lacks, falling as its rank grows. {facts}.")


def adapter(W, B, A, change):
    """Draw W, and the change (lora_alpha / r)·B·A with B on its left and A above it.

    W and change: (out_features, in_features); B: (out_features, r); A: (r, in_features).
    """
    W, B, A, change = (np.asarray(matrix.detach()) for matrix in (W, B, A, change))
    (n_out, n_in), r = W.shape, len(A)
    unit = (2 * n_in + r) / 100  # a hundredth of the picture's width, about
    left = n_in + 12 * unit + r  # where the change begins
    top = r + 3 * unit  # A lies above the rows of W
    places = {
        f"W: {n_out} × {n_in}, frozen": (W, 0, 0, "below"),
        f"B: {n_out} × {r}": (B, left - r - 3 * unit, 0, "below"),
        f"A: {r} × {n_in}": (A, left, -top, "above"),
        f"the change: {n_out} × {n_in}": (change, left, 0, "below"),
    }
    high = n_out + top + 16 * unit
    figure, ax = plt.subplots(figsize=(5.6, 0.5 + 5.6 * high / (left + n_in)))
    for name, (values, x, y, side) in places.items():
        rows, columns = values.shape
        limit = np.abs(values).max() or 1
        box = (x, x + columns, y + rows, y)
        ax.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit, extent=box)
        ax.add_patch(Rectangle((x, y), columns, rows, fill=False, edgecolor=REFERENCE))
        if side == "above":
            ax.text(x + columns / 2, y - unit, name, va="bottom", ha="center")
        else:
            ax.text(x + columns / 2, y + rows + unit, name, va="top", ha="center")
    ax.text(n_in + 4 * unit, n_out / 2, "+", va="center", ha="center", fontsize=14)
    ax.set(xlim=(-unit, left + n_in + unit), ylim=(n_out + 8 * unit, -top - 8 * unit))
    ax.axis("off")
    heading(figure, f"{A.size + B.size:,} numbers in A and B change all {W.size:,} of W")
    shapes = "; ".join(f"{name}" for name in places)
    show(
        figure,
        f"Four signed matrices, blue below and orange above zero. {shapes}. The change is "
        "(lora_alpha / r) times B times A. It has stripes, since its rows are mixtures of "
        f"{'one row' if r == 1 else f'the {r} rows'} of A; W has none.",
    )


def heads(n_heads, n_kv_heads, head_dim):
    """Draw the heads of queries, keys and values as cells, each head_dim numbers wide.

    A colour and its neighbour alternate, so that a group of query heads finds its key head.
    """
    group = n_heads // n_kv_heads
    figure, ax = plt.subplots(figsize=(5.6, 2.4))
    for y, (name, n) in enumerate((("q", n_heads), ("k", n_kv_heads), ("v", n_kv_heads))):
        for head in range(n):
            shared = head // group if n == n_heads else head
            face = SKY if shared % 2 else FROZEN
            ax.add_patch(Rectangle((head, y), 1, 0.6, facecolor=face, edgecolor="white"))
        ax.text(-0.5, y + 0.3, name, ha="right", va="center", fontweight="bold")
        ax.text(n + 0.5 if n < n_heads else n / 2, y + (0.3 if n < n_heads else 0.65),
                f"{n} heads", va="center" if n < n_heads else "top",
                ha="left" if n < n_heads else "center")  # fmt: skip
    ax.set(xlim=(-1.5, n_heads + 0.2), ylim=(2.7, -0.1))
    ax.axis("off")
    ax.set_title(f"Every {group} query heads share one key head and one value head")
    show(
        figure,
        f"Three rows of cells, a cell for each head of {head_dim} numbers: {n_heads} of queries, "
        f"{n_kv_heads} of keys, {n_kv_heads} of values. {group} neighbouring query heads have the "
        "colour of the key head and the value head that they share.",
    )


def to_scale(shapes, r):
    """Draw each frozen matrix with its B (left) and its A (below), all in one scale.

    shapes: {name: (in_features, out_features)}.
    """
    widest = max(max(shape) for shape in shapes.values())
    gap = widest / 12
    edge = 0 if r >= 16 else 0.6  # a thinner line would not be seen
    panels = sorted(shapes.items(), key=lambda item: -item[1][1])  # the tall ones in one row
    margins = 3 * gap + r
    heights = [max(n_out for _, (_, n_out) in panels[i : i + 2]) for i in range(0, len(panels), 2)]
    heights = [height + margins for height in heights]
    figure, axes = plt.subplots(
        len(heights),
        2,
        figsize=(5.2, 0.5 + 0.35 * len(heights) + 2.3 * sum(heights) / (widest + margins)),
        squeeze=False,
        height_ratios=heights,
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, height, (name, (n_in, n_out)) in zip(
        axes.flat, np.repeat(heights, 2), panels, strict=False
    ):
        ax.add_patch(Rectangle((0, -n_out), n_in, n_out, facecolor=FROZEN))
        ax.add_patch(Rectangle((-gap / 2 - r, -n_out), r, n_out, color=ADAPTER, linewidth=edge))
        ax.add_patch(Rectangle((0, -n_out - gap / 2 - r), n_in, r, color=ADAPTER, linewidth=edge))
        ax.text(n_in / 2, -n_out / 2, f"{n_out:,} × {n_in:,}", ha="center", va="center")
        ax.text(-gap - r, -n_out / 2, "B", ha="right", va="center")
        ax.text(n_in / 2, -n_out - gap - r, "A", ha="center", va="top")
        ax.set(xlim=(-margins, widest + gap), ylim=(-height, gap / 2), aspect="equal")
        panel_title(ax, f"{name}: {r * (n_in + n_out):,} in A and B")
    trained = sum(r * sum(shape) for shape in shapes.values())
    frozen = sum(n_in * n_out for n_in, n_out in shapes.values())
    scale = "To scale" if r >= 16 else "Lines thickened"
    share = f"{100 * trained / frozen:.2g}%"
    heading(figure, f"{scale}, r = {r}: A and B hold {share} as many numbers")
    facts = "; ".join(
        f"{name} {n_out:,} × {n_in:,} with {r * (n_in + n_out):,} weights in A and B"
        for name, (n_in, n_out) in shapes.items()
    )
    show(
        figure, f"The frozen matrices of a layer and, thin as a line beside them, A and B: {facts}."
    )


def sizes(n_bytes):
    """Draw bars of bytes, from zero. n_bytes: {name: bytes}, base and adapter, largest first."""
    names, values = list(n_bytes), list(n_bytes.values())
    labels = [f"{v / 1e9:,.2f} GB" if v >= 1e9 else f"{v / 1e6:,.2f} MB" for v in values]
    figure, ax = plt.subplots(figsize=(5.6, 0.9 + 0.45 * len(names)))
    colours = [ADAPTER if "adapter" in name else FROZEN for name in names]
    bars = ax.barh(names, [v / 1e9 for v in values], color=colours, edgecolor=colours)
    ax.bar_label(bars, labels, padding=4)
    ax.invert_yaxis()
    ax.set(xlabel="size (GB, 10⁹ bytes)", xlim=(0, 1.25 * values[0] / 1e9))
    adapters = [value for name, value in n_bytes.items() if "adapter" in name]
    times = values[0] / adapters[0]
    ax.set_title(f"The base is {times:,.0f} times its adapter, in the same precision")
    facts = "; ".join(f"{name} {label}" for name, label in zip(names, labels, strict=True))
    show(figure, f"Bars from zero: {facts}. The bars of the adapters can hardly be seen.")


def growth(per_rank, n_base):
    """Draw weights, and their MB in fp32, against the rank for each choice of target modules.

    per_rank: {choice: weights at rank 1}, the smallest first. n_base: the base's weights.
    """
    figure, ax = plt.subplots(figsize=(5.8, 3.8))
    for (colour, style), (name, one) in zip(CHOICES.items(), per_rank.items(), strict=True):
        ax.loglog(RANKS, [r * one for r in RANKS], "o", ls=style, color=colour, ms=4, label=name)
    ax.axhline(n_base, color=REFERENCE, linestyle="--")
    ax.text(RANKS[0], 0.8 * n_base, f"all {n_base:,} weights of the base", va="top")
    ax.set_xticks(RANKS, [str(rank) for rank in RANKS])
    ax.minorticks_off()
    ax.set(xlabel="rank r", ylabel="weights that LoRA trains", ylim=(None, 2 * n_base))
    right = ax.secondary_yaxis("right", functions=(lambda n: 4 * n / 1e6, lambda mb: mb * 1e6 / 4))
    right.set_ylabel("MB in fp32")
    right.spines["right"].set_visible(True)
    ax.legend(reverse=True, loc="lower right", title="adapters on")
    (_, some), (last, most) = list(per_rank.items())[-2:]
    ax.set_title(f"Twice the rank, twice the weights; {last}: × {most / some:.1f}")
    facts = "; ".join(
        f"{name}: {RANKS[0] * one:,} at rank {RANKS[0]}, {RANKS[-1] * one:,} at rank {RANKS[-1]}"
        for name, one in per_rank.items()
    )
    show(
        figure,
        f"Weights against the rank, both on logarithmic axes: straight parallel lines. {facts}. "
        f"The base's {n_base:,} weights are a line above them all.",
    )
