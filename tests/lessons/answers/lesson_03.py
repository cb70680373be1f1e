"""Answers to the exercises of lesson 3 that do not copy the mistakes in its checks.py.

WRONG: each is wrong on an input that the task allows, and INPUTS holds one on which it shows.
RIGHT: each is right, written another way; the first one is what the others are compared with.
"""

import math

import numpy as np
import torch

# ---- my_count: the parameters of Llama 3.2 1B

TABLE, KV = 128_256 * 2048, 512
BLOCK = 2 * 2048 * 2048 + 2 * 2048 * KV + 3 * 2048 * 8192 + 2 * 2048
COUNT = TABLE + 16 * BLOCK + 2048

WRONG_COUNTS = [
    1_000_000_000,  # the name on the label
    COUNT + 1,
    COUNT - 1,
    1.2358e9,  # rounded, and it was to be exact
    TABLE + BLOCK + 2048,  # one layer
    TABLE + 16 * (BLOCK - 2048) + 2048,  # one norm a block
    TABLE + 16 * BLOCK + 16 * 2048,  # the last norm in each layer
    TABLE + 16 * (BLOCK - 2048 * 2048) + 2048,  # no output matrix
    TABLE + 16 * (BLOCK - 2048 * KV) + 2048,  # k or v missing
    TABLE + 16 * (BLOCK + 2 * 2048 + 2 * KV) + 2048,  # a bias for q, k, v and output
    TABLE + 16 * (BLOCK + 4096 * 2048) + 2048,  # a table of 4096 places in each layer
    TABLE + 16 * BLOCK,  # no last norm: 2048 of a billion
    2 * COUNT,  # bytes in bf16
    COUNT / 1e6,  # millions
    TABLE + 16 * (BLOCK - 2048 * 8192) + 2048 + 1,
]
RIGHT_COUNTS = [COUNT, float(COUNT), np.int64(COUNT), torch.tensor(COUNT), lambda: COUNT]

# ---- my_reasons: how many the book counts twice, how many its layers lack

HEAD, BIASES = 50257 * 768, 12 * 3 * 768
WRONG_REASONS = [
    (HEAD, -BIASES),  # the second one with a minus
    (HEAD, 12 * 2 * 768),  # k and v alone
    (HEAD, 12 * 4 * 768),  # the output's bias too
    (HEAD + 1, BIASES),
    (HEAD, BIASES + 1),
    (50257 * 769, BIASES),  # the head with a bias
    (HEAD + 1024 * 768, BIASES),  # both tables
    (2 * HEAD, BIASES),  # both times it is counted
    (HEAD, 12 * (3 * 768 + 3072)),  # the MLP's bias too
    (HEAD, 24 * 768 * 2),  # the norms' shifts
    (HEAD, BIASES, HEAD - BIASES),  # and their difference
    (HEAD / 1e6, BIASES / 1e3),  # in millions and thousands
    HEAD - BIASES,  # one number
]
RIGHT_REASONS = [
    (HEAD, BIASES),
    [HEAD, BIASES],
    np.array([HEAD, BIASES]),
    torch.tensor([HEAD, BIASES]),
    (float(HEAD), np.int64(BIASES)),
]

# ---- window_mask(T, window)


def mask_right(T, window):
    rows = [[0 <= row - column < window for column in range(T)] for row in range(T)]
    return torch.tensor(rows, dtype=torch.bool).reshape(T, T)


def mask_lists(T, window):
    return [[row - window < column <= row for column in range(T)] for row in range(T)]


def mask_numpy(T, window):
    ones = np.ones((T, T), dtype=bool)
    return np.tril(ones) & ~np.tril(ones, -window)


def mask_filled(T, window):
    mask = torch.zeros(T, T, dtype=torch.bool)
    for row in range(T):
        mask[row, max(0, row - window + 1) : row + 1] = True
    return mask


def mask_minus(T, window):
    ones = torch.ones(T, T)
    return (ones.tril() - ones.tril(-window)).bool()


def slice_from_below_zero(T, window):
    """A slice that begins below 0 begins at the end."""
    mask = torch.zeros(T, T, dtype=torch.bool)
    for row in range(T):
        mask[row, row - window + 1 : row + 1] = True
    return mask


def first_row_empty(T, window):
    """The first rows, where the window does not fit, stay empty."""
    mask = mask_right(T, window)
    mask[: window - 1] = False
    return mask


