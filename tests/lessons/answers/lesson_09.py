"""Answers to the exercises of lesson 9: what a learner may well write, wrong and right."""

import itertools
import math

import numpy as np
import torch
from scipy import stats

# Exercise 1: rmsle(guesses, prices)


def rmsle_tiny_offset(guesses, prices):
    """Adds very little instead of 1."""
    return np.sqrt(np.mean((np.log(guesses + 1e-8) - np.log(prices + 1e-8)) ** 2))


def rmsle_one_outside(guesses, prices):
    """ln(p) + 1."""
    return np.sqrt(np.mean(((np.log(guesses) + 1) - (np.log(prices) + 1)) ** 2))


def rmsle_root_over_n(guesses, prices):
    """The root of the sum, divided by N."""
    return np.sqrt(np.sum((np.log1p(guesses) - np.log1p(prices)) ** 2)) / len(prices)


def rmsle_n_minus_one(guesses, prices):
    """Divides by N − 1."""
    squares = (np.log1p(guesses) - np.log1p(prices)) ** 2
    return np.sqrt(squares.sum() / (len(prices) - 1))


def rmsle_std(guesses, prices):
    """The standard deviation: guesses that are all too high by the same share cost nothing."""
    return np.std(np.log1p(guesses) - np.log1p(prices))


def rmsle_base_2(guesses, prices):
    """Logarithms of base 2."""
    return np.sqrt(np.mean((np.log2(1 + guesses) - np.log2(1 + prices)) ** 2))


def rmsle_log_of_rmse(guesses, prices):
    """The logarithm of the root mean squared error."""
    return np.log1p(np.sqrt(np.mean((guesses - prices) ** 2)))


def rmsle_shares(guesses, prices):
    """The share of the price that is missing, no logarithm."""
    return np.sqrt(np.mean(((guesses - prices) / (1 + prices)) ** 2))


def rmsle_squared_logs(guesses, prices):
    """The difference of squares instead of the square of the difference."""
    return np.sqrt(abs(np.mean(np.log1p(guesses) ** 2 - np.log1p(prices) ** 2)))


def rmsle_of_means(guesses, prices):
    """Compares the means of the logarithms."""
    return abs(np.log1p(guesses).mean() - np.log1p(prices).mean())


def rmsle_median(guesses, prices):
    """The median square."""
    return np.sqrt(np.median((np.log1p(guesses) - np.log1p(prices)) ** 2))


def rmsle_whole_numbers(guesses, prices):
    """Keeps the logarithms in an array of the guesses' dtype: whole dollars give whole logarithms."""
    logs = np.zeros_like(guesses)
    for i in range(len(guesses)):
        logs[i] = np.log1p(guesses[i])
    return np.sqrt(np.mean((logs - np.log1p(prices)) ** 2))


def rmsle_too_low_only(guesses, prices):
    """Guesses that are too high cost nothing."""
    missing = np.maximum(np.log1p(prices) - np.log1p(guesses), 0)
    return np.sqrt(np.mean(missing**2))


def rmsle_each_item(guesses, prices):
    """No mean: a number for each item."""
    return np.sqrt((np.log1p(guesses) - np.log1p(prices)) ** 2)


def right_rmsle_loop(guesses, prices):
    total = 0.0
    for guess, price in zip(guesses, prices, strict=True):
        total += (math.log(1 + guess) - math.log(1 + price)) ** 2
    return math.sqrt(total / len(prices))


def right_rmsle_ratio(guesses, prices):
    return np.mean(np.log((1 + guesses) / (1 + prices)) ** 2) ** 0.5


def right_rmsle_norm(guesses, prices):
    difference = np.log1p(prices) - np.log1p(guesses)
    return float(np.linalg.norm(difference) / np.sqrt(len(difference)))


def right_rmsle_dot(guesses, prices):
    difference = np.log(guesses + 1) - np.log(prices + 1)
    return np.sqrt(difference @ difference / difference.size)


