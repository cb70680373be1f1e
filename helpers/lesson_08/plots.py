"""Pictures of lesson 8: memory, one belief, the mask, the four steps, the run, the result."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

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
    show,
)

PARTS = {
    "base, 4-bit": FROZEN,
    "base, not quantized": REFERENCE,
    "adapters": ADAPTER,
    "weights, all trained": ADAPTER,
    "gradients": VALIDATION,
    "optimizer": PINK,
    "activations": TRAINING,
    "loss": SKY,
    "file, mapped": MUTED,
}


def memory_parts(rows: dict[str, dict], there: dict[str, float]):
    """The memory of runs, {name: {part: bytes}}, and of the machines that they run on.

    there: {name of a run: bytes its machine has}, for those runs where it should be drawn. Runs of
    less than 1 GB get a scale of their own.
    """
    total = {name: sum(parts.values()) for name, parts in rows.items()}
    small = [name for name in rows if total[name] < 1e9]
    groups = [group for group in (small, [n for n in rows if n not in small]) if group]
    figure, axes = plt.subplots(
        len(groups),
        1,
        figsize=(6.0, 1.3 + 0.9 * len(rows)),
        gridspec_kw={"height_ratios": [len(group) for group in groups]},
        squeeze=False,
    )
    keys = {}
    for ax, group in zip(axes[:, 0], groups, strict=True):
        for y, name in enumerate(reversed(group)):
            left = 0.0
            for part, n_bytes in rows[name].items():
                bar = ax.barh(y, n_bytes / 1e9, 0.5, left=left, color=PARTS[part])
                keys.setdefault(PARTS[part], (bar, []))[1].append(part)
                left += n_bytes / 1e9
            if name in there and there[name] < 10 * total[name]:
                room = there[name] / 1e9
                ax.plot([room] * 2, [y - 0.3, y + 0.3], color="black", lw=2)
                ax.text(room, y, f"  there: {room:.1f} GB", va="center")
            ax.text(0, y + 0.32, f"{name}: {total[name] / 1e9:.3g} GB", va="bottom")
        ax.set(yticks=[], ylim=(-0.4, len(group) - 0.2), xlabel="GB")
        ax.spines["left"].set_visible(False)
    labels = [" / ".join(dict.fromkeys(parts)) for _, parts in keys.values()]
    bars = [bar for bar, _ in keys.values()]
    figure.legend(bars, labels, loc="outside lower left", ncols=2)
    most = max(total, key=total.get)
    least = min((n for n in total if n not in small and n != most), key=total.get)
    heading(figure, f"{total[most] / 1e9:.0f} GB become {total[least] / 1e9:.1f} GB with QLoRA")
    said = [
        f"{name}: {total[name] / 1e9:.3g}, of which "
        + ", ".join(f"{part} {n_bytes / 1e9:.3g}" for part, n_bytes in parts.items())
        + (f"; the machine has {there[name] / 1e9:.1f}" if name in there else "")
        for name, parts in rows.items()
    ]
    show(figure, f"Memory in GB, part by part. {'. '.join(said)}.")


def price_belief(belief, price: float, guess: float):
    """One item's distribution over prices, shape (n,), its asking price, and the guess read from it."""
    figure, ax = plt.subplots(figsize=(6.0, 2.6))
    _belief(ax, belief, price, guess, REFERENCE)
    ax.set_xlim(0, end_of_prices([belief], price))
    ax.set_xlabel("price ($)")
    ax.set_title(rf"Untuned: most likely \${belief.argmax()}, median \${guess:.0f}")
    show(
        figure,
        f"A distribution over prices: the most likely one is {belief.argmax()} dollars with "
        f"{belief.max():.1%}, the median {guess:.0f}; the asking price is {price:.0f} dollars.",
    )


