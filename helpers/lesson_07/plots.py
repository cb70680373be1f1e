"""Pictures of lesson 7: shades, blocks, the NF4 levels, outliers, what a model loses and where."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image

from helpers.plots import (
    ADAPTER,
    FROZEN,
    GREEN,
    MUTED,
    PINK,
    REFERENCE,
    SKY,
    TRAINING,
    VALIDATION,
    heading,
    panel_title,
    show,
)

SIDE = 64  # pixels of the photograph, each way
FACE = (80, 20, 430, 370)  # the part of matplotlib's picture that shows the face


def photograph():
    """A photograph as (64, 64) float32, from -1 (black) to 1 (white).

    It is Grace Hopper, photographed by the US Navy (public domain), and comes with matplotlib.
    """
    path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    with Image.open(path) as picture:
        grey = picture.convert("L").crop(FACE).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, dtype=np.float32) / 127.5 - 1


def _album(pictures, n_columns, zoom):
    """A figure with pictures (64, 64) in a grid, each pixel drawn as zoom × zoom of the file's.

    pictures: {title: values from -1 to 1}. Returns (figure, its axes).
    """
    dots = 2 * plt.rcParams["figure.dpi"]  # of the file, an inch
    side, gap, title, head = SIDE * zoom / dots, 0.1, 0.26, 0.3  # inches
    n_rows = -(-len(pictures) // n_columns)
    width = n_columns * side + (n_columns - 1) * gap
    height = head + n_rows * (side + title)
    figure = plt.figure(figsize=(width, height), layout="none")
    axes = []
    for n, (name, values) in enumerate(pictures.items()):
        row, column = divmod(n, n_columns)
        left, top = column * (side + gap), head + title + row * (side + title)
        place = (left / width, 1 - (top + side) / height, side / width, side / height)
        axes.append(figure.add_axes(place))
        axes[-1].imshow(np.asarray(values), cmap="gray", vmin=-1, vmax=1)
        axes[-1].axis("off")
        panel_title(axes[-1], name)
    return figure, axes


def shades(copies):
    """Draw a picture at several numbers of bits. copies: {bits: (64, 64) from -1 to 1}."""
    names = {bits: f"{bits} bit{'s' * (bits > 1)}: {2**bits} shades" for bits in copies}
    figure, _ = _album({names[bits]: copy for bits, copy in copies.items()}, 2, zoom=7)
    heading(figure, f"With {2 ** min(copies)} shades of grey it is still a face")
    show(
        figure,
        f"A portrait of a woman in uniform and glasses: {', '.join(names.values())}. With fewer "
        "shades smooth areas turn into flat patches with hard edges; the face stays recognizable.",
    )


def rounding(weights, levels, codes, absmax):
    """Draw some weights and the level that each goes to. weights: (n,); codes: (n,); absmax: float."""
    weights, codes = np.asarray(weights, float), np.asarray(codes)
    levels = np.asarray(levels, float) * float(absmax)
    figure, ax = plt.subplots(figsize=(6.0, 2.3))
    ax.hlines([1, 0], levels[0], levels[-1], color=MUTED, linewidth=1)
    ax.plot(levels, np.zeros(len(levels)), "|", color=REFERENCE, markersize=16, markeredgewidth=2)
    for weight, code in zip(weights, codes, strict=True):
        ax.plot([weight, levels[code]], [1, 0], color=TRAINING, linewidth=1.2)
    ax.plot(weights, np.ones(len(weights)), "o", color=TRAINING, markersize=5)
    for code, level in enumerate(levels):
        ax.text(level, -0.24, str(code), ha="center", va="top")
    widest = weights[np.abs(weights).argmax()]
    ax.annotate("the largest sets the scale", (widest, 1), (0, 8), textcoords="offset points",
                ha="right" if widest > 0 else "left", va="bottom")  # fmt: skip
    ax.set_yticks([1, 0, -0.36], ["weight", "level", "its code"])
    ax.set(ylim=(-0.6, 1.5), xlabel="value")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    heading(figure, f"{len(weights)} weights go to the nearest of {len(levels)} levels")
    facts = ", ".join(f"{w:.3f} to {levels[c]:.3f} (code {c})"
                      for w, c in zip(weights, codes, strict=True))  # fmt: skip
    show(
        figure,
        f"Two lines: weights above, levels below, and each weight goes to its nearest level: {facts}.",
    )


def stuck_pixel(damaged, copies, block_size):
    """Draw a picture with one pixel far too bright, and its copies. copies: {name: picture}."""
    damaged = np.asarray(damaged)
    row, column = np.unravel_index(damaged.argmax(), damaged.shape)
    panels = {f"one pixel is {damaged.max():.0f} × white": damaged} | copies
    figure, axes = _album(panels, len(panels), zoom=6)
    axes[0].plot(column, row, "o", markersize=11, markerfacecolor="none", markeredgecolor=ADAPTER,
                 markeredgewidth=2)  # fmt: skip
    heading(figure, f"4 bits: one outlier spoils a picture, or {block_size} pixels of it")
    show(
        figure,
        "A portrait with one pixel far too bright (circled), and two copies in 4 bits. With one scale "
        "the face has turned into two flat tones, dark and light; with blocks it looks as before, "
        f"except for {block_size} pixels in a line.",
    )


def bell(levels, edges, density):
    """Draw the normal curve, cut at `edges` into parts of equal area, with each cut's code and level.

    levels: 16, from -1 to 1. edges: the quantiles, in standard deviations, that became levels.
    density: the curve's height at an array of places.
    """
    levels, edges = np.asarray(levels, float), np.asarray(edges, float)
    x = np.linspace(-2.6, 2.6, 200)
    figure, ax = plt.subplots(figsize=(5.8, 3.0))
    ax.plot(x, np.asarray(density(x)), color="black", linewidth=1.3)
    for n, (left, right) in enumerate(zip(edges, edges[1:], strict=False)):
        part = np.linspace(left, right, 30)
        ax.fill_between(part, np.asarray(density(part)), color=(FROZEN, SKY)[n % 2], linewidth=0)
    for code, edge in enumerate(edges):
        lower = 0.03 * (code % 2)  # neighbours in two lines: 10 and 11 would touch
        ax.text(edge, -0.012 - lower, str(code), ha="center", va="top", fontsize=9)
    ax.set(xlabel="standard deviations (above: the codes)", ylabel="density",
           ylim=(-0.08, 0.42), xlim=(-2.6, 2.6))  # fmt: skip
    scale = edges[-1]
    above = ax.secondary_xaxis("top", functions=(lambda x: x / scale, lambda x: x * scale))
    above.set_xlabel("level, as in NF4's table")
    heading(figure, "The NF4 levels are close together where weights are frequent")
    show(
        figure,
        "A bell curve cut at 16 places into parts whose areas are the same on each side. Divided by "
        f"the last place they are the levels {', '.join(f'{v:.3f}' for v in levels)}.",
    )


def usage(scaled, tables, errors):
    """Draw the weights' histogram with each table's levels, and how many weights each level gets.

    scaled: (n,) weights divided by their block's absmax. tables: {name: (levels, share of each)}.
    errors: {name: relative error}.
    """
    scaled = np.asarray(scaled, float)
    figure, panels = plt.subplots(len(tables), 1, figsize=(5.4, 1.2 * len(tables) + 0.6),
                                  sharex=True, sharey=True)  # fmt: skip
    bins = np.linspace(-1, 1, 42)
    height, _ = np.histogram(scaled, bins)
    height = height / height.max()
    facts = []
    for ax, (name, (levels, share)) in zip(panels, tables.items(), strict=True):
        levels, share = np.asarray(levels, float), np.asarray(share, float)
        ax.stairs(height, bins, fill=True, color=MUTED, antialiased=False)
        ax.vlines(levels, 0, share / 0.15, color=TRAINING, linewidth=4, antialiased=False)
        used = share[share > 0]
        bits = float(-(used * np.log2(used)).sum())
        panel_title(ax, f"{name}: error {errors[name]:.1%}, {bits:.2f} bits used")
        ax.set_yticks([0, 1], ["0", "15 %"])
        facts.append(f"{name}: error {errors[name]:.1%}, {bits:.2f} of 4 bits used, shares from "
                     f"{100 * share.min():.1f} to {100 * share.max():.1f} %")  # fmt: skip
    panels[len(panels) // 2].set_ylabel("share of the weights")
    panels[-1].set_xlabel("weight / absmax of its block")
    best = min(errors, key=errors.get)
    heading(figure, f"{best} uses its 16 levels most evenly, and loses least")
    show(
        figure,
        "The histogram of real weights is a bell. Over it, for each table of 16 levels, a bar at each "
        f"level with its share of the weights. {'; '.join(facts)}.",
    )


def outliers(largest, threshold, errors):
    """Draw each column's largest value and the threshold.

    largest: (C,) largest absolute value of each column. errors: {name: relative error}, the first in
    8 bits throughout, the second with the outliers in 16 bits.
    """
    largest = np.asarray(largest, float)
    kept = largest >= threshold
    figure, ax = plt.subplots(figsize=(5.8, 2.5))
    places = np.arange(len(largest))
    for chosen, colour, bits in ((~kept, FROZEN, 8), (kept, VALIDATION, 16)):
        ax.vlines(places[chosen], 0, largest[chosen], color=colour, linewidth=0.9,
                  label=f"{bits} bits: {chosen.sum()} columns")  # fmt: skip
    ax.axhline(threshold, color=REFERENCE, linestyle="--", linewidth=1.2)
    ax.set(xlabel="column of the input", ylabel="largest |x|", xlim=(-1, len(largest)),
           ylim=(0, 1.3 * largest.max()))  # fmt: skip
    ax.legend(loc="upper right", ncols=2)
    first, second = list(errors.values())[:2]
    heading(
        figure,
        f"{kept.mean():.0%} of the columns in 16 bits: {first / second:.1f} times less error",
    )
    facts = "; ".join(f"{name}: {error:.2%}" for name, error in errors.items())
    show(
        figure,
        f"Largest value of each of {len(largest)} input columns: {kept.sum()} reach the threshold of "
        f"{threshold:g}, the largest is {largest.max():.0f}, the median {np.median(largest):.0f}. "
        f"Error of the product: {facts}.",
    )


FAMILIES = {  # what a row of the table is called by, colour and marker
    "whole": (REFERENCE, "D"),
    "int8": (GREEN, "^"),
    "NF": (TRAINING, "o"),
    "even": (VALIDATION, "s"),
    "FP": (ADAPTER, "v"),
    "inner": (PINK, "P"),
}
LABELS = {
    "whole": "16 and 32 bits",
    "int8": "8 bits a row",
    "NF": "normal quantiles",
    "even": "evenly spaced",
    "FP": "FP4",
    "inner": "inner levels",
}


def losses(table, floor):
    """Draw what a model loses by bits. table: {name: (bits, family, loss, dollars)}; floor: dollars."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(5.4, 4.2), sharex=True)
    base = next(iter(table.values()))[2]
    ticks = sorted({bits for bits, *_ in table.values()})
    place = {bits: n for n, bits in enumerate(ticks[::-1])}
    for family, (colour, marker) in FAMILIES.items():
        rows = [row for row in table.values() if row[1] == family]
        if not rows:
            continue
        side = {"NF": -0.1, "FP": 0.1, "inner": 0.1}.get(family, 0)  # no marker hides another
        places = [place[bits] + side for bits, *_ in rows]
        style = dict(color=colour, marker=marker, linestyle="-" if len(rows) > 1 else "",
                     linewidth=1.2, markersize=7)  # fmt: skip
        above.plot(places, [row[2] - base for row in rows], label=LABELS[family], **style)
        below.plot(places, [row[3] for row in rows], **style)
    above.axhline(0, color=REFERENCE, linestyle="--", linewidth=1, label="in 32 bits")
    below.axhline(floor, color="black", linestyle="--", linewidth=1, label="noise floor")
    below.legend(loc="upper left")
    above.legend(loc="upper left", ncols=2)
    above.set_yscale("symlog", linthresh=1e-3)
    above.set(ylabel="loss rises by (nats)", ylim=(-5e-4, 100))
    above.set_yticks([0, 1e-3, 1e-2, 0.1, 1], ["0", "0.001", "0.01", "0.1", "1"])
    below.set(
        ylabel="price error (dollars)", ylim=(0, None), xlabel="bits a weight, without scales"
    )
    below.set_xticks(list(place.values()), [str(bits) for bits in place])
    heading(figure, "Down to 3 bits little is lost; at 2 the levels decide")
    facts = "; ".join(f"{name}: loss {loss:.2f}, {dollars:.1f} dollars"
                      for name, (_, _, loss, dollars) in table.items())  # fmt: skip
    show(figure, f"Loss on the model's own texts, and price error, by bits. {facts}.")


