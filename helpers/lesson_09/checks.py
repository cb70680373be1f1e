"""Checks of lesson 9: RMSLE, a bootstrap, is a difference real, a riddle about averages."""

import functools
import math

import numpy as np

from helpers.exercises import Check, Prediction, Verdict, sentence
from helpers.limits import number, whole

KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    "my_guesses": (lambda x: isinstance(x, list), "a list of numbers, or empty"),
    "steps": whole(1),
    "n_small": whole(1, 2000),
    "middle": number(0, 1),
}

# ---- rmsle(guesses, prices): (N,), (N,) → the root of the mean squared logarithmic error


def rmsle_right(guesses, prices):
    pairs = zip(guesses.tolist(), prices.tolist(), strict=True)
    squares = [(math.log1p(guess) - math.log1p(price)) ** 2 for guess, price in pairs]
    return math.sqrt(sum(squares) / len(squares))


def no_logarithm(guesses, prices):
    """The logarithm is missing: that is the root of the mean squared error in dollars."""
    return float(np.sqrt(np.mean((guesses - prices) ** 2)))


def no_root(guesses, prices):
    """The root is missing: that is the mean of the squares."""
    return rmsle_right(guesses, prices) ** 2


def no_one_added(guesses, prices):
    """Add 1 before taking the logarithm: a guess of 0 has none."""
    with np.errstate(divide="ignore"):
        return float(np.sqrt(np.mean((np.log(guesses) - np.log(prices)) ** 2)))


def log_of_the_error(guesses, prices):
    """That is the logarithm of the error: take the logarithm of guess and price, then subtract."""
    return float(np.sqrt(np.mean(np.log1p(abs(guesses - prices)) ** 2)))


def not_squared(guesses, prices):
    """The square is missing: that is the mean of the absolute differences."""
    return float(np.mean(abs(np.log1p(guesses) - np.log1p(prices))))


def summed(guesses, prices):
    """That is the root of the sum: take the mean first."""
    return rmsle_right(guesses, prices) * math.sqrt(len(prices))


def in_base_10(guesses, prices):
    """That is with logarithms to the base 10: take natural ones."""
    return rmsle_right(guesses, prices) / math.log(10)


rmsle = Check(
    reference=rmsle_right,
    cases=[
        (np.array([0.0, 30.0, 120.0, 95.0]), np.array([4.0, 35.0, 99.0, 260.0])),
        (np.array([50.0, 8.0, 640.0]), np.array([25.0, 9.0, 610.0])),
        (np.array([2, 0, 40, 11]), np.array([1, 3, 45, 19])),  # whole dollars
    ],
    mistakes=[
        no_logarithm,
        no_root,
        no_one_added,
        log_of_the_error,
        not_squared,
        summed,
        in_base_10,
    ],
    notice="It counts shares of the price: 10 for 20 costs nearly as much as 100 for 200.",
)


# ---- my_interval(values, n_draws, seed): (N,) → (low, high) of the mean's 95 % bootstrap interval


def _means(values, n_draws, seed):
    picks = np.random.default_rng(seed).integers(0, len(values), (n_draws, len(values)))
    return values[picks].mean(1)


def _ends(means, low, high):
    return tuple(np.percentile(means, [low, high]).tolist())


def interval_right(values, n_draws, seed):
    return _ends(_means(values, 10 * n_draws, seed + 1), 2.5, 97.5)


def of_the_values(values, n_draws, seed):
    """That is where single values lie: draw again and again, and look at the means."""
    return _ends(values, 2.5, 97.5)


def without_replacement(values, n_draws, seed):
    """The means hardly differ: draw with replacement, and take the mean of each draw."""
    return (float(values.mean()), float(values.mean()))


def ninety_percent(values, n_draws, seed):
    """That holds 90 % of the means: cut off 2.5 % on each side."""
    return _ends(_means(values, 40_000, seed), 5, 95)