def learning_rate(config):
    """The schedule of an SFTConfig over one run: warm-up, then down."""
    import torch
    from transformers import get_scheduler

    n = 1000
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=config.learning_rate)
    warmup = config.get_warmup_steps(n)
    schedule = get_scheduler(config.lr_scheduler_type, optimizer, warmup, n)
    rates = []
    for _ in range(n):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    figure, ax = plt.subplots(figsize=(6.0, 2.3))
    ax.plot(np.arange(n) / n * 100, rates, color=TRAINING)
    ax.set(xlabel="share of the run (%)", ylabel="learning rate", xlim=(0, 100), ylim=(0, None))
    ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    ax.set_title(f"Up in {warmup / n:.0%} of the run, then down along a cosine")
    show(
        figure,
        f"The learning rate over a run: from 0 up to {config.learning_rate:g} in the first "
        f"{warmup / n:.0%} of the steps, then down to 0 along a cosine.",
    )


def label_mask(tokens: list[str], labels):
    """The tokens of one training example; those whose label is not -100 carry the loss.

    The middle of a long prompt is left out.
    """
    labels = [int(label) for label in labels]
    n_loss, n_all = sum(label != -100 for label in labels), len(labels)
    said = "".join(t for t, label in zip(tokens, labels, strict=True) if label != -100)
    if (end := n_all - n_loss) > 2 * 9:
        tokens = [*tokens[:9], " … ", *tokens[end - 9 :]]
        labels = [*labels[:9], -100, *labels[end - 9 :]]
    width, line, letter, gap = 5.8, 0.3, 0.0845, 0.04  # inches; of one monospace letter at 10 pt
    boxes, x, y = [], 0.0, 0.0
    for token, label in zip(tokens, labels, strict=True):
        text = token.replace("\n", "↵").replace(" ", "·")
        w = len(text) * letter + 0.09
        if x + w > width:
            x, y = 0.0, y + line
        boxes.append((x, y, w, text, ADAPTER if label != -100 else MUTED))
        x += w + gap
    height = y + line + 0.42
    figure = plt.figure(figsize=(width + 0.1, height), layout="none")
    ax = figure.add_axes([0, 0, 1, 1])
    ax.set(xlim=(-0.05, width + 0.05), ylim=(height, 0))
    ax.axis("off")
    for x, y, w, text, colour in boxes:
        box = FancyBboxPatch(
            (x + 0.02, y + 0.42), w - 0.04, 0.2, boxstyle="round,pad=0.02", lw=0, fc=colour
        )
        ax.add_patch(box)
        ax.text(x + w / 2, y + 0.52, text, ha="center", va="center", family="monospace", size=10)
    title = f"{n_loss} of {n_all} tokens carry the loss: the completion (orange)"
    ax.text(0, 0.2, title, weight="bold", size=11, va="center")
    show(figure, f"{n_all} tokens; {n_loss} carry the loss: {said!r}, the rest are masked.")


