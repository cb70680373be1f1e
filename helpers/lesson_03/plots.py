"""Pictures of lesson 3: noise becomes talk, parameters to scale, attention, positions, dropout."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from helpers.plots import (
    ADAPTER,
    FROZEN,
    GREEN,
    MUTED,
    REFERENCE,
    SIGNED,
    SKY,
    TRAINING,
    VALIDATION,
    heading,
    panel_title,
    show,
)

PARTS = {
    "embeddings": ADAPTER,
    "attention": TRAINING,
    "MLP": SKY,
    "output head": VALIDATION,
    "norms": MUTED,
}
N_CHARACTERS = 125  # of a text that a model wrote


def _readable(text, n=N_CHARACTERS):
    """`text` on one line, with a sign for what no font can show."""
    text = "".join(c if c.isascii() and c.isprintable() else "·" for c in " ".join(text.split()))
    return text if len(text) <= n else f"{text[:n].rstrip()} …"


def pretraining(losses, written, prompt, chance):
    """Draw the loss of each step, and below it what the model wrote on the way.

    losses: one a step. written: {step: text}, the prompt left out. chance: loss of knowing nothing.
    """
    figure, (top, below) = plt.subplots(
        2, 1, figsize=(6.0, 4.5), gridspec_kw={"height_ratios": (1, 1.6)}
    )
    top.plot(range(len(losses)), losses, color=TRAINING)
    top.axhline(chance, color=REFERENCE, linestyle="--", linewidth=1)
    top.annotate("knows nothing", (len(losses) - 1, chance), (0, -4), textcoords="offset points",
                 ha="right", va="top", color=REFERENCE)  # fmt: skip
    marked = {step: losses[min(step, len(losses) - 1)] for step in written}
    top.plot(list(marked), list(marked.values()), "o", color=TRAINING)
    top.set(xlabel="step", ylabel="loss (nats)", ylim=(0, 1.12 * chance))
    below.axis("off")
    end, y = max(written), 1.0  # the last text has three lines, the others two
    unit = 1 / (2 * len(written) + 1 + 0.6 * len(written))
    for step, text in written.items():
        n_lines = 3 if step == end else 2
        height = (n_lines + 0.6) * unit
        below.add_patch(Rectangle((0, y - 0.93 * height), 1, 0.93 * height, facecolor=MUTED, alpha=0.35,
                                  transform=below.transAxes))  # fmt: skip
        body = "\n".join(textwrap.wrap(f"{prompt} {_readable(text)}", 58)[:n_lines])
        below.text(0.015, y - 0.02, f"step {step}", fontweight="bold", va="top", color=TRAINING,
                   transform=below.transAxes)  # fmt: skip
        below.text(0.175, y - 0.02, body, va="top", fontsize=10, parse_math=False, linespacing=1.3,
                   transform=below.transAxes)  # fmt: skip
        y -= height
    n = len(losses)
    heading(figure, f"{n} steps turn random numbers into market talk" if n > 100 else f"{n} steps")
    said = "; ".join(f"step {s}: {_readable(t)}" for s, t in written.items())
    show(
        figure,
        f"Training loss falls from {losses[0]:.2f} to {losses[-1]:.2f} nats in {n} steps (dashed: "
        f"{chance:.2f}, a model that knows nothing). What it writes behind '{prompt}': {said}",
    )


def where(counts):
    """Draw the parameters of models as squares to one scale, and the share of each part.

    counts: {model: {part: parameters}}, the parts as in PARTS; what is left out is not drawn.
    """
    totals = {name: sum(parts.values()) for name, parts in counts.items()}
    largest = max(totals.values())
    figure, (top, below) = plt.subplots(
        2, 1, figsize=(6.0, 5.6), gridspec_kw={"height_ratios": (1.55, 1)}
    )
    left = 0.0
    for name, parts in sorted(counts.items(), key=lambda item: -totals[item[0]]):
        side, x = (totals[name] / largest) ** 0.5, left
        for part, n in parts.items():
            width = side * n / totals[name]
            top.add_patch(Rectangle((x, 0), width, side, facecolor=PARTS[part], linewidth=0))
            x += width
        top.annotate(name, (left + side / 2, side), (0, 4), textcoords="offset points",
                     ha="center" if side > 0.5 else "left", va="bottom")  # fmt: skip
        left += side + (0.1 if side > 0.5 else 0.35)
    top.set(xlim=(0, 1.75), ylim=(0, 1.1), aspect="equal")
    top.axis("off")
    panel_title(top, "areas to one scale")
    for row, (name, parts) in enumerate(counts.items()):
        x = 0.0
        for part, n in parts.items():
            share = n / totals[name]
            below.barh(row, share, left=x, color=PARTS[part], height=0.7)
            if share > 0.06:
                below.text(x + share / 2, row, f"{100 * share:.{int(share < 0.1)}f}", ha="center", va="center",
                           color="white" if part in ("attention", "output head") else "black")  # fmt: skip
            x += share
    below.set_yticks(range(len(counts)), list(counts))
    below.set(xlim=(0, 1), ylim=(len(counts) - 0.5, -0.5))
    below.set_xticks([])
    below.spines[:].set_visible(False)
    below.tick_params(length=0)
    panel_title(below, "shares of each model (%)")
    shown = [part for part in PARTS if part != "norms"]  # too thin to see
    handles = [Rectangle((0, 0), 1, 1, color=PARTS[part]) for part in shown]
    below.legend(handles, shown, ncols=4, loc="upper center", bbox_to_anchor=(0.42, -0.02),
                 handlelength=1, columnspacing=1.2)  # fmt: skip
    tables = {m: sum(p.get(k, 0) for k in ("embeddings", "output head")) for m, p in counts.items()}
    shares = [tables[name] / totals[name] for name in counts]
    heading(figure, f"Embeddings and head: from {max(shares):.0%} of a model to {min(shares):.0%}")
    said = "; ".join(
        f"{name}, {totals[name]:,}: "
        + ", ".join(f"{part} {n / totals[name]:.1%}" for part, n in parts.items())
        for name, parts in counts.items()
    )
    show(figure, f"Where the parameters are, areas to one scale and as shares. {said}.")


def block(T, C, q_width, kv_width, hidden):
    """Draw one block: the stream of T vectors, the two branches that add to it, and all shapes."""
    figure, ax = plt.subplots(figsize=(6.0, 4.2))
    ax.set(xlim=(0, 10), ylim=(0, 10.4))
    ax.axis("off")
    stream = 1.25
    ax.annotate("", (stream, 10.4), (stream, 0.1),
                arrowprops={"arrowstyle": "-|>", "color": REFERENCE, "linewidth": 5})  # fmt: skip
    ax.text(0.75, 5, f"residual stream ({T}, {C})", rotation=90, ha="center", va="center")

    def box(x, y, width, text, colour):
        ax.add_patch(Rectangle((x, y), width, 1.15, facecolor=colour, linewidth=0))
        ax.text(x + width / 2, y + 0.57, text, ha="center", va="center",
                color="white" if colour == TRAINING else "black")  # fmt: skip

    def arrow(start, end):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": REFERENCE})

    def branch(y, first, middle, last, colour):
        arrow((stream, y - 0.1), (3.0, y - 0.1))
        box(3.05, y - 0.65, 1.75, "norm", MUTED)
        for i, (text, width) in enumerate(first):
            box(5.0, y - 1.05 + 1.25 * i, 4.9, f"{text} ({T}, {width})", colour)
        box(5.0, y - 1.05 + 1.25 * len(first), 4.9, middle, FROZEN)
        top = y - 1.05 + 1.25 * len(first)
        box(2.15, top, 2.65, last, colour)
        arrow((2.15, top + 0.57), (stream, top + 0.57))
        ax.text(stream + 0.12, top + 0.85, "+", fontsize=14, fontweight="bold")

    attention = [(name, q_width if name == "q" else kv_width) for name in "qkv"]
    branch(1.35, attention, "heads look back and collect", f"o ({T}, {C})", PARTS["attention"])
    inside = [("gate", hidden), ("up", hidden)]
    branch(7.0, inside, "silu(gate) × up", f"down ({T}, {C})", PARTS["MLP"])
    panel_title(ax, "read upwards; attention below, the MLP above")
    heading(figure, "A block reads the stream twice, and adds to it twice")
    show(
        figure,
        f"One block, upwards. A stream of {T} vectors of {C} numbers. First branch: norm, q of "
        f"width {q_width}, k and v of width {kv_width}, the heads look back and collect, o brings "
        f"the result back to {C} numbers, added to the stream. Second branch: norm, gate and up of "
        f"width {hidden}, silu(gate) × up, down back to {C} numbers, added to the stream.",
    )


def attention(scores, weights, words):
    """Draw one head's masked scores and its weights, both (T, T): row looks at column."""
    T = len(words)
    scores, weights = np.asarray(scores), np.asarray(weights)
    finite = np.where(np.isfinite(scores), scores, np.nan)
    figure, panels = plt.subplots(2, 1, figsize=(4.4, 7.2))
    reach = np.nanmax(np.abs(finite))
    for ax, values, limit in ((panels[0], finite, reach), (panels[1], weights, 1.0)):
        ax.set_facecolor(MUTED)
        ax.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
        ax.set_yticks(range(T), words, parse_math=False)
        ax.set_xticks(range(T), words, rotation=90, parse_math=False)
        ax.tick_params(length=0, labelsize=9)
        ax.set_ylabel("this word looks …")
    panels[1].set_xlabel("… at this one")
    panels[0].set_xticks([])
    panel_title(panels[0], "scores; grey: masked")
    panel_title(panels[1], "weights, after the softmax; orange is 1")
    heading(figure, "Nothing above the diagonal: nobody sees the future")
    top = int(weights[-1].argmax())
    show(
        figure,
        f"Two matrices of {T} × {T}: masked scores from {np.nanmin(finite):.1f} to "
        f"{np.nanmax(finite):.1f}, nothing above the diagonal, and the weights that the softmax "
        f"makes of them. In the last row the largest weight, {weights[-1, top]:.2f}, is on "
        f"'{words[top]}'.",
    )


