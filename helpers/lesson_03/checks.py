"""Checks of lesson 3: a count, a riddle about a count, a mask with a window, one attention head."""

import math

import torch

from helpers.exercises import Check, Prediction
from helpers.limits import number, several, text, whole

KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    "n_steps": whole(1),
    "learning_rate": number(0),
    "product": text(),
    "layer": whole(0, 3),
    "head": whole(0, 7),
    "three_heads": several(whole(0, 7)),
    "n_places": whole(4, 4096),
    "dropout": number(0, 1, low_too=True),
    "long_length": whole(65, 600),  # the picture takes positions from 64 on
    "n_long": whole(1),
}

# ---- my_count: the parameters of Llama 3.2 1B, whose configuration the exercise gives; a number

V, C, M, LAYERS, HEADS, KV_HEADS = 128_256, 2048, 8192, 16, 32, 8
KV = C // HEADS * KV_HEADS  # width of k and of v


def _llama(kv=KV, mlp_matrices=3, norms=2 * C, last_norm=C, tables=1):
    return (
        tables * V * C
        + LAYERS * (2 * C * C + 2 * C * kv + mlp_matrices * C * M + norms)
        + last_norm
    )


def count_right():
    return _llama()


def head_of_its_own():
    """The head is counted as a matrix of its own: with tied embeddings there is one table for both."""
    return _llama(tables=2)


def all_heads_for_keys():
    """k and v are counted as wide as q: 8 heads of 64 are 512 numbers, not 2048."""
    return _llama(kv=C)


def one_norm():
    """Each layer has two norms: one before attention, one before the MLP."""
    return _llama(norms=C)


def k_or_v_missing():
    """One matrix of each layer is missing: keys and values have one each."""
    return count_right() - LAYERS * C * KV


def no_output_matrix():
    """One matrix of each layer is missing: attention has an output matrix, as large as q's."""
    return count_right() - LAYERS * C * C


def one_layer_of_sixteen():
    """This is one layer: there are 16."""
    return count_right() - (LAYERS - 1) * (count_right() - V * C - C) // LAYERS


