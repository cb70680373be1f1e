"""Answers to the exercises of lesson 7: what a learner may well write, wrong and right."""

import math

import numpy as np
import torch


def nearest(x, levels):
    """The function of the lesson."""
    middles = (levels[1:] + levels[:-1]) / 2
    return torch.bucketize(x, middles)


# Exercise 1: round_trip(block, levels)


def round_trip_smallest(block, levels):
    """The scale is the smallest weight, turned positive."""
    scale = block.min().abs()
    return levels[nearest(block / scale, levels)] * scale


def round_trip_clamped(block, levels):
    """Cuts the weights off at 1 instead of scaling them."""
    return levels[nearest(block.clamp(-1, 1), levels)]


def round_trip_even(block, levels):
    """Rounds as if the levels were even."""
    absmax = block.abs().max()
    codes = ((block / absmax + 1) / 2 * (len(levels) - 1)).round().long()
    return levels[codes] * absmax


def round_trip_16_levels(block, levels):
    """Takes 16 levels for granted."""
    absmax = block.abs().max()
    distances = [(block / absmax - levels[i]).abs() for i in range(16)]
    return levels[torch.stack(distances).argmin(0)] * absmax


def round_trip_rows(block, levels):
    """A scale for each row of the block."""
    absmax = block.abs().amax(-1, keepdim=True)
    return levels[nearest(block / absmax, levels)] * absmax


def round_trip_flat(block, levels):
    """Comes back flat."""
    flat = block.flatten()
    absmax = flat.abs().max()
    return levels[nearest(flat / absmax, levels)] * absmax


def round_trip_lines_only(block, levels):
    """Works for a block with one dimension only."""
    absmax = block.abs().max()
    codes = ((block / absmax)[:, None] - levels).abs().argmin(1)
    return levels[codes] * absmax


def round_trip_from_smallest(block, levels):
    """Maps the smallest weight to -1 and the largest to 1."""
    low, high = block.min(), block.max()
    x = 2 * (block - low) / (high - low) - 1
    return (levels[nearest(x, levels)] + 1) / 2 * (high - low) + low


def round_trip_mirrored(block, levels):
    """Rounds the absolute value and puts the sign back: the levels need not be symmetric."""
    absmax = block.abs().max()
    return levels[nearest(block.abs() / absmax, levels)] * absmax * block.sign()


def round_trip_no_distance(block, levels):
    """The smallest difference instead of the smallest distance."""
    absmax = block.abs().max()
    codes = ((block / absmax).unsqueeze(-1) - levels).argmin(-1)
    return levels[codes] * absmax


def round_trip_first_level(block, levels):
    """Misses the last level."""
    absmax = block.abs().max()
    levels = levels[:-1]
    return levels[nearest(block / absmax, levels)] * absmax


def round_trip_norm(block, levels):
    """The scale is the norm."""
    scale = block.norm()
    return levels[nearest(block / scale, levels)] * scale


def round_trip_plain_division(block, levels):
    """Divides plain numbers: a block of zeros raises ZeroDivisionError."""
    absmax = block.abs().max().item()
    back = []
    for x in block.flatten().tolist():
        distances = [abs(x / absmax - level) for level in levels.tolist()]
        back.append(levels[distances.index(min(distances))] * absmax)
    return torch.stack(back).reshape(block.shape)


def round_trip_difference_added(block, levels):
    """Adds the rounding error to x = block / absmax, which is not a number in a block of zeros."""
    absmax = block.abs().max()
    x = block / absmax
    return (x + (levels[nearest(x, levels)] - x)) * absmax


def right_round_trip_argmin(block, levels):
    absmax = block.abs().max()
    codes = ((block / absmax)[..., None] - levels).abs().argmin(-1)
    return levels[codes] * absmax


def right_round_trip_scaled_levels(block, levels):
    """The levels are scaled instead of the weights."""
    levels = levels * torch.linalg.vector_norm(block, ord=torch.inf)
    return levels[((block.unsqueeze(-1) - levels) ** 2).argmin(-1)]


