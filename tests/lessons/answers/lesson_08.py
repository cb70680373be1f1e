"""Answers to the exercises of lesson 8: what a learner may well write, wrong and right."""

import math

import numpy as np
import torch

# Exercise 1: a number of GB

N_WEIGHTS = 3_212_749_824


def right_gb_by_part():
    weights, gradients, moments = 4 * N_WEIGHTS, 4 * N_WEIGHTS, 2 * 4 * N_WEIGHTS
    return (weights + gradients + moments) / 10**9


# Exercise 2: median_price(probabilities)


def median_from_one(probabilities):
    """Counts the prices from 1."""
    return int((probabilities.cumsum(0) < 0.5).sum()) + 1


def median_last_below(probabilities):
    """The last price that has less than half, or 0."""
    return max(int((probabilities.cumsum(0) < 0.5).sum()) - 1, 0)


def median_below(probabilities):
    """The belief below each price, without the belief at it."""
    total = 0.0
    for price, p in enumerate(probabilities):
        if total >= 0.5:
            return price
        total += float(p)
    return price


def median_from_above(probabilities):
    """The largest price that has at least half of the belief at or above it."""
    total = 0.0
    for price in reversed(range(len(probabilities))):
        total += float(probabilities[price])
        if total >= 0.5:
            return price


