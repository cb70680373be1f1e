"""Checks of lesson 1: shapes that meet, bytes from a shape, a broken picture, a masked mean."""

import math

import torch

from helpers.comparing import same
from helpers.exercises import Check, Prediction, Verdict, sentence
from helpers.lesson_01 import riddle
from helpers.lesson_01.riddle import broken_picture  # noqa: F401  (the lesson shows it)
from helpers.limits import several, text, whole

KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    **dict.fromkeys(("height", "width", "embedding_dim", "out_features"), whole(1)),
    "hidden_size": whole(1, 10**6),
    "size": whole(1, 2**13),  # a matrix of 268 MB
    "sentences": several(text()),
}

# The pairs of exercise 1, as its stub lists them.
PAIRS = [
    ((2, 3), (2, 3)),
    ((3, 2), (2,)),
    ((3, 2), (3,)),
    ((4, 1), (1, 5)),
    ((6, 1, 4), (3, 1)),
    ((8, 6, 4), (8, 4)),
]


class SixShapes(Check):
    """A list of shapes, graded one by one; `...` is one that is not done yet."""

    def _judge_value(self, got) -> Verdict:
        wanted = self.reference()
        if got is None or (isinstance(got, list | tuple) and all(g is ... for g in got)):
            return Verdict("untouched", "not done yet")
        if not isinstance(got, list | tuple) or len(got) != len(wanted):
            return Verdict("wrong", f"a list of {len(wanted)} shapes is wanted, one for each pair")
        wrong = [k for k, w in enumerate(wanted) if got[k] is not ... and not same(got[k], w)]
        open_ = sum(g is ... for g in got)
        score = f"{len(wanted) - len(wrong) - open_} of {len(wanted)} are right"
        left = f", {open_} not done yet" if open_ else ""
        if not wrong:
            return Verdict("wrong" if left else "right", score + (left or f". {self.notice}"))
        pairs = ", and at ".join(f"{PAIRS[k][0]} and {PAIRS[k][1]}" for k in wrong)
        named = max(self.mistakes, key=lambda m: self._explained(m, got, wrong))
        said = f"\n  {sentence(named)}" if self._explained(named, got, wrong) else ""
        if any(isinstance(got[k], str) for k in wrong):
            said = "\n  What is in quotes is text: write the tuple, or None, without them."
        return Verdict("wrong", f"{score}{left}; look again at {pairs}{said}")

    @staticmethod
    def _explained(mistake, got, wrong) -> int:
        """How many of the wrong shapes `mistake` gives."""
        return sum(same(got[k], mistake()[k]) for k in wrong)


def _sum_shape(a, b):
    """The shape that a and b broadcast to, or None."""
    try:
        return tuple((torch.zeros(a) + torch.zeros(b)).shape)
    except RuntimeError:
        return None


def from_the_left():
    """Align the shapes at the right: the last dimensions meet first."""
    n = [max(len(a), len(b)) for a, b in PAIRS]
    padded = [[s + (1,) * (n[k] - len(s)) for s in pair] for k, pair in enumerate(PAIRS)]
    return [_sum_shape(a, b) for a, b in padded]


def never_refuses():
    """Two different sizes meet only where one of them is 1; the larger one does not simply win."""
    n = [max(len(a), len(b)) for a, b in PAIRS]
    padded = [[(1,) * (n[k] - len(s)) + s for s in pair] for k, pair in enumerate(PAIRS)]
    return [tuple(map(max, a, b)) for a, b in padded]


def only_equal_shapes():
    """Unequal shapes may meet too: a dimension of 1, or a missing one, is repeated."""
    return [a if a == b else None for a, b in PAIRS]


def shorter_one_decides():
    """The dimensions that only the longer shape has are kept."""
    n = [min(len(a), len(b)) for a, b in PAIRS]
    return [_sum_shape(a[-n[k] :], b[-n[k] :]) for k, (a, b) in enumerate(PAIRS)]


def only_the_second_grows():
    """Both shapes are repeated where they have a 1, the first one too."""
    return [a if _sum_shape(a, b) else None for a, b in PAIRS]


def says_false():
    """Write None where the two may not meet."""
    return [_sum_shape(a, b) or False for a, b in PAIRS]