def one_head_for_keys():
    """k and v are counted as one head wide: 8 heads of 64 are 512 numbers."""
    return _llama(kv=C // HEADS)


def two_matrices_in_the_mlp():
    """Llama's MLP has three matrices: gate, up and down."""
    return _llama(mlp_matrices=2)


def no_norms():
    """The norms are missing: two of 2048 numbers in each layer, and one behind the last layer."""
    return _llama(norms=0, last_norm=0)


def no_last_norm():
    """One norm is missing: the one behind the last layer."""
    return _llama(last_norm=0)


def no_embedding():
    """The embedding table is missing: a row of 2048 numbers for every token."""
    return _llama(tables=0)


my_count = Check(
    reference=count_right,
    cases=[()],
    mistakes=[
        head_of_its_own,
        all_heads_for_keys,
        one_head_for_keys,
        two_matrices_in_the_mlp,
        no_norms,
        no_last_norm,
        no_embedding,
        one_norm,
        k_or_v_missing,
        no_output_matrix,
        one_layer_of_sixteen,
    ],
    notice="It is sold as 1B. More than a fifth of it is the table of tokens.",
    rel_tol=0,
)


# ---- my_reasons: (how many the book counts twice, how many its model lacks), two numbers

GPT2_V, GPT2_C, GPT2_LAYERS = 50_257, 768, 12


def book_right():
    return GPT2_V * GPT2_C, GPT2_LAYERS * 3 * GPT2_C


def only_the_head():
    """The first number is right. But the book's total is not that much higher: something is missing
    in its layers."""
    return GPT2_V * GPT2_C, 0


def the_difference():
    """That is the difference itself. It has two causes: the book counts something twice, and its
    layers lack something."""
    return GPT2_V * GPT2_C - GPT2_LAYERS * 3 * GPT2_C, 0


def turned_round():
    """The two are turned round: first what is counted twice, then what is missing."""
    return GPT2_LAYERS * 3 * GPT2_C, GPT2_V * GPT2_C


def one_layer():
    """The second number is that of one layer: there are twelve."""
    return GPT2_V * GPT2_C, 3 * GPT2_C


def query_alone():
    """The second number is the bias of one of the three: q, k and v each lost theirs."""
    return GPT2_V * GPT2_C, GPT2_LAYERS * GPT2_C


def with_a_minus():
    """Both are numbers of parameters, so neither has a minus."""
    return GPT2_V * GPT2_C, -GPT2_LAYERS * 3 * GPT2_C


def output_too():
    """The second number holds the output's bias, which the book's layers have: only q, k and v lost
    theirs."""
    return GPT2_V * GPT2_C, GPT2_LAYERS * 4 * GPT2_C


def positions_twice():
    """The first number is the table of positions: look for a larger table that is used twice."""
    return 1024 * GPT2_C, GPT2_LAYERS * 3 * GPT2_C


my_reasons = Check(
    reference=book_right,
    cases=[()],
    mistakes=[
        only_the_head,
        the_difference,
        turned_round,
        one_layer,
        query_alone,
        with_a_minus,
        output_too,
        positions_twice,
    ],
    notice="So ask of every count: tied or not, and which biases?",
    rel_tol=0,
)


# ---- window_mask(T, window): True where a token (row) may look at another (column); (T, T) bool


def window_right(T, window):
    distance = torch.arange(T)[:, None] - torch.arange(T)
    return (distance >= 0) & (distance < window)


def no_window(T, window):
    """That is the whole past: a token also has to forget what is `window` places back or more."""
    return torch.ones(T, T, dtype=torch.bool).tril()


def one_too_many(T, window):
    """One place too many: the token itself is one of the `window` places."""
    return torch.ones(T, T, dtype=torch.bool).tril().triu(-window)


def one_too_few(T, window):
    """One place too few: the token itself and `window` - 1 before it are `window` places."""
    return torch.ones(T, T, dtype=torch.bool).tril().triu(2 - window)


def not_itself(T, window):
    """A token may look at itself too: the diagonal belongs to it."""
    return window_right(T, window) & ~torch.eye(T, dtype=torch.bool)


def future(T, window):
    """Rows look, columns are looked at: this one looks ahead. Transpose it."""
    return window_right(T, window).T


def both_ways(T, window):
    """It looks ahead as well: cut off what comes later with `tril`."""
    return window_right(T, window) | window_right(T, window).T


def hidden_ones(T, window):
    """It is the wrong way round: True is where a token may look."""
    return ~window_right(T, window)


def numbers_not_truths(T, window):
    """These are ones and zeros: a mask of True and False has dtype torch.bool."""
    return window_right(T, window).float()


def slice_from_the_end(T, window):
    """A slice that begins below 0 begins from the end: take `max(0, …)`."""
    mask = torch.zeros(T, T, dtype=torch.bool)
    for row in range(T):
        mask[row, row - window + 1 : row + 1] = True
    return mask


def first_rows_empty(T, window):
    """The first rows are empty: near the start a token looks at what there is."""
    mask = window_right(T, window)
    mask[: window - 1] = False
    return mask


def at_least_two(T, window):
    """A window of 1 is the token itself alone."""
    return window_right(T, max(2, window))


def never_the_whole_past(T, window):
    """A window of T or more takes in the whole past."""
    return window_right(T, min(window, max(1, T - 1)))


def added_to_scores(T, window):
    """That is what one adds to the scores: the mask itself is True where a token may look."""
    return torch.zeros(T, T).masked_fill(~window_right(T, window), -math.inf)


window_mask = Check(
    reference=window_right,
    cases=[(6, 3), (5, 2), (9, 4), (4, 1), (4, 4), (3, 7), (1, 1)],
    mistakes=[
        no_window,
        one_too_many,
        one_too_few,
        not_itself,
        future,
        both_ways,
        hidden_ones,
        numbers_not_truths,
        slice_from_the_end,
        first_rows_empty,
        at_least_two,
        never_the_whole_past,
        added_to_scores,
    ],
    notice="The first Mistral 7B looks back 4,096 places: a token costs no more in a longer text.",
)


# ---- one_head(q, k, v): causal attention of one head, (T, d) from three tensors (T, d)


def head_right(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(
        q[None, None], k[None, None], v[None, None], is_causal=True
    )[0, 0]


def _head(q, k, v, scale=None, mask=True, dim=-1, fill=-math.inf):
    scores = q @ k.T * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask:
        scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), fill)
    return scores.softmax(dim)