def right_rmsle_torch(guesses, prices):
    logs = [torch.tensor(array, dtype=torch.float64).log1p() for array in (guesses, prices)]
    return torch.nn.functional.mse_loss(*logs).sqrt()


# Exercise 2: my_interval(values, n_draws, seed)


def means_of(values, n_draws, seed):
    """The means of the draws, one draw after the other."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(values, len(values)).mean() for _ in range(n_draws)])


def interval_99(values, n_draws, seed):
    """Cuts 0.5 % off at each end."""
    low, high = np.percentile(means_of(values, n_draws, seed), [0.5, 99.5])
    return low, high


def interval_one_sided(values, n_draws, seed):
    """Cuts all 5 % off at the lower end."""
    means = means_of(values, n_draws, seed)
    return np.percentile(means, 5), means.max()


def interval_thousandths(values, n_draws, seed):
    """Percentiles given as shares."""
    low, high = np.percentile(means_of(values, n_draws, seed), [0.025, 0.975])
    return low, high


def interval_extremes(values, n_draws, seed):
    """From the smallest to the largest mean."""
    means = means_of(values, n_draws, seed)
    return means.min(), means.max()


def interval_of_all_drawn(values, n_draws, seed):
    """No means: the middle 95 % of everything drawn."""
    drawn = np.random.default_rng(seed).choice(values, (n_draws, len(values)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return low, high


def interval_of_places(values, n_draws, seed):
    """Averages along the draws."""
    drawn = np.random.default_rng(seed).choice(values, (n_draws, len(values)))
    low, high = np.percentile(drawn.mean(axis=0), [2.5, 97.5])
    return low, high


def interval_quarter(values, n_draws, seed):
    """Draws a quarter as many values as there are."""
    rng = np.random.default_rng(seed)
    size = len(values) // 4
    means = [rng.choice(values, size).mean() for _ in range(n_draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return low, high


def interval_n_draws_values(values, n_draws, seed):
    """Each draw has n_draws values."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(values, size=(len(values), n_draws))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return low, high


def interval_two_sigma_of_values(values, n_draws, seed):
    """Two standard deviations of the values on each side."""
    return values.mean() - 2 * values.std(), values.mean() + 2 * values.std()


def interval_around_zero(values, n_draws, seed):
    """How far the means lie from the mean, not where they lie."""
    low, high = np.percentile(means_of(values, n_draws, seed) - values.mean(), [2.5, 97.5])
    return low, high


def interval_with_middle(values, n_draws, seed):
    """Three numbers."""
    low, middle, high = np.percentile(means_of(values, n_draws, seed), [2.5, 50, 97.5])
    return low, middle, high


def interval_half_width(values, n_draws, seed):
    """The mean and half of the width."""
    low, high = np.percentile(means_of(values, n_draws, seed), [2.5, 97.5])
    return values.mean(), (high - low) / 2


def interval_ten_draws(values, n_draws, seed):
    """Takes ten draws only, whatever n_draws is."""
    low, high = np.percentile(means_of(values, 10, seed), [2.5, 97.5])
    return low, high


def interval_no_seed(values, n_draws, seed):
    """Other numbers in each run."""
    draws = np.random.default_rng().choice(values, size=(n_draws, len(values)))
    return tuple(np.percentile(draws.mean(axis=1), [2.5, 97.5]))


def interval_seed_42(values, n_draws, seed):
    """Always the same seed."""
    draws = np.random.default_rng(42).choice(values, size=(n_draws, len(values)))
    return tuple(np.percentile(draws.mean(axis=1), [2.5, 97.5]))


def interval_2000_draws(values, n_draws, seed):
    """2,000 draws, as in the lesson."""
    draws = np.random.default_rng(seed).choice(values, size=(2000, len(values)))
    return tuple(np.percentile(draws.mean(axis=1), [2.5, 97.5]))


def interval_bell_curve(values, n_draws, seed):
    """A formula instead of draws."""
    half = 1.96 * stats.sem(values)
    return values.mean() - half, values.mean() + half


