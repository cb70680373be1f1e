"""Pictures of lesson 9: beliefs, 4-bit rounding, predictions, intervals, leaderboards, costs."""

import matplotlib.pyplot as plt
import numpy as np

from helpers import scoring
from helpers.plots import (
    ADAPTER,
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

COLOURS = {"green": (GREEN, "o"), "orange": (ADAPTER, "^"), "red": (VALIDATION, "x")}


def switched(beliefs, marks):
    """One item's belief under each adapter. beliefs: {name: (1000,)}; marks: {name: dollars}."""
    figure, ax = plt.subplots(figsize=(6.0, 3.0))
    looks = zip((REFERENCE, TRAINING, GREEN), ("-.", "-", "-"), beliefs.items(), strict=True)
    medians = {}
    for colour, line, (name, belief) in looks:
        medians[name] = int((belief.cumsum() < 0.5 * belief.sum()).sum())
        tens = 100 * belief.reshape(-1, 10).sum(1)
        label = rf"{name}: median \${medians[name]}"
        ax.stairs(
            tens, 10 * np.arange(101), baseline=None, color=colour, ls=line, lw=1.8, label=label
        )
    for (name, dollars), line in zip(marks.items(), ("--", ":"), strict=True):
        ax.axvline(dollars, color="black", lw=1.4, ls=line, label=rf"{name}: \${dollars:.0f}")
    ends = [int((belief.cumsum() < 0.97).sum()) for belief in beliefs.values()]
    ax.set(xlim=(0, 1.25 * max(*ends, *marks.values())), ylim=(0, None))
    ax.set(xlabel="price ($)", ylabel="probability of ten dollars (%)")
    ax.legend(loc="upper right")
    ax.set_title("One base, three answers: the active adapter decides")
    said = ", ".join(f"{name} {median}" for name, median in medians.items())
    marked = ", ".join(f"{name} {dollars:.0f}" for name, dollars in marks.items())
    show(figure, f"Beliefs about one item, with their medians in dollars: {said}. {marked}.")


def rounded_change(wanted, kept, lost: float):
    """The change that an adapter wants for single weights, and what is left of it in 4 bits.

    wanted, kept: tensors of one matrix. lost: ‖kept − wanted‖ / ‖wanted‖.
    """
    wanted, kept = (np.asarray(t, dtype=float).ravel() for t in (wanted, kept))
    some = np.random.default_rng(0).choice(len(wanted), min(600, len(wanted)), replace=False)
    end = 100 * np.quantile(abs(wanted), 0.999)
    figure, ax = plt.subplots(figsize=(5.2, 3.0))
    ax.plot([-end, end], [-end, end], color=REFERENCE, ls="--", lw=1.2, label="as wanted")
    ax.plot(100 * wanted[some], 100 * kept[some], ".", ms=3, color=TRAINING, label="a weight")
    high = 100 * np.quantile(abs(kept), 0.998)
    ax.set(xlim=(-end, end), ylim=(-1.1 * high, 1.1 * high))
    ax.set(xlabel="change that B·A wants (hundredths)", ylabel="change after storing")
    ax.legend(loc="upper left", markerscale=3)
    ax.set_title(f"In 4 bits, the change is off by {lost:.0%} of its size")
    show(
        figure,
        f"Weights of one matrix as points: the wanted change to the right, the change that 4 bits "
        f"keep upwards. They do not lie on the diagonal but scatter in bands, because a weight can "
        f"only stay or jump to another of 16 levels. The difference is {lost:.0%} of the change.",
    )


def predictions(guesses, prices):
    """Guesses against asking prices, in the lectures' colours. guesses: {name: (N,)}, two of them."""
    figure, axes = plt.subplots(1, len(guesses), figsize=(6.0, 3.4), sharey=True)
    said, greens = [], []
    for ax, (name, guess) in zip(axes, guesses.items(), strict=True):
        colours = scoring.colours(guess, prices)
        ax.plot([0, 1000], [0, 1000], color=REFERENCE, ls="--", lw=1.2, zorder=0)
        shares = {}
        for colour, (tint, marker) in COLOURS.items():
            here = colours == colour
            shares[colour] = f"{colour} {here.mean():.0%}"
            ax.scatter(prices[here], guess[here], 5, tint, marker, lw=0.7, label=shares[colour])
        greens.append((colours == "green").mean())
        panel_title(ax, rf"{name}: off by \${abs(guess - prices).mean():.1f}")
        ax.set(xlim=(0, 1000), ylim=(0, 1000), aspect="equal", xlabel="asking price ($)")
        ax.legend(loc="upper left", handletextpad=0.1, borderpad=0.1, markerscale=1.6)
        said.append(
            f"{name}: {', '.join(shares.values())}, mean error {abs(guess - prices).mean():.1f} dollars"
        )
    axes[0].set_ylabel("guess ($)")
    heading(figure, f"Green: {greens[0]:.0%} of the guesses before, {greens[-1]:.0%} after")
    show(figure, f"Guesses against asking prices of {len(prices):,} items. {'; '.join(said)}.")


def resampled(means, mean: float, low: float, high: float):
    """The mean errors ($) of bootstrap draws, and the interval that holds 95 % of them."""
    figure, ax = plt.subplots(figsize=(5.6, 2.1))
    counts, edges, bars = ax.hist(means, bins=50, color=MUTED)
    for bar, edge in zip(bars, edges, strict=False):
        if low <= edge + (edges[1] - edges[0]) / 2 <= high:
            bar.set_facecolor(TRAINING)
    ax.axvline(mean, color="black", lw=1.2)
    ax.set(xlabel="mean error of a draw ($)", ylabel="draws")
    ax.set_title(rf"95 % of the draws lie from \${low:.1f} to \${high:.1f}")
    show(
        figure,
        f"Histogram of the mean errors of {len(means):,} draws, a hill around {mean:.1f} dollars; "
        f"the middle 95 % lie from {low:.1f} to {high:.1f}.",
    )


def board(table, floor: float, ours: set[str]):
    """The leaderboard with its intervals. table: columns error $, from, to; best first.

    ours: the rows that are drawn in blue; pink is a row of other items. floor: the noise floor in $.
    """
    table = table.iloc[::-1]
    y = np.arange(len(table))
    figure, ax = plt.subplots(figsize=(6.0, 0.28 * len(table) + 1.2))
    others = [name for name in table.index if name.endswith("items")]
    colours = {name: TRAINING for name in ours} | {name: PINK for name in others}
    ax.barh(y, table["error $"], 0.7, color=[colours.get(name, MUTED) for name in table.index])
    spread = [table["error $"] - table["from"], table["to"] - table["error $"]]
    ax.errorbar(table["error $"], y, xerr=spread, fmt="none", ecolor="black", lw=1.2, capsize=3)
    ax.axvline(floor, color=REFERENCE, ls="--", lw=1.4)
    ax.annotate(
        rf"noise floor \${floor:.1f}",
        (floor, len(table) - 0.55),
        xytext=(4, 1),
        textcoords="offset points",
        color=REFERENCE,
        va="bottom",
    )
    ax.set_yticks(y, table.index)
    ax.set(xlabel="mean absolute error ($), with its 95 % interval")
    ax.set(ylim=(-0.6, len(table) + 0.2), xlim=(0, 1.04 * table["to"].max()))
    best = table.drop(others).iloc[-1]
    heading(figure, rf"On all items, first: {best.name}, \${best['error $']:.1f}")
    listed = ", ".join(
        f"{name} {row['error $']:.1f} ({row['from']:.1f} to {row['to']:.1f})"
        for name, row in table.iloc[::-1].iterrows()
    )
    show(
        figure,
        f"Leaderboard of mean errors in dollars, with intervals: {listed}; noise floor {floor:.1f}.",
    )


def funnel(sizes, lows, highs, n_marked: int, marked: float):
    """How far the error on n items is from the error on many, as n grows; the lectures' as a point.

    sizes: numbers of items. lows, highs: the interval as shares of the error on all items.
    """
    sizes = np.asarray(sizes)
    figure, ax = plt.subplots(figsize=(5.6, 2.8))
    low, high = (100 * (np.asarray(end) - 1) for end in (lows, highs))
    ax.fill_between(sizes, low, high, color=SKY, alpha=0.35, lw=0, label="95 % of the draws")
    ax.plot(sizes, low, color=TRAINING, lw=1.2)
    ax.plot(sizes, high, color=TRAINING, lw=1.2)
    ax.axhline(0, color=REFERENCE, ls="--", lw=1.2)
    off = 100 * (marked - 1)
    ax.plot([n_marked], [off], "D", color=VALIDATION, ms=8, label="the lectures' table")
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="items in the test", ylabel="off from the mean of 2,000 (%)")
    ax.legend(loc="upper right")
    at = int(np.argmin(abs(sizes - n_marked)))
    inside = low[at] <= off <= high[at]
    how = "within" if inside else "beyond"
    ax.set_title(f"At {n_marked} items, {off:.0f} % is {how} chance".replace("-", "−"))
    listed = ", ".join(
        f"{n:,}: {a:+.0f} to {b:+.0f} %" for n, a, b in zip(sizes, low, high, strict=True)
    )
    show(
        figure,
        f"A funnel that narrows as the number of test items grows; the middle 95 % of mean errors, "
        f"relative to the true one: {listed}. The lectures' number lies {off:.0f} % off at "
        f"{n_marked} items.",
    )