def right_round_trip_loop(block, levels):
    absmax = max(abs(x) for x in block.flatten().tolist())
    back = []
    for x in block.flatten().tolist():
        back.append(min((level * absmax for level in levels.tolist()), key=lambda y: abs(y - x)))
    return torch.tensor(back).reshape(block.shape)


def right_round_trip_numpy(block, levels):
    x, levels = block.numpy(), levels.numpy()
    absmax = np.abs(x).max()
    middles = (levels[1:] + levels[:-1]) / 2
    return torch.from_numpy(levels[np.searchsorted(middles * absmax, x)] * absmax)


def right_round_trip_two_neighbours(block, levels):
    absmax = torch.maximum(block.max(), -block.min())
    x = (block / absmax).clamp(-1, 1).nan_to_num()
    above = torch.searchsorted(levels, x.contiguous()).clamp(1, len(levels) - 1)
    low, high = levels[above - 1], levels[above]
    return torch.where(x - low <= high - x, low, high) * absmax


# Exercise 2: nf4_bytes(out_features, in_features)

TABLES = 4 * (16 + 256)


def nf4_half_a_byte(out_features, in_features):
    """A file with half a byte."""
    n = out_features * in_features
    blocks = math.ceil(n / 64)
    return n / 2 + blocks + 4 * math.ceil(blocks / 256) + 4 + TABLES


def nf4_columns(out_features, in_features):
    """Each column starts a block of its own."""
    n = out_features * in_features
    blocks = in_features * math.ceil(out_features / 64)
    return math.ceil(n / 2) + blocks + 4 * math.ceil(blocks / 256) + 4 + TABLES


def nf4_packed_rows(out_features, in_features):
    """Each row is packed by itself."""
    blocks = math.ceil(out_features * in_features / 64)
    packed = out_features * math.ceil(in_features / 2)
    return packed + blocks + 4 * math.ceil(blocks / 256) + 4 + TABLES


def nf4_full_blocks(out_features, in_features):
    """Counts full blocks of weights only."""
    n = out_features * in_features
    blocks = n // 64
    return math.ceil(n / 2) + blocks + 4 * math.ceil(blocks / 256) + 4 + TABLES


def nf4_one_block_more(out_features, in_features):
    """Adds a block even where the last one is full."""
    n = out_features * in_features
    blocks = n // 64 + 1
    return math.ceil(n / 2) + blocks + 4 * math.ceil(blocks / 256) + 4 + TABLES


