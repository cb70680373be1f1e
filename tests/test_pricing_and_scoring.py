"""Read-outs of a belief, and scores, against definitions and hand-made cases."""

import numpy as np
import pytest

from helpers import base_model, catalogue, pricing, scoring


@pytest.fixture(scope="module")
def pocket():
    return base_model.load_base(base_model.POCKET), base_model.load_tokenizer(base_model.POCKET)


def test_read_outs_of_a_known_belief():
    belief = np.zeros((2, 1000))
    belief[0, [10, 20, 400]] = 0.4, 0.3, 0.3
    belief[1, 7] = 1.0
    assert pricing.most_likely(belief).tolist() == [10, 7]
    assert pricing.median(belief).tolist() == [20, 7]
    assert pricing.mean(belief).tolist() == pytest.approx([130, 7])


def test_the_median_has_the_least_absolute_error_and_the_mean_the_least_squared():
    rng = np.random.default_rng(0)
    belief = rng.dirichlet(np.full(1000, 0.05), size=3)
    guesses, prices = np.arange(1000), np.arange(1000)
    for row, median, mean in zip(belief, pricing.median(belief), pricing.mean(belief), strict=True):
        absolute = (row * np.abs(guesses[:, None] - prices)).sum(1)
        squared = (row * (guesses[:, None] - prices) ** 2).sum(1)
        assert absolute.argmin() == median
        assert abs(squared.argmin() - mean) <= 0.5


def test_batches_with_padding_believe_what_one_prompt_at_a_time_does(pocket):
    prompts = catalogue.load("test")["prompt"][:7]
    together = pricing.price_distribution(*pocket, prompts, batch_size=7)
    alone = np.concatenate([pricing.price_distribution(*pocket, [prompt]) for prompt in prompts])
    assert len({len(prompt) for prompt in prompts}) > 1, "equal lengths would hide the padding"
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(together.sum(-1), 1, atol=1e-4)


def test_the_model_keeps_its_mode(pocket):
    model, tokenizer = pocket
    for mode in (True, False):
        model.train(mode)
        pricing.price_distribution(model, tokenizer, ["Price is $"])
        assert model.training is mode


def test_greedy_decoding_says_the_most_likely_price(pocket):
    model, tokenizer = pocket
    prompt = catalogue.load("test")["prompt"][0]
    belief = pricing.price_distribution(model, tokenizer, [prompt])
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    logits = model.eval()(ids).logits[0, -1]
    prices = pricing.price_token_ids(tokenizer)
    assert logits[prices].argmax() == pricing.most_likely(belief)[0]


def test_errors_and_hits_by_hand():
    guesses, prices = np.array([50, 150, 300]), np.array([89, 100, 390])
    assert scoring.absolute_errors(guesses, prices).tolist() == [39, 50, 90]
    assert scoring.hits(guesses, prices) == pytest.approx(1 / 3)  # by < $40; none by < 20 %
    assert scoring.hits(np.array([450]), np.array([500])) == 1  # $50 off, but 10 %
    with pytest.raises(ValueError, match="must pair up"):
        scoring.absolute_errors(guesses, prices[:2])


def test_an_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [scoring.interval(rng.normal(3, 1, 50)) for _ in range(60)]
    covered = np.mean([low < 3 < high for low, high in intervals])
    assert 0.85 <= covered <= 1.0


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