def interval_seed_is_n_draws(values, n_draws, seed):
    """The arguments in the wrong places."""
    draws = np.random.default_rng(n_draws).choice(values, size=(n_draws, len(values)))
    return tuple(np.percentile(draws.mean(axis=1), [2.5, 97.5]))


def right_interval_quantile(values, n_draws, seed):
    rng = np.random.default_rng(seed)
    means = rng.choice(values, size=(n_draws, len(values))).mean(axis=1)
    return np.quantile(means, 0.025), np.quantile(means, 0.975)


def right_interval_array(values, n_draws, seed):
    """The two ends as NumPy gives them, in an array."""
    rng = np.random.default_rng(seed)
    draws = rng.choice(values, size=(n_draws, len(values)))
    return np.percentile(draws.mean(axis=1), [2.5, 97.5])


def right_interval_loop(values, n_draws, seed):
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(n_draws)]
    return [float(end) for end in np.percentile(means, [2.5, 97.5])]


def right_interval_places(values, n_draws, seed):
    rng = np.random.default_rng(seed)
    places = rng.integers(0, len(values), size=(n_draws, len(values)))
    low, high = np.percentile(values[places].mean(1), (2.5, 97.5))
    return float(low), float(high)


def right_interval_columns(values, n_draws, seed):
    rng = np.random.default_rng(seed)
    draws = rng.choice(values, size=(len(values), n_draws))
    return tuple(np.percentile(draws.mean(axis=0), [2.5, 97.5]))


def right_interval_counts(values, n_draws, seed):
    """How often each value is drawn, as in the lesson."""
    n = len(values)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_draws)
    low, high = np.percentile(counts @ values / n, [2.5, 97.5])
    return low, high


def right_interval_scipy(values, n_draws, seed):
    rng = np.random.default_rng(seed)
    options = {"n_resamples": n_draws, "method": "percentile", "rng": rng}
    ends = stats.bootstrap((values,), np.mean, **options).confidence_interval
    return ends.low, ends.high


def right_interval_sorted(values, n_draws, seed):
    """Without a percentile function."""
    rng = np.random.default_rng(seed)
    means = sorted(rng.choice(values, (n_draws, len(values))).mean(1).tolist())
    return means[int(0.025 * n_draws)], means[int(0.975 * n_draws)]


# Exercise 3: verdict(errors_a, errors_b)


def verdict_means(errors_a, errors_b):
    """The lower mean wins."""
    return "a" if errors_a.mean() < errors_b.mean() else "b"


def verdict_dollar(errors_a, errors_b):
    """Real is a dollar or more."""
    gap = errors_a.mean() - errors_b.mean()
    return "a" if gap <= -1 else "b" if gap >= 1 else "undecided"


def verdict_unpaired(errors_a, errors_b):
    """As if on different items."""
    result = stats.ttest_ind(errors_a, errors_b, equal_var=False)
    if result.pvalue >= 0.05:
        return "undecided"
    return "a" if errors_a.mean() < errors_b.mean() else "b"


def verdict_most_items(errors_a, errors_b):
    """Who is nearer on more items, if that is real."""
    wins = np.sign(errors_b - errors_a)
    half = 1.96 * stats.sem(wins)
    if wins.mean() - half > 0:
        return "a"
    return "b" if wins.mean() + half < 0 else "undecided"


def verdict_medians(errors_a, errors_b):
    """The lower median wins."""
    gap = np.median(errors_a) - np.median(errors_b)
    return "a" if gap < 0 else "b" if gap > 0 else "undecided"


def verdict_every_item(errors_a, errors_b):
    """Better on every item, else undecided."""
    if (errors_a < errors_b).all():
        return "a"
    return "b" if (errors_b < errors_a).all() else "undecided"


def verdict_a_or_not(errors_a, errors_b):
    """Never says b."""
    gap = errors_a - errors_b
    return "a" if gap.mean() + 1.96 * stats.sem(gap) < 0 else "undecided"