def nf4_one_second_block_more(out_features, in_features):
    """Adds a block of scales even where the last one is full."""
    n = out_features * in_features
    blocks = math.ceil(n / 64)
    return math.ceil(n / 2) + blocks + 4 * (blocks // 256 + 1) + 4 + TABLES


def nf4_rounded_blocks(out_features, in_features):
    """Rounds the number of blocks."""
    n = out_features * in_features
    blocks = round(n / 64)
    return math.ceil(n / 2) + blocks + 4 * math.ceil(blocks / 256) + 4 + TABLES


def nf4_blocks_of_256(out_features, in_features):
    """The two block sizes are swapped."""
    n = out_features * in_features
    blocks = math.ceil(n / 256)
    return math.ceil(n / 2) + blocks + 4 * math.ceil(blocks / 64) + 4 + TABLES


def nf4_mean_for_each_block(out_features, in_features):
    """A mean for each block of scales."""
    n = out_features * in_features
    blocks = math.ceil(n / 64)
    return math.ceil(n / 2) + blocks + 8 * math.ceil(blocks / 256) + TABLES


def nf4_one_scale_of_scales(out_features, in_features):
    """A single scale for all scales."""
    n = out_features * in_features
    return math.ceil(n / 2) + math.ceil(n / 64) + 4 + 4 + TABLES


def nf4_bits(out_features, in_features):
    """The bits of a large matrix."""
    n = out_features * in_features
    return math.ceil(n * (4 + 8 / 64 + 32 / (64 * 256)) / 8)


def nf4_bits_and_constants(out_features, in_features):
    """The bits of a large matrix and the constants: the last blocks are not full."""
    n = out_features * in_features
    return math.ceil(n * (4 + 8 / 64 + 32 / (64 * 256)) / 8) + 4 + TABLES


def nf4_square(out_features, in_features):
    """Takes the matrix for a square."""
    n = out_features**2
    blocks = math.ceil(n / 64)
    return math.ceil(n / 2) + blocks + 4 * math.ceil(blocks / 256) + 4 + TABLES


def nf4_float32(out_features, in_features):
    """Counts in 32-bit floats, which cannot hold every large whole number."""
    n = torch.tensor(float(out_features * in_features))
    scales = (n / 64).ceil()
    return int((n / 2).ceil() + scales + 4 * (scales / 256).ceil() + 4 + TABLES)


def right_nf4_ceil(out_features, in_features):
    n = out_features * in_features
    scales = math.ceil(n / 64)
    return math.ceil(n / 2) + scales + 4 * math.ceil(scales / 256) + 4 * (1 + 16 + 256)


def right_nf4_numpy(out_features, in_features):
    n = np.int64(out_features) * np.int64(in_features)
    blocks = (n + 63) // 64
    return (n + 1) // 2 + blocks + 4 * ((blocks + 255) // 256) + np.int64(4 + TABLES)


def right_nf4_floats(out_features, in_features):
    n = out_features * in_features
    return np.ceil(n / 2) + np.ceil(n / 64) + 4 * np.ceil(n / (64 * 256)) + 4 + TABLES


def right_nf4_divmod(out_features, in_features):
    blocks, rest = divmod(out_features * in_features, 64)
    blocks += rest > 0
    second, rest = divmod(blocks, 256)
    second += rest > 0
    return (4 * out_features * in_features + 7) // 8 + blocks + 4 * second + 1092


def right_nf4_ranges(out_features, in_features):
    weights = range(out_features * in_features)
    scales = weights[::64]
    return torch.tensor(len(weights[::2]) + len(scales) + 4 * len(scales[::256]) + 4 + TABLES)


# Exercise 3: outlier_columns(x, threshold)


def outliers_negative_above(x, threshold):
    """At the threshold counts on the positive side only."""
    large = (x.amax(0) >= threshold) | (x.amin(0) < -threshold)
    return large.nonzero().flatten().tolist()


def outliers_of_largest(x, threshold):
    """The absolute value of the largest value, not the largest absolute value."""
    return (x.max(0).values.abs() >= threshold).nonzero().flatten().tolist()


def outliers_repeated_in_order(x, threshold):
    """A column comes once for each of its outliers."""
    return sorted((x.abs() >= threshold).nonzero()[:, 1].tolist())


def outliers_as_met(x, threshold):
    """Each column once, in the order in which the tokens show them."""
    return list(dict.fromkeys((x.abs() >= threshold).nonzero()[:, 1].tolist()))


def outliers_falling(x, threshold):
    """From the last to the first."""
    return (x.abs() >= threshold).any(0).nonzero().flatten().tolist()[::-1]


def outliers_by_size(x, threshold):
    """The largest column first."""
    largest = x.abs().amax(0)
    columns = largest.argsort(descending=True).tolist()
    return [i for i in columns if largest[i] >= threshold]


def outliers_norm(x, threshold):
    """The norm of the column has to reach the threshold."""
    return (x.norm(dim=0) >= threshold).nonzero().flatten().tolist()


def outliers_squares(x, threshold):
    """Squares against a threshold that is not squared."""
    return (x**2 >= threshold).any(0).nonzero().flatten().tolist()


def outliers_squeezed(x, threshold):
    """A single column comes back as a number, not as a list."""
    return (x.abs() >= threshold).any(0).nonzero().squeeze().tolist()


def outliers_one_token(x, threshold):
    """A single token loses its dimension."""
    return (x.squeeze().abs() >= threshold).any(0).nonzero().flatten().tolist()


def outliers_first_token(x, threshold):
    """The first token only."""
    return (x[0].abs() >= threshold).nonzero().flatten().tolist()


def outliers_whole_numbers(x, threshold):
    """Cuts the values off at the point."""
    return (x.abs().int() >= threshold).any(0).nonzero().flatten().tolist()


def outliers_from_one(x, threshold):
    """Counts columns from 1."""
    return [i + 1 for i in (x.abs() >= threshold).any(0).nonzero().flatten().tolist()]


def outliers_sixty(x, threshold):
    """The threshold of the lesson."""
    return (x.abs() >= 60.0).any(0).nonzero().flatten().tolist()


def outliers_never_empty(x, threshold):
    """The largest column where none reaches the threshold."""
    found = (x.abs() >= threshold).any(0).nonzero().flatten().tolist()
    return found or [x.abs().amax(0).argmax().item()]


def outliers_truthy(x, threshold):
    """Loses column 0, whose number counts as false."""
    columns = (x.abs() >= threshold).any(0).nonzero().flatten().tolist()
    return list(filter(None, columns))


def outliers_prefix(x, threshold):
    """As many columns as there are outliers, from the first on."""
    return list(range(int((x.abs() >= threshold).any(0).sum())))


def outliers_share_of_largest(x, threshold):
    """At least half of the largest value of all, whatever the threshold."""
    return (x.abs() >= x.abs().max() / 2).any(0).nonzero().flatten().tolist()


def right_outliers_loop(x, threshold):
    columns = []
    for i in range(x.shape[1]):
        if max(abs(value) for value in x[:, i].tolist()) >= threshold:
            columns.append(i)
    return columns


def right_outliers_unique(x, threshold):
    return torch.where(x.abs() >= threshold)[1].unique().tolist()


def right_outliers_numpy(x, threshold):
    """A list of NumPy's whole numbers."""
    return list(np.flatnonzero((np.abs(x.numpy()) >= threshold).any(axis=0)))


def right_outliers_both_sides(x, threshold):
    large = (x.amax(0) >= threshold) | (x.amin(0) <= -threshold)
    return [i for i, is_large in enumerate(large.tolist()) if is_large]


def right_outliers_set(x, threshold):
    return sorted({column for _, column in (x.abs() >= threshold).nonzero().tolist()})


# Exercise 4: restore(w, n_rows)


def restore_square(w, n_rows):
    """Takes the matrix for a square."""
    return w.reshape(n_rows, n_rows).T.flatten()


def restore_tall(w, n_rows):
    """Takes the longer side for the rows."""
    n_columns = len(w) // n_rows
    return w.reshape(-1, max(n_rows, n_columns)).T.flatten()


def restore_rotated(w, n_rows):
    """Turns the matrix instead of transposing it."""
    return torch.rot90(w.reshape(-1, n_rows)).flatten()


def restore_rotated_other_way(w, n_rows):
    """Turns the matrix the other way."""
    return torch.rot90(w.reshape(-1, n_rows), -1).flatten()


def restore_lesson_rows(w, n_rows):
    """96 rows, as in the picture."""
    return w.reshape(-1, 96).T.flatten()


def restore_lesson_columns(w, n_rows):
    """64 columns, as in the picture."""
    return w.reshape(64, -1).T.flatten()


def restore_sorted(w, n_rows):
    """The large weights together."""
    return w[w.abs().argsort(descending=True)]


def restore_first_row(w, n_rows):
    """The first row only."""
    return w[::n_rows]


def restore_rolled(w, n_rows):
    """Moves the weights on by a row."""
    return w.roll(n_rows)


def restore_modulo(w, n_rows):
    """Steps around the file in steps of n_rows, and meets the first row again and again."""
    return w[torch.arange(len(w)) * n_rows % len(w)]


def restore_columns_as_step(w, n_rows):
    """Every n_columns-th weight: the way there, not the way back."""
    n_columns = len(w) // n_rows
    return torch.cat([w[i::n_columns] for i in range(n_columns)])


def restore_sorted_rows(w, n_rows):
    """The rows come back with the largest first."""
    rows = w.reshape(-1, n_rows).T
    return rows[rows.abs().amax(1).argsort(descending=True)].flatten()


def restore_rows_upside_down(w, n_rows):
    """The last row first."""
    return w.reshape(-1, n_rows).T.flip(0).flatten()


def right_restore_strides(w, n_rows):
    return torch.cat([w[row::n_rows] for row in range(n_rows)])


def right_restore_fortran(w, n_rows):
    return torch.from_numpy(w.numpy().reshape((n_rows, -1), order="F").ravel())


def right_restore_split(w, n_rows):
    return torch.stack(w.split(n_rows), dim=1).reshape(-1)


def right_restore_index(w, n_rows):
    n_columns = w.numel() // n_rows
    place = torch.arange(w.numel())
    return w[place % n_columns * n_rows + place // n_columns]


def right_restore_loop(w, n_rows):
    n_columns = len(w) // n_rows
    back = torch.empty_like(w)
    for row in range(n_rows):
        for column in range(n_columns):
            back[row * n_columns + column] = w[column * n_rows + row]
    return back


WRONG = {
    "round_trip": [
        round_trip_smallest,
        round_trip_clamped,
        round_trip_even,
        round_trip_16_levels,
        round_trip_rows,
        round_trip_flat,
        round_trip_lines_only,
        round_trip_from_smallest,
        round_trip_mirrored,
        round_trip_no_distance,
        round_trip_first_level,
        round_trip_norm,
        round_trip_plain_division,
        round_trip_difference_added,
    ],
    "nf4_bytes": [
        nf4_half_a_byte,
        nf4_columns,
        nf4_packed_rows,
        nf4_full_blocks,
        nf4_one_block_more,
        nf4_one_second_block_more,
        nf4_rounded_blocks,
        nf4_blocks_of_256,
        nf4_mean_for_each_block,
        nf4_one_scale_of_scales,
        nf4_bits,
        nf4_bits_and_constants,
        nf4_square,
        nf4_float32,
    ],
    "outlier_columns": [
        outliers_negative_above,
        outliers_of_largest,
        outliers_repeated_in_order,
        outliers_as_met,
        outliers_falling,
        outliers_by_size,
        outliers_norm,
        outliers_squares,
        outliers_squeezed,
        outliers_one_token,
        outliers_first_token,
        outliers_whole_numbers,
        outliers_from_one,
        outliers_sixty,
        outliers_never_empty,
        outliers_truthy,
        outliers_prefix,
        outliers_share_of_largest,
    ],
    "restore": [
        restore_square,
        restore_tall,
        restore_rotated,
        restore_rotated_other_way,
        restore_lesson_rows,
        restore_lesson_columns,
        restore_sorted,
        restore_first_row,
        restore_rolled,
        restore_modulo,
        restore_columns_as_step,
        restore_sorted_rows,
        restore_rows_upside_down,
    ],
}

RIGHT = {
    "round_trip": [
        right_round_trip_argmin,
        right_round_trip_scaled_levels,
        right_round_trip_loop,
        right_round_trip_numpy,
        right_round_trip_two_neighbours,
    ],
    "nf4_bytes": [
        right_nf4_ceil,
        right_nf4_numpy,
        right_nf4_floats,
        right_nf4_divmod,
        right_nf4_ranges,
    ],
    "outlier_columns": [
        right_outliers_loop,
        right_outliers_unique,
        right_outliers_numpy,
        right_outliers_both_sides,
        right_outliers_set,
    ],
    "restore": [
        right_restore_strides,
        right_restore_fortran,
        right_restore_split,
        right_restore_index,
        right_restore_loop,
    ],
}


# The named mistakes in other words


def one_by_one(block, levels, there, back):
    """Every weight over the scale `there`, its nearest level times the scale `back`, in a loop."""
    done = []
    for x in block.flatten().tolist():
        x = x / there if there else 0.0
        done.append(min(levels.tolist(), key=lambda level: abs(level - x)) * back)
    return torch.tensor(done).reshape(block.shape)


def absmax_of(block):
    return max(abs(x) for x in block.flatten().tolist())


def neighbour(block, levels, pick):
    """The level that `pick` takes of all scaled levels, for each weight."""
    scaled = [level * absmax_of(block) for level in levels.tolist()]
    taken = [pick(x, scaled) for x in block.flatten().tolist()]
    return torch.tensor(taken).reshape(block.shape)


def below(x, levels):
    return max((level for level in levels if level <= x), default=levels[0])


def above(x, levels):
    return min((level for level in levels if level >= x), default=levels[-1])


def codes_by_distance(block, levels):
    return (block[..., None] - levels * absmax_of(block)).abs().argmin(-1)


def each_row(block, levels):
    if block.dim() == 1:
        return one_by_one(block, levels, absmax_of(block), absmax_of(block))
    return torch.stack([each_row(row, levels) for row in block])


def parts(out_features, in_features):
    """The bytes of nf4_bytes, part by part."""
    places = range(out_features * in_features)
    scales = places[::64]
    return {
        "codes": len(places[::2]),
        "scales": len(scales),
        "second": 4 * len(scales[::256]),
        "mean": 4,
        "small_table": 16 * 4,
        "large_table": 256 * 4,
    }


def without(*names):
    """nf4_bytes without these parts."""
    return lambda *sides: sum(n for name, n in parts(*sides).items() if name not in names)


def instead(**changed):
    """nf4_bytes with other parts: functions of out_features and in_features."""
    return lambda *sides: sum((parts(*sides) | {k: f(*sides) for k, f in changed.items()}).values())


def each_row_in_blocks(out_features, in_features):
    blocks = sum(len(range(0, in_features, 64)) for _ in range(out_features))
    codes = parts(out_features, in_features)["codes"]
    return codes + blocks + 4 * len(range(0, blocks, 256)) + 4 + TABLES


def only_full_blocks(out_features, in_features):
    n = out_features * in_features
    full = len(range(64, n + 1, 64))
    return (n + 1) // 2 + full + 4 * len(range(256, full + 1, 256)) + 4 + TABLES


def columns_where(test):
    """The numbers of the columns, lists of floats, for which `test` is true."""
    return lambda x, threshold: [
        i for i, column in enumerate(x.T.tolist()) if test([abs(v) for v in column], threshold)
    ]


def columns_repeated(x, threshold):
    return [i for row in x.tolist() for i, v in enumerate(row) if abs(v) >= threshold]


def one_or_a_list(x, threshold):
    found = right_outliers_loop(x, threshold)
    return found[0] if len(found) == 1 else found


NAMED = {
    "round_trip": {
        "not_scaled_back": lambda b, levels: one_by_one(b, levels, absmax_of(b), 1.0),
        "largest_not_absmax": lambda b, levels: one_by_one(
            b, levels, max(b.flatten().tolist()), max(b.flatten().tolist())
        ),
        "scaled_back_by_the_largest": lambda b, levels: one_by_one(
            b, levels, absmax_of(b), max(b.flatten().tolist())
        ),
        "never_scaled": lambda b, levels: one_by_one(b, levels, 1.0, 1.0),
        "scaled_back_only": lambda b, levels: one_by_one(b, levels, 1.0, absmax_of(b)),
        "level_below": lambda b, levels: neighbour(b, levels, below),
        "level_above": lambda b, levels: neighbour(b, levels, above),
        "codes_not_levels": codes_by_distance,
        "codes_scaled": lambda b, levels: codes_by_distance(b, levels) * absmax_of(b),
        "signs_lost": lambda b, levels: one_by_one(b.abs(), levels, absmax_of(b), absmax_of(b)),
        "divided_again": lambda b, levels: levels[codes_by_distance(b, levels)] / absmax_of(b),
        "scaled_by_the_range": lambda b, levels: one_by_one(
            b, levels, (b.max() - b.min()).item(), (b.max() - b.min()).item()
        ),
        "scaled_by_rows": each_row,
        "left_flat": round_trip_flat,
        "nothing_rounded": lambda b, levels: (b / absmax_of(b)) * absmax_of(b),
    },
    "nf4_bytes": {
        "a_byte_each": instead(codes=lambda rows, columns: rows * columns),
        "codes_alone": without("scales", "second", "mean", "small_table", "large_table"),
        "codes_alone_cut_off": lambda rows, columns: len(range(1, rows * columns, 2)),
        "codes_alone_in_halves": lambda rows, columns: rows * (0.5 * columns),
        "codes_and_scales_alone": without("second", "mean", "small_table", "large_table"),
        "tables_forgotten": without("small_table", "large_table"),
        "small_table_alone": without("large_table"),
        "large_table_alone": without("small_table"),
        "tables_in_single_bytes": lambda *sides: right_nf4_divmod(*sides) - 3 * (16 + 256),
        "second_blocks_cut_off": instead(
            second=lambda *sides: len(range(256, parts(*sides)["scales"] + 1, 256)) * 4
        ),
        "mean_forgotten": without("mean"),
        "second_scales_forgotten": without("second"),
        "second_scales_in_bytes": instead(second=lambda *sides: parts(*sides)["second"] // 4),
        "second_blocks_of_64": instead(
            second=lambda *sides: 4 * len(range(0, parts(*sides)["scales"], 64))
        ),
        "second_blocks_of_weights": instead(
            second=lambda rows, columns: 4 * len(range(0, rows * columns, 256))
        ),
        "blocks_cut_off": only_full_blocks,
        "blocks_alone_cut_off": nf4_full_blocks,
        "all_cut_off": lambda rows, columns: (
            (rows * columns >> 1) + (rows * columns >> 6) + 4 * (rows * columns >> 14) + 4 + TABLES
        ),
        "odd_weight_lost": instead(codes=lambda rows, columns: rows * columns >> 1),
        "fractions": lambda rows, columns: (
            rows * columns * (1 / 2 + 1 / 64 + 4 / 64 / 256) + 4 + TABLES
        ),
        "blocks_in_each_row": each_row_in_blocks,
        "scales_in_floats": lambda *sides: (
            parts(*sides)["codes"] + 4 * parts(*sides)["scales"] + parts(*sides)["small_table"]
        ),
        "scales_in_floats_and_more": instead(scales=lambda *sides: 4 * parts(*sides)["scales"]),
    },
    "outlier_columns": {
        "positive_alone": lambda x, threshold: [
            i for i, column in enumerate(x.T.tolist()) if max(column) >= threshold
        ],
        "rows_not_columns": lambda x, threshold: right_outliers_loop(x.T, threshold),
        "strictly_above": columns_where(lambda sizes, threshold: max(sizes) > threshold),
        "large_on_average": columns_where(lambda s, threshold: sum(s) / len(s) >= threshold),
        "large_throughout": columns_where(lambda sizes, threshold: min(sizes) >= threshold),
        "those_that_fit": columns_where(lambda sizes, threshold: not max(sizes) >= threshold),
        "once_for_each_value": columns_repeated,
        "largest_alone": lambda x, threshold: [np.abs(x.numpy()).max(0).argmax().item()],
        "how_many": lambda x, threshold: len(right_outliers_loop(x, threshold)),
        "true_or_false": lambda x, threshold: [
            max(abs(v) for v in column) >= threshold for column in x.T.tolist()
        ],
        "a_tensor": lambda x, threshold: torch.tensor(
            right_outliers_loop(x, threshold), dtype=torch.long
        ),
        "a_set": lambda x, threshold: set(columns_repeated(x, threshold)),
        "a_tensor_with_brackets": lambda x, threshold: [
            [i] for i in right_outliers_loop(x, threshold)
        ],
        "a_bare_number": one_or_a_list,
        "length_of_the_column": columns_where(lambda s, threshold: math.hypot(*s) >= threshold),
        "a_true_false_tensor": lambda x, threshold: x.abs().max(dim=0).values.ge(threshold),
    },
    "restore": {
        "as_it_was": lambda w, n_rows: w.reshape(n_rows, -1).flatten(),
        "shuffled_once_more": restore_columns_as_step,
        "left_a_matrix": lambda w, n_rows: torch.stack([w[i::n_rows] for i in range(n_rows)]),
        "columns_left_a_matrix": lambda w, n_rows: torch.stack(w.split(n_rows)),
        "sorted_by_value": lambda w, n_rows: torch.tensor(sorted(w.tolist())),
        "sorted_by_size": lambda w, n_rows: torch.tensor(sorted(w.tolist(), key=abs)),
        "reversed_order": lambda w, n_rows: torch.tensor(w.tolist()[::-1]),
    },
}


ALLOWED = {
    "round_trip": lambda block, levels: (
        levels.tolist() == sorted(set(levels.tolist())) and (levels[0], levels[-1]) == (-1, 1)
    ),
    "nf4_bytes": lambda *sizes: all(type(n) is int and n >= 1 for n in sizes),
    "restore": lambda w, n_rows: w.dim() == 1 and len(w) % n_rows == 0,
}
