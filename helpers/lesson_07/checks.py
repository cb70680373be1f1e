"""Checks of lesson 7: a block there and back, bytes in NF4, outlier columns, an order restored."""

import math

import torch

from helpers.exercises import Check, Prediction
from helpers.limits import number, one_of, several, whole

MATRICES = [f"self_attn.{name}_proj" for name in "qkvo"]
MATRICES += [f"mlp.{name}_proj" for name in ("gate", "up", "down")]
KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    "photo_bits": several(whole(1, 8)),
    "layer": whole(0, 3),
    "matrix": one_of(*MATRICES),
    "block_size": one_of(*(2**n for n in range(4, 13))),
    "token_counts": several(whole(1)),
    "threshold": number(0, low_too=True),
    "n_items": whole(1, 1000),
    **dict.fromkeys(("n_pages", "tune_steps"), whole(1)),
}

# ---- round_trip(block, levels): (…), (L,) sorted → the block that comes back, (…) float32


def round_trip_right(block, levels):
    scaled_levels = levels * block.abs().max()
    distances = (block[..., None] - scaled_levels).abs()  # (…, L)
    return scaled_levels[distances.argmin(-1)]


def _codes(block, levels, scale):
    middles = (levels[1:] + levels[:-1]) / 2
    return torch.bucketize(block / scale, middles)


def not_scaled_back(block, levels):
    """Those are levels, between -1 and 1: multiply by absmax to get weights again."""
    return levels[_codes(block, levels, block.abs().max())]


def largest_not_absmax(block, levels):
    """The scale is the largest weight: take absolute values first, a negative one may be larger."""
    scale = block.max()
    return levels[_codes(block, levels, scale)] * scale


def scaled_back_by_the_largest(block, levels):
    """The way back has another scale than the way there: multiply by absmax, not by the largest."""
    return levels[_codes(block, levels, block.abs().max())] * block.max()


def never_scaled(block, levels):
    """Nothing was scaled: the levels run from -1 to 1, so divide the block by absmax first."""
    return levels[_codes(block, levels, 1.0)]


def scaled_back_only(block, levels):
    """The weights were not divided by absmax before the levels were chosen."""
    return levels[_codes(block, levels, 1.0)] * block.abs().max()


def level_below(block, levels):
    """That takes the level below: take the nearest one."""
    absmax = block.abs().max()
    codes = torch.bucketize(block / absmax, levels, right=True) - 1
    return levels[codes] * absmax


def level_above(block, levels):
    """That takes the level above: take the nearest one."""
    absmax = block.abs().max()
    return levels[torch.bucketize(block / absmax, levels)] * absmax


def codes_not_levels(block, levels):
    """Those are the codes: look the levels up, `levels[codes]`, and multiply by absmax."""
    return _codes(block, levels, block.abs().max())


def codes_scaled(block, levels):
    """Codes are multiplied by absmax: look the levels up first, `levels[codes]`."""
    absmax = block.abs().max()
    return _codes(block, levels, absmax) * absmax


def signs_lost(block, levels):
    """The signs are lost: absolute values are for the scale only."""
    absmax = block.abs().max()
    return levels[_codes(block.abs(), levels, absmax)] * absmax


def divided_again(block, levels):
    """The way back is a product: the levels are multiplied by absmax."""
    absmax = block.abs().max()
    return levels[_codes(block, levels, absmax)] / absmax


def scaled_by_the_range(block, levels):
    """The scale is the range: it should be the largest absolute value."""
    scale = block.max() - block.min()
    return levels[_codes(block, levels, scale)] * scale


def scaled_by_rows(block, levels):
    """Each row has a scale of its own: the block has one, the largest absolute value of them all."""
    scale = block.abs().amax(-1, keepdim=True)
    return levels[_codes(block, levels, scale)] * scale


def left_flat(block, levels):
    """The values are right, the shape is not: return the block in the shape that it had."""
    return round_trip_right(block, levels).flatten()


def nothing_rounded(block, levels):
    """Nothing was rounded: that is the block as it was."""
    return block