def verdict_a_or_b(errors_a, errors_b):
    """Never undecided: b wherever a is not better."""
    gap = errors_a - errors_b
    return "a" if gap.mean() + 1.96 * stats.sem(gap) < 0 else "b"


def verdict_sorted(errors_a, errors_b):
    """Pairs the smallest errors, the next, and so on."""
    gap = np.sort(errors_a) - np.sort(errors_b)
    half = 1.96 * stats.sem(gap)
    if gap.mean() + half < 0:
        return "a"
    return "b" if gap.mean() - half > 0 else "undecided"


def verdict_largest(errors_a, errors_b):
    """The smaller largest error wins."""
    gap = errors_a.max() - errors_b.max()
    return "a" if gap < 0 else "b" if gap > 0 else "undecided"


def verdict_capitals(errors_a, errors_b):
    """Says A and B."""
    gap = errors_a - errors_b
    half = 1.96 * stats.sem(gap)
    if gap.mean() + half < 0:
        return "A"
    return "B" if gap.mean() - half > 0 else "undecided"


def verdict_zero_is_better(errors_a, errors_b):
    """An interval that ends at zero decides: of two equal models, a is better."""
    gap = errors_a - errors_b
    half = 1.96 * stats.sem(gap)
    if gap.mean() + half <= 0:
        return "a"
    return "b" if gap.mean() - half >= 0 else "undecided"


def verdict_else_b(errors_a, errors_b):
    """Undecided only where zero is inside, and b where the gap is not below zero."""
    gap = errors_a - errors_b
    half = 1.96 * stats.sem(gap)
    if gap.mean() - half < 0 < gap.mean() + half:
        return "undecided"
    return "a" if gap.mean() < 0 else "b"


def verdict_90_percent(errors_a, errors_b):
    """Real at 90 %."""
    result = stats.ttest_rel(errors_a, errors_b)
    if result.pvalue < 0.1:
        return "a" if result.statistic < 0 else "b"
    return "undecided"


def verdict_99_percent(errors_a, errors_b):
    """Real at 99 %."""
    result = stats.ttest_rel(errors_a, errors_b)
    if result.pvalue < 0.01:
        return "a" if result.statistic < 0 else "b"
    return "undecided"


def verdict_shares(errors_a, errors_b):
    """The gap as a share of B's error, so that items with small errors count most."""
    gap = errors_a / errors_b - 1
    half = 1.96 * stats.sem(gap)
    if gap.mean() + half < 0:
        return "a"
    return "b" if gap.mean() - half > 0 else "undecided"


def verdict_squares(errors_a, errors_b):
    """Squared errors."""
    gap = errors_a**2 - errors_b**2
    half = 1.96 * stats.sem(gap)
    if gap.mean() + half < 0:
        return "a"
    return "b" if gap.mean() - half > 0 else "undecided"


def verdict_ranks(errors_a, errors_b):
    """A test of ranks, in which one large error is no more than the last rank."""
    if (errors_a == errors_b).all() or stats.wilcoxon(errors_a, errors_b).pvalue >= 0.05:
        return "undecided"
    return "a" if errors_a.mean() < errors_b.mean() else "b"


def right_verdict_bootstrap(errors_a, errors_b):
    gap, rng = errors_a - errors_b, np.random.default_rng(5)
    means = np.array([rng.choice(gap, len(gap)).mean() for _ in range(1000)])
    low, high = np.percentile(means, [2.5, 97.5])
    if low > 0:
        return "b"
    return "a" if high < 0 else "undecided"


def right_verdict_places(errors_a, errors_b):
    """Draws items, and takes both errors of each."""
    rng = np.random.default_rng(1)
    places = rng.integers(0, len(errors_a), size=(1000, len(errors_a)))
    gaps = errors_b[places].mean(1) - errors_a[places].mean(1)
    low, high = np.quantile(gaps, (0.025, 0.975))
    return np.str_("a") if low > 0 else np.str_("b") if high < 0 else "undecided"