# A list of six shapes (tuples), None where two may not meet.
read_shapes = SixShapes(
    reference=lambda: [_sum_shape(a, b) for a, b in PAIRS],
    cases=[()],
    mistakes=[
        from_the_left,
        never_refuses,
        only_equal_shapes,
        shorter_one_decides,
        only_the_second_grows,
        says_false,
    ],
    notice="You can now check an addition before you run it.",
)


def elements_only(shape, dtype):
    """That is the number of elements: multiply by the bytes of each."""
    return math.prod(shape)


def bits(shape, dtype):
    """Those are bits: `dtype.itemsize` is in bytes already."""
    return math.prod(shape) * dtype.itemsize * 8


def always_four(shape, dtype):
    """Not every dtype takes 4 bytes: ask `dtype.itemsize`."""
    return math.prod(shape) * 4


def added(shape, dtype):
    """The number of elements is the product of the shape, not its sum."""
    return sum(shape) * dtype.itemsize


def first_dimension(shape, dtype):
    """Only the first dimension is counted."""
    return shape[0] * dtype.itemsize


def two_dimensions(shape, dtype):
    """Only two dimensions are counted, and a shape may have more."""
    return shape[0] * shape[1] * dtype.itemsize


def rank_for_elements(shape, dtype):
    """`len(shape)` is the rank: the number of elements is the product of the shape."""
    return len(shape) * dtype.itemsize


def kilobytes(shape, dtype):
    """Those are kilobytes: bytes are wanted."""
    return math.prod(shape) * dtype.itemsize / 1000


def kibibytes(shape, dtype):
    """Those are KiB of 1,024 bytes: bytes are wanted."""
    return math.prod(shape) * dtype.itemsize / 1024


def megabytes(shape, dtype):
    """Those are megabytes: bytes are wanted."""
    return math.prod(shape) * dtype.itemsize / 1e6


def nothing_for_a_scalar(shape, dtype):
    """A scalar, shape (), has one element: `math.prod(())` is 1."""
    return math.prod(shape) * dtype.itemsize if shape else 0


def empty_as_scalar(shape, dtype):
    """A size of 0 makes the tensor empty: it holds no element, and takes no bytes."""
    return math.prod(size for size in shape if size) * dtype.itemsize


def each_size_once(shape, dtype):
    """A size that comes twice counts twice: multiply all of the shape's numbers."""
    return math.prod(set(shape)) * dtype.itemsize


def bool_in_a_bit(shape, dtype):
    """torch keeps a bool in one byte, not in one bit."""
    return math.prod(shape) * (1 if dtype == torch.bool else 8 * dtype.itemsize) // 8


def integers_as_int64(shape, dtype):
    """Not every integer dtype takes 8 bytes, and a bool takes 1: ask `dtype.itemsize`."""
    return math.prod(shape) * (dtype.itemsize if dtype.is_floating_point else 8)


# (shape as a tuple, dtype) → bytes
tensor_bytes = Check(
    reference=lambda shape, dtype: torch.empty(shape, dtype=dtype, device="meta").nbytes,
    cases=[
        ((3, 5), torch.bfloat16),
        ((2, 7, 6), torch.int64),
        ((), torch.float64),
        ((32, 4096), torch.float32),
        ((16,), torch.bool),  # whole bytes, if a bool were a bit
        ((4, 4), torch.float16),
        ((0,), torch.int64),  # 8 bytes, if the 0 is skipped or taken for a 1
        ((3, 0, 5), torch.float32),
        ((2, 3, 1, 7), torch.uint8),
        ((4_000_037, 8_193, 3_001), torch.bfloat16),  # more than any memory has, or 32 bits count
    ],
    mistakes=[
        elements_only,
        bits,
        always_four,
        nothing_for_a_scalar,
        added,
        first_dimension,
        two_dimensions,
        rank_for_elements,
        kilobytes,
        kibibytes,
        megabytes,
        empty_as_scalar,
        each_size_once,
        bool_in_a_bit,
        integers_as_int64,
    ],
    notice="No tensor was made for it, so it works for a model larger than your memory.",
)


def _sizes(broken):
    return broken.shape[1], broken.shape[2]