def four_steps(trainer, batch, logits, loss_after, at_start):
    """Forward pass, loss, backward pass, optimization, with the numbers of the step just taken.

    batch: as the trainer's collator made it. logits: (B, T, V), of the forward pass. loss_after: of
    the same batch after the step. at_start: {name: value} of the adapters before it. The adapters
    still hold the gradients of the step.
    """
    import torch

    weights = dict(trainer.model.named_parameters())
    grads = {name: weights[name].grad.norm().item() for name in at_start}
    pull = {m: np.hypot.reduce([g for n, g in grads.items() if m in n]) for m in ("_A", "_B")}
    moves = [(weights[n] - old).abs().max().item() for n, old in at_start.items() if "_B" in n]
    targets = [m for m in trainer.model.modules() if hasattr(m, "lora_A")]
    kinds = dict.fromkeys(n.split(".lora_")[0].split(".")[-1] for n in at_start)
    kinds = ", ".join(name.removesuffix("_proj") for name in kinds)
    four_bit = [
        m for m in trainer.model.modules() if hasattr(getattr(m, "weight", 0), "quant_state")
    ]
    n_frozen = sum(m.in_features * m.out_features for m in four_bit if not hasattr(m, "lora_A"))
    n_adapter = sum(value.numel() for value in at_start.values())

    labels = batch["labels"][:, 1:].to(logits.device)
    counted = labels != -100
    row, place = counted.nonzero()[0].tolist()
    right = labels[row, place]
    p = logits[row, place].float().softmax(-1)
    decode = trainer.processing_class.decode
    answer, guess = decode(right), decode(p.argmax())
    loss = torch.nn.functional.cross_entropy(logits[:, :-1][counted].float(), labels[counted])
    n_tokens, n_loss = int(batch["attention_mask"].sum()), int(counted.sum())

    figure, ax = plt.subplots(figsize=(6.3, 4.6), layout="none")
    figure.subplots_adjust(0, 0, 1, 1)
    ax.set(xlim=(0, 6.3), ylim=(0, 4.6))
    ax.axis("off")

    def box(x, y, w, h, colour, text, **style):
        shape = FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=0.1")
        shape.set(facecolor=colour, edgecolor="none")
        ax.add_patch(shape)
        ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", linespacing=1.35, **style)

    def step(number, name, x, y):
        ax.add_patch(Circle((x + 0.12, y), 0.13, color="black"))
        ax.text(x + 0.12, y - 0.005, number, color="white", weight="bold", ha="center", va="center")
        ax.text(x + 0.34, y, name, weight="bold", size=11, va="center")

    def arrow(*points, colour, bend=0.0):
        style = f"arc3,rad={bend}"
        ax.add_patch(
            FancyArrowPatch(
                *points,
                connectionstyle=style,
                arrowstyle="-|>,head_length=6,head_width=3.5",
                lw=2.2,
                color=colour,
                shrinkA=0,
                shrinkB=0,
            )
        )

    title = "One training step: only the adapters can move"
    ax.text(0.1, 4.42, title, weight="bold", size=12, va="center")

    step(1, "Forward pass", 0.1, 3.95)
    box(0.1, 2.55, 1.2, 0.95, MUTED, f"{len(labels)} items,\n{n_tokens:,} tokens")
    arrow((1.38, 3.03), (1.73, 3.03), colour=TRAINING)
    box(1.8, 1.7, 2.55, 2.0, FROZEN, "")
    ax.text(3.07, 3.46, f"frozen base: {n_frozen:,}", ha="center", va="center")
    ax.text(3.07, 3.24, "weights in 4 bits", ha="center", va="center")
    lines = f"{len(targets)} modules\n{textwrap.fill(kinds, 12)}\n(frozen)"
    box(1.93, 1.83, 1.05, 1.2, "white", lines)
    ax.text(3.07, 2.43, "+", size=13, weight="bold", ha="center", va="center")
    box(3.16, 1.83, 1.05, 1.2, ADAPTER, f"A and B\n{n_adapter:,}\nweights")
    arrow((4.43, 3.03), (4.78, 3.03), colour=TRAINING)

    step(2, "Loss", 4.85, 3.95)
    said = f"says {guess!r},\nright: {answer!r}\np = {p[right]:.2g}\n−log p = {-p[right].log():.1f}"
    box(4.85, 2.55, 1.35, 1.15, MUTED, said)
    ax.text(5.52, 2.37, f"mean of {n_loss}: {loss:.2f}", ha="center", va="center", weight="bold")

    arrow((5.52, 2.22), (4.24, 2.2), colour=VALIDATION, bend=-0.3)
    step(3, "Backward pass", 4.05, 1.2)
    lines = f"pull on B: {pull['_B']:.3g}\npull on A: {pull['_A']:.3g}"
    lines += ", as B is still 0" if pull["_A"] == 0 else ""
    ax.text(4.39, 0.98, lines + "\nfrozen base: none", va="top", linespacing=1.45)

    step(4, "Optimization", 0.1, 1.2)
    arrow((1.95, 1.2), (3.68, 1.8), colour=ADAPTER, bend=0.28)
    lines = f"AdamW moves B by up to {max(moves):.2g},\nthe learning rate. Loss of the\n"
    lines += f"same items: {loss:.2f} → {loss_after:.2f}"
    ax.text(0.44, 0.98, lines, va="top", linespacing=1.45)
    show(
        figure,
        f"Four steps of one training step. Forward pass: {n_tokens} tokens of {len(labels)} items, "
        f"{n_loss} of which carry the loss, through {n_frozen} frozen weights in 4 bits, with "
        f"{n_adapter} adapter weights beside {len(targets)} modules ({kinds}). Loss: the model "
        f"says {guess!r} where {answer!r} is right; the mean loss of the {n_loss} is {loss:.3f}. "
        f"Backward pass: B is pulled with {pull['_B']:.3g}, A with {pull['_A']:.3g}, the frozen base "
        f"not at all. "
        f"Optimization: AdamW moves B by up to {max(moves):.2g}, and the loss of the same items "
        f"falls to {loss_after:.3f}.",
    )


