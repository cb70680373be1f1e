"""Pictures of a fine-tuning run: the data, the label mask, the four steps, the curve, the result."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers.plots import ADAPTER, FROZEN, MUTED, REFERENCE, TRAINING, VALIDATION, show

PARTS = {
    "base, 4-bit": FROZEN,
    "base, not quantized": "#8899AA",
    "adapters": ADAPTER,
    "gradients": VALIDATION,
    "optimizer": "#CC79A7",
    "activations": TRAINING,
    "loss": "#56B4E9",
    "file, mapped": MUTED,
}


def memory_parts(runs: dict[str, dict], there: list[int]) -> None:
    """The memory of runs, {name: {part: bytes}}, each against the bytes that its machine has."""
    fig, axes = plt.subplots(len(runs), 1, figsize=(8, 1.25 * len(runs) + 0.9))
    alts = []
    for ax, (name, parts), room in zip(axes, runs.items(), there, strict=True):
        left, total = 0.0, sum(parts.values())
        for part, n_bytes in parts.items():
            ax.barh(0, n_bytes / 1e9, left=left, color=PARTS[part], label=part)
            left += n_bytes / 1e9
        shown = room < 3 * total  # else the limit is too far away to draw
        ax.set(yticks=[], xlim=(0, 1.08 * (room / 1e9 if shown else left)))
        if shown:
            ax.axvline(room / 1e9, color="black", lw=1.5)
        ax.set_title(f"{name}: {total / 1e9:.2f} GB of {room / 1e9:.1f} GB", size=10)
        listed = ", ".join(f"{part} {n_bytes / 1e9:.3f}" for part, n_bytes in parts.items())
        alts.append(f"{name}: {listed}; {total / 1e9:.2f} in all, {room / 1e9:.1f} there")
    axes[-1].set_xlabel("GB at the peak of training; black: what the machine has")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    fig.set_layout_engine("constrained")
    show(fig, f"Memory in GB, part by part. {'. '.join(alts)}.")


def price_histogram(prices) -> None:
    """How the prices (dollars, shape (N,)) are spread."""
    median, mean = np.median(prices), np.mean(prices)
    fig, ax = plt.subplots(figsize=(6.4, 2.6))
    ax.hist(prices, bins=np.arange(0, 1025, 25), color=TRAINING)
    for value, name, height in ((median, "median", 0.95), (mean, "mean", 0.8)):
        ax.axvline(value, color=REFERENCE, ls="--", lw=1.2)
        ax.text(value + 8, height, f"{name} ${value:.0f}", transform=ax.get_xaxis_transform())
    ax.set(xlabel="price ($)", ylabel="items", xlim=(0, 1000))
    ax.set_title("Most items are cheap, a few are dear: the mean is above the median")
    show(fig, f"Histogram of {len(prices)} prices: median {median:.0f}, mean {mean:.0f} dollars.")


def price_belief(beliefs: dict, price: float, title: str) -> None:
    """One item's price distributions: {label: probabilities of shape (1000,)}, and its price."""
    fig, axes = plt.subplots(len(beliefs), 1, figsize=(6.4, 1.9 * len(beliefs)), sharex=True)
    alts = []
    top = 0
    for ax, (label, p), colour in zip(
        np.atleast_1d(axes), beliefs.items(), (REFERENCE, TRAINING), strict=False
    ):
        middle = int((p.cumsum() < 0.5 * p.sum()).sum())
        visible = np.flatnonzero(p > 0.02 * p.max())
        top = max(top, 1.2 * visible[-1], 1.2 * price)
        ax.fill_between(np.arange(len(p)), 100 * p, step="mid", color=colour, lw=0)
        ax.axvline(price, color="black", lw=1, ls="--")
        ax.axvline(middle, color=VALIDATION, lw=1)
        ax.set(ylabel="probability (%)", ylim=(0, None))
        ax.text(
            0.99, 0.9, f"{label}: median ${middle}", transform=ax.transAxes, ha="right", va="top"
        )
        alts.append(f"{label}: median {middle} dollars, peak {p.argmax()}")
    ax.set(
        xlabel=rf"price (\$); dashed: the asked \${price:.0f}, vermilion: the median",
        xlim=(0, top),
    )
    np.atleast_1d(axes)[0].set_title(title)
    show(fig, f"Distribution over price tokens. {'; '.join(alts)}; asked {price:.0f} dollars.")