def only_reshaped(broken):
    """Every pixel is whole again, but the channels are still last: move them to the front."""
    height, width = _sizes(broken)
    return broken.reshape(height, width, 3)


def reshaped_twice(broken):
    """That is still the broken picture; a second reshape undoes the first. Use permute for the channels."""
    return broken.clone()


def width_first(broken):
    """The file held (height, width, 3): the height comes before the width."""
    height, width = _sizes(broken)
    return broken.reshape(width, height, 3).permute(2, 1, 0)


def width_in_front(broken):
    """The file held (height, width, 3): reshape to the height first, then the width."""
    height, width = _sizes(broken)
    return broken.reshape(width, height, 3).permute(2, 0, 1)


def on_its_side(broken):
    """The picture lies on its side: permute(2, 1, 0) swaps height and width as well."""
    height, width = _sizes(broken)
    return broken.reshape(height, width, 3).permute(2, 1, 0)


def permuted_first(broken):
    """The other way round: undo the reshape first, then move the channels."""
    return broken.permute(1, 2, 0).reshape(broken.shape)


def only_permuted(broken):
    """The numbers are moved before they are in place: undo the reshape first."""
    return broken.permute(1, 2, 0)


def turned_upside_down(broken):
    """The picture is upside down: reshape and permute are enough, nothing is flipped."""
    return _repaired(broken).flip(1)


def mirrored(broken):
    """Left and right have changed places: reshape and permute are enough, nothing is flipped."""
    return _repaired(broken).flip(2)


def blue_first(broken):
    """Red and blue have changed places: the channels keep their order."""
    return _repaired(broken).flip(0)


def _repaired(broken):
    """Pixel by pixel along memory's line: no reshape to get wrong."""
    line, (height, width) = broken.flatten(), _sizes(broken)
    return torch.stack([line[c::3].unflatten(0, (height, width)) for c in range(3)])


# broken (3, H, W) → the picture (3, H, W)
repair = Check(
    reference=_repaired,
    cases=[
        (riddle.broken(torch.arange(30.0).reshape(3, 2, 5)),),
        (riddle.broken(torch.arange(84.0).reshape(3, 7, 4)),),
        (broken_picture(),),
        (riddle.broken((torch.arange(48.0) * 37 % 101).reshape(3, 4, 4)),),
        (riddle.broken(torch.tensor([0.5, 0.25, 0.75]).reshape(3, 1, 1)),),
    ],
    mistakes=[
        only_reshaped,
        reshaped_twice,
        width_first,
        width_in_front,
        on_its_side,
        permuted_first,
        only_permuted,
        turned_upside_down,
        mirrored,
        blue_first,
    ],
    notice="A reshape loses nothing, so it can always be undone.",
)


def _batch(lengths, T, C):
    """x (B, T, C) with no zero in it, and the mask (B, T) of sequences of `lengths`."""
    generator = torch.Generator().manual_seed(len(lengths))
    x = torch.rand(len(lengths), T, C, generator=generator) + 0.5
    return x, torch.arange(T) < torch.tensor(lengths)[:, None]


def _scattered(rows, C):
    """x and the mask (B, T) of `rows`: padding anywhere, and zeros and negative numbers in x."""
    mask = torch.tensor(rows, dtype=torch.bool)
    x = torch.randn(*mask.shape, C, generator=torch.Generator().manual_seed(C))
    x[..., 0] = x[..., 0].round()
    return x.transpose(0, 1).contiguous().transpose(
        0, 1
    ), mask  # not in the order of its dimensions


def _total(x, mask):
    return (x * mask[..., None]).sum(dim=1)


def with_padding(x, mask):
    """The padding is in the mean."""
    return x.mean(dim=1)


def mask_without_C(x, mask):
    """The mask has no C: `mask[:, :, None]` has the shape (B, T, 1), and meets x."""
    return (x * mask).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def count_without_keepdim(x, mask):
    """The count has the shape (B,): with keepdim=True it is (B, 1), and each row meets its own."""
    return _total(x, mask) / mask.sum(dim=1)