def not_scaled(q, k, v):
    """The scores are not scaled: divide them by the root of d."""
    return _head(q, k, v, scale=1.0) @ v


def scaled_by_d(q, k, v):
    """The scores are divided by d: divide them by its root."""
    return _head(q, k, v, scale=1 / q.shape[-1]) @ v


def scaled_by_t(q, k, v):
    """The scores are divided by the root of T, the number of tokens: take d, the width of a head."""
    return _head(q, k, v, scale=len(q) ** -0.5) @ v


def sees_the_future(q, k, v):
    """Each token looks ahead as well: mask what comes after it."""
    return _head(q, k, v, mask=False) @ v


def softmax_downwards(q, k, v):
    """The softmax goes down the columns: each row has to add up to 1, so take dim=-1."""
    weights = _head(q, k, v, dim=0)
    return weights @ v


def zero_before_softmax(q, k, v):
    """A score of 0 is not forbidden, exp(0) is 1: fill with -inf before the softmax."""
    return _head(q, k, v, fill=0.0) @ v


def zero_after_softmax(q, k, v):
    """Masked after the softmax, the weights of a row do not add up to 1: mask before it."""
    return _head(q, k, v, mask=False).tril() @ v


def masks_the_past(q, k, v):
    """The mask is turned round: a token looks at itself and at what came before it."""
    kept = torch.ones(len(q), len(q), dtype=torch.bool).triu()
    return (q @ k.T / q.shape[-1] ** 0.5).masked_fill(~kept, -math.inf).softmax(-1) @ v


def weights_alone(q, k, v):
    """Those are the weights: multiply them by v to collect the values."""
    return _head(q, k, v)


def keys_collected(q, k, v):
    """The keys are collected: keys are for finding, values are what is handed over."""
    return _head(q, k, v) @ k


def one_ahead(q, k, v):
    """Each token sees the next one as well: mask everything above the diagonal."""
    kept = torch.ones(len(q), len(q), dtype=torch.bool).tril(1)
    return (q @ k.T / q.shape[-1] ** 0.5).masked_fill(~kept, -math.inf).softmax(-1) @ v


def keys_ask(q, k, v):
    """Queries and keys have changed places: row t holds the scores of query t."""
    return _head(k, q, v) @ v


def filled_with_minus_ten(q, k, v):
    """A score of -10 is not forbidden, exp(-10) is more than 0: fill with -inf."""
    return _head(q, k, v, fill=-10.0) @ v


def not_normalised(q, k, v):
    """The scores are divided by their sum: take the softmax, as a score may be negative."""
    scores = (q @ k.T).tril()
    return scores / scores.sum(-1, keepdim=True) @ v


def _case(T, d):
    generator = torch.Generator().manual_seed(T)
    return tuple(torch.randn(T, d, generator=generator) for _ in range(3))


one_head = Check(
    reference=head_right,
    cases=[_case(5, 3), _case(7, 4), _case(6, 6), _case(4, 9), _case(1, 2), _case(8, 1)],
    mistakes=[
        not_scaled,
        scaled_by_d,
        scaled_by_t,
        sees_the_future,
        softmax_downwards,
        zero_before_softmax,
        zero_after_softmax,
        masks_the_past,
        weights_alone,
        keys_collected,
        one_ahead,
        keys_ask,
        filled_with_minus_ten,
        not_normalised,
    ],
    notice="The first row is v's first row: the first token can look at nobody else.",
)

# what the learner predicts, in the lesson's order
cache = Prediction("GB", near=1.5)
