"""Answers to the exercises of lesson 1 that do not copy the mistakes in its checks.py.

WRONG: each is wrong on an input that the task allows, and INPUTS holds one on which it shows.
RIGHT: each is right, written another way; the first one is what the others are compared with.
"""

import functools
import math
import operator

import numpy as np
import torch

# ---- read_shapes: a list of six shapes, None where two may not meet

SHAPES = [(2, 3), (3, 2), None, (4, 5), (6, 3, 4), None]


def _but(place, shape):
    return [shape if k == place else right for k, right in enumerate(SHAPES)]


WRONG_SHAPES = [
    _but(1, None),  # a missing dimension taken for a refusal
    _but(2, (3, 2)),  # the 3 meets the first dimension
    _but(3, (4, 1, 5)),  # the two shapes joined
    _but(3, (5, 4)),  # sizes in the wrong order
    _but(4, (6, 1, 4)),  # the second shape repeated nothing
    _but(4, (3, 4)),  # the 6 dropped
    _but(4, (6, 1, 3, 4)),  # the 3 squeezed in
    _but(5, (8, 6, 4)),  # the middle size left out of the comparison
    _but(5, ()),  # a scalar where nothing comes out
    _but(0, (4, 6)),  # sizes added as well
    _but(2, "None"),  # the word
    _but(0, "(2, 3)"),  # in quotes
    SHAPES[:5],  # one is missing
    [6, 6, None, 20, 72, None],  # numbers of elements
    SHAPES[::-1],
]
RIGHT_SHAPES = [
    SHAPES,
    tuple(SHAPES),
    [shape and list(shape) for shape in SHAPES],
    [shape and torch.Size(shape) for shape in SHAPES],
    [None if shape is None else np.array(shape) for shape in SHAPES],
    [shape and tuple(np.int64(n) for n in shape) for shape in SHAPES],
]

# ---- tensor_bytes(shape, dtype)


def bytes_right(shape, dtype):
    return math.prod(shape) * dtype.itemsize


def bytes_loop(shape, dtype):
    n_bytes = dtype.itemsize
    for size in shape:
        n_bytes *= size
    return n_bytes


def bytes_numpy(shape, dtype):
    return np.prod(shape) * dtype.itemsize


def bytes_numel(shape, dtype):
    return torch.Size(shape).numel() * torch.tensor([], dtype=dtype).element_size()


def bytes_tensor(shape, dtype):
    return torch.tensor(shape, dtype=torch.int64).prod() * dtype.itemsize


def bytes_reduced(shape, dtype):
    return functools.reduce(operator.mul, shape, 1) * dtype.itemsize


def bits_of_finfo(shape, dtype):
    """finfo and iinfo know no bool."""
    info = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
    return math.prod(shape) * info.bits // 8


def digits_of_the_name(shape, dtype):
    """The name torch.bool holds no digits."""
    return math.prod(shape) * int("".join(c for c in str(dtype) if c.isdigit())) // 8


def a_bool_is_a_bit(shape, dtype):
    """torch keeps a bool in one byte."""
    return math.prod(shape) * (1 if dtype is torch.bool else dtype.itemsize * 8) // 8


def a_table_with_a_default(shape, dtype):
    """The table has the common dtypes only, and 4 for the rest."""
    sizes = {torch.float64: 8, torch.int64: 8, torch.float16: 2, torch.bfloat16: 2}
    return math.prod(shape) * sizes.get(dtype, 4)


def floats_and_the_rest(shape, dtype):
    """Integers are all taken for int64."""
    return math.prod(shape) * (dtype.itemsize if dtype.is_floating_point else 8)


def zero_skipped(shape, dtype):
    """A size of 0 is skipped, so an empty tensor has bytes."""
    return math.prod(size for size in shape if size) * dtype.itemsize


def at_least_one_element(shape, dtype):
    """An empty tensor is taken for a scalar."""
    return (math.prod(shape) or 1) * dtype.itemsize


def each_size_once(shape, dtype):
    """A size that comes twice counts once."""
    return math.prod(set(shape)) * dtype.itemsize


def last_two_sizes(shape, dtype):
    """Only the last two sizes count."""
    return math.prod(shape[-2:]) * dtype.itemsize