def where(rises, names):
    """Draw how much the loss rises when one matrix alone is in 2 bits.

    rises: (layers, matrices) nats. names: of a layer's matrices, as in "self_attn.q_proj".
    """
    rises = np.asarray(rises, float)
    kinds = [name.split(".")[-1].removesuffix("_proj") for name in names]
    figure, ax = plt.subplots(figsize=(6.2, 2.9))
    ax.imshow(rises, cmap="Oranges", vmin=0, vmax=max(rises.max(), 1e-6), aspect="auto")
    for (row, column), value in np.ndenumerate(rises):
        dark = value > 0.6 * rises.max()
        ax.text(column, row, f"{round(1000 * value)}", ha="center", va="center",
                color="white" if dark else "black")  # fmt: skip
    ax.set_xticks(range(len(kinds)), kinds)
    ax.set_yticks(range(len(rises)), [f"layer {n}" for n in range(len(rises))])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    share = rises.sum(1) / rises.sum()
    worst = int(share.argmax())
    heading(figure, f"One matrix in 2 bits: layer {worst} has {share[worst]:.0%} of all the damage")
    ax.set_xlabel("the loss rises by (thousandths of a nat)")
    facts = "; ".join(
        f"layer {n}: " + ", ".join(f"{kind} {round(1000 * value)}"
                                   for kind, value in zip(kinds, row, strict=True))
        for n, row in enumerate(rises)
    )  # fmt: skip
    show(figure, f"A table of layers and their matrices in thousandths of a nat. {facts}.")