def of_the_median(values, n_draws, seed):
    """That is the interval of the median: take the mean of each draw."""
    picks = np.random.default_rng(seed).integers(0, len(values), (40_000, len(values)))
    return _ends(np.median(values[picks], 1), 2.5, 97.5)


def standard_deviations(values, n_draws, seed):
    """That is as wide as the values: the mean of N values varies less, by the root of N."""
    half = 1.96 * values.std()
    return (float(values.mean() - half), float(values.mean() + half))


def one_standard_error(values, n_draws, seed):
    """That is one standard error on each side, which holds 68 % of the means, not 95 %."""
    half = values.std() / math.sqrt(len(values))
    return (float(values.mean() - half), float(values.mean() + half))


def turned_round(values, n_draws, seed):
    """The two ends are the wrong way round: return low, high."""
    return interval_right(values, n_draws, seed)[::-1]


def seed_not_used(values, n_draws, seed):
    """The same seed has to give the same interval, and another seed another: use `seed`."""
    return _ends(_means(values, 10 * n_draws, None), 2.5, 97.5)


def draws_not_counted(values, n_draws, seed):
    """More draws change nothing: `n_draws` says how many to make."""
    return _ends(_means(values, 4000, seed), 2.5, 97.5)


class IntervalCheck(Check):
    """A `Check` of random ends: near the reference, and led by `n_draws` and `seed`."""

    def _judge(self, answer) -> Verdict:
        verdict = super()._judge(answer)
        if verdict.state != "right":
            return verdict
        values, name = self.cases[0][0], getattr(answer, "__name__", "your function")

        def ends(n_draws, seed):
            return tuple(map(float, answer(values.copy(), n_draws, seed)))

        try:
            once, again, more, other = ends(50, 1), ends(50, 1), ends(60, 1), ends(50, 2)
        except Exception as error:  # whatever the learner's code raises
            return Verdict("wrong", f"{name} with 50 draws raised {type(error).__name__}: {error}")
        if once != again:
            return Verdict(
                "wrong",
                f"{name} gave two intervals in two equal calls\n  {sentence(seed_not_used)}",
            )
        if once == other:
            return Verdict(
                "wrong", f"{name} gave one interval for two seeds\n  {sentence(seed_not_used)}"
            )
        if once == more:
            return Verdict(
                "wrong",
                f"{name} gave one interval for 50 and for 60 draws\n  {sentence(draws_not_counted)}",
            )
        return verdict


my_interval = IntervalCheck(
    reference=interval_right,
    cases=[
        (np.round(np.random.default_rng(3).gamma(9, 3, 40), 1), 4000, 1),
        (np.round(np.random.default_rng(4).gamma(8, 5, 30), 1), 4000, 2),
    ],
    mistakes=[
        of_the_values,
        without_replacement,
        ninety_percent,
        of_the_median,
        standard_deviations,
        one_standard_error,
        turned_round,
        seed_not_used,
        draws_not_counted,
    ],
    notice="No formula and no bell curve: the same lines work for a median or a share of hits.",
    rel_tol=1.1e-2,  # two honest bootstraps of 4,000 draws differ by about a quarter of that
)


# ---- verdict(errors_a, errors_b): dollars on the same items → "a", "b" or "undecided"


def verdict_right(errors_a, errors_b):
    means = _means(errors_a - errors_b, 4000, 5)
    low, high = np.percentile(means, [2.5, 97.5])
    return "a" if high < 0 else "b" if low > 0 else "undecided"


def _winner(gap, half):
    return "a" if gap < -half else "b" if gap > half else "undecided"


def higher_wins(errors_a, errors_b):
    """The wrong way round: these are errors, so the lower mean wins."""
    return {"a": "b", "b": "a"}.get(verdict_right(errors_a, errors_b), "undecided")


def spread_of_the_items(errors_a, errors_b):
    """That asks whether one wins on nearly every item: the mean of N differences varies less."""
    gap = errors_a - errors_b
    return _winner(gap.mean(), 1.96 * gap.std())