def first_and_last(shape, dtype):
    """What lies between the first and the last size is left out."""
    return (shape[0] * (shape[-1] if len(shape) > 1 else 1) if shape else 1) * dtype.itemsize


def three_sizes_at_most(shape, dtype):
    """A fourth size is left out."""
    return math.prod(shape[:3]) * dtype.itemsize


def starts_with_the_first(shape, dtype):
    """A scalar has no first size."""
    return functools.reduce(operator.mul, shape) * dtype.itemsize


def thirty_two_bits(shape, dtype):
    """The count is kept in 32 bits, which a large model's does not fit in."""
    return int(np.prod(shape, dtype=np.int32)) * dtype.itemsize


def counted_in_float32(shape, dtype):
    """float32 rounds a large count."""
    return int(torch.tensor(shape, dtype=torch.float32).prod()) * dtype.itemsize


# ---- repair(broken)


def repair_right(broken):
    channels, height, width = broken.shape
    picture = torch.empty_like(broken)
    line = broken.flatten()
    for c in range(channels):
        picture[c] = line[c::channels].reshape(height, width)
    return picture


def repair_view(broken):
    return broken.view(broken.shape[1], broken.shape[2], 3).movedim(-1, 0)


def repair_numpy(broken):
    _, height, width = broken.shape
    return broken.numpy().reshape(height, width, 3).transpose(2, 0, 1)


def repair_transposed(broken):
    _, height, width = broken.shape
    return broken.reshape(height * width, 3).T.reshape(3, height, width).contiguous()


def repair_by_the_line(broken):
    _, height, width = broken.shape
    return broken.reshape(width, height, 3).permute(2, 0, 1).reshape(3, height, width)


def repair_in_place(broken):
    broken[:] = broken.reshape(*broken.shape[1:], 3).permute(2, 0, 1).clone()
    return broken


def repair_stacked(broken):
    pixels = broken.reshape(*broken.shape[1:], 3)
    return torch.stack([pixels[..., c] for c in range(3)])


def the_lessons_size(broken):
    """The size of the lesson's picture is written in."""
    return broken.reshape(60, 90, 3).permute(2, 0, 1)


def taken_for_square(broken):
    """Height and width are taken as equal."""
    side = math.isqrt(broken[0].numel())
    return broken.reshape(side, side, 3).permute(2, 0, 1)


def blue_first(broken):
    """Red and blue have changed places."""
    return repair_right(broken).flip(0)


def mirrored(broken):
    """Left and right have changed places."""
    return repair_right(broken).flip(2)


def red_for_all(broken):
    """All three channels are the red one."""
    return repair_right(broken)[:1].expand(3, -1, -1)


def channels_last_again(broken):
    """The pixels are put together and taken apart at another place."""
    _, height, width = broken.shape
    return broken.reshape(3, width, height).transpose(1, 2)


def every_third_number(broken):
    """The green channel begins where the red one ends."""
    line = broken.flatten().repeat(2)
    n, size = broken[0].numel(), broken.shape[1:]
    return torch.stack([line[c * n :: 3][:n].reshape(size) for c in range(3)])


def broken_once_more(broken):
    """The same mistake is made a second time."""
    return broken.permute(1, 2, 0).reshape(broken.shape)


def sorted_by_value(broken):
    """It sorts the numbers."""
    return broken.flatten().sort().values.reshape(broken.shape)


def flat(broken):
    """The channels are right, and each one is a line."""
    return repair_right(broken).flatten(1)


def only_wide_pictures(broken):
    """The longer side is taken for the width."""
    small, large = sorted(broken.shape[1:])
    return broken.reshape(small, large, 3).permute(2, 0, 1)


def only_tall_pictures(broken):
    """The longer side is taken for the height."""
    small, large = sorted(broken.shape[1:])
    return broken.reshape(large, small, 3).permute(2, 0, 1)


def _picture(height, width):
    picture = (torch.arange(3.0 * height * width) * 37 % 101).reshape(3, height, width) / 7
    return (picture.permute(1, 2, 0).reshape(3, height, width),)


# ---- masked_mean(x, mask)


def mean_right(x, mask):
    rows = []
    for sequence, real in zip(x, mask.tolist(), strict=True):
        kept = [token for token, keep in zip(sequence, real, strict=True) if keep]
        rows.append(sum(kept) / len(kept))
    return torch.stack(rows)


