"""Pictures of lesson 1: what a tensor holds, how it lies in memory, which shapes meet."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize, to_rgb
from matplotlib.patches import Rectangle

from helpers.plots import (
    ADAPTER,
    GREEN,
    MUTED,
    PINK,
    REFERENCE,
    SIGNED,
    SKY,
    TRAINING,
    VALIDATION,
    YELLOW,
    heading,
    panel_title,
    show,
)

EQUAL, STRETCHED, REFUSED = SKY, YELLOW, VALIDATION
DTYPE_COLOURS = (GREEN, PINK, ADAPTER, SKY)


def boxes(ax, values, x=0.0, y=0.0, colours=None, dashed=None, size=12):
    """Draw a matrix as boxes with a number in each, from its upper left corner (x, y) downwards."""
    values = np.atleast_2d(np.asarray(values))
    for (i, j), value in np.ndenumerate(values):
        ghost = dashed is not None and dashed[i, j]
        face = "white" if colours is None else colours[i, j]
        look = {"facecolor": face, "edgecolor": REFERENCE, "linewidth": 0.8}
        line = "--" if ghost else "-"
        ax.add_patch(Rectangle((x + j, y + i), 1, 1, linestyle=line, **look))
        dark = np.mean(to_rgb(face)) < 0.5
        ink = REFERENCE if ghost else "white" if dark else "black"
        place = {"ha": "center", "va": "center", "fontsize": size, "color": ink}
        ax.text(x + j + 0.5, y + i + 0.5, f"{value:g}", **place)


def bare(ax, width, height, pad=0.1):
    """No ticks, no spines, square boxes, y downwards."""
    ax.set(xlim=(-pad, width + pad), ylim=(height + pad, -pad), aspect="equal")
    ax.axis("off")


def centred(ax, text):
    """A small title over the middle of a panel."""
    panel_title(ax, "")  # the one at the left
    ax.set_title(text, loc="center", fontsize=10.5, fontweight="normal")


def riddle(broken, repair=None):
    """The broken picture (3, H, W); or, with the learner's function, what that makes of it.

    Draws nothing if `repair` is not done yet; what is wrong with it is for the check to say.
    """
    if repair is None:
        figure, ax = plt.subplots(figsize=(5.2, 3.8))
        ax.imshow(np.moveaxis(np.asarray(broken), 0, -1))
        ax.axis("off")
        ax.set_title("Every number is still there: what does it show?")
        _, height, width = broken.shape
        words = "Stripes and dots, mostly green, in which nothing can be recognized."
        return show(figure, f"A broken picture of {height} × {width} pixels. {words}")
    try:
        picture = np.asarray(repair(broken), dtype=float)
    except Exception:  # the check reports it
        return None
    if picture.ndim != 3 or len(picture) != 3:
        return None
    figure, ax = plt.subplots(figsize=(5.2, 3.8))
    ax.imshow(np.moveaxis(picture, 0, -1).clip(0, 1))
    ax.axis("off")
    ax.set_title("What your function makes of it")
    return show(figure, _words(picture))


def _words(picture):
    from helpers.lesson_01.riddle import WORDS, whole_picture

    whole = whole_picture().numpy()
    if picture.shape == whole.shape and np.allclose(picture, whole, atol=1e-6):
        return f"The picture, repaired: {WORDS}."
    return f"A picture of {picture.shape[1]} × {picture.shape[2]} pixels, not yet the right one."


def ranks(scalar, vector, matrix, image):
    """Tensors of rank 0, 1, 2 as boxes; `image` (3, H, W) in 0–1 as channels and in colour."""
    figure = plt.figure(figsize=(5.4, 4.6))
    grid = figure.add_gridspec(2, 6, height_ratios=(1, 1.5))
    for k, tensor in enumerate((scalar, vector, matrix)):
        ax = figure.add_subplot(grid[0, 2 * k : 2 * k + 2])
        values = np.atleast_2d(tensor.numpy())
        boxes(ax, values, size=13)
        bare(ax, 2, 2)
        ax.set_xlim((values.shape[1] - 2.4) / 2, (values.shape[1] + 2.4) / 2)
        centred(ax, f"rank {tensor.ndim}\nshape {tuple(tensor.shape)}")
    channels = image.numpy()
    _, height, width = channels.shape
    step = min(height, width) / 4
    stack, colour = figure.add_subplot(grid[1, :3]), figure.add_subplot(grid[1, 3:])
    for c, channel in enumerate(channels):
        tinted = np.zeros((height, width, 3))
        tinted[..., c] = channel
        left = top = c * step
        stack.imshow(tinted, extent=(left, left + width, top + height, top), zorder=c)
        edge = Rectangle((left, top), width, height, fill=False, edgecolor="white", zorder=c)
        stack.add_patch(edge)
    bare(stack, width + 2 * step, height + 2 * step)
    colour.imshow(channels.transpose(1, 2, 0))  # matplotlib wants (H, W, 3)
    colour.axis("off")
    centred(stack, f"rank {image.ndim}: three channels\nshape {tuple(image.shape)}")
    centred(colour, "the same tensor\nas a picture")
    heading(figure, "Each rank adds one dimension to the shape")
    shapes = ", ".join(str(tuple(t.shape)) for t in (scalar, vector, matrix, image))
    show(
        figure,
        f"Four tensors of rank 0 to 3, shapes {shapes}: one box, a row of boxes, a grid of boxes, "
        f"and three colour channels that make a picture of {height} × {width} pixels.",
    )


def precision(values, errors):
    """Worst relative rounding error by size; `errors` {dtype name: array like `values`}."""
    figure, ax = plt.subplots(figsize=(5.6, 3.6))
    values = np.asarray(values)
    said = []
    for (name, error), colour in zip(errors.items(), DTYPE_COLOURS, strict=False):
        error = np.asarray(error)
        largest = values[np.isfinite(error)].max()
        ends = largest < values.max()
        bins = np.array_split(np.arange((values <= largest).sum()), 40)  # over an octave each
        x = [np.sqrt(values[b[0]] * values[b[-1]]) for b in bins]
        worst = [error[b].max() for b in bins]
        ax.loglog(x, worst, color=colour)
        middle = error[(values > 1) & (values < 1e4)].max()
        if ends:
            ax.plot(x[-1], worst[-1], "x", color=colour, markersize=8, mew=2)
            ax.text(x[-1] * 2.5, worst[-1], "then infinity", color=colour, va="center")
            ax.text(1, middle / 2, name, color=colour, ha="center", va="top", weight="bold")
        else:
            ax.text(x[-1], middle * 1.6, name, color=colour, ha="right", weight="bold")
        end = f", infinity beyond about {float(f'{largest:.3g}'):,.0f}" if ends else ""
        said.append(f"{name} {middle:.0e} near 1, {worst[0]:.0e} at {values[0]:.0e}{end}")
    ax.set(xlabel="size of the number to be held", ylabel="largest relative error", ylim=(1e-8, 3))
    ax.set_title("bfloat16 has fewer digits, and a far wider range")
    show(figure, "Largest relative error against size, log axes: " + "; ".join(said) + ".")


def memory(tensors):
    """Tensors {name: tensor} of the same numbers, each box coloured by its place in memory."""
    first = next(iter(tensors.values()))
    tape = np.asarray(first).reshape(1, -1)
    n = tape.size
    shade, norm = plt.get_cmap("cividis"), Normalize(0, n - 1)
    place = {value: k for k, value in enumerate(tape.ravel().tolist())}
    figure = plt.figure(figsize=(5.8, 4.2))
    widths = [tensor.shape[1] for tensor in tensors.values()]
    grid = figure.add_gridspec(2, len(tensors), height_ratios=(1, 3.6), width_ratios=widths)
    ax = figure.add_subplot(grid[0, :])
    boxes(ax, tape, colours=np.array([[shade(norm(k)) for k in range(n)]]), size=11)
    bare(ax, n, 1)
    centred(ax, "in memory: one line of numbers")
    for column, (name, tensor) in enumerate(tensors.items()):
        ax = figure.add_subplot(grid[1, column])
        values = np.asarray(tensor)
        colours = np.empty((*values.shape, 4))
        for at, value in np.ndenumerate(values):
            colours[at] = shade(norm(place[value.item()]))
        boxes(ax, values, colours=colours, size=11)
        bare(ax, values.shape[1], max(tensor.shape[0] for tensor in tensors.values()))
        centred(ax, f"{name}\nshape {tuple(tensor.shape)}\nstride {tensor.stride()}")
    heading(figure, "One line in memory, read in three ways")
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
    figure, ax = plt.subplots(figsize=(6.2, 2.2))
    x = 0.0
    parts = ((column, "+"), (row, "="), (result, ""))
    for tensor, sign in parts:
        values = np.asarray(tensor)
        full = np.broadcast_to(values, (m, n))
        real = np.zeros((m, n), dtype=bool)
        real[: values.shape[-2] if values.ndim > 1 else 1, : values.shape[-1]] = True
        boxes(ax, full, x=x, dashed=~real)
        ax.text(x + n / 2, -0.35, str(tuple(values.shape)), ha="center", fontsize=12)
        ax.text(x + n + 0.5, m / 2, sign, ha="center", va="center", fontsize=16)
        x += n + 1
    bare(ax, x - 1, m)
    ax.set_ylim(m + 0.1, -0.9)
    ax.set_title("A dimension of 1, or a missing one, is repeated")
    show(
        figure,
        f"A tensor of shape {tuple(column.shape)} is repeated to the right, one of shape "
        f"{tuple(row.shape)} downwards (dashed boxes), "
        f"and their sum has shape {(m, n)}: {result.tolist()}.",
    )


def rule(pairs, results):
    """Pairs of shapes, aligned from the right; each dimension equal, stretched or refused."""
    width = max(len(shape) for pair in pairs for shape in pair)
    n_rows = math.ceil((len(pairs) + 1) / 3)  # the last panel is the legend
    figure, panels = plt.subplots(n_rows, 3, figsize=(5.2, 2.6 * n_rows))
    for ax, (a, b), result in zip(panels.flat, pairs, results, strict=False):
        for k in range(1, max(len(a), len(b)) + 1):  # the k-th dimension from the right
            p, q = (shape[-k] if k <= len(shape) else None for shape in (a, b))
            sizes = {p, q} - {None, 1}
            fits = len(sizes) < 2
            colour = EQUAL if p == q else STRETCHED if fits else REFUSED
            outcome = "✗" if not fits else "" if result is None else max(sizes, default=1)
            for y, size in ((0, p), (1.1, q), (2.5, outcome)):
                empty = size is None or size == ""
                look = {"fc": "white", "ec": MUTED, "ls": "--"} if empty else {"fc": colour}
                ax.add_patch(Rectangle((width - k + 0.04, y), 0.92, 1, **look))
                text = "" if empty else size
                ax.text(width - k + 0.5, y + 0.5, text, ha="center", va="center", fontsize=13)
        bare(ax, width, 4.3)
        ax.set_title(f"{a}\n{b}", loc="right", fontsize=11, weight="normal")
        verdict = "refused" if result is None else str(result)
        ax.text(width, 4.05, verdict, ha="right", va="center", fontsize=11)
    for ax in list(panels.flat)[len(pairs) :]:
        ax.axis("off")
    handles = [Rectangle((0, 0), 1, 1, color=c) for c in (EQUAL, STRETCHED, REFUSED)]
    meanings = ("equal", "1 or missing:\nrepeated", "neither:\nrefused")
    legend = {"loc": "center", "fontsize": 11, "labelspacing": 1.2, "handlelength": 1.2}
    panels.flat[len(pairs)].legend(handles, meanings, **legend)
    heading(figure, "Align the shapes at the right, then compare")
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
    figure, ax = plt.subplots(figsize=(5.2, 4.0))
    gap = 0.9
    places = ((a, 0, k + gap, "a"), (b, k + gap, 0, "b"), (c, k + gap, k + gap, "a @ b"))
    for values, x, y, name in places:
        boxes(ax, values, x=x, y=y, colours=SIGNED(norm(values)), size=13)
        where = x + values.shape[1] / 2, y - 0.28
        ax.text(*where, f"{name} {values.shape}", ha="center", fontsize=12)
    marks = (
        (0, k + gap + row, k, 1),
        (k + gap + column, 0, 1, k),
        (k + gap + column, k + gap + row, 1, 1),
    )
    for x, y, w, h in marks:
        ax.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor="black", linewidth=2.2))
    bare(ax, k + gap + n, k + gap + m)
    ax.set_ylim(k + gap + m + 0.1, -0.7)
    ax.set_title("A row of a meets a column of b")
    products = " + ".join(f"({x:g})({y:g})" for x, y in zip(a[row], b[:, column], strict=True))
    show(
        figure,
        f"Matrix a {a.shape}, b {b.shape} and their product {c.shape}; marked: row {row} of a, "
        f"column {column} of b and their sum of products {products} = {c[row, column]:g}.",
    )


def speed(rates, size):
    """{who multiplies: multiplications a second}, the loops first."""
    figure, ax = plt.subplots(figsize=(5.2, 0.8 + 0.75 * len(rates)))
    colours = (REFERENCE, TRAINING, ADAPTER)
    bars = ax.barh(list(rates), list(rates.values()), color=colours[: len(rates)], height=0.5)
    words = [f"{_big(rate)} a second" for rate in rates.values()]
    for bar, text in zip(bars, words, strict=True):
        ax.text(1.5, bar.get_y() - 0.06, text, va="bottom", fontsize=10)
    ax.set(xscale="log", xlim=(1, 10 * max(rates.values())))
    ax.set_xlabel("multiplications a second, on a logarithmic scale")
    ax.set_ylim(len(rates) - 0.6, -0.7)
    loops, *others = rates
    fastest = max(others, key=rates.get)
    factor = rates[fastest] / rates[loops]
    if factor >= 10:
        device = fastest.removeprefix("torch, ")
        title = f"torch on the {device}: {float(f'{factor:.2g}'):,.0f} times as fast"
    else:
        title = f"At size = {size} torch gains little: most of its time goes into starting"
    ax.set_title(title)
    said = "; ".join(f"{name} {text}" for name, text in zip(rates, words, strict=True))
    show(figure, f"Bars on a log axis: {said}.")


def _big(n):
    """Two digits of a number: 18,432,111 → "18 million"."""
    n = float(f"{n:.2g}")
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if n >= size:
            return f"{n / size:,.3g} {word}"
    return f"{n:,.0f}"


def batch(x, tokens):
    """x (B, T, C) as B sheets of T rows; `tokens` [B][T] are the words at their left."""
    values = np.asarray(x)
    B, T, C = values.shape
    limit = abs(values).max()
    n_columns = min(B, 3)
    n_rows = math.ceil(B / n_columns)
    size = (6.2, n_rows * (1.1 + 0.3 * T))
    figure, panels = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False)
    for b, ax in enumerate(panels.flat):
        if b >= B:
            ax.axis("off")
            continue
        ax.imshow(values[b], cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
        ax.set_yticks(range(T), tokens[b], fontsize=11)
        ax.set_xticks([])
        centred(ax, f"sequence {b}")
        ax.set_xlabel(f"C = {C} number{'s' * (C > 1)}")
    panels[0, 0].set_ylabel(f"T = {T} token{'s' * (T > 1)}")
    heading(figure, f"{(B, T, C)}: the same token always has the same row")
    flat = [token for sequence in tokens for token in sequence]
    often = max(sorted(set(flat)), key=flat.count)
    show(
        figure,
        f"{B} sheets, each {T} tokens by {C} numbers, blue negative, orange positive. "
        f"Tokens {tokens}; {often!r} appears {flat.count(often)} times, always with the same row.",
    )