def right_verdict_paired_test(errors_a, errors_b):
    if stats.ttest_rel(errors_a, errors_b).pvalue < 0.05:
        return "a" if errors_a.mean() < errors_b.mean() else "b"
    return "undecided"


def right_verdict_standard_error(errors_a, errors_b):
    gap = [a - b for a, b in zip(errors_a.tolist(), errors_b.tolist(), strict=True)]
    mean = sum(gap) / len(gap)
    variance = sum((g - mean) ** 2 for g in gap) / (len(gap) - 1)
    half = 1.96 * math.sqrt(variance / len(gap))
    if mean - half <= 0 <= mean + half:
        return "undecided"
    return "a" if mean < 0 else "b"


# Exercise 4: sly(errors)


def sly_zeros(errors):
    """No error at all, anywhere: not worse on a single item."""
    return errors * 0


def sly_largest_only(errors):
    """Perfect on the largest error only."""
    mine = errors + 1
    mine[errors.argmax()] = 0
    return mine


def sly_smallest_first(errors):
    """Perfect on the smallest errors, one after the other."""
    mine = errors + 1
    for i in np.argsort(errors):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_first_items(errors):
    """Perfect on the first items, however large their errors."""
    mine = errors + 1
    for i in range(len(errors)):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_equal_is_enough(errors):
    """Stops when the means are equal."""
    mine = errors + 1
    for i in np.argsort(-errors):
        mine[i] = 0
        if mine.mean() <= errors.mean():
            return mine


def sly_one_more(errors):
    """Perfect on one item more than is needed."""
    mine, order = errors + 1, np.argsort(-errors)
    for n, i in enumerate(order):
        mine[i] = 0
        if mine.mean() < errors.mean():
            mine[order[: n + 2]] = 0
            return mine


def sly_half(errors):
    """Perfect on the larger half."""
    return np.where(errors > np.median(errors), 0, errors + 1)


def sly_above_mean(errors):
    """Perfect wherever B's error is above the mean."""
    return np.where(errors > errors.mean(), 0, errors + 1)


def sly_all_ties(errors):
    """Perfect on all items with the same error at once."""
    mine = errors + 1
    for value in np.unique(errors)[::-1]:
        mine[errors == value] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_sorted(errors):
    """Returns the errors in rising order."""
    mine = np.sort(errors) + 1
    for i in reversed(range(len(mine))):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_falling(errors):
    """Returns the errors in falling order."""
    mine = -np.sort(-errors) + 1
    for i in range(len(mine)):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_better(errors):
    """Better by a dollar, not worse."""
    mine = errors - 1
    for i in np.argsort(-errors):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_more_than_a_dollar(errors):
    """Worse by a tenth of the error."""
    mine = errors * 1.1
    for i in np.argsort(-errors):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_few_cents(errors):
    """Worse by a cent."""
    mine = errors + 0.01
    for i in np.argsort(-errors):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_as_good(errors):
    """As good as B on the others, not perfect."""
    mine = errors + 1
    for i in np.argsort(-errors):
        mine[i] = errors[i] - len(errors)
        if mine.mean() < errors.mean():
            return mine


def sly_enough_saved(errors):
    """Compares what is saved with the number of all items: too much where one item pays itself."""
    mine, saved = errors + 1, 0
    for i in np.argsort(-errors):
        mine[i] = 0
        saved += errors[i]
        if saved > len(errors):
            return mine


