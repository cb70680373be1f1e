"""Pictures of lesson 4: tokens, shifted targets, beliefs over prices, a ruler of losses, surprise."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

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
    show,
)

SURPRISE = LinearSegmentedColormap.from_list("surprise", ["white", ADAPTER, VALIDATION])
LINE = 46  # characters on a line of a coloured text
N_SHOWN = 40  # pieces of a row that fit side by side


def readable(piece: bytes) -> str:
    """`piece` as text, a space as ␣ and a line's end as ↵; in hexadecimal if it is no whole letter."""
    try:
        return piece.decode("utf-8").replace(" ", "␣").replace("\n", "↵")
    except UnicodeDecodeError:
        return piece.hex().upper()


def token_bytes(tokenizer, ids) -> list[bytes]:
    """The bytes of each token, from the letters that byte-level BPE writes for bytes (GPT-2)."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    table = {chr(byte): byte for byte in visible}
    table |= {chr(256 + n): byte for n, byte in enumerate(hidden)}
    special = set(tokenizer.all_special_tokens)
    return [
        token.encode() if token in special else bytes(table[letter] for letter in token)
        for token in tokenizer.convert_ids_to_tokens(list(ids))
    ]


def pieces(rows, title):
    """Draw texts cut into pieces. rows: {name: [bytes of a piece, …]}; a box is as wide as its bytes."""
    n_bytes = min(max(sum(map(len, parts)) for parts in rows.values()), N_SHOWN)
    figure, ax = plt.subplots(figsize=(6.2, 0.62 * len(rows) + 0.4))
    looks = [(FROZEN, 1.0), (ADAPTER, 0.35)]  # colour and opacity, in turns
    for y, parts in enumerate(rows.values()):
        x = 0
        for n, part in enumerate(parts):
            if x + len(part) > n_bytes:
                break
            colour, alpha = looks[n % 2]
            ax.add_patch(Rectangle((x + 0.04, y - 0.36), len(part) - 0.08, 0.72, facecolor=colour,
                                   alpha=alpha, edgecolor="none"))  # fmt: skip
            size = 9 if n_bytes > 24 else 10.5
            ax.text(x + len(part) / 2, y, readable(part), ha="center", va="center", fontsize=size)
            x += len(part)
    names = [f"{name}: {len(parts)}" for name, parts in rows.items()]
    ax.set(xlim=(0, n_bytes), ylim=(len(rows) - 0.5, -0.5))
    ax.set_xticks([])
    ax.set_yticks(range(len(rows)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    heading(figure, title)
    said = "; ".join(f"{name}: {' | '.join(map(readable, parts))}" for name, parts in rows.items())
    show(figure, f"{title}. Number of pieces and the pieces, row by row. {said}.")


def shifted(tokens):
    """Draw, row by row, what is read (context) and what comes next (target). tokens: texts."""
    n = len(tokens)
    figure, ax = plt.subplots(figsize=(5.4, 0.32 * n + 0.5))
    for y in range(n - 1):
        for x, token in enumerate(tokens):
            colour = FROZEN if x <= y else VALIDATION if x == y + 1 else "white"
            ax.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, facecolor=colour,
                                   edgecolor=MUTED))  # fmt: skip
            if x <= y + 1:
                ax.text(x + 0.5, y + 0.5, token, ha="center", va="center", fontsize=9,
                        color="white" if x == y + 1 else "black")  # fmt: skip
    ax.set(xlim=(0, n), ylim=(n - 1, 0))
    ax.set_xticks([])
    ax.set_yticks([y + 0.5 for y in range(n - 1)], [str(y) for y in range(n - 1)])
    ax.set_ylabel("place")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    heading(figure, f"{n} tokens are {n - 1} questions: blue is read, vermilion is next")
    show(figure, f"A row for each place of {' | '.join(tokens)}: what is read, and the one token that "
                 f"comes next. The first row reads {tokens[0]}, the next one token more, and so on.")  # fmt: skip


def price_range(*beliefs):
    """(lowest, highest) price of an axis that holds nearly all of the beliefs, each (1000,)."""
    lows, highs = [], []
    for p in beliefs:
        total = np.cumsum(np.asarray(p, dtype=float))
        total = total / total[-1]
        lows.append(int((total < 0.01).sum()))
        highs.append(int((total < 0.99).sum()))
    low, high = min(lows), max(highs)
    room = max(10, (high - low) // 6)
    return max(0, low - room), min(999, high + room)


def _bars(ax, belief, low, high, colour=TRAINING):
    prices = np.arange(low, high + 1)
    ax.bar(prices, 100 * belief[low : high + 1], width=1.0, color=colour)
    ax.set_xlim(low - 1, high + 1)
    ax.set_ylabel("probability (%)")


def _mark(ax, price, text, colour, height, right, linestyle="--"):
    """A vertical line at `price`, its name at `height` (share of the axis), on the right or left."""
    ax.axvline(price, color=colour, linestyle=linestyle, linewidth=1.5)
    ax.annotate(text, (price, height), (5 if right else -5, 0), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="left" if right else "right", va="center",
                color=colour)  # fmt: skip


def belief(probabilities, label, words):
    """Draw a belief over whole dollars, its most likely price and the label."""
    p = np.asarray(probabilities, dtype=float)
    said = int(p.argmax())
    low, high = price_range(p)
    low, high = min(low, label - 5), max(high, label + 5)
    figure, ax = plt.subplots(figsize=(5.6, 2.6))
    _bars(ax, p, max(low, 0), min(high, 999))
    ax.set_ylim(0, 118 * p.max())
    _mark(ax, said, f"most likely: {said}", TRAINING, 0.95, said >= label, ":")
    _mark(ax, label, f"label: {label}", VALIDATION, 0.85, label > said)
    ax.set_xlabel("the next token, a number of dollars")
    heading(figure, f"After “{words}” every price is believed a little")
    show(
        figure,
        f"Bars over prices: the most likely is {said} dollars with {100 * p[said]:.1f} %; the "
        f"label, {label} dollars, has {100 * p[label]:.1f} %.",
    )


def ruler(marks):
    """Draw losses on one axis, in nats, with the probability and the choices they mean.

    marks: {name: nats}; the names are at the left, so that none covers another.
    """
    names = sorted(marks, key=marks.get)
    figure, ax = plt.subplots(figsize=(5.6, 0.3 * len(names) + 1.2))
    top = max(8.6, 1.14 * max(marks.values()))
    for y, name in enumerate(names):
        nats = marks[name]
        theory = "(ln" in name
        ax.plot([0, nats], [y, y], color=REFERENCE if theory else TRAINING,
                linestyle="--" if theory else "-", marker="o", markevery=[1])  # fmt: skip
        ax.annotate(f"{nats:.2f}", (nats, y), (7, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0, top), ylim=(-0.6, len(names) - 0.2), xlabel="loss (nats)")
    above = ax.secondary_xaxis("top")
    choices = [1, 2, 10, 100, 1000]
    above.set_xticks([math.log(n) for n in choices], [f"{n:,}" for n in choices])
    above.set_xlabel("as unsure as among so many equal choices (perplexity)", fontsize=9.5)
    heading(figure, "A loss is a number of choices, on a logarithmic scale")
    facts = "; ".join(f"{name}: {marks[name]:.2f} nats, {math.exp(marks[name]):,.0f} choices"
                      for name in names)  # fmt: skip
    show(figure, f"Losses on one axis, smallest first. {facts}.")


def same_loss(beliefs, label, dollars):
    """Draw beliefs below each other that give the label one probability. dollars: expected errors."""
    loss = -math.log(float(next(iter(beliefs.values()))[label]))
    figure, panels = plt.subplots(len(beliefs), 1, figsize=(5.6, 1.5 * len(beliefs) + 0.6),
                                  sharex=True, sharey=True)  # fmt: skip
    for ax, (name, p), off in zip(panels, beliefs.items(), dollars, strict=True):
        p = np.asarray(p, dtype=float)
        ax.vlines(np.arange(1000), 0, 100 * p, color=TRAINING, linewidth=1.0)
        ax.plot([label], [100 * p[label]], "o", color=VALIDATION, markersize=5)
        ax.annotate(f"label {label}", (label, 100 * p[label]), (22, 8), textcoords="offset points",
                    color=VALIDATION, va="bottom",
                    bbox=dict(facecolor="white", edgecolor="none", pad=1))  # fmt: skip
        own = -math.log(float(p[label]))
        panel_title(ax, f"{name}: loss {own:.3f}, {off:.0f} dollars off on average")
        ax.set_ylabel("prob. (%)")
    panels[-1].set_xlabel("price (dollars)")
    heading(figure, "One loss, two models: one sells, one ruins the shop")
    facts = "; ".join(f"{name}: expected error {off:.0f} dollars"
                      for name, off in zip(beliefs, dollars, strict=True))  # fmt: skip
    show(figure, f"Beliefs with the same loss, {loss:.3f} nats, on the label {label}. {facts}.")


def surprise(tokens, losses, counted):
    """Draw a text, each token on the colour of its loss; those that carry the loss are framed.

    tokens: texts; losses: nats, one fewer, as nothing predicts the first; counted: which are framed.
    """
    losses = [math.nan, *map(float, losses)]
    counted = [False, *map(bool, counted)]
    places, x, y = [], 0, 0
    for token in tokens:
        if x + len(token) > LINE:
            x, y = 0, y + 1
        places.append((x, y))
        x += len(token)
        if token.endswith("↵"):
            x, y = 0, y + 1
    n_lines = y + 1
    figure, ax = plt.subplots(figsize=(6.2, 0.33 * n_lines + 1.0))
    top = 10.0
    for (x, y), token, nats, framed in zip(places, tokens, losses, counted, strict=True):
        shade = "white" if math.isnan(nats) else SURPRISE(min(nats, top) / top)
        ax.add_patch(Rectangle((x + 0.06, y - 0.4), len(token) - 0.12, 0.8, facecolor=shade,
                               edgecolor="black" if framed else MUTED,
                               linewidth=1.6 if framed else 0.6, zorder=3 if framed else 2))  # fmt: skip
        ax.text(x + len(token) / 2, y, token, ha="center", va="center", fontsize=9,
                family="DejaVu Sans Mono", zorder=4)  # fmt: skip
    ax.set(xlim=(-0.3, LINE + 0.3), ylim=(n_lines - 0.4, -0.6))
    ax.axis("off")
    scale = plt.cm.ScalarMappable(plt.Normalize(0, top), SURPRISE)
    bar = figure.colorbar(scale, ax=ax, orientation="horizontal", aspect=45, pad=0.02, shrink=0.8)
    bar.set_label("loss of the token (nats)")
    bar.outline.set_visible(False)
    heading(figure, "Where is the model surprised? Framed: the completion")
    kept = [f"{t} {n:.1f}" for t, n, c in zip(tokens, losses, counted, strict=True) if c]
    worst = sorted(range(1, len(tokens)), key=lambda i: -losses[i])[:5]
    said = ", ".join(f"{tokens[i]} {losses[i]:.1f}" for i in worst)
    show(figure, f"A text of {len(tokens)} tokens coloured by loss in nats. The completion: "
                 f"{', '.join(kept)}. The five that surprise most: {said}.")  # fmt: skip


def two_trainings(curves, errors, floor):
    """Draw two loss curves and the errors they end with.

    curves: {name: [loss of each step, …]}; errors: {name: dollars}; floor: the least possible.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.8, 2.6), width_ratios=(1.5, 1))
    looks = ((TRAINING, "-"), (ADAPTER, "--"))
    for (name, losses), (colour, style) in zip(curves.items(), looks, strict=True):
        left.plot(range(1, len(losses) + 1), losses, color=colour, linestyle=style, label=name)
    left.set(xlabel="step", ylabel="loss (nats)", ylim=(0, None))
    left.legend(loc="upper right", title="loss on")
    panel_title(left, "the loss that one reads")
    names = list(errors)
    right.bar(names, [errors[name] for name in names], width=0.6,
              color=[colour for colour, _ in looks])  # fmt: skip
    for x, name in enumerate(names):
        right.text(x, errors[name] + 0.5, f"{errors[name]:.1f}", ha="center", va="bottom")
    right.axhline(floor, color="black", linestyle="--", linewidth=1.2, label="noise floor")
    right.legend(loc="upper left")
    right.set(ylabel="error (dollars)", ylim=(0, 1.35 * max(errors.values())))
    panel_title(right, "what the shop sees")
    ends = {name: sum(losses[-5:]) / len(losses[-5:]) for name, losses in curves.items()}
    low, high = sorted(ends, key=ends.get)
    verdict = "no better for it" if errors[low] > errors[high] - 0.5 else "better this time"
    heading(figure, f"A loss on {low} reads far lower; prices are {verdict}")
    facts = "; ".join(f"{n}: loss {curves[n][0]:.2f} to {ends[n]:.2f}, error "
                      f"{errors[n]:.1f} dollars" for n in names)  # fmt: skip
    show(figure, f"Two trainings that differ in the label mask only. {facts}. "
                 f"Noise floor {floor:.1f} dollars.")  # fmt: skip