def run_so_far(history, watched, beliefs, max_steps, price, floor):
    """(figure, alt) of a run: error on held-out items, training loss, beliefs about one item.

    history: rows of step, loss, learning_rate. watched: {step: {"held-out error": …, "guess": …}}.
    beliefs: {step: distribution over that item's price, shape (n,)}, of all watched steps or some.
    price: the asking price of that item. floor: the noise floor of the held-out items, or nan.
    """
    figure, axes = plt.subplot_mosaic(
        [["error", "beliefs"], ["loss", "beliefs"]],
        figsize=(6.2, 4.4),
        gridspec_kw={"width_ratios": [1.25, 1]},
    )
    steps = list(watched)
    errors = [seen["held-out error"] for seen in watched.values()]
    ax = axes["error"]
    ax.plot(steps, errors, "o-", ms=4, color=VALIDATION)
    known = floor == floor  # nan where nobody knows it
    if known:
        ax.axhline(floor, color=REFERENCE, ls="--", lw=1.2)
        _note(ax, 0.99 * max_steps, floor, rf"noise floor \${floor:.1f}", ha="right", va="top")
    ax.set(ylabel="held-out error ($)")
    ax.tick_params(labelbottom=False)  # the steps of the loss, right below
    ax = axes["loss"]
    few = "o" if len(history) < 5 else ""  # a line through one point shows nothing
    ax.plot(
        [r["step"] for r in history], [r["loss"] for r in history], marker=few, ms=4, color=TRAINING
    )
    ax.set(ylabel="training loss", xlabel="step")
    medians = _hills(axes.pop("beliefs"), beliefs, price)
    highest = {
        "error": 1.12 * max([*errors, floor if known else 0]),
        "loss": 1.12 * max((row["loss"] for row in history), default=0),
    }
    for name, ax in axes.items():
        ax.set(xlim=(-0.03 * max_steps, 1.03 * max_steps), ylim=(0, highest[name] or 1))
        ax.xaxis.get_major_locator().set_params(integer=True)
    found = rf"Untrained, it is off by \${errors[0]:.0f}" if errors else "A run begins"
    if len(errors) > 1:
        found = rf"The error goes from \${errors[0]:.0f} to \${errors[-1]:.1f}"
        found += rf"; the floor is \${floor:.1f}" if known else ""
    heading(figure, found)
    alt = f"Step {max(steps + [r['step'] for r in history], default=0)} of {max_steps}."
    if errors:
        alt += f" The mean error on held-out items goes from {errors[0]:.1f} to {errors[-1]:.1f} dollars."
    if medians:
        listed = ", ".join(f"{median} after step {step}" for step, median in medians.items())
        alt += f" The belief about one item, which costs {price:.0f} dollars, has its median at {listed}."
    alt += f" The noise floor is {floor:.1f} dollars." if known else ""
    if history:
        alt += (
            f" The training loss goes from {history[0]['loss']:.2f} to {history[-1]['loss']:.2f}."
        )
    return figure, alt