def padding_in_the_sum(x, mask):
    """The count is right, but the padding is in the sum: multiply x by the mask first."""
    return x.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def divided_by_T(x, mask):
    """Divided by T: divide by the number of real tokens of each sequence."""
    return _total(x, mask) / x.shape[1]


def divided_by_all(x, mask):
    """Divided by the real tokens of the whole batch: count them for each sequence."""
    return _total(x, mask) / mask.sum()


def divided_by_the_padding(x, mask):
    """Divided by the number of padding places: the mask is True where a token is real."""
    return _total(x, mask) / (~mask).sum(dim=1, keepdim=True)


def one_number(x, mask):
    """That is one number for the whole batch: keep B and C, and take the mean over T alone."""
    return _total(x, mask).sum() / (mask.sum() * x.shape[2])


def divided_by_C(x, mask):
    """Divided by C: divide by the number of real tokens of each sequence."""
    return _total(x, mask) / x.shape[2]


def a_sum(x, mask):
    """That is the sum: divide it by the number of real tokens of each sequence."""
    return _total(x, mask)


def one_for_all(x, mask):
    """That is one vector for the whole batch: keep B, and sum over T only."""
    return x[mask].mean(dim=0)


def over_C(x, mask):
    """That is a mean over C: dim=1 is T, dim=2 is C."""
    return (x * mask[..., None]).mean(dim=2)


def padding_only(x, mask):
    """That is the mean of the padding: the mask is True where a token is real."""
    return _total(x, ~mask) / (~mask).sum(dim=1, keepdim=True)


def first_token(x, mask):
    """That is the first token of each sequence alone."""
    return x[:, 0]


def dimension_kept(x, mask):
    """The numbers are right, the shape is (B, 1, C): only the count needs keepdim=True."""
    return _masked_mean(x, mask)[:, None]


def the_first_n(x, mask):
    """The real tokens need not come first: go by the mask, not only by their number."""
    return torch.stack([row[: int(n)].mean(dim=0) for row, n in zip(x, mask.sum(1), strict=True)])


def until_the_last_real(x, mask):
    """Padding may also come before a real token: go by the mask, place by place."""
    last = [int(row.nonzero().max()) for row in mask]
    return torch.stack([row[: n + 1].mean(dim=0) for row, n in zip(x, last, strict=True)])


def until_the_first_padding(x, mask):
    """Real tokens may follow the padding: go by the mask, place by place."""
    kept = mask.long().cumprod(dim=1)
    return _total(x, kept) / kept.sum(dim=1, keepdim=True)


def zeros_not_counted(x, mask):
    """A real token may hold a 0: count the tokens in the mask, not the numbers that are not 0."""
    return _total(x, mask) / ((x * mask[..., None]) != 0).sum(dim=1)


def largest(x, mask):
    """That is the largest number of each sequence, not the mean."""
    return x.masked_fill(~mask[..., None], -math.inf).amax(dim=1)


def _masked_mean(x, mask):
    """Row by row: no broadcasting to get wrong."""
    return torch.stack([row[keep].mean(dim=0) for row, keep in zip(x, mask, strict=True)])


# x (B, T, C) and mask (B, T) of bools → the mean of each sequence's real tokens, (B, C)
masked_mean = Check(
    reference=_masked_mean,
    cases=[
        _batch((3, 2), 4, 3),
        _batch((2, 5, 4), 5, 2),
        _batch((1, 4, 2, 6), 6, 4),
        _scattered([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]], 3),  # padding on the left
        _scattered([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0]], 6),
        _scattered([[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]], 4),  # B = T = C
    ],
    mistakes=[
        with_padding,
        mask_without_C,
        count_without_keepdim,
        padding_in_the_sum,
        divided_by_T,
        divided_by_all,
        divided_by_the_padding,
        one_number,
        divided_by_C,
        a_sum,
        one_for_all,
        over_C,
        padding_only,
        first_token,
        dimension_kept,
        the_first_n,
        until_the_last_real,
        until_the_first_padding,
        zeros_not_counted,
        largest,
    ],
    notice="Search engines that compare texts by meaning often start from such a mean.",
)

# what the learner predicts, in the lesson's order
corner = Prediction(near=1)
faster = Prediction("times", near=4)  # each machine has its own factor
