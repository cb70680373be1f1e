"""How good a list of guesses is: error, hits, bootstrap intervals, baselines, leaderboard."""

import numpy as np

from helpers import catalogue

NOISE = 0.18  # width of log(price / true price) in the pocket world, from data/make_catalogue.py
LOWEST, HIGHEST = 1, 999  # dollars; a price outside was drawn again

# The lectures' colours: off by less than so many dollars or by less than that share of the price.
BANDS = {"green": (40, 0.20), "orange": (80, 0.40)}  # else red


def absolute_errors(guesses: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """|guess − price| in dollars, shape (N,). Raises ValueError when the shapes differ."""
    guesses, prices = np.asarray(guesses, float), np.asarray(prices, float)
    if guesses.shape != prices.shape:
        raise ValueError(f"{guesses.shape} guesses for {prices.shape} prices: they must pair up")
    return np.abs(guesses - prices)


def hits(guesses: np.ndarray, prices: np.ndarray) -> float:
    """The share of guesses that are off by less than $40 or by less than 20 % of the price."""
    return float(np.mean(colours(guesses, prices) == "green"))


def colours(guesses: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """The lectures' colour of each guess, "green", "orange" or "red", shape (N,)."""
    errors, prices = absolute_errors(guesses, prices), np.asarray(prices)
    within = [(errors < dollars) | (errors < share * prices) for dollars, share in BANDS.values()]
    return np.select(within, list(BANDS), "red")


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The bootstrap interval of the mean of `values`; the same values give the same interval.

    To compare two models, give it the differences of their errors on the same items.
    """
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    result = bootstrap(
        (np.asarray(values),), np.mean, confidence_level=level, method="percentile", rng=rng
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def noise_floor(items) -> float:
    """The mean error ($) on `items` that no model beats except by luck; nan where the true price is not known.

    It is the error of `best_guesses`. The true price itself is a slightly worse guess.
    """
    if "true_price" not in items.column_names:
        return float("nan")
    return float(absolute_errors(best_guesses(items["true_price"]), catalogue.prices(items)).mean())


def best_guesses(true_prices) -> np.ndarray:
    """The guesses ($) with the least absolute error for whoever knows each true price, shape (N,).

    A price of the pocket world is the true price times log-normal noise, in whole dollars, and is
    drawn again outside $1 to $999. The best guess is the median of what is left: near $999 it is
    below the true price.
    """
    from scipy.special import ndtr, ndtri

    true_prices = np.asarray(true_prices, float)
    low, high = (ndtr(np.log(edge / true_prices) / NOISE) for edge in (LOWEST - 0.5, HIGHEST + 0.5))
    return np.round(true_prices * np.exp(NOISE * ndtri((low + high) / 2)))


def baselines(train: tuple[list[str], np.ndarray], test: list[str]) -> dict[str, np.ndarray]:
    """Guesses for the descriptions `test` by simple models that a language model should beat.

    train: (descriptions, prices in dollars). The constant is the median, the best constant for
    absolute error. The others learn the log of the price from the words in a description.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import RidgeCV

    texts, prices = train
    words = CountVectorizer(binary=True, token_pattern=r"\b\w+\b")
    seen, unseen = words.fit_transform(texts), words.transform(test)
    counts = np.asarray(seen.sum(0)).ravel()
    often = np.argsort(-counts, kind="stable")[:500]  # boosting wants them dense, so fewer
    models = {
        "words, ridge": (RidgeCV(alphas=(0.3, 1, 3, 10)), seen, unseen),
        "words, random forest": (
            RandomForestRegressor(
                100, min_samples_leaf=2, max_features=0.3, n_jobs=-1, random_state=0
            ),
            seen,
            unseen,
        ),
        "words, boosted trees": (
            # 15 leaves: the best on the validation items, of 4, 8, 15 and 31
            HistGradientBoostingRegressor(max_iter=500, max_leaf_nodes=15, random_state=0),
            seen[:, often].toarray(),
            unseen[:, often].toarray(),
        ),
    }
    guesses = {"constant (median)": np.full(len(test), np.median(prices))}
    for name, (model, known, new) in models.items():
        guesses[name] = np.exp(model.fit(known, np.log(prices)).predict(new))
    return guesses


def leaderboard(guesses: dict[str, np.ndarray], prices: np.ndarray):
    """A `pandas.DataFrame`, best first: mean absolute error ($), its 95 % interval, hits (%)."""
    import pandas as pd

    rows = []
    for name, guess in guesses.items():
        errors = absolute_errors(guess, prices)
        low, high = interval(errors)
        rows.append((name, errors.mean(), low, high, 100 * hits(guess, prices)))
    columns = ["", "error $", "from", "to", "hits %"]
    return pd.DataFrame(rows, columns=columns).set_index("").sort_values("error $").round(1)
