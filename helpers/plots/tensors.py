"""Pictures of lesson 01: what a tensor holds, how it lies in memory, which shapes meet."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize, to_rgb
from matplotlib.patches import Rectangle

from helpers.plots import MUTED, REFERENCE, SIGNED, show

EQUAL, STRETCHED, REFUSED = "#56B4E9", "#F0E442", "#D55E00"
DTYPE_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def boxes(axes, values, x=0.0, y=0.0, colours=None, dashed=None, size=10):
    """Draw a matrix as boxes with a number in each, from its upper left corner (x, y) downwards."""
    values = np.atleast_2d(np.asarray(values))
    for (i, j), value in np.ndenumerate(values):
        ghost = dashed is not None and dashed[i, j]
        face = "white" if colours is None else colours[i, j]
        axes.add_patch(
            Rectangle(
                (x + j, y + i),
                1,
                1,
                facecolor=face,
                edgecolor=REFERENCE,
                linestyle="--" if ghost else "-",
                linewidth=0.8,
            )
        )
        light = np.mean(to_rgb(face)) < 0.5
        colour = "#999999" if ghost else "white" if light else "black"
        axes.text(
            x + j + 0.5,
            y + i + 0.5,
            f"{value:g}",
            ha="center",
            va="center",
            color=colour,
            fontsize=size,
        )


def bare(axes, width, height, pad=0.1):
    """No ticks, no spines, square boxes, y downwards."""
    axes.set(xlim=(-pad, width + pad), ylim=(height + pad, -pad), aspect="equal")
    axes.axis("off")


def heading(figure, text):
    """The finding, above several panels, in the look of an axes title."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, weight="bold")


def ranks(scalar, vector, matrix, image):
    """Tensors of rank 0, 1, 2 as boxes; `image` (3, H, W) in 0–1 as channels and in colour."""
    figure, panels = plt.subplots(1, 5, figsize=(9, 2.6), width_ratios=(1, 1.6, 1.6, 3.2, 2.8))
    for axes, tensor in zip(panels, (scalar, vector, matrix), strict=False):
        values = np.atleast_2d(tensor.numpy())
        boxes(axes, values, size=12)
        bare(axes, values.shape[1], values.shape[0])
        axes.set_title(f"rank {tensor.ndim}\n{tuple(tensor.shape)}", loc="center", fontsize=10)
    channels = image.numpy()
    n_channels, height, width = channels.shape
    step = height / 3
    for c, channel in enumerate(channels):
        tinted = np.zeros((height, width, 3))
        tinted[..., c] = channel
        left, top = c * step, c * step
        extent = (left, left + width, top + height, top)
        panels[3].imshow(tinted, extent=extent, zorder=c)
        panels[3].add_patch(
            Rectangle((left, top), width, height, fill=False, edgecolor="white", zorder=c)
        )
    bare(panels[3], width + 2 * step, height + 2 * step)
    panels[3].set_title(
        f"rank {image.ndim}: three channels\n{tuple(image.shape)}", loc="center", fontsize=10
    )
    panels[4].imshow(channels.transpose(1, 2, 0))  # matplotlib wants (H, W, 3)
    panels[4].set(xlabel="width (pixels)", ylabel="height (pixels)")
    panels[4].set_title("the same tensor\nas a picture", loc="center", fontsize=10)
    for axes in panels:
        axes.set_anchor("N")
    heading(figure, "Each rank adds one dimension to the shape")
    shapes = ", ".join(str(tuple(t.shape)) for t in (scalar, vector, matrix, image))
    show(
        figure,
        f"Four tensors of rank 0 to 3, shapes {shapes}: one box, a row of boxes, a grid of boxes, "
        f"and {n_channels} colour channels that make a picture of {height} × {width} pixels.",
    )


def precision(values, errors):
    """Worst relative rounding error by size; `errors` {dtype name: array like `values`}."""
    figure, axes = plt.subplots(figsize=(6.8, 3.2))
    values = np.asarray(values)
    said = []
    for (name, error), colour in zip(errors.items(), DTYPE_COLOURS, strict=False):
        error = np.asarray(error)
        largest = values[np.isfinite(error)].max()
        ends = largest < values.max()
        bins = np.array_split(np.arange((values <= largest).sum()), 40)  # over an octave each
        x = [np.sqrt(values[b[0]] * values[b[-1]]) for b in bins]
        worst = [error[b].max() for b in bins]
        axes.loglog(x, worst, color=colour)
        middle = error[(values > 1) & (values < 1e4)].max()
        if ends:
            axes.plot(x[-1], worst[-1], "x", color=colour, markersize=8, mew=2)
            axes.text(
                x[-1] * 2.5, worst[-1], "then infinity", color=colour, va="center", fontsize=9
            )
            axes.text(1, middle / 2, name, color=colour, ha="center", va="top", weight="bold")
        else:
            axes.text(x[-1], middle * 1.6, name, color=colour, ha="right", weight="bold")
        end = f", infinity beyond about {float(f'{largest:.3g}'):,.0f}" if ends else ""
        said.append(f"{name} {middle:.0e} near 1, {worst[0]:.0e} at {values[0]:.0e}{end}")
    axes.set(xlabel="the number to be held", ylabel="worst relative error", ylim=(1e-8, 3))
    axes.set_title("bfloat16 goes where float16 cannot, with fewer digits")
    show(figure, "Worst relative rounding error against size, log axes: " + "; ".join(said) + ".")


