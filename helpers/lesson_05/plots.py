"""Pictures of lesson 5: walks on a loss surface, learning rates, optimizers, curves, the record."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from helpers import plots
from helpers.plots import (
    ADAPTER,
    FROZEN,
    GREEN,
    MUTED,
    PINK,
    REFERENCE,
    TRAINING,
    VALIDATION,
    heading,
    panel_title,
)

# several lines that have no role of their own: colour and style
LOOKS = [(TRAINING, "-"), (GREEN, "--"), (PINK, "-."), (ADAPTER, ":"), (REFERENCE, (0, (5, 1)))]
FAR = 6.0  # dollars: differences beyond are written at the edge


def show(figure, alt):
    """`plots.show` with hard-edged lines: half the bytes, and at twice the pixels nobody sees it."""
    for line in figure.findobj(Line2D):
        line.set_antialiased(False)
    plots.show(figure, alt)


def _few_ticks(ax):
    """Whole numbers, a few on each axis: letters are most of a picture's bytes."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "linear":
            axis.set_major_locator(MaxNLocator(4, integer=True))


def _surface(ax, curvature, width, height):
    """Contours of (c0 w0² + c1 w1²) / 2, and a cross at the bottom."""
    x, y = np.meshgrid(np.linspace(-width, width, 121), np.linspace(-height, height, 121))
    c0, c1 = map(float, curvature)
    loss = (c0 * x**2 + c1 * y**2) / 2
    levels = loss.max() * np.array([0.01, 0.1, 0.4])
    ax.contour(x, y, loss, levels=levels, colors=FROZEN, linewidths=1, antialiased=False)
    ax.plot([0], [0], "+", color="black", markersize=9)
    ax.set(xlim=(-width, width), ylim=(-height, height))


def _loss(path, curvature):
    return (np.asarray(curvature) * np.asarray(path) ** 2).sum(-1) / 2