def mean_einsum(x, mask):
    weights = mask / mask.sum(1, keepdim=True)
    return torch.einsum("btc,bt->bc", x, weights)


def mean_nan(x, mask):
    return x.masked_fill(~mask.unsqueeze(-1), math.nan).nanmean(dim=1)


def mean_matmul(x, mask):
    return (mask[:, None].float() @ x)[:, 0] / mask.sum(1)[:, None]


def mean_numpy(x, mask):
    x, mask = x.numpy(), mask.numpy()
    return (x * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]


def mean_lists(x, mask):
    return [x[b, mask[b]].mean(0).tolist() for b in range(len(x))]


def the_first_n(x, mask):
    """The real tokens are taken for the first ones."""
    return torch.stack([x[b, : int(mask[b].sum())].mean(0) for b in range(len(x))])


def the_last_n(x, mask):
    """The real tokens are taken for the last ones."""
    return torch.stack([x[b, -int(mask[b].sum()) :].mean(0) for b in range(len(x))])


def up_to_the_last_real(x, mask):
    """A gap before the last real token is counted."""
    last = [max(t for t, keep in enumerate(row) if keep) for row in mask.tolist()]
    return torch.stack([x[b, : last[b] + 1].mean(0) for b in range(len(x))])


def up_to_the_first_padding(x, mask):
    """It stops at the first padding token."""
    kept = mask.long().cumprod(1)
    return (x * kept[..., None]).sum(1) / kept.sum(1, keepdim=True)


def last_real_token(x, mask):
    """That is one token of each sequence."""
    return x[torch.arange(len(x)), mask.sum(1) - 1]


def zeros_for_padding(x, mask):
    """A 0 in a real token is taken for padding."""
    real = x * mask[..., None]
    return real.sum(1) / (real != 0).sum(1)


def longest_for_all(x, mask):
    """Every sum is divided by the longest sequence."""
    return (x * mask[..., None]).sum(1) / mask.sum(1).max()


def largest_numbers(x, mask):
    """That is the maximum, not the mean."""
    return x.masked_fill(~mask[..., None], -math.inf).amax(1)


def a_median(x, mask):
    """That is the median."""
    return torch.stack([x[b, mask[b]].median(0).values for b in range(len(x))])


def positive_numbers_only(x, mask):
    """Negative numbers are cut off."""
    return (x * mask[..., None]).clamp(min=0).sum(1) / mask.sum(1, keepdim=True)


def divided_by_a_little_more(x, mask):
    """The count is made larger, against a division by 0 that cannot happen."""
    return (x * mask[..., None]).sum(1) / (mask.sum(1, keepdim=True) + 1e-3)


def first_sequence_for_all(x, mask):
    """The first sequence's mask is taken for all."""
    return x[:, mask[0]].mean(1)


def a_view_of_it(x, mask):
    """x need not lie in memory in the order of its dimensions."""
    flat = x.view(-1, x.shape[2]) * mask.reshape(-1, 1)
    return flat.view(x.shape).sum(1) / mask.sum(1, keepdim=True)


def without_the_first(x, mask):
    """The first real token is left out where there are two."""
    rows = [row[keep] for row, keep in zip(x, mask, strict=True)]
    return torch.stack([row[min(1, len(row) - 1) :].mean(0) for row in rows])


def _turned(x, mask):
    return x.transpose(0, 1).contiguous().transpose(0, 1), mask


def _padded(rows, C, seed):
    mask = torch.tensor(rows, dtype=torch.bool)
    x = torch.randn(*mask.shape, C, generator=torch.Generator().manual_seed(seed))
    x[:, :, 0] = x[:, :, 0].round()
    return x, mask