round_trip = Check(
    reference=round_trip_right,
    cases=[
        (
            torch.tensor([0.31, -0.82, 0.11, -0.25, 0.58, -0.38]),
            torch.tensor([-1.0, -0.6, -0.25, 0.0, 0.4, 1.0]),
        ),
        (
            torch.tensor([7.0, 1.0, -2.6, 5.5, -4.9]),
            torch.tensor([-1.0, -0.5, 0.0, 0.3, 0.7, 1.0]),
        ),
        (torch.tensor([-0.003]), torch.tensor([-1.0, 0.0, 1.0])),
        (
            torch.tensor([[0.1, -0.62, 0.2], [-0.9, 0.33, 0.04]]),
            torch.tensor([-1.0, -0.55, -0.2, 0.15, 1.0]),
        ),
        (torch.zeros(3), torch.tensor([-1.0, -0.4, 0.0, 1.0])),
    ],
    mistakes=[
        not_scaled_back,
        largest_not_absmax,
        scaled_back_by_the_largest,
        never_scaled,
        scaled_back_only,
        level_below,
        level_above,
        codes_not_levels,
        codes_scaled,
        signs_lost,
        divided_again,
        scaled_by_the_range,
        scaled_by_rows,
        left_flat,
        nothing_rounded,
    ],
    notice="The largest weight comes back exactly: it is its own scale.",
)


# ---- nf4_bytes(out_features, in_features): int, int → bytes with double quantization, an int


def _total(n, *, codes=None, blocks=None, second=None, extra=4 + 4 * 16 + 4 * 256):
    codes = math.ceil(n / 2) if codes is None else codes
    blocks = math.ceil(n / 64) if blocks is None else blocks
    second = 4 * math.ceil(blocks / 256) if second is None else second
    return codes + blocks + second + extra