def label_mask(tokens: list[str], labels) -> None:
    """The tokens of one training example; those whose label is not -100 carry the loss."""
    labels = [int(label) for label in labels]
    fig, ax = plt.subplots(figsize=(8, 2.9))
    x, y, width = 0.0, 0, 92
    for token, label in zip(tokens, labels, strict=True):
        text = token.replace("\n", "↵").replace(" ", "·")
        w = len(text) + 1.2
        if x + w > width:
            x, y = 0.0, y - 1.5
        box = FancyBboxPatch((x, y), w - 0.5, 1, boxstyle="round,pad=0.05", lw=0)
        box.set_facecolor(ADAPTER if label != -100 else MUTED)
        ax.add_patch(box)
        ax.text(
            x + (w - 0.5) / 2,
            y + 0.45,
            text,
            ha="center",
            va="center",
            family="monospace",
            size=7.5,
        )
        x += w
    ax.set(xlim=(-0.5, width + 0.5), ylim=(y - 0.4, 1.6))
    ax.axis("off")
    n_loss = sum(label != -100 for label in labels)
    ax.set_title(f"The loss is taken on {n_loss} of {len(labels)} tokens: the completion (orange)")
    said = "".join(t for t, label in zip(tokens, labels, strict=True) if label != -100)
    show(
        fig,
        f"{len(tokens)} tokens in boxes; {n_loss} carry the loss: {said!r}, the rest are masked.",
    )


def four_steps(n: dict) -> None:
    """Forward pass, loss, backward pass, optimization, with the numbers of one real step.

    n: n_frozen, n_adapter (parameters), n_targets (modules), target_names (of their kinds), tokens
    (in the batch), loss_tokens, answer, guess (strings), p_answer, loss, grad_A, grad_B (norms),
    learning_rate, move_B (largest change of an entry of B), loss_after.
    """
    fig, ax = plt.subplots(figsize=(9, 4.4))
    ax.set(xlim=(0, 90), ylim=(0, 44))
    ax.axis("off")

    def box(x, y, w, h, colour, text, size=8.5):
        patch = FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0.4", fc=colour, ec="none")
        ax.add_patch(patch)
        ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", size=size)

    def arrow(a, b, colour, style="-"):
        ax.add_patch(
            FancyArrowPatch(
                a, b, arrowstyle="-|>", mutation_scale=13, lw=1.6, ls=style, color=colour
            )
        )

    ax.text(0, 42, "One training step: only the adapters can move", weight="bold", size=11)
    box(
        1,
        17,
        12,
        10,
        MUTED,
        f"batch\n{n['tokens']:,} tokens,\n{n['loss_tokens']} of them\ncarry the loss",
    )
    box(23, 10, 30, 24, FROZEN, "")
    ax.text(
        38, 31.5, f"frozen base, NF4\n{n['n_frozen']:,} weights", ha="center", va="center", size=8.5
    )
    kinds = [name.removesuffix("_proj") for name in n["target_names"]]
    kinds = "\n".join(", ".join(kinds[i : i + 4]) for i in range(0, len(kinds), 4))
    box(25.5, 12, 11, 14, "white", f"{n['n_targets']} target\nmodules\n{kinds}\n(frozen too)")
    box(39.5, 12, 11, 14, ADAPTER, f"adapters\nA and B\n{n['n_adapter']:,}\nweights")
    box(
        64,
        17,
        25,
        10,
        MUTED,
        f"said {n['guess']!r}, right was {n['answer']!r}\np({n['answer']}) = {n['p_answer']:.4f}\nloss {n['loss']:.3f}",
    )
    arrow((14, 24), (22, 24), TRAINING)
    arrow((54, 24), (63, 24), TRAINING)
    arrow((63, 19), (54, 19), VALIDATION)
    arrow((45, 11), (45, 4.5), ADAPTER)
    ax.text(18, 36.5, "1. forward pass", color=TRAINING, weight="bold", ha="center")
    ax.text(76, 29.5, "2. loss", weight="bold", ha="center")
    ax.text(
        72,
        12,
        f"3. backward pass\n‖∂L/∂B‖ = {n['grad_B']:.4f}\n‖∂L/∂A‖ = {n['grad_A']:.4f}  (B is still 0)\nbase: no gradient",
        color=VALIDATION,
        va="center",
        ha="center",
        size=9,
    )
    ax.text(45, 1.5, f"4. optimization: AdamW moves B by up to {n['move_B']:.4f} (learning rate {n['learning_rate']:g}); "
            f"the batch's loss {n['loss']:.3f} → {n['loss_after']:.3f}", ha="center", size=9)  # fmt: skip
    show(
        fig,
        f"Four steps of one training step. Forward pass of {n['tokens']} tokens through "
        f"{n['n_frozen']} frozen weights with {n['n_adapter']} adapter weights beside "
        f"{n['n_targets']} modules; loss {n['loss']:.3f}; gradients reach B ({n['grad_B']:.4f}) and "
        f"not yet A ({n['grad_A']:.4f}); after AdamW the loss is {n['loss_after']:.3f}.",
    )


def _loss_axis(ax, history, max_steps):
    steps = [row["step"] for row in history]
    few = "." if len(steps) < 5 else None  # a line through one point shows nothing
    ax.plot(steps, [row["loss"] for row in history], color=TRAINING, marker=few)
    ax.set(xlabel="step", ylabel="loss (nats a token)", xlim=(0, max_steps), ylim=(0, None))