def _hills(ax, beliefs, price) -> dict:
    """Beliefs of a few steps below one another, the newest last: {step: median}."""
    steps = [*list(beliefs)[:5:2], *list(beliefs)[-1:]]  # most of it moves early
    medians = {step: quantile(beliefs[step], 0.5) for step in steps}
    end = end_of_prices(beliefs.values(), price) if beliefs else 1.2 * price
    for row, (step, median) in enumerate(medians.items()):
        hill = beliefs[step][: int(end) + 1] / max(beliefs[step].max() for step in steps)
        edges = np.arange(len(hill) + 1) - 0.5
        ax.stairs(hill - row, edges, baseline=-row, fill=True, color=TRAINING, aa=False)
        ax.plot([median] * 2, [-row, hill[median] - row], color=VALIDATION, lw=1.8)
    ax.axvline(price, color="black", lw=1.2, ls="--")
    side = "left" if price < end / 2 else "right"
    _note(ax, price, 1.1, rf" asking price \${price:.0f} ", ha=side, va="top")
    ax.set_yticks([-row for row in range(len(medians))], [f"step {step}" for step in medians])
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="belief about our item ($)", xlim=(0, end), ylim=(0.8 - len(medians), 1.3))
    return medians


def quantile(belief, share: float) -> int:
    """The smallest price with `share` of a belief (n,) at or below it; 0.5 is the median."""
    return int((belief.cumsum() < share * belief.sum()).sum())


def movement(model):
    """‖(alpha / r)·B·A‖ / ‖W‖ of each projection in a model with adapters; 0 where none is."""
    from bitsandbytes.functional import dequantize_4bit

    layers = model.get_base_model().model.layers
    rows = []
    for layer in layers:
        row = {}
        for path, module in layer.named_modules():
            name = path.split(".")[-1]
            if hasattr(module, "lora_A"):
                W = module.base_layer.weight
                if hasattr(W, "quant_state"):
                    W = dequantize_4bit(W.data, W.quant_state)
                change = module.get_delta_weight("default")
                row[name] = (change.norm() / W.float().norm()).item()
            elif name.endswith("_proj"):
                row[name] = 0.0
        rows.append(row)
    names = list(rows[0])
    grid = 100 * np.array([[row[name] for name in names] for row in rows])
    high = 0.3 if len(rows) <= 12 else 0.2
    figure, ax = plt.subplots(figsize=(6.0, 1.0 + high * len(rows)))
    ax.imshow(grid, cmap="Oranges", vmin=0, vmax=1.6 * max(grid.max(), 1e-9), aspect="auto")
    for (i, j), value in np.ndenumerate(grid):
        text = f"{value:.2g}"
        ax.text(j, i, text, ha="center", va="center", size=10 if high > 0.25 else 9)
    ax.set_xticks(range(len(names)), [name.removesuffix("_proj") for name in names])
    ax.set_yticks(range(len(rows)), [f"layer {i}" for i in range(len(rows))])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    who = "Only modules with an adapter" if (grid == 0).any() else "All modules"
    ax.set_title(f"{who} act differently now (change in %)")
    named = ", ".join(f"{name} {grid[:, j].mean():.0f} %" for j, name in enumerate(names))
    show(figure, f"Relative change of each module's weight, mean over {len(rows)} layers: {named}.")


def leaderboard(table, floor: float):
    """A scoring.leaderboard with its intervals, and the noise floor (dollars, or nan)."""
    table = table.iloc[::-1]
    y = np.arange(len(table))
    ours = ["tuned" in name and "untuned" not in name for name in table.index]
    figure, ax = plt.subplots(figsize=(6.0, 0.42 * len(table) + 1.2))
    ax.barh(y, table["error $"], 0.7, color=[TRAINING if o else MUTED for o in ours])
    spread = [table["error $"] - table["from"], table["to"] - table["error $"]]
    ax.errorbar(table["error $"], y, xerr=spread, fmt="none", ecolor="black", lw=1.2, capsize=3)
    said = ""
    if floor == floor:  # not nan
        ax.axvline(floor, color=REFERENCE, ls="--")
        _note(ax, floor, len(table) - 0.5, rf"noise floor \${floor:.1f}", va="bottom")
        said = f"; noise floor {floor:.1f}"
    ax.set_yticks(y, table.index)
    ax.set(xlabel="mean absolute error ($), with its 95 % interval")
    ax.set(ylim=(-0.6, len(table) + 0.2), xlim=(0, 1.05 * table["to"].max()))
    heading(figure, rf"Best: {table.index[-1]}, \${table['error $'].iloc[-1]:.1f}")
    listed = ", ".join(f"{name} {value:.1f}" for name, value in table["error $"].iloc[::-1].items())
    show(figure, f"Mean absolute error in dollars, best first: {listed}{said}.")