def orders(files, n_shown=320):
    """Draw the sizes of the first weights of two files. files: {name: (flat weights, error)}."""
    figure, panels = plt.subplots(len(files), 1, figsize=(6.0, 1.25 * len(files) + 0.5), sharex=True,
                                  sharey=True)  # fmt: skip
    facts = []
    for ax, (name, (weights, error)) in zip(panels, files.items(), strict=True):
        size = np.abs(np.asarray(weights, float))[:n_shown]
        ax.vlines(np.arange(len(size)), 0, size, color=TRAINING, linewidth=0.9, antialiased=False)
        for edge in range(0, len(size) + 1, 64):
            ax.axvline(edge - 0.5, color=ADAPTER, linewidth=0.8, linestyle=":")
        panel_title(ax, f"{name}: error {error:.1%}")
        ax.set_ylabel("|weight|")
        large = np.flatnonzero(size > 6)
        facts.append(f"{name}: error {error:.1%}, large weights at "
                     f"{', '.join(map(str, large[:6])) or 'none of these places'}")  # fmt: skip
    panels[-1].set(xlabel="place in the file (dotted: where a block ends)", xlim=(-2, n_shown + 1))
    heading(figure, "Two files, the same weights")
    show(figure, f"Sizes of the first {n_shown} weights of two files. {'; '.join(facts)}.")


