"""Checks of lesson 01, tensors: which shapes meet, a mean without padding, bytes from a shape."""

import math
from collections.abc import Callable

import torch

from helpers.checks import compare


def broadcast_shape(answer: Callable) -> None:
    """`answer(a, b)`: the shape that two shapes broadcast to, or False where they may not meet."""

    def reference(a, b):
        try:
            return tuple(torch.broadcast_shapes(a, b))
        except RuntimeError:
            return False

    def aligned(a, b, left=False):
        n = max(len(a), len(b))
        if left:
            return [shape + (1,) * (n - len(shape)) for shape in (a, b)]
        return [(1,) * (n - len(shape)) + shape for shape in (a, b)]

    def merge(a, b):
        if any(p != q and 1 not in (p, q) for p, q in zip(a, b, strict=True)):
            return False
        return tuple(q if p == 1 else p for p, q in zip(a, b, strict=True))

    def from_the_left(a, b):
        return merge(*aligned(a, b, left=True))

    def never_refuses(a, b):
        return tuple(max(pair) for pair in zip(*aligned(a, b), strict=True))

    def short_one_decides(a, b):
        n = min(len(a), len(b))
        return merge(a[len(a) - n :], b[len(b) - n :])

    def equal_only(a, b):
        return all(p == q for p, q in zip(*aligned(a, b), strict=True)) and tuple(a)

    cases = [
        ((3, 1), (1, 4)),
        ((2, 5, 4), (5, 1)),
        ((4, 3), (4,)),
        ((5,), (6, 2, 1)),
        ((2, 3), (3, 2)),
        ((7, 1, 6, 1), (8, 1, 5)),
    ]
    compare(
        answer,
        reference,
        cases,
        {
            "aligned from the left? Shapes are compared from their last dimension": from_the_left,
            "the larger of the two, even where neither is 1? Then they may not meet": never_refuses,
            "the longer shape's leading dimensions are lost": short_one_decides,
            "a 1 may be stretched to any size": equal_only,
        },
    )


def masked_mean(answer: Callable) -> None:
    """`answer(x, mask)`: x (B, T, C), mask (B, T) of bools; the mean of the real tokens, (B, C)."""
    generator = torch.Generator().manual_seed(1)
    cases = []
    for lengths, T, C in (((3, 2), 4, 3), ((2, 5, 4), 5, 2)):
        x = torch.rand(len(lengths), T, C, generator=generator) + 0.5
        cases.append((x, torch.arange(T) < torch.tensor(lengths)[:, None]))

    def reference(x, mask):  # row by row: no broadcasting to get wrong
        return torch.stack([row[keep].mean(dim=0) for row, keep in zip(x, mask, strict=True)])

    compare(
        answer,
        reference,
        cases,
        {
            "the padding is in the mean": lambda x, mask: x.mean(dim=1),
            "divided by T? Divide by the number of real tokens of each sequence": lambda x, mask: (
                (x * mask[..., None]).sum(dim=1) / x.shape[1]
            ),
            "divided by the real tokens of the whole batch? Count them for each sequence": (
                lambda x, mask: (x * mask[..., None]).sum(dim=1) / mask.sum()
            ),
            "a sum, not a mean: divide by the number of real tokens": lambda x, mask: (
                x * mask[..., None]
            ).sum(dim=1),
            "one vector for all sequences? Keep B, sum over T only": lambda x, mask: x[mask].mean(
                0
            ),
            "a mean over C? dim=1 is T, dim=2 is C": lambda x, mask: (x * mask[..., None]).mean(2),
        },
    )


def tensor_bytes(answer: Callable) -> None:
    """`answer(shape, dtype)`: the bytes of such a tensor, from the shape and the dtype alone."""

    def reference(shape, dtype):
        return torch.empty(shape, dtype=dtype, device="meta").nbytes

    cases = [
        ((3, 5), torch.bfloat16),
        ((2, 7, 6), torch.int64),
        ((), torch.float64),
        ((32, 4096), torch.float32),
    ]
    compare(
        answer,
        reference,
        cases,
        {
            "that is elements: times the bytes of each": lambda shape, dtype: math.prod(shape),
            "bits, not bytes? dtype.itemsize is in bytes already": lambda shape, dtype: (
                math.prod(shape) * dtype.itemsize * 8
            ),
            "4 bytes each, whatever the dtype?": lambda shape, dtype: math.prod(shape) * 4,
            "the dimensions are added? Elements are their product": lambda shape, dtype: (
                sum(shape) * dtype.itemsize
            ),
            "only the first dimension is counted": lambda shape, dtype: shape[0] * dtype.itemsize,
        },
    )