def sly_a_tenth(errors):
    """Perfect on a tenth of the items."""
    mine = errors + 1
    mine[np.argsort(-errors)[: max(1, len(errors) // 10)]] = 0
    return mine


def sly_count(errors):
    """Returns the number of items on which A is worse."""
    mine = errors + 1
    for i in np.argsort(-errors):
        mine[i] = 0
        if mine.mean() < errors.mean():
            return int((mine > errors).sum())


def sly_in_place(errors):
    """Perfect on too few: compares with the errors that it has changed itself."""
    errors += 1
    for i in np.argsort(-errors):
        mine = errors.copy()
        mine[i] = 0
        if mine.mean() < errors.mean():
            return mine


def sly_one_item_pays(errors):
    """Perfect on every item that pays for a dollar on all others, or on the largest."""
    pays = errors > len(errors) - 1
    if not pays.any():
        pays[errors.argmax()] = True
    return np.where(pays, 0, errors + 1)


def right_sly_search(errors):
    """Finds the number of perfect items from the running sum."""
    order = np.argsort(errors)[::-1]
    saved = np.cumsum(errors[order] + 1)
    n_perfect = int(np.argmax(saved > len(errors))) + 1
    mine = errors + 1
    mine[order[:n_perfect]] = 0
    return mine


def right_sly_mask(errors):
    order = np.argsort(-errors, kind="stable")
    for n_perfect in range(1, len(errors) + 1):
        perfect = np.isin(np.arange(len(errors)), order[:n_perfect])
        mine = np.where(perfect, 0, errors + 1)
        if mine.sum() < errors.sum():
            return mine


def right_sly_sorted(errors):
    """A loop over pairs, in floats."""
    mine = [float(error) + 1 for error in errors]
    by_size = sorted(range(len(mine)), key=lambda i: (errors[i], i), reverse=True)
    for i in by_size:
        mine[i] = 0.0
        if sum(mine) < sum(errors):
            break
    return np.array(mine)


def right_sly_from_above(errors):
    """Starts from no error at all and gives items up, the smallest first."""
    mine = np.zeros(len(errors))
    for i in np.argsort(errors, kind="stable"):
        mine[i] = errors[i] + 1
        if mine.sum() >= errors.sum():
            mine[i] = 0
            break
    return mine


def right_sly_argmax(errors):
    mine, left = errors + 1, errors.astype(float)
    while mine.mean() >= errors.mean():
        i = left.argmax()
        mine[i], left[i] = 0, -1
    return mine


def right_sly_any(errors):
    """The first items that do, which need not be the largest ones."""
    for n_perfect in range(1, len(errors) + 1):
        for perfect in itertools.combinations(range(len(errors)), n_perfect):
            mine = errors + 1
            mine[list(perfect)] = 0
            if mine.sum() < errors.sum():
                return mine


def right_sly_ties_from_the_end(errors):
    mine, order = errors + 1.0, np.lexsort((-np.arange(len(errors)), -errors))
    n_perfect = 0
    while mine.sum() >= errors.sum():
        mine[order[n_perfect]] = 0
        n_perfect += 1
    return mine.tolist()


WRONG = {
    "rmsle": [
        rmsle_tiny_offset,
        rmsle_one_outside,
        rmsle_root_over_n,
        rmsle_n_minus_one,
        rmsle_std,
        rmsle_base_2,
        rmsle_log_of_rmse,
        rmsle_shares,
        rmsle_squared_logs,
        rmsle_of_means,
        rmsle_median,
        rmsle_whole_numbers,
        rmsle_too_low_only,
        rmsle_each_item,
    ],
    "my_interval": [
        interval_99,
        interval_one_sided,
        interval_thousandths,
        interval_extremes,
        interval_of_all_drawn,
        interval_of_places,
        interval_quarter,
        interval_n_draws_values,
        interval_two_sigma_of_values,
        interval_around_zero,
        interval_with_middle,
        interval_half_width,
        interval_ten_draws,
        interval_no_seed,
        interval_seed_42,
        interval_2000_draws,
        interval_bell_curve,
        interval_seed_is_n_draws,
    ],
    "verdict": [
        verdict_means,
        verdict_dollar,
        verdict_unpaired,
        verdict_most_items,
        verdict_medians,
        verdict_every_item,
        verdict_a_or_not,
        verdict_a_or_b,
        verdict_sorted,
        verdict_largest,
        verdict_capitals,
        verdict_90_percent,
        verdict_99_percent,
        verdict_shares,
        verdict_squares,
        verdict_ranks,
        verdict_zero_is_better,
        verdict_else_b,
    ],
    "sly": [
        sly_zeros,
        sly_largest_only,
        sly_smallest_first,
        sly_first_items,
        sly_equal_is_enough,
        sly_one_more,
        sly_half,
        sly_above_mean,
        sly_all_ties,
        sly_sorted,
        sly_falling,
        sly_better,
        sly_more_than_a_dollar,
        sly_few_cents,
        sly_as_good,
        sly_enough_saved,
        sly_a_tenth,
        sly_count,
        sly_in_place,
        sly_one_item_pays,
    ],
}

RIGHT = {
    "rmsle": [
        right_rmsle_loop,
        right_rmsle_ratio,
        right_rmsle_norm,
        right_rmsle_dot,
        right_rmsle_torch,
    ],
    "my_interval": [
        right_interval_quantile,
        right_interval_array,
        right_interval_loop,
        right_interval_places,
        right_interval_columns,
        right_interval_counts,
        right_interval_scipy,
        right_interval_sorted,
    ],
    "verdict": [
        right_verdict_bootstrap,
        right_verdict_places,
        right_verdict_paired_test,
        right_verdict_standard_error,
    ],
    "sly": [
        right_sly_search,
        right_sly_mask,
        right_sly_sorted,
        right_sly_from_above,
        right_sly_argmax,
        right_sly_any,
        right_sly_ties_from_the_end,
    ],
}


# The named mistakes in other words


def logs(guesses, prices):
    """Pairs of logarithms."""
    pairs = zip(guesses.tolist(), prices.tolist(), strict=True)
    return [(math.log(guess + 1), math.log(price + 1)) for guess, price in pairs]


def rmsle_of_plain_logs(guesses, prices):
    logs = [torch.tensor(a, dtype=torch.float64).log() for a in (guesses, prices)]
    return torch.nn.functional.mse_loss(*logs).sqrt().item()


def rmsle_of_distance(guesses, prices):
    distances = [abs(g - p) for g, p in zip(guesses.tolist(), prices.tolist(), strict=True)]
    return math.hypot(*[math.log(1 + d) for d in distances]) / len(distances) ** 0.5


def interval_of(statistic, percentiles=(2.5, 97.5), replace=True):
    """The percentiles of `statistic` of each draw, one draw after the other."""

    def ends(values, n_draws, seed):
        rng = np.random.default_rng(seed)
        draws = [rng.choice(values, len(values), replace=replace) for _ in range(n_draws)]
        low, high = np.percentile([statistic(draw) for draw in draws], percentiles)
        return float(low), float(high)

    return ends


def interval_around_mean(values, half):
    middle = sum(values.tolist()) / len(values)
    return middle - half, middle + half


def decide(low, high):
    """Who is better by an interval of a's errors less b's."""
    if low > 0:
        return "b"
    return "a" if high < 0 else "undecided"


def verdict_reaching(n_standard_errors):
    """Decides by an interval of so many standard errors on each side."""

    def verdict(errors_a, errors_b):
        gap = errors_a - errors_b
        half = n_standard_errors * stats.sem(gap)
        return decide(gap.mean() - half, gap.mean() + half)

    return verdict


def verdict_turned_round(errors_a, errors_b):
    return right_verdict_paired_test(errors_b, errors_a)


def verdict_single_items(errors_a, errors_b):
    """The interval that holds 95 % of the single differences."""
    low, high = np.percentile(errors_a - errors_b, [2.5, 97.5])
    return decide(low, high)


def verdict_two_bootstraps(errors_a, errors_b):
    """Undecided where an interval of a's mean overlaps one of b's."""
    low_a, high_a = right_interval_quantile(errors_a, 2000, 1)
    low_b, high_b = right_interval_quantile(errors_b, 2000, 2)
    if high_a < low_b:
        return "a"
    return "b" if high_b < low_a else "undecided"


def verdict_more_wins(errors_a, errors_b):
    wins_a = sum(a < b for a, b in zip(errors_a, errors_b, strict=True))
    wins_b = sum(b < a for a, b in zip(errors_a, errors_b, strict=True))
    return "a" if wins_a > wins_b else "b" if wins_b > wins_a else "undecided"


def sly_until(lower, others=1):
    """Perfect on one item after the other, the largest first, until `lower` accepts both sums."""

    def answer(errors):
        mine = [float(error) + others for error in errors]
        for i in sorted(range(len(errors)), key=lambda i: -errors[i]):
            mine[i] = 0.0
            if lower(sum(mine), sum(errors.tolist())):
                return mine

    return answer


def sly_equal_others(errors):
    """As many items as the right answer has, and the others as good as b's."""
    return [
        0.0 if m == 0 else float(e) for m, e in zip(right_sly_mask(errors), errors, strict=True)
    ]


NAMED = {
    "rmsle": {
        "no_logarithm": lambda guesses, prices: math.dist(guesses, prices) / len(prices) ** 0.5,
        "no_root": lambda g, p: sum((a - b) ** 2 for a, b in logs(g, p)) / len(p),
        "no_one_added": rmsle_of_plain_logs,
        "log_of_the_error": rmsle_of_distance,
        "not_squared": lambda g, p: sum(abs(a - b) for a, b in logs(g, p)) / len(p),
        "summed": lambda g, p: math.dist(*zip(*logs(g, p), strict=True)),
        "in_base_10": lambda g, p: np.sqrt(np.mean(np.log10((1 + g) / (1 + p)) ** 2)),
    },
    "my_interval": {
        "of_the_values": lambda values, n_draws, seed: (
            np.quantile(values, 0.025),
            np.quantile(values, 0.975),
        ),
        "without_replacement": interval_of(np.mean, replace=False),
        "ninety_percent": interval_of(np.mean, (5, 95)),
        "of_the_median": interval_of(np.median),
        "standard_deviations": lambda values, n_draws, seed: interval_around_mean(
            values, 1.96 * math.sqrt(np.mean(values**2) - np.mean(values) ** 2)
        ),
        "one_standard_error": lambda values, n_draws, seed: interval_around_mean(
            values, stats.sem(values)
        ),
        "turned_round": lambda *case: right_interval_loop(*case)[::-1],
        "seed_not_used": interval_no_seed,
        "draws_not_counted": interval_2000_draws,
    },
    "verdict": {
        "higher_wins": verdict_turned_round,
        "too_wide": verdict_99_percent,
        "largest_alone": lambda a, b: (
            "undecided" if max(a) == max(b) else "a" if max(a) < max(b) else "b"
        ),
        "two_intervals": verdict_two_bootstraps,
        "spread_of_the_items": verdict_single_items,
        "too_narrow": verdict_reaching(1),
        "lower_mean": verdict_reaching(0),
        "most_items": verdict_more_wins,
        "zero_decides": verdict_zero_is_better,
        "zero_decides_for_b": verdict_else_b,
    },
    "sly": {
        "perfect_on_the_easiest": sly_smallest_first,
        "a_tie": sly_until(lambda mine, theirs: mine <= theirs),
        "one_is_enough": sly_until(lambda mine, theirs: True),
        "worse_everywhere": lambda errors: [error + 1 for error in errors.tolist()],
        "perfect_everywhere": lambda errors: [0.0] * len(errors),
        "not_worse": sly_equal_others,
        "not_worse_anywhere": sly_until(lambda mine, theirs: mine < theirs, others=0),
        "half_of_them": lambda errors: np.where(
            np.argsort(np.argsort(-errors, kind="stable")) < len(errors) // 2, 0, errors + 1
        ),
        "all_of_a_size": sly_all_ties,
    },
}