def median_of_possible(probabilities):
    """The middle of the prices that have any belief."""
    possible = [price for price, p in enumerate(probabilities) if p > 0]
    return possible[len(possible) // 2]


def median_nearest_to_half(probabilities):
    """The price whose belief at or below it is nearest to half."""
    return int(abs(probabilities.cumsum(0) - 0.5).argmin())


def median_largest_first(probabilities):
    """Adds up from the most likely price on."""
    total = 0.0
    for price in sorted(range(len(probabilities)), key=lambda i: -float(probabilities[i])):
        total += float(probabilities[price])
        if total >= 0.5:
            return price


def median_of_sorted(probabilities):
    """Sorts the probabilities first."""
    total, rising = 0.0, sorted(float(p) for p in probabilities)
    for price, p in enumerate(rising):
        total += p
        if total >= 0.5:
            return price


def median_first_half(probabilities):
    """The first price that has half of the belief by itself, or the most likely."""
    for price, p in enumerate(probabilities):
        if p >= 0.5:
            return price
    return int(probabilities.argmax())


def median_between(probabilities):
    """Half-way between the lower and the upper median."""
    belief = probabilities.cumsum(0)
    return (int((belief < 0.5).sum()) + int((belief <= 0.5).sum())) / 2


def median_skips_free(probabilities):
    """Leaves the price 0 out."""
    return int((probabilities[1:].cumsum(0) < 0.5).sum()) + 1


def median_number_of_prices(probabilities):
    """Counts the prices that have half or more."""
    return int((probabilities.cumsum(0) >= 0.5).sum())


def median_half_of_price(probabilities):
    """Half of the highest price."""
    return (len(probabilities) - 1) // 2


def median_rounded_belief(probabilities):
    """Rounds the belief to one digit: 0.46 counts as half."""
    belief = [round(float(b), 1) for b in probabilities.cumsum(0)]
    return next(price for price, b in enumerate(belief) if b >= 0.5)


def median_half_percent(probabilities):
    """Compares with half a percent."""
    return int((probabilities.cumsum(0) < 0.005).sum())


def right_median_loop(probabilities):
    total = 0.0
    for price, p in enumerate(probabilities):
        total += float(p)
        if total >= 0.5:
            return price


def right_median_while(probabilities):
    price = 0
    while probabilities[: price + 1].sum() < 0.5:
        price += 1
    return price


def right_median_search(probabilities):
    """A whole number of NumPy."""
    return np.searchsorted(np.cumsum(np.asarray(probabilities)), 0.5)


def right_median_first_true(probabilities):
    """A tensor without dimensions."""
    belief = torch.as_tensor(probabilities).cumsum(0)
    return (belief >= 0.5).int().argmax()


def right_median_tensor_search(probabilities):
    return torch.searchsorted(torch.as_tensor(probabilities).cumsum(0), 0.5).item()


def right_median_smallest(probabilities):
    belief = np.asarray(probabilities).cumsum()
    return min(price for price in range(len(belief)) if belief[price] >= 0.5)


# Exercise 3: n_steps(n_items, batch_size, accumulation, epochs)


def steps_batches_across_epochs(n_items, batch_size, accumulation, epochs):
    """Steps run on into the next epoch, batches do not."""
    return math.ceil(epochs * math.ceil(n_items / batch_size) / accumulation)


def steps_at_least_one(n_items, batch_size, accumulation, epochs):
    """Full steps only, but at least one."""
    return epochs * max(1, n_items // (batch_size * accumulation))


def steps_full_batches(n_items, batch_size, accumulation, epochs):
    """The last batch is left out if it is not full."""
    return epochs * math.ceil((n_items // batch_size) / accumulation)


def steps_full_accumulation(n_items, batch_size, accumulation, epochs):
    """The last step is left out if it has fewer batches."""
    return epochs * (math.ceil(n_items / batch_size) // accumulation)


def steps_one_more(n_items, batch_size, accumulation, epochs):
    """Adds a step even where the last one is full."""
    return epochs * (n_items // (batch_size * accumulation) + 1)


def steps_rounded(n_items, batch_size, accumulation, epochs):
    """Rounds to the nearest number of steps."""
    return epochs * round(n_items / (batch_size * accumulation))


def steps_rest_is_a_step(n_items, batch_size, accumulation, epochs):
    """The last, smaller batch is a step of its own."""
    batches, rest = divmod(n_items, batch_size)
    return epochs * (math.ceil(batches / accumulation) + (rest > 0))


def steps_precedence(n_items, batch_size, accumulation, epochs):
    """Divides by the batch size and multiplies by the rest, from left to right."""
    return epochs * math.ceil(n_items / batch_size * accumulation)


def steps_remainder_once(n_items, batch_size, accumulation, epochs):
    """Adds the step that is not full once, not in each epoch."""
    steps, rest = divmod(n_items, batch_size * accumulation)
    return epochs * steps + (rest > 0)


def steps_sum(n_items, batch_size, accumulation, epochs):
    """A step takes batch_size + accumulation items."""
    return epochs * math.ceil(n_items / (batch_size + accumulation))


def right_steps_two_stages(n_items, batch_size, accumulation, epochs):
    return math.ceil(math.ceil(n_items / batch_size) / accumulation) * epochs


def right_steps_loop(n_items, batch_size, accumulation, epochs):
    steps = 0
    for _ in range(epochs):
        left = n_items
        while left > 0:
            left -= batch_size * accumulation
            steps += 1
    return steps


def right_steps_ranges(n_items, batch_size, accumulation, epochs):
    return epochs * len(range(0, n_items, batch_size * accumulation))


def right_steps_numpy(n_items, batch_size, accumulation, epochs):
    return np.ceil(np.int64(n_items) / (batch_size * accumulation)) * epochs


def right_steps_split(n_items, batch_size, accumulation, epochs):
    batches = torch.arange(n_items).split(batch_size)
    return torch.tensor(epochs * sum(i % accumulation == 0 for i in range(len(batches))))


WRONG = {
    "full_training": [
        N_WEIGHTS * 16 / 1e6,  # MB
        N_WEIGHTS * 20 / 1e9,  # a fifth number for each weight
        N_WEIGHTS * 32 * 4 / 1e9,  # bits
        N_WEIGHTS * 4 * 4 * 4 / 1e9,
        8_030_261_248 * 16 / 1e9,  # of Llama 3.1 8B
        N_WEIGHTS * (2 + 2 + 8) / 2**30,  # weights and gradients in 16 bits, and in GiB
        N_WEIGHTS * 16 / 1e9 + N_WEIGHTS / 2e9,  # and the weights in 4 bits once more
        3 * 16,  # three billion weights
        24,  # the memory of the GPU
        N_WEIGHTS * 16 / 1e9 - 24,  # what is missing
    ],
    "median_price": [
        median_from_one,
        median_last_below,
        median_below,
        median_from_above,
        median_of_possible,
        median_nearest_to_half,
        median_largest_first,
        median_of_sorted,
        median_first_half,
        median_between,
        median_skips_free,
        median_number_of_prices,
        median_half_of_price,
        median_rounded_belief,
        median_half_percent,
    ],
    "optimizer_steps": [
        steps_batches_across_epochs,
        steps_at_least_one,
        steps_full_batches,
        steps_full_accumulation,
        steps_one_more,
        steps_rounded,
        steps_rest_is_a_step,
        steps_precedence,
        steps_remainder_once,
        steps_sum,
    ],
}

RIGHT = {
    "full_training": [
        N_WEIGHTS * 16 / 1e9,
        51.404,
        51.4,
        51,
        np.float64(N_WEIGHTS) * 16 / 1e9,
        torch.tensor(N_WEIGHTS, dtype=torch.float64) * 16 / 1e9,
        right_gb_by_part,
    ],
    "median_price": [
        right_median_loop,
        right_median_while,
        right_median_search,
        right_median_first_true,
        right_median_tensor_search,
        right_median_smallest,
    ],
    "optimizer_steps": [
        right_steps_two_stages,
        right_steps_loop,
        right_steps_ranges,
        right_steps_numpy,
        right_steps_split,
    ],
}

NAMED = {
    "full_training": {
        "weights_alone": 12.85,
        "one_moment": sum(N_WEIGHTS * torch.float32.itemsize for _ in range(3)) / 10**9,
        "in_16_bits": sum(N_WEIGHTS * torch.bfloat16.itemsize for _ in range(4)) / 10**9,
        "in_bytes": 4 * (4 * N_WEIGHTS),
        "in_gib": N_WEIGHTS * 16 / 1024 / 1024 / 1024,
    },
    "median_price": {
        "most_likely": lambda p: p.tolist().index(max(p.tolist())),
        "mean": lambda p: sum(price * float(chance) for price, chance in enumerate(p)),
        "mean_rounded": lambda p: round(np.average(np.arange(len(p)), weights=p.numpy())),
        "middle": lambda p: sorted(range(len(p)))[len(p) // 2],
        "one_too_low": lambda p: right_median_while(p) - 1,
        "one_too_high": lambda p: right_median_while(p) + 1,
        "prices_above": lambda p: len(p) - right_median_loop(p),
        "not_added_up": lambda p: len([chance for chance in p if chance < 0.5]),
        "of_the_numbers": lambda p: sorted(p.tolist())[(len(p) - 1) // 2],
        "sorted_first": lambda p: right_median_loop(torch.tensor(sorted(p.tolist()))),
        "its_probability": lambda p: p[right_median_loop(p)],
        "nearest_to_half": lambda p: min(range(len(p)), key=lambda i: abs(sum(p[: i + 1]) - 0.5)),
        "likely_ones_first": median_largest_first,
        "half_not_enough": lambda p: next(i for i in range(len(p)) if sum(p[: i + 1]) > 0.5),
    },
    "optimizer_steps": {
        "short_step_left_out": lambda n, b, a, e: n // (b * a) * e,
        "batches": lambda n, b, a, e: sum(len(range(0, n, b)) for _ in range(e)),
        "one_epoch": lambda n, b, a, e: right_steps_loop(n, b, a, 1),
        "more_steps": lambda n, b, a, e: sum(a for _ in range(e) for _ in range(0, n, b)),
        "not_whole": lambda n, b, a, e: n / b / a * e,
        "rounded_once": lambda n, b, a, e: len(range(0, e * n, b * a)),
    },
}


ALLOWED = {
    "median_price": lambda p: bool((p >= 0).all()) and float(p.sum()) == 1,
    "optimizer_steps": lambda *numbers: all(type(n) is int and n >= 1 for n in numbers),
}