def walks(paths, curvature):
    """Draw gradient descent on one valley, a panel for each learning rate. paths: {rate: (n, 2)}."""
    n_rows = -(-len(paths) // 2)
    figure, panels = plt.subplots(n_rows, 2, figsize=(6.2, 0.5 + 1.6 * n_rows), sharex=True,
                                  sharey=True, squeeze=False)  # fmt: skip
    said = []
    for ax, (rate, path) in zip(panels.flat, paths.items(), strict=False):
        path = np.asarray(path)
        _surface(ax, curvature, 5.0, 2.4)
        losses = _loss(path, curvature)
        up = not losses[-1] < losses[0]
        colour = VALIDATION if up else TRAINING
        inside = np.abs(path[:, 1]) < 40  # farther points would only slow the drawing down
        ax.plot(*path[inside].T, "-", color=colour, linewidth=1)
        ax.plot(*path[inside].T, "o", color=colour, markersize=3.5)
        ax.plot(*path[0], "s", color="black", markersize=6)
        end = f"{losses[-1]:.2g}" if losses[-1] < 10 else f"{losses[-1]:,.0f}"
        panel_title(ax, f"rate {rate:g}: loss {losses[0]:.0f} to {end}")
        said.append(f"rate {rate:g}: loss {losses[0]:.1f} to {losses[-1]:.3g}")
        _few_ticks(ax)
    for ax in panels.flat[len(paths) :]:
        ax.axis("off")
    for ax in panels[-1]:
        ax.set_xlabel("weight w0")
    for ax in panels[:, 0]:
        ax.set_ylabel("weight w1")
    heading(figure, "Only the learning rate differs")
    show(figure, f"{len(path) - 1} steps of gradient descent in a valley, steep along w1 and flat along "
                 f"w0. {'; '.join(said)}.")  # fmt: skip


def four_rates(losses, errors, untuned):
    """Draw the losses of short trainings at several rates; the error that each ends with is named.

    losses: {rate: one a step}; errors: {rate: dollars}; untuned: the error before, dollars.
    """
    figure, ax = plt.subplots(figsize=(5.8, 3.4))
    said = []
    for (rate, curve), (colour, style) in zip(losses.items(), LOOKS, strict=False):
        curve = np.asarray(curve, dtype=float)
        lost = int(np.isnan(curve).sum())
        last = len(curve) - lost
        name = f"{rate:g}: {errors[rate]:.0f} dollars off"
        ax.plot(np.arange(1, len(curve) + 1), curve, color=colour, linestyle=style, label=name)
        if lost:
            ax.plot([last], curve[last - 1 : last], "x", color=colour, markersize=10)
        said.append(
            f"rate {rate:g}: loss {curve[0]:.2f} to {curve[-1]:.2f}, {errors[rate]:.0f} dollars"
        )
    ax.set(xlabel="step", ylabel="loss (nats)", ylim=(0, 1.3 * ax.get_ylim()[1]))
    _few_ticks(ax)
    ax.legend(loc="upper right")
    best = min(errors, key=errors.get)
    heading(figure, f"{best:g} is best: {errors[best]:.0f} dollars off, and {untuned:.0f} untuned")
    show(figure, f"Short trainings that differ in the learning rate, with the error on held-out items "
                 f"after the last step. {'; '.join(said)}; untuned {untuned:.0f} dollars.")  # fmt: skip


def by_rate(methods, floor):
    """Draw the recorded error over the learning rate, a line for each method, a dot for each run.

    methods: {name: rows of the record}; floor: dollars.
    """
    figure, ax = plt.subplots(figsize=(6.0, 3.8))
    top, said = 30.5, []
    for (name, rows), (colour, style) in zip(methods.items(), LOOKS, strict=False):
        means = rows.groupby("learning_rate").error.mean()
        ax.plot(rows.learning_rate, rows.error.clip(upper=top), ".", color=colour, alpha=0.6)
        ax.plot(means.index, means.clip(upper=top), color=colour, linestyle=style, label=name)
        for rate, error in means[means > top].items():
            ax.annotate(f"{error:.0f} ↑", (rate, top), (0, 2), textcoords="offset points", ha="center",
                        va="bottom", color=colour)  # fmt: skip
        said.append(f"{name}: " + ", ".join(f"{e:.1f} at {rate:g}" for rate, e in means.items()))
    ax.axhline(floor, color=REFERENCE, linestyle="--", linewidth=1)
    ax.annotate("noise floor", (1, floor), (0, -3), xycoords=("axes fraction", "data"), ha="right",
                va="top", textcoords="offset points", color=REFERENCE)  # fmt: skip
    _few_ticks(ax)
    ax.set(xscale="log", xlabel="highest learning rate of the run", ylabel="error (dollars)",
           ylim=(floor - 0.9, top + 1.2))  # fmt: skip
    ax.legend(loc="upper left")
    heading(figure, "The fewer weights are trained, the higher the best rate")
    show(figure, f"Error in dollars after one epoch. {'; '.join(said)}. Noise floor {floor:.1f}.")


def schedules(rates, curves, plateau):
    """Draw learning rates over the steps, and the mean loss of noisy walks that follow them.

    rates: {name: shares of the highest rate, one a step}; curves: {name: losses, one a step};
    plateau: where a constant rate has to end.
    """
    figure, (top, below) = plt.subplots(
        2, 1, figsize=(5.8, 4.4), sharex=True, height_ratios=(1, 1.3)
    )
    for (name, share), (colour, style) in zip(rates.items(), LOOKS, strict=False):
        top.plot(share, color=colour, linestyle=style, label=name)
        below.plot(curves[name], color=colour, linestyle=style)
    top.set(ylabel="share of rate", ylim=(0, 1.05), yticks=[0, 1])
    top.legend(loc="upper right", bbox_to_anchor=(1, 0.97))
    below.axhline(plateau, color=REFERENCE, linestyle="--", linewidth=1)
    n = max(map(len, curves.values()))
    below.annotate("theory", (n, plateau), (0, 5), textcoords="offset points",
                   ha="right", va="bottom", color=REFERENCE)  # fmt: skip
    below.set(yscale="log", xlabel="step", ylabel="mean loss", xticks=[0, 50, 100, 150])
    below.yaxis.set_minor_formatter(NullFormatter())
    heading(figure, "A falling rate gets to the bottom")
    said = "; ".join(
        f"{name}: rate {share[-1]:.2f} at the end, loss {curves[name][0]:.0f} to {curves[name][-1]:.2g}"
        for name, share in rates.items()
    )
    show(figure, f"Schedules, as shares of the highest rate, and noisy walks. {said}.")


def optimizer_walks(paths, curvature):
    """Draw the paths of optimizers on one valley and their losses below. paths: {name: (n, 2)}."""
    figure, (top, below) = plt.subplots(2, 1, figsize=(6.0, 4.6), height_ratios=(1.35, 1))
    _surface(top, curvature, 5.0, 2.0)
    said = []
    for (name, path), (colour, style) in zip(paths.items(), LOOKS, strict=False):
        path = np.asarray(path)
        losses = _loss(path, curvature)
        top.plot(*path.T, color=colour, linewidth=1, linestyle=style)
        top.plot(*path.T, "o", color=colour, markersize=3.5)
        below.plot(losses, color=colour, linestyle=style, label=name)
        said.append(f"{name}: loss {losses[0]:.0f} to {losses[-1]:.2g}")
    top.plot(*path[0], "s", color="black", markersize=6)
    top.set(xlabel="weight w0", ylabel="weight w1")
    below.set(yscale="log", xlabel="step", ylabel="loss")
    below.legend(loc="lower left")
    for ax in (top, below):
        _few_ticks(ax)
    heading(figure, "One valley, three optimizers")
    show(figure, f"A valley, steep along w1, flat along w0, and {len(path) - 1} steps of each "
                 f"optimizer. {'; '.join(said)}.")  # fmt: skip


def one_weight(rows):
    """Draw one weight's gradients with AdamW's two running means, and below the steps they make.

    rows: (gradient, mean of gradients, root of the mean of squares, their ratio), one a step.
    """
    g, m, root, ratio = np.asarray(rows, dtype=float).T
    steps = np.arange(1, len(g) + 1)
    figure, (top, below) = plt.subplots(2, 1, figsize=(5.8, 4.4), sharex=True)
    top.fill_between(steps, -root, root, color=FROZEN, alpha=0.5, linewidth=0,
                     label="± root of mean square")  # fmt: skip
    top.vlines(steps, 0, g, color=TRAINING, linewidth=1)
    top.plot(steps, g, "o", color=TRAINING, markersize=4, label="gradient")
    top.plot(steps, m, color=VALIDATION, linestyle="--", label="mean gradient")
    top.axhline(0, color=MUTED, linewidth=1)
    top.set_ylabel("gradient")
    top.legend(fontsize=9)
    below.bar(steps, -ratio, color=GREEN, width=0.7)
    below.axhline(0, color=MUTED, linewidth=1)
    for edge in (-1, 1):
        below.axhline(edge, color=REFERENCE, linestyle="--", linewidth=1)
    below.set(xlabel="step", ylabel="move / learning rate", ylim=(-1.25, 1.25))
    top.set_yticks([0])
    _few_ticks(below)
    heading(figure, "The first move has the full length")
    show(figure, f"One weight over {len(g)} steps. Its gradient goes from {g[0]:.2g} to {g[-1]:.2g}. "
                 f"The moves, in learning rates: {', '.join(f'{-x:.2f}' for x in ratio)}.")  # fmt: skip


def epochs(training, validation):
    """Draw the loss on the items that are learnt and on others. Both: one a time through the items."""
    figure, ax = plt.subplots(figsize=(5.8, 3.2))
    best = int(np.argmin(validation))
    ax.plot(training, color=TRAINING, label="training items")
    ax.plot(validation, color=VALIDATION, linestyle="--", label="validation items")
    ax.axvline(best, color=REFERENCE, linestyle="--", linewidth=1)
    ax.plot([best], [validation[best]], "o", color=VALIDATION)
    ax.annotate("stop here", (best, validation[best]), (6, -12), textcoords="offset points",
                color=VALIDATION, va="top")  # fmt: skip
    ax.set(xlabel="epoch", ylabel="loss of the price (nats)", ylim=(0, None))
    _few_ticks(ax)
    ax.legend()
    heading(figure, "By heart: training falls, validation turns")
    show(figure, f"Training loss {training[0]:.2f} to {training[-1]:.2f} nats, validation loss "
                 f"{validation[0]:.2f} to {validation[-1]:.2f}; lowest, {validation[best]:.2f}, after "
                 f"epoch {best}.")  # fmt: skip


def _in_words(value):
    return f"{float(value):.2f}" if float(value) < 100 else "beyond all bounds"  # nan too


def six_curves(curves):
    """Draw six trainings to diagnose. curves: (training, validation) losses, one a step."""
    figure, panels = plt.subplots(3, 2, figsize=(6.2, 4.8), sharex=True, sharey=True)
    said = []
    for n, (ax, (training, validation)) in enumerate(
        zip(panels.flat, curves, strict=True), start=1
    ):
        for curve, colour, style in ((training, TRAINING, "-"), (validation, VALIDATION, "--")):
            curve = np.asarray(curve, dtype=float)
            shown = np.where(curve < 4, curve, np.nan)
            ax.plot(shown, color=colour, linestyle=style, linewidth=1.5)
        panel_title(ax, f"curve {n}")
        picks = [0, len(training) // 4, len(training) // 2, len(training) - 1]
        t, v = ([_in_words(curve[i]) for i in picks] for curve in (training, validation))
        said.append(f"curve {n}: training {', '.join(t)}; validation {', '.join(v)}")
    panels[0, 0].set(ylim=(0, 2.2), yticks=[0, 1, 2], xticks=[0, 50, 100])
    for ax in panels[-1]:
        ax.set_xlabel("step")
    for ax in panels[:, 0]:
        ax.set_ylabel("loss")
    heading(figure, "Blue: training; dashed vermilion: validation")
    show(figure, f"Losses at the start, a quarter, half and the end. {'. '.join(said)}.")


def record(differences, seeds):
    """Draw each setting's difference to the standard run, with its interval, largest first.

    differences: {setting: (mean, half of the 95 % interval, nan for one seed)}, dollars;
    seeds: errors of the standard run, one a seed, dollars.
    """
    order = sorted(differences, key=lambda name: -differences[name][0])
    figure, ax = plt.subplots(figsize=(5.8, 0.8 + 0.23 * len(order)))
    seeds = np.asarray(seeds, dtype=float)
    low, high = seeds.min() - seeds.mean(), seeds.max() - seeds.mean()
    ax.axvspan(low, high, color=FROZEN, alpha=0.6, linewidth=0)
    n_clear = 0
    for y, name in enumerate(order):
        mean, half = differences[name]
        clear = abs(mean) > half  # False for nan
        n_clear += clear
        colour = (VALIDATION if mean > 0 else GREEN) if clear else REFERENCE
        if mean > FAR:
            ax.annotate(f"{mean:+.1f} →", (FAR, y), ha="right", va="center", color=colour)
            continue
        ax.plot([mean - half, min(mean + half, FAR)], [y, y], color=colour, linewidth=2)
        ax.plot([mean], [y], "o", color=colour, markersize=5)
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(range(len(order)), order)
    ax.set(ylim=(len(order) - 0.4, -0.6), xlim=(-1, FAR), xlabel="error minus the standard's (dollars)",
           xticks=[0, 2, 4])  # fmt: skip
    heading(figure, f"{n_clear} of {len(order)} changes differ clearly")
    said = "; ".join("{} {:+.2f} ± {:.2f}".format(name, *differences[name]) for name in order)
    show(figure, f"Differences to the standard run in dollars, grey where the interval holds 0; the "
                 f"standard's seeds span {high - low:.2f} dollars. {said}.")  # fmt: skip