def padded(beliefs, title):
    """Draw beliefs of one prompt, a panel each, the first as a grey line in all. beliefs: {name: (1000,)}."""
    rows = {name: np.asarray(p, dtype=float) for name, p in beliefs.items()}
    alone = next(iter(rows.values()))
    low, high = price_range(alone)
    figure, panels = plt.subplots(len(rows), 1, figsize=(5.4, 0.95 * len(rows) + 0.8), sharex=True,
                                  sharey=True)  # fmt: skip
    said = []
    for ax, (name, p) in zip(panels, rows.items(), strict=True):
        off = 50 * np.abs(p - alone).sum()
        wrong = off > 1
        left = f"{100 * p.sum():.0f} % of it is on prices"
        ax.fill_between(np.arange(1000), 100 * p, step="mid", linewidth=0,
                        color=VALIDATION if wrong else TRAINING)  # fmt: skip
        ax.step(np.arange(1000), 100 * alone, where="mid", color=REFERENCE, linewidth=1)
        verdict = f"{off:.0f} % of the belief has moved" if wrong else "as it should be"
        verdict = left if p.sum() < 0.5 else verdict
        verdict = "the grey line of the others" if p is alone else verdict
        panel_title(ax, f"{name}: {verdict}")
        said.append(f"{name}: {verdict}")
        ax.set_xlim(low, high)
        ax.set_ylim(0, 130 * alone.max())
    panels[len(rows) // 2].set_ylabel("probability (%)")
    panels[-1].set_xlabel("price (dollars)")
    heading(figure, title)
    show(
        figure,
        f"Beliefs about the same prompt, with that of the prompt alone in grey. {'; '.join(said)}.",
    )


def guesses(probabilities, expected, marks):
    """Draw a belief with the numbers read off it, and below what each guess would cost on average.

    expected: {name of the error: (1000,) expected cost of each guess, dollars};
    marks: {name: price}.
    """
    p = np.asarray(probabilities, dtype=float)
    low, high = price_range(p)
    figure, (above, below) = plt.subplots(2, 1, figsize=(5.6, 4.0), sharex=True)
    _bars(above, p, low, high, FROZEN)
    colours = dict(zip(marks, (TRAINING, VALIDATION, GREEN), strict=True))
    styles = dict(zip(marks, (":", "-", "--"), strict=True))
    for name, price in marks.items():
        above.axvline(price, color=colours[name], linestyle=styles[name],
                      label=f"{name}: {price:.0f}")  # fmt: skip
    above.legend(loc="upper right")
    looks = ((VALIDATION, "-", "median"), (GREEN, "--", "mean"))
    for (name, cost), (colour, style, at) in zip(expected.items(), looks, strict=True):
        cost = np.asarray(cost, dtype=float)
        best = int(cost.argmin())
        below.plot(np.arange(low, high + 1), cost[low : high + 1], color=colour, linestyle=style,
                   label=f"{name}: least at the {at}")  # fmt: skip
        below.plot([best], [cost[best]], "o", color=colour)
    below.set(xlabel="price, or guess (dollars)", ylabel="expected (dollars)", ylim=(0, None))
    below.legend(loc="upper left")
    heading(figure, "Each kind of error has its own best number")
    facts = "; ".join(f"{name} {price:.1f}" for name, price in marks.items())
    least = "; ".join(f"{name} is least at {int(np.argmin(c))}" for name, c in expected.items())
    show(figure, f"A belief over prices: {facts}. Expected cost of each guess: {least}.")


def temperatures(beliefs, samples):
    """Draw one belief at several temperatures, with a few samples below. beliefs: {T: (1000,)}."""
    low, high = price_range(*list(beliefs.values())[:2])
    figure, panels = plt.subplots(len(beliefs), 1, figsize=(5.4, 1.1 * len(beliefs) + 0.7),
                                  sharex=True)  # fmt: skip
    said = []
    for ax, (T, p), colour in zip(panels, beliefs.items(), (GREEN, TRAINING, PINK), strict=False):
        p = np.asarray(p, dtype=float)
        drawn = np.asarray(samples[T])
        _bars(ax, p, low, high, colour)
        ax.set_ylabel("%")
        inside = drawn[(drawn >= low) & (drawn <= high)]
        floor = -14 * p.max()
        ax.plot(inside, np.full(len(inside), floor), "|", color="black", markersize=9)
        ax.set_ylim(2 * floor, None)
        ax.set_yticks([0, round(100 * p.max(), 1)])
        outside = len(drawn) - len(inside)
        panel_title(ax, f"T = {T:g}: most likely has {100 * p.max():.1f} %; "
                        f"{outside} of {len(drawn)} samples off this axis")  # fmt: skip
        said.append(f"at T = {T:g} the most likely price has {100 * p.max():.1f} % and "
                    f"{outside} of {len(drawn)} samples are off the axis")  # fmt: skip
    panels[-1].set_xlabel("price (dollars)")
    heading(figure, "Temperature sharpens or flattens; ticks are samples")
    show(figure, f"One belief at {len(beliefs)} temperatures, with samples: {'; '.join(said)}.")