def nf4_bytes_right(out_features, in_features):
    n = out_features * in_features
    n_blocks = -(-n // 64)
    return -(-n // 2) + n_blocks + 4 * -(-n_blocks // 256) + 4 + 64 + 1024


def a_byte_each(out_features, in_features):
    """A code takes half a byte: two weights share one."""
    n = out_features * in_features
    return _total(n, codes=n)


def codes_alone(out_features, in_features):
    """Those are the codes alone: scales, their mean and the tables are stored as well."""
    return math.ceil(out_features * in_features / 2)


def codes_alone_cut_off(out_features, in_features):
    """Those are the codes alone: scales, their mean and the tables are stored as well."""
    return out_features * in_features // 2


def codes_alone_in_halves(out_features, in_features):
    """Those are the codes alone: scales, their mean and the tables are stored as well."""
    return out_features * in_features / 2


def codes_and_scales_alone(out_features, in_features):
    """Codes and scales are there: the scales' scales, their mean and the tables are missing."""
    return _total(out_features * in_features, second=0, extra=0)


def tables_forgotten(out_features, in_features):
    """The two tables are missing: 16 levels and 256 levels of 4 bytes each."""
    return _total(out_features * in_features, extra=4)


def small_table_alone(out_features, in_features):
    """The scales' own table is missing: 256 levels of 4 bytes each."""
    return _total(out_features * in_features, extra=4 + 4 * 16)


def large_table_alone(out_features, in_features):
    """The table of the 16 levels is missing: 4 bytes each."""
    return _total(out_features * in_features, extra=4 + 4 * 256)


def tables_in_single_bytes(out_features, in_features):
    """A level in a table is a 32-bit float: 4 bytes each."""
    return _total(out_features * in_features, extra=4 + 16 + 256)


def mean_forgotten(out_features, in_features):
    """The mean of the scales is missing: 4 bytes a matrix."""
    return _total(out_features * in_features, extra=4 * 16 + 4 * 256)


def second_scales_forgotten(out_features, in_features):
    """The scales of the scales are missing: 4 bytes for 256 blocks."""
    return _total(out_features * in_features, second=0)


def second_scales_in_bytes(out_features, in_features):
    """The scales of the scales are 32-bit floats: 4 bytes each."""
    n_blocks = math.ceil(out_features * in_features / 64)
    return _total(out_features * in_features, second=math.ceil(n_blocks / 256))


def second_blocks_of_64(out_features, in_features):
    """The scales are quantized in blocks of 256 scales, not of 64."""
    n_blocks = math.ceil(out_features * in_features / 64)
    return _total(out_features * in_features, second=4 * math.ceil(n_blocks / 64))


def second_blocks_of_weights(out_features, in_features):
    """A second scale is shared by 256 scales, not by 256 weights."""
    n = out_features * in_features
    return _total(n, second=4 * math.ceil(n / 256))


def blocks_cut_off(out_features, in_features):
    """The last block need not be full, and it has a scale too: round up."""
    n = out_features * in_features
    return _total(n, codes=n // 2 + n % 2, blocks=n // 64, second=4 * (n // 64 // 256))


def blocks_alone_cut_off(out_features, in_features):
    """The last block need not be full, and it has a scale too: round up."""
    n = out_features * in_features
    return _total(n, blocks=n // 64, second=4 * math.ceil(n // 64 / 256))


def all_cut_off(out_features, in_features):
    """The operator // drops the fraction: round up the codes, the scales and the scales' scales."""
    n = out_features * in_features
    return _total(n, codes=n // 2, blocks=n // 64, second=4 * (n // 64 // 256))


def second_blocks_cut_off(out_features, in_features):
    """The last block of scales need not be full, and it has a scale too: round up."""
    n_blocks = math.ceil(out_features * in_features / 64)
    return _total(out_features * in_features, second=4 * (n_blocks // 256))


def odd_weight_lost(out_features, in_features):
    """An odd number of weights leaves half a byte over: round up."""
    n = out_features * in_features
    return _total(n, codes=n // 2)


def fractions(out_features, in_features):
    """Half a byte cannot be stored, nor part of a scale: round each number up."""
    n = out_features * in_features
    return _total(n, codes=n / 2, blocks=n / 64, second=4 * n / 64 / 256)


def blocks_in_each_row(out_features, in_features):
    """A block may run on into the next row: count all weights of the matrix, then the blocks."""
    blocks = out_features * math.ceil(in_features / 64)
    return _total(out_features * in_features, blocks=blocks)


def scales_in_floats(out_features, in_features):
    """That is without double quantization: here a scale is one byte."""
    n = out_features * in_features
    return math.ceil(n / 2) + 4 * math.ceil(n / 64) + 4 * 16


def scales_in_floats_and_more(out_features, in_features):
    """A scale is one byte here: double quantization stores it in 8 bits."""
    n_blocks = math.ceil(out_features * in_features / 64)
    second = 4 * math.ceil(n_blocks / 256)
    return _total(out_features * in_features, blocks=4 * n_blocks, second=second)


nf4_bytes = Check(
    reference=nf4_bytes_right,
    cases=[(256, 256), (131, 199), (3, 5), (1, 1), (4095, 14_335)],
    mistakes=[
        a_byte_each,
        codes_alone,
        codes_alone_cut_off,
        codes_alone_in_halves,
        codes_and_scales_alone,
        tables_forgotten,
        small_table_alone,
        large_table_alone,
        tables_in_single_bytes,
        second_blocks_cut_off,  # before the next: a part of a block and the mean are 4 bytes each
        mean_forgotten,
        second_scales_forgotten,
        second_scales_in_bytes,
        second_blocks_of_64,
        second_blocks_of_weights,
        blocks_cut_off,
        blocks_alone_cut_off,
        all_cut_off,
        odd_weight_lost,
        fractions,
        blocks_in_each_row,
        scales_in_floats,
        scales_in_floats_and_more,
    ],
    notice="In a large matrix the tables hardly count; with 15 weights they are nearly everything.",
    rel_tol=0,
)


# ---- outlier_columns(x, threshold): (T, C), float → the columns that stay in 16 bits, a list


def outlier_columns_right(x, threshold):
    rows = x.tolist()
    return [c for c in range(x.shape[1]) if any(abs(row[c]) >= threshold for row in rows)]


def positive_alone(x, threshold):
    """A large negative value is an outlier too: take absolute values."""
    return (x >= threshold).any(0).nonzero().flatten().tolist()


def rows_not_columns(x, threshold):
    """Those are rows, that is tokens: go along the other dimension."""
    return (x.abs() >= threshold).any(1).nonzero().flatten().tolist()


def strictly_above(x, threshold):
    """A value equal to the threshold is an outlier as well: at least, not above."""
    return (x.abs() > threshold).any(0).nonzero().flatten().tolist()


def large_on_average(x, threshold):
    """One large value is enough: take each column's largest, not its mean."""
    return (x.abs().mean(0) >= threshold).nonzero().flatten().tolist()


def large_throughout(x, threshold):
    """One large value is enough: that keeps a column only if all of its values are large."""
    return (x.abs() >= threshold).all(0).nonzero().flatten().tolist()


def those_that_fit(x, threshold):
    """Those are the columns without an outlier: return the others."""
    return (x.abs() < threshold).all(0).nonzero().flatten().tolist()


def once_for_each_value(x, threshold):
    """A column is there once for each large value in it: each column counts once."""
    return [column for _, column in (x.abs() >= threshold).nonzero().tolist()]


def largest_alone(x, threshold):
    """That is the largest column alone: there may be several, or none."""
    return [int(x.abs().amax(0).argmax())]


def how_many(x, threshold):
    """That is how many there are: return the columns' numbers."""
    return int((x.abs() >= threshold).any(0).sum())


def true_or_false(x, threshold):
    """That is True or False for each column: return the numbers of those that are True."""
    return (x.abs() >= threshold).any(0).tolist()


def a_tensor(x, threshold):
    """That is a tensor: end with `.tolist()`."""
    return (x.abs() >= threshold).any(0).nonzero().flatten()


def a_set(x, threshold):
    """That is a set, which has no order: `sorted(…)` makes it a list."""
    return set(outlier_columns_right(x, threshold))


def a_tensor_with_brackets(x, threshold):
    """Each number is in a list of its own: `.flatten()` before `.tolist()`."""
    return (x.abs() >= threshold).any(0).nonzero().tolist()


def a_bare_number(x, threshold):
    """A single column has to be in a list, too: `.flatten()` leaves one, `.squeeze()` does not."""
    return (x.abs() >= threshold).any(0).nonzero().squeeze().tolist()


def length_of_the_column(x, threshold):
    """One value has to be large: many small ones make a long column, but no outlier."""
    return (x.norm(dim=0) >= threshold).nonzero().flatten().tolist()


def a_true_false_tensor(x, threshold):
    """That is True or False for each column: `.nonzero().flatten().tolist()` gives their numbers."""
    return (x.abs() >= threshold).any(0)


outlier_columns = Check(
    reference=outlier_columns_right,
    cases=[
        (
            torch.tensor(
                [
                    [0.5, -7.0, 1.0, 6.0, 0.0, 8.0, 2.0, 6.5],
                    [1.5, -9.0, 0.5, 0.5, 6.5, 7.0, -1.0, -7.0],
                    [0.5, 4.0, -2.0, 0.5, 0.5, 9.5, 3.0, 6.5],
                ]
            ),
            6.0,
        ),
        (torch.tensor([[0.5, -2.0], [1.5, 0.25], [-3.0, 0.5]]), 20.0),
        (torch.tensor([[-5.0, 0.5, 3.6, -3.5, 4.0]]), 3.5),
        (torch.tensor([[2.0, 0.5, -1.5, 1.0], [-1.5, 1.0, 2.0, -2.5], [2.0, 0.5, 1.0, 0.5]]), 2.5),
    ],
    mistakes=[
        positive_alone,
        rows_not_columns,
        strictly_above,
        large_on_average,
        large_throughout,
        those_that_fit,
        once_for_each_value,
        largest_alone,
        how_many,
        true_or_false,
        a_tensor,
        a_set,
        a_tensor_with_brackets,
        a_bare_number,
        length_of_the_column,
        a_true_false_tensor,
    ],
    notice="bitsandbytes decides this anew for each batch: the columns are those of the input.",
)


def two_files():
    """The riddle's two files, flat (6144,) each: a matrix of 96 × 64, and the same weights shuffled."""
    matrix = torch.randn(96, 64, generator=torch.Generator().manual_seed(4))
    matrix[2] *= 20  # one row is large
    return matrix.flatten(), matrix.T.flatten()


# ---- restore(w, n_rows): a flat (rows · columns,), int → the same weights, flat, row by row


def restore_right(w, n_rows):
    n_columns = len(w) // n_rows
    place = torch.arange(len(w))
    return w[(place % n_columns) * n_rows + place // n_columns]


def as_it_was(w, n_rows):
    """The order is as it was: `reshape` alone moves no weight."""
    return w


def shuffled_once_more(w, n_rows):
    """That shuffles once more: the stored order has a column's n_rows weights side by side."""
    return w.reshape(n_rows, -1).T.flatten()


def left_a_matrix(w, n_rows):
    """The order is right: `flatten()` makes it the flat tensor that was wanted."""
    return w.reshape(-1, n_rows).T


def columns_left_a_matrix(w, n_rows):
    """That is the matrix with rows and columns exchanged: turn it with `.T`, then flatten it."""
    return w.reshape(-1, n_rows)


def sorted_by_value(w, n_rows):
    """Sorted weights quantize well, but a model needs each weight in its own place."""
    return w.sort().values


def sorted_by_size(w, n_rows):
    """Sorted by size they quantize well, but a model needs each weight in its own place."""
    return w[w.abs().argsort()]


def reversed_order(w, n_rows):
    """That is the order reversed: the same weights share a block as before."""
    return w.flip(0)


restore = Check(
    reference=restore_right,
    cases=[
        (torch.tensor([5.0, 1.0, -30.0, 7.0, 2.0, 11.0, -6.0, 0.5, 20.0, 4.0, -1.5, 28.0]), 3),
        (torch.tensor([3.0, 8.0, -1.0, 0.5, 40.0, 2.0, 9.0, -2.0, 1.0, 37.0]), 5),
    ],
    mistakes=[
        as_it_was,
        shuffled_once_more,
        left_a_matrix,
        columns_left_a_matrix,
        sorted_by_value,
        sorted_by_size,
        reversed_order,
    ],
    notice="What a block holds is decided by the order, and the order is the layout in memory.",
)

# what the learner predicts, in the lesson's order
gigabytes = Prediction("GB", near=1.15)