def _guess_axis(ax, guesses, max_steps, price=None):
    ax.plot(list(guesses), list(guesses.values()), "o-", ms=3.5, color=VALIDATION)
    if price is not None:
        ax.axhline(price, color=REFERENCE, ls="--", lw=1.2)
    ax.set(xlabel="step", ylabel="guess for one item ($)", xlim=(0, max_steps), ylim=(0, None))


def live_curve(history, guesses, max_steps):
    """(figure, alt) of a run so far: the loss, and the guess for one fixed item."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6))
    _loss_axis(left, history, max_steps)
    _guess_axis(right, guesses, max_steps)
    left.set_title("training loss")
    right.set_title("what it would answer")
    last = history[-1]
    return fig, f"Loss {last['loss']:.3f} at step {last['step']} of {max_steps}."


def run_record(history, guesses, price) -> None:
    """A whole run: loss, learning rate, and the guess for one item against its price.

    Says so where there is nothing to draw: a run that was interrupted in its first step.
    """
    if not history:
        print("Nothing to draw: the run was stopped before its first step ended.")
        return
    n = history[-1]["step"]
    fig, (a, b, c) = plt.subplots(1, 3, figsize=(9.6, 2.7))
    _loss_axis(a, history, n)
    b.plot(
        [r["step"] for r in history], [1e3 * r["learning_rate"] for r in history], color=TRAINING
    )
    b.set(xlabel="step", ylabel="learning rate (× 10⁻³)", xlim=(0, n), ylim=(0, None))
    _guess_axis(c, guesses, n, price)
    first, last = history[0]["loss"], history[-1]["loss"]
    a.set_title(f"Loss from {first:.2f} to {last:.2f}")
    b.set_title("Down along a cosine")
    c.set_title(f"An item at ${price:.0f}")
    ends = list(guesses.values())
    show(
        fig,
        f"Loss from {first:.2f} to {last:.2f} over {n} steps; learning rate down along a cosine; "
        f"guess for an item of {price:.0f} dollars from {ends[0]:.0f} to {ends[-1]:.0f}.",
    )


def movement(moved: dict[str, float], n_layers: int) -> None:
    """{"layer.module": relative change of its effective weight}; zero is drawn white."""
    modules = list(dict.fromkeys(name.split(".")[1] for name in moved))
    grid = np.array([[moved[f"{i}.{m}"] for m in modules] for i in range(n_layers)])
    fig, ax = plt.subplots(figsize=(6.4, max(2.5, 0.3 * n_layers)))
    image = ax.imshow(100 * grid, cmap="Oranges", vmin=0, aspect="auto")
    for (i, j), value in np.ndenumerate(grid):
        ax.text(j, i, f"{100 * value:.0f} %" if value else "0", ha="center", va="center", size=8.5)
    ax.set_xticks(range(len(modules)), modules)
    ax.set_yticks(range(n_layers), [f"layer {i}" for i in range(n_layers)])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    fig.colorbar(image, label="‖change‖ / ‖weight‖ (%)")
    ax.set_title("Only the target modules act differently now")
    named = ", ".join(f"{m} {100 * grid[:, j].mean():.0f} %" for j, m in enumerate(modules))
    show(fig, f"Relative change of each module's weight, mean over {n_layers} layers: {named}.")


def leaderboard(table, floor: float) -> None:
    """A scoring.leaderboard with its intervals, and the noise floor (dollars)."""
    table = table.iloc[::-1]
    y = np.arange(len(table))
    ours = ["tuned" in name and "untuned" not in name for name in table.index]
    fig, ax = plt.subplots(figsize=(7.4, 0.36 * len(table) + 1.1))
    ax.barh(y, table["error $"], color=[TRAINING if o else MUTED for o in ours])
    spread = [table["error $"] - table["from"], table["to"] - table["error $"]]
    ax.errorbar(table["error $"], y, xerr=spread, fmt="none", ecolor="black", lw=1, capsize=2)
    if floor == floor:  # not nan
        ax.axvline(floor, color=REFERENCE, ls="--")
        ax.text(floor + 1, len(table) - 0.42, f"noise floor ${floor:.1f}", color=REFERENCE, size=9)
    ax.set_yticks(y, table.index)
    ax.set(xlabel="mean absolute error ($), with its 95 % interval", ylim=(-0.6, len(table) + 0.1))
    best = table.index[-1]
    ax.set_title(f"Best: {best}, ${table['error $'].iloc[-1]:.1f}")
    listed = ", ".join(f"{name} {value:.1f}" for name, value in table["error $"].iloc[::-1].items())
    show(fig, f"Mean absolute error in dollars, best first: {listed}; noise floor {floor:.1f}.")
