"""Scores against definitions, hand-made cases and simulations."""

import random

import make_catalogue
import numpy as np
import pytest
from datasets import Dataset
from scipy.stats import binom

from helpers import catalogue, scoring


def test_errors_and_hits_by_hand():
    guesses, prices = np.array([50, 150, 300]), np.array([89, 100, 390])
    assert scoring.absolute_errors(guesses, prices).tolist() == [39, 50, 90]
    assert scoring.hits(guesses, prices) == pytest.approx(1 / 3)  # by < $40; none by < 20 %
    assert scoring.hits(np.array([450]), np.array([500])) == 1  # $50 off, but 10 %
    with pytest.raises(ValueError, match="must pair up"):
        scoring.absolute_errors(guesses, prices[:2])


def test_the_lectures_colours_take_dollars_or_a_share_whichever_is_wider():
    off = {39: "green", 40: "orange", 79: "orange", 80: "red"}  # of $100: dollars decide
    off |= {-39: "green", -40: "orange"}
    for dollars, colour in off.items():
        assert scoring.colours(np.array([100 + dollars]), np.array([100])) == [colour], dollars
    off = {99: "green", 100: "orange", 199: "orange", 200: "red"}  # of $500: the share decides
    prices = np.full(len(off), 500)
    assert scoring.colours(prices + list(off), prices).tolist() == list(off.values())


N = 100
CHANCES = np.linspace(0.2, 0.8, 301)


def coverage(level):
    """How often an interval of N zeros and ones holds the chance of a one, averaged over CHANCES.

    Exact: the interval depends on the number of ones alone, which is binomial.
    """
    ones = np.arange(N + 1)
    low, high = np.array([scoring.interval(np.arange(N) < n, level) for n in ones]).T
    holds = (low[:, None] <= CHANCES) & (CHANCES <= high[:, None])  # (N + 1, chances)
    return (binom.pmf(ones[:, None], N, CHANCES) * holds).sum(0).mean()


def test_a_95_percent_interval_holds_the_mean_95_times_in_100():
    found = coverage(0.95)
    assert found == pytest.approx(0.95, abs=0.01)  # 1.8 sigma give 0.927, 2.2 sigma 0.969


def test_so_it_does_whatever_the_distribution_of_the_errors():
    rng = np.random.default_rng(0)
    draws = {rng.normal: 0.0, rng.random: 0.5, rng.exponential: 1.0}  # and their means
    held = []
    for draw, mean in draws.items():
        for _ in range(100):
            low, high = scoring.interval(draw(size=60))
            held.append(low < mean < high)
    three_standard_errors = 3 * np.sqrt(0.95 * 0.05 / len(held))  # 1.5 sigma hold it 87 in 100
    assert np.mean(held) == pytest.approx(0.95, abs=three_standard_errors)


def test_the_same_values_have_the_same_interval_around_their_mean_and_95_percent_is_meant():
    values = np.random.default_rng(2).exponential(40, 200)
    low, high = scoring.interval(values)
    assert (low, high) == scoring.interval(values) == scoring.interval(values, 0.95)
    reach = 1.96 * values.std() / np.sqrt(len(values))  # by the central limit theorem
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), rel=0.05)


def test_the_noise_floor_knows_the_catalogues_noise():
    assert scoring.NOISE == make_catalogue.NOISE
    prices = catalogue.prices(catalogue.load("train"))
    assert scoring.LOWEST <= prices.min() and prices.max() <= scoring.HIGHEST


@pytest.mark.parametrize("true_price", [2.2, 40, 700, 950, 1300])
def test_no_guess_has_a_lower_error_than_the_noise_floors(true_price):
    """Prices are drawn by the catalogue's own function, and redrawn outside $1 to $999."""
    rng = random.Random(0)
    drawn = [make_catalogue.noisy(true_price, make_catalogue.NOISE, rng) for _ in range(60_000)]
    prices = np.array([price for price in drawn if 1 <= price <= 999])
    errors = [np.abs(prices - guess).mean() for guess in range(1000)]
    (best,) = scoring.best_guesses([true_price]).astype(int)
    assert errors[best] - min(errors) < 0.05  # dollars: 60,000 draws cannot tell them apart
    if true_price >= 950:  # where prices are cut off, the true price itself is a worse guess
        assert np.abs(prices - true_price).mean() > errors[best] + 1


def test_the_noise_floor_of_the_test_items_is_below_the_error_of_their_true_prices():
    items = catalogue.load("test")
    prices = catalogue.prices(items)
    floor = scoring.noise_floor(items)
    assert floor == pytest.approx(23.34, abs=0.005)
    assert np.abs(prices - items["true_price"]).mean() == pytest.approx(23.65, abs=0.005)


def test_real_products_have_no_known_noise_floor():
    items = Dataset.from_dict({"prompt": ["Price is $"], "completion": ["9.00"]})
    assert np.isnan(scoring.noise_floor(items))


def test_baselines_learn_from_words():
    texts = ["a red pen", "a gold ring", "a blue pen", "a gold chain"] * 20
    prices = np.array([2.0, 500, 2, 500] * 20)
    guesses = scoring.baselines((texts, prices), ["a green pen", "a gold cup"])
    assert guesses["constant (median)"].tolist() == [251, 251]
    for name in ("words, ridge", "words, random forest", "words, boosted trees"):
        pen, gold = guesses[name]
        assert pen < 50 < gold


def test_the_leaderboard_puts_the_best_first():
    prices = np.array([100.0, 200, 300, 400])
    table = scoring.leaderboard({"far": prices + 90, "near": prices + 5}, prices)
    assert table.index.tolist() == ["near", "far"]
    assert table.loc["near", "error $"] == 5
    assert table.loc["near", "hits %"] == 100
    noisy = prices + [10, 30, 70, 90]
    row = scoring.leaderboard({"noisy": noisy}, prices).loc["noisy"]
    low, high = scoring.interval([10, 30, 70, 90])
    assert row.tolist() == [50, round(low, 1), round(high, 1), 50]
    assert row.index.tolist() == ["error $", "from", "to", "hits %"]