def reading(words, heads):
    """Draw a text once for each head, each word shaded by how much the last place looks at it.

    words: the tokens' texts. heads: {name: weights (T,)}.
    """
    height = 0.98 * len(heads) + 0.45
    figure, ax = plt.subplots(figsize=(6.0, height))
    ax.set(xlim=(0, 1), ylim=(len(heads), 0))
    ax.axis("off")
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for row, (name, weights) in enumerate(heads.items()):
        ax.text(0, row + 0.16, name, fontweight="bold", va="center", color=TRAINING)
        x, y = 0.0, row + 0.45
        for word, weight in zip(words, np.asarray(weights), strict=True):
            label = ax.text(
                x, y, word.replace("\n", "↵"), va="center", fontsize=10.5, parse_math=False
            )
            inverse = ax.transData.inverted()
            extent = label.get_window_extent(renderer).transformed(inverse)
            space = 0.012 if word.startswith(" ") else 0.0
            width = extent.width if word.strip() else 0.01
            if x + width > 0.99:
                x, y, space = 0.0, y + 0.30, 0.0
            label.set_position((x + space, y))
            label.set_text(word.strip())
            shown = label.get_window_extent(renderer).transformed(inverse).width
            ax.add_patch(Rectangle((x + space - 0.003, y - 0.135), shown + 0.006, 0.27, zorder=0,
                                   facecolor=SIGNED(0.5 + 0.5 * float(weight)), linewidth=0))  # fmt: skip
            x += space + shown + 0.002
    heading(figure, "Each head reads the same text for something else")
    said = []
    for name, weights in heads.items():
        order = np.argsort(-np.asarray(weights))[:3]
        found = ", ".join(f"'{words[i].strip()}' {float(weights[i]):.2f}" for i in order)
        said.append(f"{name}: {found}")
    show(figure, f"How much the last place looks at each word. {'; '.join(said)}.")