def memory(tensors):
    """Tensors {name: tensor} of the same numbers, each box coloured by its place in memory."""
    first = next(iter(tensors.values()))
    tape = np.asarray(first).reshape(1, -1)
    n = tape.size
    shade = plt.get_cmap("cividis")
    norm = Normalize(0, n - 1)
    figure = plt.figure(figsize=(8, 4.1))
    grid = figure.add_gridspec(2, len(tensors), height_ratios=(1, 3.2))
    axes = figure.add_subplot(grid[0, :])
    boxes(axes, tape, colours=np.array([[shade(norm(k)) for k in range(n)]]))
    bare(axes, n, 1)
    axes.set_title(
        "In memory there is one row of numbers", loc="center", fontsize=10, weight="normal"
    )
    place = {value: k for k, value in enumerate(tape.ravel().tolist())}
    for column, (name, tensor) in enumerate(tensors.items()):
        axes = figure.add_subplot(grid[1, column])
        values = np.asarray(tensor)
        colours = np.empty((*values.shape, 4))
        for at, value in np.ndenumerate(values):
            colours[at] = shade(norm(place[value.item()]))
        boxes(axes, values, colours=colours)
        bare(axes, values.shape[1], max(np.asarray(t).shape[0] for t in tensors.values()))
        down, right = tensor.stride()
        axes.set_title(
            f"{name}\nshape {tuple(tensor.shape)}\none down: {down} on, one right: {right} on",
            loc="center",
            fontsize=9.5,
            weight="normal",
        )
    heading(figure, "Strides say how to walk through it: .T turns, reshape cuts anew")
    said = "; ".join(
        f"{name} has rows {np.asarray(t).tolist()}, strides {t.stride()}"
        for name, t in tensors.items()
    )
    show(
        figure,
        f"The numbers {tape.ravel().tolist()} in one row of memory, "
        f"read in {len(tensors)} ways: {said}.",
    )


def broadcast(column, row, result):
    """`column` (m, 1) and `row` (n) with the copies that broadcasting imagines, and their sum."""
    result = np.asarray(result)
    m, n = result.shape
    figure, axes = plt.subplots(figsize=(8.4, 2.7))
    x = 0.0
    parts = ((column, "+"), (row, "="), (result, ""))
    for tensor, sign in parts:
        values = np.asarray(tensor)
        full = np.broadcast_to(values, (m, n))
        real = np.zeros((m, n), dtype=bool)
        real[: values.shape[-2] if values.ndim > 1 else 1, : values.shape[-1]] = True
        boxes(axes, full, x=x, dashed=~real)
        axes.text(x + n / 2, -0.35, str(tuple(values.shape)), ha="center", fontsize=11)
        axes.text(x + n + 0.75, m / 2, sign, ha="center", va="center", fontsize=16)
        x += n + 1.5
    bare(axes, x - 1.5, m)
    axes.set_ylim(m + 0.1, -0.9)
    axes.set_title("A dimension of 1, or a missing one, is repeated: no copy is made")
    show(
        figure,
        f"A tensor of shape {tuple(column.shape)} is repeated to the right, one of shape "
        f"{tuple(row.shape)} downwards (dashed boxes), "
        f"and their sum has shape {(m, n)}: {result.tolist()}.",
    )


def rule(pairs, results):
    """Pairs of shapes, aligned from the right; each dimension equal, stretched or refused."""
    width = max(len(shape) for pair in pairs for shape in pair)
    figure, panels = plt.subplots(1, len(pairs), figsize=(8.6, 2.5))
    for axes, (a, b), result in zip(panels, pairs, results, strict=True):
        for k in range(1, max(len(a), len(b)) + 1):  # the k-th dimension from the right
            p, q = (shape[-k] if k <= len(shape) else None for shape in (a, b))
            sizes = {p, q} - {None, 1}
            fits = len(sizes) < 2
            colour = EQUAL if p == q else STRETCHED if fits else REFUSED
            outcome = "✗" if not fits else "" if result is None else max(sizes, default=1)
            for y, size in ((0, p), (1.1, q), (2.5, outcome)):
                empty = size is None or size == ""
                look = {"fc": "white", "ec": MUTED, "ls": "--"} if empty else {"fc": colour}
                axes.add_patch(Rectangle((width - k + 0.04, y), 0.92, 1, **look))
                text = "" if empty else size
                axes.text(width - k + 0.5, y + 0.5, text, ha="center", va="center", fontsize=12)
        bare(axes, width, 4.2)
        axes.set_title(f"{a}\n{b}", loc="right", fontsize=9.5, weight="normal")
        verdict = "refused" if result is None else str(result)
        axes.text(width, 3.95, verdict, ha="right", va="center", fontsize=9.5)
    heading(figure, "Aligned at the right, each pair is equal, or one of the two is 1 or missing")
    handles = [Rectangle((0, 0), 1, 1, color=c) for c in (EQUAL, STRETCHED, REFUSED)]
    meanings = ("equal", "1 or missing: stretched", "neither: refused")
    figure.legend(handles, meanings, ncols=3, loc="outside lower center")
    said = "; ".join(
        f"{a} and {b} " + ("are refused" if result is None else f"give {result}")
        for (a, b), result in zip(pairs, results, strict=True)
    )
    show(figure, f"Shapes aligned at the right, dimension by dimension: {said}.")