def what_it_cost(gaps, forgotten, before: float, than: str):
    """Price and forgetting of each way to tune, row by row.

    gaps: {name: (mean, low, high)}, error minus that of `than` in dollars. forgotten: {name: losses
    on the base's own text, one a run}, in nats a token. before: the same before any tuning.
    """
    names = list(gaps)[::-1]
    figure, axes = plt.subplots(1, 2, figsize=(6.2, 0.29 * len(names) + 1.6), sharey=True)
    _intervals(axes[0], [gaps[name] for name in names])
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set(xlabel="difference of errors ($)", ylim=(-0.6, len(names) - 0.4))
    for y, name in enumerate(names):
        live = len(forgotten[name]) == 1 and name.startswith("this lesson")
        look = ("*", "black", 11) if live else ("o", PINK, 6)
        axes[1].plot(forgotten[name], [y] * len(forgotten[name]), look[0], color=look[1], ms=look[2],
                     alpha=0.8)  # fmt: skip
    axes[1].axvline(before, color=REFERENCE, ls="--", lw=1.2)
    axes[1].set(xlabel="loss on own text (nats)", xlim=(0, None))
    panel_title(axes[0], f"against {than};\nblue: 0 is outside")
    panel_title(axes[1], "each dot is a run;\ndashed: before tuning")
    others = [name for name in gaps if name != than and not name.startswith("this lesson")]
    n_worse = sum(gaps[name][1] > 0 for name in others)
    heading(figure, f"Dollars lost by {n_worse} of {len(others)} recorded ways; all of them forget")
    listed = "; ".join(
        f"{name} {m:+.2f} ({a:+.2f} to {b:+.2f}), own text {np.mean(forgotten[name]):.2f}"
        for name, (m, a, b) in gaps.items()
    )
    show(
        figure,
        f"Error compared with {than} in dollars with its interval, and loss on the base's own text "
        f"in nats a token, {before:.2f} before tuning: {listed}.",
    )


def _intervals(ax, gaps):
    """Points with intervals, one a row from below; filled and blue where zero is outside."""
    ax.axvline(0, color=REFERENCE, ls="--", lw=1.2)
    for y, (mean, low, high) in enumerate(gaps):
        real = not low <= 0 <= high
        colour = TRAINING if real else REFERENCE
        ax.plot([low, high], [y, y], color=colour, lw=2)
        ax.plot(mean, y, "o", color=colour, mfc=colour if real else "white", ms=6)
