"""Checks of lesson 8: memory of full training, read a price, count steps, write a label mask."""

import math

import torch

from helpers.exercises import Check, Prediction

LLAMA_3B = 3_212_749_824  # weights of Llama 3.2 3B


def weights_alone():
    """Those are the weights alone: each also has a gradient and AdamW's two moments."""
    return LLAMA_3B * 4 / 1e9


def one_moment():
    """One number a weight is missing: AdamW keeps two moments."""
    return LLAMA_3B * 12 / 1e9


def in_16_bits():
    """In 32 bits each number takes 4 bytes, not 2."""
    return LLAMA_3B * 8 / 1e9


def in_bytes():
    """That is in bytes. A GB is 10⁹ of them."""
    return LLAMA_3B * 16


def in_gib():
    """That is in GiB of 2³⁰ bytes. A GB is 10⁹ bytes."""
    return LLAMA_3B * 16 / 2**30


# a value: GB of weights, gradients and AdamW's two moments of Llama 3.2 3B, in 32 bits
full_training = Check(
    reference=lambda: LLAMA_3B * 16 / 1e9,
    cases=[()],
    mistakes=[weights_alone, one_moment, in_16_bits, in_bytes, in_gib],
    notice="More than twice the card's 24 GB, and activations come on top.",
    rel_tol=8e-3,  # 51 is near enough
)


def most_likely(p):
    """That is the most likely price, not the median."""
    return int(p.argmax())


def mean(p):
    """That is the mean, not the median."""
    return float((p * torch.arange(len(p))).sum())


def mean_rounded(p):
    """That is the mean, rounded, not the median."""
    return round(mean(p))


def middle(p):
    """That is the middle of the prices, whatever the model believes."""
    return len(p) // 2


def one_too_low(p):
    """Off by one: the first price that reaches one half is the median."""
    return int((p.cumsum(0) < 0.5).sum()) - 1


def one_too_high(p):
    """Off by one: the first price that reaches one half is the median, not the one after it."""
    return int((p.cumsum(0) < 0.5).sum()) + 1


def prices_above(p):
    """That counts the prices that reach one half: count those below it, the first is behind them."""
    return int((p.cumsum(0) >= 0.5).sum())


def not_added_up(p):
    """That compares each price's own probability with one half: add them up first, with cumsum."""
    return int((p < 0.5).sum())


def of_the_numbers(p):
    """That is the median of the probabilities: a price is wanted, a place in the list."""
    return float(p.median())


def sorted_first(p):
    """The probabilities are sorted: their order is that of the prices, so leave it."""
    return int((p.sort().values.cumsum(0) < 0.5).sum())


def its_probability(p):
    """That is the median's probability: return the price, its place in the list."""
    return float(p[int((p.cumsum(0) < 0.5).sum())])


def nearest_to_half(p):
    """That is where the belief is nearest to one half: it has to be half or more."""
    return int((p.cumsum(0) - 0.5).abs().argmin())


def likely_ones_first(p):
    """That adds up the most likely prices first: go from the lowest price to the highest."""
    order = p.argsort(descending=True, stable=True)
    return int(order[int((p[order].cumsum(0) < 0.5).sum())])


def half_not_enough(p):
    """A price with exactly half of the belief at or below it is enough: compare with <, not <=."""
    return int((p.cumsum(0) <= 0.5).sum())


# probabilities, shape (n,) → the smallest price with at least half of the belief at or below it
median_price = Check(
    reference=lambda p: next(i for i in range(len(p)) if float(p[: i + 1].sum()) >= 0.5),
    cases=[  # powers of two below the line, so that sums are exact
        (torch.tensor([1, 3, 5, 1, 0, 0, 6, 0]) / 16,),
        (torch.tensor([8, 0, 0, 0, 8]) / 16,),
        (torch.tensor([2, 1, 1, 4, 5, 3]) / 16,),
        (torch.tensor([4, 3, 0, 3, 6]) / 16,),
        (torch.tensor([0, 15, 3, 0, 14]) / 32,),
        (torch.tensor([1.0]),),
    ],
    mistakes=[
        most_likely,
        mean,
        mean_rounded,
        middle,
        one_too_low,
        one_too_high,
        prices_above,
        not_added_up,
        of_the_numbers,
        sorted_first,
        its_probability,
        nearest_to_half,
        likely_ones_first,
        half_not_enough,
    ],
    notice="For errors in dollars no other number read from a true belief does better on average.",
)


def short_step_left_out(n_items, batch_size, accumulation, epochs):
    """The last step is short, not left out: round up."""
    return epochs * (n_items // batch_size // accumulation)


def batches(n_items, batch_size, accumulation, epochs):
    """Those are batches: with accumulation, several of them make one step."""
    return epochs * math.ceil(n_items / batch_size)


def one_epoch(n_items, batch_size, accumulation, epochs):
    """That is one epoch: multiply by epochs."""
    return math.ceil(n_items / batch_size / accumulation)


def more_steps(n_items, batch_size, accumulation, epochs):
    """Accumulation makes fewer steps, not more."""
    return epochs * math.ceil(n_items / batch_size) * accumulation


def not_whole(n_items, batch_size, accumulation, epochs):
    """Only whole steps are taken: round up."""
    return epochs * n_items / (batch_size * accumulation)


def rounded_once(n_items, batch_size, accumulation, epochs):
    """Every epoch ends with a step of its own: round up before multiplying by epochs."""
    return math.ceil(epochs * n_items / (batch_size * accumulation))


# n_items, batch_size, accumulation, epochs → how often the optimizer steps
optimizer_steps = Check(
    reference=lambda n, b, a, e: e * len(range(0, len(range(0, n, b)), a)),
    cases=[(1000, 16, 3, 2), (4000, 16, 1, 1), (250, 12, 4, 3), (5, 16, 4, 3)],
    mistakes=[short_step_left_out, batches, one_epoch, more_steps, not_whole, rounded_once],
    notice="Batches of 4, four accumulated, make as many steps as batches of 16, and their "
    "activations need a quarter of the memory.",
)


# what the learner predicts, in the lesson's order
first_price = Prediction("dollars", near=1.2)