def lower_mean(errors_a, errors_b):
    """That takes the lower mean without asking how far chance moves it."""
    return _winner(errors_a.mean() - errors_b.mean(), 0)


def most_items(errors_a, errors_b):
    """That counts who is nearer on more items: one large error can outweigh them all."""
    return _winner(np.sign(errors_a - errors_b).sum(), 0)


def largest_alone(errors_a, errors_b):
    """That compares the largest errors alone: the mean looks at all items."""
    return _winner(errors_a.max() - errors_b.max(), 0)


def two_intervals(errors_a, errors_b):
    """That asks whether two separate intervals overlap: take the differences, item by item."""
    half = sum(1.96 * e.std() / math.sqrt(len(e)) for e in (errors_a, errors_b))
    return _winner(errors_a.mean() - errors_b.mean(), half)


def too_narrow(errors_a, errors_b):
    """That interval is too narrow: at 95 % it reaches 1.96 standard errors to each side."""
    gap = errors_a - errors_b
    return _winner(gap.mean(), gap.std() / math.sqrt(len(gap)))


def too_wide(errors_a, errors_b):
    """That reaches too far: at 95 %, the interval of the mean difference stays clear of zero."""
    gap = errors_a - errors_b
    return _winner(gap.mean(), 2.576 * gap.std() / math.sqrt(len(gap)))


def zero_decides(errors_a, errors_b):
    """Zero is the end of the interval here, not outside it: equal errors decide nothing."""
    low, high = np.percentile(_means(errors_a - errors_b, 4000, 5), [2.5, 97.5])
    return "a" if high <= 0 else "b" if low >= 0 else "undecided"


def zero_decides_for_b(errors_a, errors_b):
    """Zero is the end of the interval here, not outside it: equal errors decide nothing."""
    return {"a": "b", "b": "a"}.get(zero_decides(errors_b, errors_a), "undecided")


def _noise(chance, n, z):
    """n numbers of spread 1 whose mean is z standard errors below zero: 1.96 is 95 %."""
    noise = chance.normal(0, 1, n)
    return (noise - noise.mean()) / noise.std() - z / math.sqrt(n)


def _six_cases():
    chance = np.random.default_rng(7)
    clear = chance.gamma(2, 10, 100), chance.gamma(2, 20, 100)
    b = chance.gamma(4, 8, 30)
    outlier = b - 1, b.copy()  # a is a little better on all items but one
    outlier[0][4] += 400
    hard = chance.gamma(0.5, 60, 300)  # both find the same items hard
    paired = hard + 8, hard + 3 + chance.uniform(-8, 8, 300)
    b = chance.gamma(4, 10, 120) + 30
    close = b + 10 * _noise(chance, 120, 1.78), b
    just = b, b + 10 * _noise(chance, 120, 2.3)
    equal = clear[0], clear[0].copy()
    cases = clear, outlier, paired, close, just, equal
    return [tuple(np.round(e, 2) for e in case) for case in cases]


verdict = Check(
    reference=verdict_right,
    cases=_six_cases(),
    mistakes=[
        higher_wins,
        too_wide,
        two_intervals,
        spread_of_the_items,
        too_narrow,
        lower_mean,
        most_items,
        largest_alone,
        zero_decides,
        zero_decides_for_b,
    ],
    notice="Three of the six are real. In the third, both have intervals that overlap by far.",
)


# ---- sly(errors): b's errors (N,) → a's: $1 more on most items, 0 on the others, a lower mean


def sly_right(errors):
    ranked = sorted(range(len(errors)), key=lambda i: -errors[i])
    n_perfect = next(
        k for k in range(1, len(errors) + 1) if sum(errors[i] for i in ranked[:k]) > len(errors) - k
    )
    perfect = set(ranked[:n_perfect])
    return [0.0 if i in perfect else float(e) + 1 for i, e in enumerate(errors)]