WRONG = {
    "read_shapes": WRONG_SHAPES,
    "tensor_bytes": [
        bits_of_finfo,
        digits_of_the_name,
        a_bool_is_a_bit,
        a_table_with_a_default,
        floats_and_the_rest,
        zero_skipped,
        at_least_one_element,
        each_size_once,
        last_two_sizes,
        first_and_last,
        three_sizes_at_most,
        starts_with_the_first,
        thirty_two_bits,
        counted_in_float32,
    ],
    "repair": [
        the_lessons_size,
        taken_for_square,
        blue_first,
        mirrored,
        red_for_all,
        channels_last_again,
        every_third_number,
        broken_once_more,
        sorted_by_value,
        flat,
        only_wide_pictures,
        only_tall_pictures,
    ],
    "masked_mean": [
        the_first_n,
        the_last_n,
        up_to_the_last_real,
        up_to_the_first_padding,
        last_real_token,
        zeros_for_padding,
        longest_for_all,
        largest_numbers,
        a_median,
        positive_numbers_only,
        divided_by_a_little_more,
        first_sequence_for_all,
        without_the_first,
        a_view_of_it,
    ],
}
RIGHT = {
    "read_shapes": RIGHT_SHAPES,
    "tensor_bytes": [
        bytes_right,
        bytes_loop,
        bytes_numpy,
        bytes_numel,
        bytes_tensor,
        bytes_reduced,
    ],
    "repair": [
        repair_right,
        repair_view,
        repair_numpy,
        repair_transposed,
        repair_stacked,
        repair_by_the_line,
        repair_in_place,
    ],
    "masked_mean": [mean_right, mean_einsum, mean_nan, mean_matmul, mean_numpy, mean_lists],
}
INPUTS = {
    "tensor_bytes": [
        ((9,), torch.bool),
        ((3, 0, 2), torch.float32),
        ((), torch.int16),
        ((2, 3, 4, 5), torch.uint8),
        ((4, 4), torch.complex64),
        ((70_001, 40_001), torch.float16),
    ],
    "repair": [_picture(2, 7), _picture(5, 3), _picture(4, 4)],
    "masked_mean": [
        _padded([[0, 0, 1, 1], [0, 1, 1, 1]], 3, seed=1),
        _padded([[1, 0, 1, 0, 1], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0]], 5, seed=2),
        _turned(*_padded([[1, 1, 0], [0, 1, 1]], 2, seed=3)),
    ],
}

# ---- the named mistakes of checks.py, from their sentences


def no_reduction_of_nothing(shape, dtype):
    try:
        return functools.reduce(operator.mul, shape) * dtype.itemsize
    except TypeError:  # there is no first size
        return 0


def the_first_size(shape, dtype):
    rows, *_ = shape
    return bytes_loop((rows,), dtype)


def rows_and_columns(shape, dtype):
    rows, columns, *_ = shape
    return bytes_numpy((rows, columns), dtype)


def first_column_filled_first(broken):
    return broken.numpy().flatten().reshape(tuple(broken.shape), order="F")


def sum_of_the_real(x, mask):
    return torch.einsum("btc,bt->bc", x, mask.float())


def sum_of_all(x, mask):
    return [row.sum(0) / keep.sum() for row, keep in zip(x, mask, strict=True)]


def both_keep_a_dimension(x, mask):
    total = (x * mask.unsqueeze(2)).sum(1, keepdim=True)
    return total / mask.sum(1)[:, None, None]


def as_many_from_the_left(x, mask):
    return mean_matmul(x, torch.arange(x.shape[1]) < mask.sum(1, keepdim=True))


def nothing_after_the_last(x, mask):
    return mean_matmul(x, mask.flip(1).long().cummax(1).values.flip(1))


def until_it_breaks_off(x, mask):
    means = []
    for sequence, real in zip(x, mask.tolist(), strict=True):
        n = [*real, False].index(False)
        means.append(sequence[:n].mean(0))
    return torch.stack(means)


def nan_for_zero(x, mask):
    real = x * mask[..., None]
    return real.masked_fill(real == 0, math.nan).nanmean(1)