def gigabytes(rows, card):
    """Draw stacked bars of GB. rows: {name: {part: bytes}}; card: bytes of a graphics card."""
    figure, ax = plt.subplots(figsize=(5.8, 0.36 * len(rows) + 1.4))
    colours = {"linear layers": FROZEN, "embeddings, head, norms": SKY, "scales": VALIDATION,
               "adapters": ADAPTER}  # fmt: skip
    left = dict.fromkeys(rows, 0.0)
    for part, colour in colours.items():
        widths = [parts.get(part, 0) / 1e9 for parts in rows.values()]
        ax.barh(list(rows), widths, left=list(left.values()), color=colour, label=part, height=0.65)
        left = {name: left[name] + width for name, width in zip(rows, widths, strict=True)}
    for name, total in left.items():
        ax.text(total + 0.3, name, f"{total:.2f}", va="center")
    ax.axvline(card / 1e9, color="black", linewidth=1.2)
    ax.annotate("a T4's memory", (card / 1e9, 0.4), (6, 0), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top")  # fmt: skip
    ax.invert_yaxis()
    ax.set(xlabel="GB (10⁹ bytes)", xlim=(0, 1.13 * max(left.values())), xticks=range(0, 31, 10))
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.2, handlelength=1.2)
    names = list(rows)
    heading(figure, f"8 billion weights: {left[names[0]]:.1f} GB in {names[0]}, "
                    f"{left[names[3]]:.1f} GB in {names[3]}")  # fmt: skip
    facts = "; ".join(
        f"{name}: {left[name]:.2f} GB, of which "
        + ", ".join(f"{part} {n / 1e9:.3g}" for part, n in parts.items())
        for name, parts in rows.items()
    )
    show(figure, f"Bars of GB. {facts}. A T4 has {card / 1e9:.1f} GB.")