def _perfect_on(errors, chosen, more=1.0):
    sly = errors + more
    sly[chosen] = 0.0
    return sly.tolist()


def perfect_on_the_easiest(errors):
    """It is perfect where little is to be gained: take the largest errors."""
    ranked = np.argsort(errors)
    n = next(k for k in range(1, len(errors) + 1) if errors[ranked[:k]].sum() > len(errors) - k)
    return _perfect_on(errors, ranked[:n])


def one_is_enough(errors):
    """One perfect item does not always pay for a dollar on all others: count what it saves."""
    return _perfect_on(errors, [int(errors.argmax())])


def worse_everywhere(errors):
    """That is worse on every item, so its mean is higher, too."""
    return (errors + 1).tolist()


def perfect_everywhere(errors):
    """That is better everywhere: it has to be worse on as many items as possible."""
    return (errors * 0).tolist()


def not_worse(errors):
    """The others are equally good: they have to be one dollar worse."""
    n = sly_right(errors).count(0.0)
    return _perfect_on(errors, np.argsort(-errors)[:n], more=0.0)


def not_worse_anywhere(errors):
    """The others are equally good: they have to be one dollar worse."""
    return _perfect_on(errors, [int(errors.argmax())], more=0.0)


def a_tie(errors):
    """The means are equal: a's has to be lower."""
    ranked = np.argsort(-errors)
    n = next(k for k in range(1, len(errors) + 1) if errors[ranked[:k]].sum() >= len(errors) - k)
    return _perfect_on(errors, ranked[:n])


def half_of_them(errors):
    """It is perfect on more items than it needs: each of them is one that it could be worse on."""
    return _perfect_on(errors, np.argsort(-errors)[: len(errors) // 2])


def all_of_a_size(errors):
    """It is perfect on all errors of one size at once: fewer of them are enough."""
    mine = errors + 1
    for value in np.unique(errors)[::-1]:
        mine[errors == value] = 0
        if mine.mean() < errors.mean():
            return mine.tolist()


class SlyCheck(Check):
    """A `Check` that takes any answer to the riddle, an array too: there may be several."""

    def _judge(self, answer) -> Verdict:
        if not callable(answer):
            return super()._judge(answer)

        @functools.wraps(answer)
        def as_the_reference(errors):
            before = errors.copy()
            return self._as_the_reference(answer(errors), before)

        return super()._judge(as_the_reference)

    def _as_the_reference(self, got, errors):
        """The reference's answer if `got` is as good, else `got`, an array as a list."""
        try:
            mine, wanted = np.asarray(got, dtype=float), self.reference(errors)
        except (TypeError, ValueError):  # no numbers
            return got
        perfect = mine == 0
        enough = mine.shape == errors.shape and perfect.sum() == wanted.count(0.0)
        if enough and np.allclose(mine[~perfect], errors[~perfect] + 1, rtol=self.rel_tol):
            if mine.sum() < errors.sum():
                return wanted
        return got.tolist() if hasattr(got, "tolist") else got


sly = SlyCheck(
    reference=sly_right,
    cases=[
        (np.array([12.0, 3.0, 40.0, 8.0, 1.0, 5.0, 22.0, 2.0]),),
        (np.array([2.0, 0.5, 3.0, 1.0, 4.0, 2.5, 0.25, 1.5, 3.5]),),
        (np.array([3.0, 1.0, 2.0, 0.5]),),
        (np.array([1, 5, 5, 0, 1, 5, 1, 5, 1, 1]),),  # two of the fives, whichever
        (np.array([7.5]),),
    ],
    mistakes=[
        perfect_on_the_easiest,
        a_tie,
        one_is_enough,
        worse_everywhere,
        perfect_everywhere,
        not_worse,
        not_worse_anywhere,
        half_of_them,
        all_of_a_size,
    ],
    notice="A mean error is about the few large errors; who wins on most items is another question.",
)

# what the learner predicts, in the lesson's order
chance = Prediction("%", near=1.5)