def matmul(a, b, c, row, column):
    """a (m, k) at the left, b (k, n) above, c = a @ b (m, n) between; a row, a column marked."""
    a, b, c = (np.asarray(t) for t in (a, b, c))
    (m, k), n = a.shape, b.shape[1]
    limit = max(abs(t).max() for t in (a, b, c))
    norm = Normalize(-limit, limit)
    figure, axes = plt.subplots(figsize=(5.8, 3.9))
    gap = 0.9
    places = ((a, 0, k + gap, "a"), (b, k + gap, 0, "b"), (c, k + gap, k + gap, "a @ b"))
    for values, x, y, name in places:
        boxes(axes, values, x=x, y=y, colours=SIGNED(norm(values)))
        axes.text(
            x + values.shape[1] / 2, y - 0.28, f"{name} {values.shape}", ha="center", fontsize=10
        )
    marks = (
        (0, k + gap + row, k, 1),
        (k + gap + column, 0, 1, k),
        (k + gap + column, k + gap + row, 1, 1),
    )
    for x, y, w, h in marks:
        axes.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor="black", linewidth=2.2))
    bare(axes, k + gap + n, k + gap + m)
    axes.set_ylim(k + gap + m + 0.1, -0.7)
    axes.set_title("A row of a meets a column of b")
    products = " + ".join(f"({x:g})({y:g})" for x, y in zip(a[row], b[:, column], strict=True))
    show(
        figure,
        f"Matrix a {a.shape}, b {b.shape} and their product {c.shape}; marked: row {row} of a, "
        f"column {column} of b and their sum of products {products} = {c[row, column]:g}.",
    )


def batch(x, token_ids, padding=0):
    """x (B, T, C) as B sheets of T rows; each row is labelled with its token id."""
    values, ids = np.asarray(x), np.asarray(token_ids)
    B, T, C = values.shape
    limit = abs(values).max()
    figure, panels = plt.subplots(1, B, figsize=(2.5 * B + 0.9, 3), squeeze=False)
    for b, axes in enumerate(panels[0]):
        image = axes.imshow(values[b], cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
        labels = [f"{i} (pad)" if i == padding else str(i) for i in ids[b].tolist()]
        axes.set_yticks(range(T), labels)
        axes.set_title(f"sequence {b}", loc="center", fontsize=10, weight="normal")
        axes.set_xlabel("C: numbers of a token")
    panels[0, 0].set_ylabel("T: token id at each place")
    figure.colorbar(image, ax=panels[0].tolist(), label="value", shrink=0.9)
    heading(figure, f"({B}, {T}, {C}): the same token id has the same row wherever it stands")
    seen, counts = np.unique(ids[ids != padding], return_counts=True)
    often = int(seen[counts.argmax()])
    show(
        figure,
        f"{B} sheets side by side, each {T} tokens by {C} numbers, blue negative, orange positive. "
        f"Token ids {ids.tolist()}; token {often} appears {counts.max()} times, "
        f"always with the same row.",
    )


def bytes_by_dtype(n_bytes, shape):
    """Horizontal bars: {dtype name: bytes} of a tensor of `shape`, in MB (10^6 bytes)."""
    figure, axes = plt.subplots(figsize=(6.4, 2.7))
    names, megabytes = list(n_bytes), [n / 1e6 for n in n_bytes.values()]
    bars = axes.barh(names, megabytes, color=DTYPE_COLOURS[3])
    axes.bar_label(bars, [f"{mb:,.1f} MB" for mb in megabytes], padding=4)
    axes.invert_yaxis()
    axes.set(xlabel="MB (millions of bytes)", xlim=(0, max(megabytes) * 1.18))
    axes.set_title(f"{shape[0]} × {shape[1]} weights: half the bytes each, half the memory")
    said = ", ".join(f"{name} {mb:.1f} MB" for name, mb in zip(names, megabytes, strict=True))
    show(figure, f"Bytes of one matrix of {shape[0]} × {shape[1]} weights by dtype: {said}.")