def rotary(scores):
    """Draw the score of one query and one key for all pairs of positions, (T, T)."""
    scores = np.asarray(scores)
    T = len(scores)
    figure, (top, below) = plt.subplots(
        2, 1, figsize=(5.2, 4.8), gridspec_kw={"height_ratios": (1.5, 1)}
    )
    limit = np.abs(scores).max()
    image = top.imshow(scores, cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
    top.set(xlabel="position of the key", ylabel="position of the query")
    figure.colorbar(image, ax=top, label="score")
    panel_title(top, "every diagonal has one colour")
    styles = (("-", TRAINING, 4.0), ("--", ADAPTER, 2.6), (":", GREEN, 2.0))
    for (style, colour, width), query in zip(styles, (T - 1, 2 * T // 3, T // 3), strict=True):
        distance = query - np.arange(query + 1)
        below.plot(distance, scores[query, : query + 1], linestyle=style, color=colour,
                   linewidth=width, label=f"query at {query}")  # fmt: skip
    below.set(xlabel="distance, in tokens", ylabel="score")
    below.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.32), columnspacing=1.2)
    panel_title(below, "three places, one curve")
    heading(figure, "Turned by position, q and k know only their distance")
    gap = max(np.ptp(np.diagonal(scores, -d)) for d in range(T))
    show(
        figure,
        f"Scores of one query and one key at {T} × {T} pairs of positions: along every diagonal they "
        f"differ by {gap:.0e} at most. Below, the score against the distance, for three places of "
        f"the query: the three curves lie on each other.",
    )


def dropout(before, train, p, words):
    """Draw numbers before dropout and in training: (rows, columns) each. In eval nothing changes.

    words: one a row.
    """
    before, train = np.asarray(before), np.asarray(train)
    figure, panels = plt.subplots(2, 1, figsize=(5.6, 3.9))
    limit = np.abs(train).max() or np.abs(before).max()
    zeroed = (train == 0) & (before != 0)
    for ax, values, name in (
        (panels[0], before, "before, and in eval"),
        (
            panels[1],
            np.where(zeroed, np.nan, train),
            f"in training; grey: zeroed ({zeroed.mean():.0%})",
        ),
    ):
        ax.set_facecolor(REFERENCE)
        ax.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
        ax.set_xticks([])
        ax.set_yticks(range(len(values)), words)
        ax.tick_params(length=0, labelsize=9)
        panel_title(ax, name)
    scale = 1 / (1 - p) if p < 1 else 0
    heading(figure, f"Dropout {p:g} zeroes numbers; the others × {scale:.3g}")
    show(
        figure,
        f"{before.shape[0]} tokens of {before.shape[1]} numbers, before dropout and in training: "
        f"{zeroed.sum()} of {zeroed.size} are zeroed, the others are {scale:.3g} "
        f"times as large.",
    )


def beyond(losses, trained, allowed):
    """Draw the loss by position in a text, (T,): the mean of 16 positions a point.

    trained: length of the pages in training. allowed: what the configuration says.
    """
    losses = np.asarray(losses)
    means = losses[: len(losses) // 16 * 16].reshape(-1, 16).mean(1)
    places = 16 * np.arange(len(means)) + 8
    figure, ax = plt.subplots(figsize=(5.6, 3.0))
    ax.plot(places, means, color=VALIDATION, marker="o", markersize=3.5)
    top = 1.15 * means.max()
    ax.set(xlabel="position in the text (tokens)", ylabel="loss (nats)", ylim=(0, top))
    ax.set_xlim(0, max(len(losses), allowed) * 1.03)
    for place, text in ((trained, " trained up to here"), (allowed, "config says ")):
        ax.axvline(place, color=REFERENCE, linestyle="--", linewidth=1)
        ax.text(place, 0.02 * top, text, color=REFERENCE, va="bottom",
                ha="left" if place == trained else "right")  # fmt: skip
    inside = losses[trained // 2 : trained].mean()
    outside = losses[2 * trained :].mean() if len(losses) > 2 * trained else losses[-1]
    heading(figure, "No error, but it is lost: a model knows the lengths it has seen")
    show(
        figure,
        f"Loss by position: {losses[:8].mean():.2f} at the start, {inside:.2f} before position "
        f"{trained}, where the pages of training ended, {outside:.2f} beyond {2 * trained}. The "
        f"configuration allows {allowed}.",
    )
