"""Beliefs about prices, whatever the tokenizer, against models asked one sequence at a time."""

import numpy as np
import pytest
import torch
from support import digits_in_groups_of
from transformers import LlamaConfig, LlamaForCausalLM

from helpers import base_model, catalogue, pricing

PROMPTS = [
    "Price is $",
    "A red pen, 3 of 12.\n\nPrice is $",
    "How much?\n\nA desk, new.\n\nPrice is $",
]


@pytest.fixture(scope="module")
def pocket():
    return base_model.load_base(base_model.POCKET), base_model.load_tokenizer(base_model.POCKET)


@pytest.fixture(scope="module")
def random_model(pocket):
    """A tiny Llama that is far from uniform: each of its answers takes a millisecond."""
    config = LlamaConfig(
        vocab_size=len(pocket[1]),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config).eval()


@pytest.fixture(params=[1, 2, 3], ids="{} digits a token".format)
def tokenizer(request, pocket):
    """Of three digits a token, Pocket Llama's own: every price is one token."""
    return pocket[1] if request.param == 3 else digits_in_groups_of(request.param, pocket[1])


def test_read_outs_of_a_known_belief():
    belief = np.zeros((2, 1000))
    belief[0, [10, 20, 400]] = 0.4, 0.3, 0.3
    belief[1, 7] = 1.0
    assert pricing.most_likely(belief).tolist() == [10, 7]
    assert pricing.median(belief).tolist() == [20, 7]
    assert pricing.mean(belief).tolist() == pytest.approx([130, 7])
    halves = np.zeros((1, 1000))
    halves[0, [10, 20]] = 0.5
    assert pricing.median(halves).tolist() == [10], "the smallest price with half at or below it"


def test_the_median_has_the_least_absolute_error_and_the_mean_the_least_squared():
    rng = np.random.default_rng(0)
    belief = rng.dirichlet(np.full(1000, 0.05), size=3)
    guesses, prices = np.arange(1000), np.arange(1000)
    for row, median, mean in zip(belief, pricing.median(belief), pricing.mean(belief), strict=True):
        absolute = (row * np.abs(guesses[:, None] - prices)).sum(1)
        squared = (row * (guesses[:, None] - prices) ** 2).sum(1)
        assert absolute.argmin() == median
        assert abs(squared.argmin() - mean) <= 0.5


@torch.no_grad()
def belief_by_brute_force(model, tokenizer, prompt):
    """Each of the 1,000 numbers written behind `prompt` and scored by itself, shape (1000,)."""
    n_prompt = len(tokenizer.encode(prompt))
    tokens = [tokenizer.encode(f"{prompt}{n}")[n_prompt:] for n in range(1000)]
    belief = np.empty(1000)
    for n in range(1000):
        ids, length = tokenizer.encode(f"{prompt}{n}"), len(tokens[n])
        p = model(torch.tensor([ids])).logits[0].double().softmax(-1)
        written = [p[n_prompt - 1 + i, tokens[n][i]].item() for i in range(length)]
        longer = [t[length] for t in tokens if len(t) > length and t[:length] == tokens[n]]
        belief[n] = np.prod(written) * (1 - p[-1, sorted(set(longer))].sum().item())
    return belief / belief.sum()


def test_every_price_gets_the_probability_of_its_tokens_and_of_ending_there(
    random_model, tokenizer
):
    assert len({len(tokenizer.encode(prompt)) for prompt in PROMPTS[1:]}) == 2, "one is padded"
    got = pricing.price_distribution(random_model, tokenizer, PROMPTS[1:])
    for belief, prompt in zip(got, PROMPTS[1:], strict=True):
        wanted = belief_by_brute_force(random_model, tokenizer, prompt)
        assert wanted.max() > 20 * np.median(wanted), "a uniform belief would hide a mix-up"
        np.testing.assert_allclose(belief, wanted, rtol=1e-3, atol=1e-7)


def test_batches_with_padding_believe_what_one_prompt_at_a_time_does(pocket, tokenizer):
    prompts = catalogue.load("test")["prompt"][:7]
    together = pricing.price_distribution(pocket[0], tokenizer, prompts, batch_size=7)
    alone = [pricing.price_distribution(pocket[0], tokenizer, [prompt]) for prompt in prompts]
    assert len({len(ids) for ids in tokenizer(prompts).input_ids}) > 1, "else nothing is padded"
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)
    np.testing.assert_allclose(together.sum(-1), 1, atol=1e-4)


class Watched(torch.nn.Module):
    """`model`, noting how many rows of logits each forward pass makes."""

    def __init__(self, model):
        super().__init__()
        self.model, self.rows, self.device = model, [], model.device
        self.get_input_embeddings = model.get_input_embeddings

    def forward(self, **inputs):
        out = self.model(**inputs)
        self.rows.append(out.logits.shape[0] * out.logits.shape[1])
        return out


def test_with_one_token_a_number_each_batch_is_one_pass_and_a_softmax(random_model, pocket):
    watched, tokenizer = Watched(random_model), pocket[1]
    got = pricing.price_distribution(watched, tokenizer, PROMPTS, batch_size=2)
    assert watched.rows == [2, 1]
    prices = [tokenizer.encode(str(n), add_special_tokens=False)[0] for n in range(1000)]
    for belief, prompt in zip(got, PROMPTS, strict=True):
        last = random_model(torch.tensor([tokenizer.encode(prompt)])).logits[0, -1]
        np.testing.assert_allclose(belief, last[prices].softmax(-1).detach(), rtol=1e-4)


def test_however_large_the_batch_a_pass_holds_a_bounded_number_of_logits(random_model, tokenizer):
    watched = Watched(random_model)
    pricing.price_distribution(watched, tokenizer, PROMPTS * 200, batch_size=10_000)
    assert len(watched.rows) > 1
    assert max(watched.rows) <= pricing.MAX_ROWS


def test_the_model_keeps_its_mode_and_the_tokenizer_its_side(random_model, tokenizer):
    tokenizer.padding_side = "right"
    for mode in (True, False):
        random_model.train(mode)
        pricing.price_distribution(random_model, tokenizer, PROMPTS)
        assert random_model.training is mode
        assert tokenizer.padding_side == "right"


def test_greedy_decoding_answers_the_most_likely_price(pocket):
    model, tokenizer = pocket
    prompts = catalogue.load("test")["prompt"][:10]
    prices = pricing.most_likely(pricing.price_distribution(model, tokenizer, prompts))
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    answers = model.generate(**inputs, max_new_tokens=1, do_sample=False)[:, -1]
    assert [tokenizer.decode(answer) for answer in answers] == [f"{price:.0f}" for price in prices]


def test_a_tokenizer_that_joins_the_dollar_sign_and_a_digit_is_refused(pocket):
    joining = digits_in_groups_of(3, pocket[1])
    joining.add_tokens(["$7"])
    with pytest.raises(ValueError, match=r"joins the dollar sign and the digits of \$7 "):
        pricing.price_tree(joining)