def what_tuning_taught(errors, floor, beliefs, price):
    """The base asked in its own words, beside itself and the tuned model.

    errors: {name: mean error in dollars}; a name may have a second line, the words that a model
    was asked in. floor: of the same items, or nan. beliefs: {name of one of them: distribution
    over prices of one item, shape (n,)}. price: that item's asking price.
    """
    colours = {name: MUTED for name in errors}
    colours |= dict(zip(beliefs, (REFERENCE, GREEN, TRAINING), strict=True))
    figure, axes = plt.subplots(
        1 + len(beliefs),
        1,
        figsize=(6.0, 5.4),
        gridspec_kw={"height_ratios": [2.5] + [1] * len(beliefs)},
    )
    ax, names = axes[0], list(errors)[::-1]
    ax.barh(names, [errors[n] for n in names], 0.7, color=[colours[n] for n in names])
    for i, name in enumerate(names):
        ax.text(errors[name], i, rf"  \${errors[name]:.1f}", va="center")
    ax.set(xlim=(0, 1.18 * max(errors.values())), xlabel="mean error ($)")
    if floor == floor:
        ax.axvline(floor, color=REFERENCE, ls="--", lw=1.2)
        ax.set_ylim(None, len(names) - 0.1)
        _note(ax, floor, len(names) - 0.55, rf"noise floor \${floor:.1f}", va="bottom")
    end = end_of_prices(beliefs.values(), price)
    for ax, (name, belief) in zip(axes[1:], beliefs.items(), strict=True):
        _belief(ax, belief, price, quantile(belief, 0.5), colours[name], legend=False)
        ax.set_xlim(0, end)
        ax.text(1, 0.95, name, transform=ax.transAxes, ha="right", va="top")
        ax.set_yticks([])
        ax.tick_params(labelbottom=ax is axes[-1])
    axes[-1].set_xlabel("belief about one item ($)")
    at_first, own, tuned = (errors[name] for name in beliefs)
    knew = max(own, tuned) < 0.6 * at_first
    heading(
        figure,
        "The base knew prices; tuning taught it which amount is meant"
        if knew
        else rf"In other words the base is off by \${own:.0f}, tuned by \${tuned:.0f}",
    )
    listed = ", ".join(f"{name} {value:.1f}".replace("\n", " ") for name, value in errors.items())
    show(figure, f"Bars of the mean error in dollars: {listed}. Below, three beliefs of one item.")


def _belief(ax, belief, price, guess, colour, legend=True):
    ax.fill_between(np.arange(len(belief)), 100 * belief, step="mid", color=colour, lw=0)
    ax.axvline(price, color="black", lw=1.2, ls="--", label=f"asking price ${price:.0f}")
    ax.axvline(guess, color=VALIDATION, lw=1.8, label=f"median ${guess:.0f}")
    ax.set(ylim=(0, None))
    if legend:
        ax.set_ylabel("probability (%)")
        ax.legend(loc="upper right")


def end_of_prices(beliefs, price):
    """Where the axis ends: past all prices that a belief shows, and past the asking price."""
    seen = max(np.flatnonzero(belief > 0.02 * belief.max())[-1] for belief in beliefs)
    return 1.2 * max(seen, price)


def _note(ax, x, y, text, ha="left", va="center"):
    """A word on a reference line, a little off it."""
    off = {"left": 4, "right": 0}[ha], {"top": -3, "bottom": 3, "center": 0}[va]
    ax.annotate(text, (x, y), xytext=off, textcoords="offset points", color=REFERENCE, ha=ha, va=va)