NAMED = {
    "read_shapes": {
        "from_the_left": [(2, 3), None, (3, 2), (4, 5), None, None],
        "never_refuses": [(2, 3), (3, 2), (3, 3), (4, 5), (6, 3, 4), (8, 8, 4)],
        "only_equal_shapes": [(2, 3), None, None, None, None, None],
        "shorter_one_decides": [(2, 3), (2,), None, (4, 5), (3, 4), None],
        "only_the_second_grows": [(2, 3), (3, 2), None, (4, 1), (6, 1, 4), None],
        "says_false": [(2, 3), (3, 2), False, (4, 5), (6, 3, 4), False],
    },
    "tensor_bytes": {
        "elements_only": lambda shape, dtype: torch.Size(shape).numel(),
        "bits": lambda shape, dtype: bytes_loop(shape, dtype) * 8,
        "always_four": lambda shape, dtype: torch.empty(shape, device="meta").nbytes,
        "nothing_for_a_scalar": no_reduction_of_nothing,
        "added": lambda shape, dtype: functools.reduce(operator.add, shape, 0) * dtype.itemsize,
        "first_dimension": the_first_size,
        "two_dimensions": rows_and_columns,
        "rank_for_elements": lambda shape, dtype: np.size(shape) * dtype.itemsize,
        "kilobytes": lambda shape, dtype: bytes_loop(shape, dtype) / 1e3,
        "kibibytes": lambda shape, dtype: bytes_loop(shape, dtype) / 2**10,
        "megabytes": lambda shape, dtype: bytes_loop(shape, dtype) * 1e-6,
        "empty_as_scalar": lambda shape, dtype: dtype.itemsize * int(np.prod(np.maximum(shape, 1))),
        "each_size_once": lambda shape, dtype: bytes_loop(dict.fromkeys(shape), dtype),
        "bool_in_a_bit": lambda shape, dtype: (
            math.prod(shape) * (1 / 8 if dtype == torch.bool else dtype.itemsize)
        ),
        "integers_as_int64": lambda shape, dtype: bytes_loop(
            shape, dtype if dtype.is_floating_point else torch.int64
        ),
    },
    "repair": {
        "only_reshaped": lambda broken: torch.stack(list(repair_right(broken)), dim=2),
        "reshaped_twice": lambda broken: broken.view(*broken.shape[1:], 3).view(broken.shape),
        "width_first": first_column_filled_first,
        "width_in_front": lambda broken: torch.stack(
            [broken.flatten()[c::3].reshape(broken.shape[2], broken.shape[1]) for c in range(3)]
        ),
        "on_its_side": lambda broken: torch.stack([c.T for c in repair_right(broken)]),
        "permuted_first": lambda broken: torch.stack(list(broken), dim=2).view(broken.shape),
        "only_permuted": lambda broken: torch.stack(list(broken), dim=2),
        "turned_upside_down": lambda broken: repair_numpy(broken)[:, ::-1],
        "mirrored": lambda broken: repair_numpy(broken)[:, :, ::-1],
        "blue_first": lambda broken: repair_numpy(broken)[::-1],
    },
    "masked_mean": {
        "with_padding": lambda x, mask: np.mean(x.numpy(), axis=1),
        "mask_without_C": lambda x, mask: torch.mul(x, mask).sum(1) / mask.sum(1)[:, None],
        "count_without_keepdim": lambda x, mask: (
            torch.einsum("btc,bt->bc", x, mask.float()) / mask.count_nonzero(dim=1)
        ),
        "padding_in_the_sum": lambda x, mask: torch.stack(sum_of_all(x, mask)),
        "divided_by_T": lambda x, mask: sum_of_the_real(x, mask) / mask.shape[1],
        "divided_by_all": lambda x, mask: sum_of_the_real(x, mask) / mask.count_nonzero(),
        "divided_by_the_padding": lambda x, mask: (
            sum_of_the_real(x, mask) / torch.tensor([[row.tolist().count(False)] for row in mask])
        ),
        "one_number": lambda x, mask: float(x[mask].mean()),
        "divided_by_C": lambda x, mask: sum_of_the_real(x, mask) / len(x[0, 0]),
        "a_sum": sum_of_the_real,
        "one_for_all": lambda x, mask: sum_of_the_real(x, mask).sum(0) / mask.sum(),
        "over_C": lambda x, mask: x.masked_fill(~mask[..., None], 0).mean(2),
        "padding_only": lambda x, mask: mean_nan(x, ~mask),
        "first_token": lambda x, mask: torch.stack([sequence[0] for sequence in x]),
        "dimension_kept": both_keep_a_dimension,
        "the_first_n": as_many_from_the_left,
        "until_the_last_real": nothing_after_the_last,
        "until_the_first_padding": until_it_breaks_off,
        "zeros_not_counted": nan_for_zero,
        "largest": lambda x, mask: torch.stack(
            [sequence[keep].max(0).values for sequence, keep in zip(x, mask, strict=True)]
        ),
    },
}