def two_at_least(T, window):
    """A window of 1 is taken for 2."""
    return mask_right(T, max(2, window))


def a_window_no_longer_than_half(T, window):
    """The window is cut at half the text."""
    return mask_right(T, min(window, max(1, T // 2)))


def never_the_whole_past(T, window):
    """The window is cut below T."""
    return mask_right(T, min(window, max(1, T - 1)))


def blocks(T, window):
    """Each block of `window` tokens looks at itself alone."""
    place = torch.arange(T) // window
    return (place[:, None] == place) & torch.ones(T, T, dtype=torch.bool).tril()


def three_places(T, window):
    """The window is always 3."""
    return mask_right(T, 3)


def only_the_edge(T, window):
    """Only the last place of the window is True."""
    distance = torch.arange(T)[:, None] - torch.arange(T)
    return distance == window - 1


def half_on_each_side(T, window):
    """The window lies around the token."""
    distance = (torch.arange(T)[:, None] - torch.arange(T)).abs()
    return distance <= window // 2


def a_window_square(T, window):
    """The mask has the window's size."""
    return torch.ones(window, window, dtype=torch.bool).tril()


def added_to_the_scores(T, window):
    """0 and -inf, to be added to the scores."""
    return torch.zeros(T, T).masked_fill(~mask_right(T, window), -math.inf)


def first_places_kept(T, window):
    """The first token stays in sight of all."""
    mask = mask_right(T, window)
    mask[:, 0] = True
    return mask


def last_row(T, window):
    """Only the row of the last token."""
    return mask_right(T, window)[-1]


def int_mask(T, window):
    """Ones and zeros, whose ~ is -2 and -1."""
    return torch.ones(T, T, dtype=torch.int64).tril().triu(1 - window)


# ---- one_head(q, k, v)


def head_right(q, k, v):
    rows = []
    for t in range(len(q)):
        scores = torch.stack([q[t] @ k[s] for s in range(t + 1)]) / math.sqrt(q.shape[1])
        weights = torch.exp(scores - scores.max())
        rows.append((weights / weights.sum()) @ v[: t + 1])
    return torch.stack(rows)


def head_added_mask(q, k, v):
    T, d = q.shape
    mask = torch.full((T, T), -math.inf).triu(1)
    return torch.softmax(q @ k.mT * d**-0.5 + mask, dim=1) @ v


def head_einsum(q, k, v):
    scores = torch.einsum("td,sd->ts", q, k) / q.size(1) ** 0.5
    weights = scores.exp().tril()
    return torch.einsum("ts,sd->td", weights / weights.sum(1, keepdim=True), v)


def head_library(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(
        q[None], k[None], v[None], is_causal=True
    )[0]


def head_numpy(q, k, v):
    q, k, v = (t.numpy().astype(float) for t in (q, k, v))
    scores = np.where(np.tri(len(q)) > 0, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True) @ v


def _weights(q, k, fill=-math.inf, diagonal=0):
    kept = torch.ones(len(q), len(q), dtype=torch.bool).tril(diagonal)
    return (q @ k.T / q.shape[1] ** 0.5).masked_fill(~kept, fill).softmax(-1)


def a_small_fill(q, k, v):
    """A score of -10 is not forbidden either."""
    return _weights(q, k, fill=-10.0) @ v


def a_fill_of_minus_one(q, k, v):
    """A score of -1 is a usual score."""
    return _weights(q, k, fill=-1.0) @ v


def one_ahead(q, k, v):
    """Each token sees the next one."""
    return _weights(q, k, diagonal=1) @ v


def not_itself(q, k, v):
    """A token does not see itself, and the first one sees nobody."""
    return _weights(q, k, diagonal=-1) @ v


def first_row_repaired(q, k, v):
    """A token does not see itself; the first row is v's."""
    out = _weights(q, k, diagonal=-1) @ v
    out[0] = v[0]
    return out


def keys_ask(q, k, v):
    """Queries and keys have changed places."""
    return _weights(k, q) @ v


def no_softmax(q, k, v):
    """The scores are divided by their sum."""
    scores = (q @ k.T / q.shape[1] ** 0.5).tril()
    return scores / scores.sum(-1, keepdim=True) @ v


def scaled_twice(q, k, v):
    """q and k are both divided by the root of d."""
    return _weights(q / q.shape[1] ** 0.5, k) @ v


def scaled_after_softmax(q, k, v):
    """The weights are scaled and not the scores."""
    kept = torch.ones(len(q), len(q), dtype=torch.bool).tril()
    return (q @ k.T).masked_fill(~kept, -math.inf).softmax(-1) / q.shape[1] ** 0.5 @ v


def always_a_scale_of_two(q, k, v):
    """The root of d is taken for 2."""
    kept = torch.ones(len(q), len(q), dtype=torch.bool).tril()
    return (q @ k.T / 2).masked_fill(~kept, -math.inf).softmax(-1) @ v


def a_window(q, k, v):
    """A token sees three places only."""
    kept = torch.ones(len(q), len(q), dtype=torch.bool).tril().triu(-2)
    return (q @ k.T / q.shape[1] ** 0.5).masked_fill(~kept, -math.inf).softmax(-1) @ v


def the_likeliest_alone(q, k, v):
    """Only the value of the best key is collected."""
    return v[_weights(q, k).argmax(-1)]


def a_running_mean(q, k, v):
    """All that came before counts the same."""
    return v.cumsum(0) / torch.arange(1, len(v) + 1)[:, None]


def last_token(q, k, v):
    """Only the last token's row."""
    return (_weights(q, k) @ v)[-1:]


def added_to_the_input(q, k, v):
    """The value itself is added, as around a block."""
    return v + _weights(q, k) @ v


def values_normalised(q, k, v):
    """The weights of a column add up to 1 as well."""
    weights = _weights(q, k)
    return weights / weights.sum(0, keepdim=True) @ v


def _head(T, d, seed):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(T, d, generator=generator) for _ in range(3))


WRONG = {
    "my_count": WRONG_COUNTS,
    "my_reasons": WRONG_REASONS,
    "window_mask": [
        slice_from_below_zero,
        first_row_empty,
        two_at_least,
        a_window_no_longer_than_half,
        never_the_whole_past,
        blocks,
        three_places,
        only_the_edge,
        half_on_each_side,
        a_window_square,
        added_to_the_scores,
        first_places_kept,
        last_row,
        int_mask,
    ],
    "one_head": [
        a_small_fill,
        a_fill_of_minus_one,
        one_ahead,
        not_itself,
        first_row_repaired,
        keys_ask,
        no_softmax,
        scaled_twice,
        scaled_after_softmax,
        always_a_scale_of_two,
        a_window,
        the_likeliest_alone,
        a_running_mean,
        last_token,
        added_to_the_input,
        values_normalised,
    ],
}
RIGHT = {
    "my_count": RIGHT_COUNTS,
    "my_reasons": RIGHT_REASONS,
    "window_mask": [mask_right, mask_lists, mask_numpy, mask_filled, mask_minus],
    "one_head": [head_right, head_added_mask, head_einsum, head_library, head_numpy],
}
INPUTS = {
    "window_mask": [(5, 1), (3, 3), (4, 9), (7, 4), (1, 1)],
    "one_head": [_head(6, 3, seed=1), _head(4, 4, seed=2), _head(5, 9, seed=3)],
}

# ---- the named mistakes, in other words


def _shares(weights):
    return weights / weights.sum(-1, keepdims=True)


def _scores(q, k):
    return q.numpy() @ k.numpy().T / math.sqrt(q.shape[1])


def _library(q, k, v, mask=None, **options):
    """`mask(T)` is True where a token may look; without it, causal unless options say otherwise."""
    kept = mask and torch.tensor(mask(len(q)))
    causal = options.pop("is_causal", mask is None)
    return torch.nn.functional.scaled_dot_product_attention(
        q[None], k[None], v[None], attn_mask=kept, is_causal=causal, **options
    )[0]


def _mask(looks):
    """A mask where `looks(how many places back, window, row, T)`; below 0 is ahead."""
    return lambda T, window: [
        [looks(row - column, window, row, T) for column in range(T)] for row in range(T)
    ]


def zero_before(q, k, v):
    return _shares(np.exp(np.tril(_scores(q, k)))) @ v.numpy()


def zero_after(q, k, v):
    return np.tril(_shares(np.exp(_scores(q, k)))) @ v.numpy()


def downwards(q, k, v):
    return _shares(np.tril(np.exp(_scores(q, k))).T).T @ v.numpy()


def minus_ten(q, k, v):
    scores = _scores(q, k)
    scores[np.triu_indices(len(scores), 1)] = -10
    return _shares(np.exp(scores)) @ v.numpy()


def divided_by_the_sum(q, k, v):
    out = torch.zeros_like(v)
    for t in range(len(q)):
        scores = [q[t] @ k[s] for s in range(t + 1)]
        for s in range(t + 1):
            out[t] += scores[s] / sum(scores) * v[s]
    return out


NAMED = {
    "my_count": {
        "head_of_its_own": COUNT + TABLE,
        "all_heads_for_keys": COUNT + 16 * 2 * 2048 * (2048 - KV),
        "one_head_for_keys": COUNT - 16 * 2 * 2048 * (KV - 64),
        "two_matrices_in_the_mlp": COUNT - 16 * 2048 * 8192,
        "no_norms": TABLE + 16 * (BLOCK - 2 * 2048),
        "no_last_norm": TABLE + 16 * BLOCK,
        "no_embedding": 16 * BLOCK + 2048,
        "one_norm": TABLE + 16 * (BLOCK - 2048) + 2048,
        "k_or_v_missing": TABLE + 16 * (BLOCK - 2048 * KV) + 2048,
        "no_output_matrix": TABLE + 16 * (BLOCK - 2048 * 2048) + 2048,
        "one_layer_of_sixteen": TABLE + BLOCK + 2048,
    },
    "my_reasons": {
        "only_the_head": (HEAD, 0),
        "the_difference": (38_569_728, 0),
        "turned_round": (BIASES, HEAD),
        "one_layer": (HEAD, 3 * 768),
        "query_alone": (HEAD, 12 * 768),
        "with_a_minus": (HEAD, -BIASES),
        "output_too": (HEAD, 12 * 4 * 768),
        "positions_twice": (1024 * 768, BIASES),
    },
    "window_mask": {
        "no_window": _mask(lambda back, window, row, T: back >= 0),
        "one_too_many": _mask(lambda back, window, row, T: 0 <= back <= window),
        "one_too_few": _mask(lambda back, window, row, T: 0 <= back < window - 1),
        "not_itself": _mask(lambda back, window, row, T: 0 < back < window),
        "future": _mask(lambda back, window, row, T: 0 <= -back < window),
        "both_ways": _mask(lambda back, window, row, T: abs(back) < window),
        "hidden_ones": _mask(lambda back, window, row, T: back < 0 or back >= window),
        "numbers_not_truths": lambda T, window: torch.ones(T, T).tril().triu(1 - window),
        "slice_from_the_end": _mask(
            lambda back, window, row, T: row - back in range(T)[row - window + 1 : row + 1]
        ),
        "first_rows_empty": _mask(
            lambda back, window, row, T: 0 <= back < window and row >= window - 1
        ),
        "at_least_two": _mask(lambda back, window, row, T: 0 <= back < window or back == 1),
        "never_the_whole_past": _mask(lambda back, window, row, T: 0 <= back < min(window, T - 1)),
        "added_to_scores": lambda T, window: np.where(mask_lists(T, window), 0, -np.inf),
    },
    "one_head": {
        "not_scaled": lambda q, k, v: _library(q, k, v, scale=1.0),
        "scaled_by_d": lambda q, k, v: _library(q, k, v, scale=1 / q.shape[1]),
        "scaled_by_t": lambda q, k, v: _library(q, k, v, scale=1 / math.sqrt(q.shape[0])),
        "sees_the_future": lambda q, k, v: _library(q, k, v, is_causal=False),
        "softmax_downwards": downwards,
        "zero_before_softmax": zero_before,
        "zero_after_softmax": zero_after,
        "masks_the_past": lambda q, k, v: _library(q, k, v, lambda T: np.tri(T).T > 0),
        "weights_alone": lambda q, k, v: _library(q, k, torch.eye(len(v))),
        "keys_collected": lambda q, k, v: _library(q, k, k),
        "one_ahead": lambda q, k, v: _library(q, k, v, lambda T: np.tri(T, k=1) > 0),
        "keys_ask": lambda q, k, v: _library(k, q, v),
        "filled_with_minus_ten": minus_ten,
        "not_normalised": divided_by_the_sum,
    },
}
