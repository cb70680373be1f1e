"""The checks of lesson 08's exercises."""

import math

from helpers.checks import compare


def label_mask(answer) -> None:
    """answer(input_ids, n_prompt): labels with the prompt masked by -100."""
    compare(
        answer,
        lambda ids, n: [-100] * n + list(ids[n:]),
        [([0, 11, 12, 13, 89, 7, 1], 4), ([0, 5, 640, 1], 2)],
        {
            "the mask is on the completion: it is the prompt that carries no loss": lambda ids, n: (
                list(ids[:n]) + [-100] * (len(ids) - n)
            ),
            "0 is a token like any other: the value that carries no loss is -100": lambda ids, n: (
                [0] * n + list(ids[n:])
            ),
            "the labels are as long as input_ids: masked, not cut off": lambda ids, n: list(
                ids[n:]
            ),
            "shifted by one: the model shifts the labels itself": lambda ids, n: (
                [-100] * (n - 1) + list(ids[n:]) + [-100]
            ),
        },
    )


def optimizer_steps(answer) -> None:
    """answer(n_items, batch_size, accumulation, epochs): how often the optimizer steps."""
    ceil = math.ceil
    compare(
        answer,
        lambda n, b, a, e: e * ceil(ceil(n / b) / a),
        [(1000, 16, 3, 2), (4000, 16, 1, 1), (250, 12, 4, 3)],
        {
            "the last batch is short, not left out: round up": lambda n, b, a, e: e * (n // b // a),
            "batches, not steps: accumulation makes one step of several batches": lambda n, b, a, e: (
                e * ceil(n / b)
            ),
            "one epoch only: multiply by epochs": lambda n, b, a, e: ceil(ceil(n / b) / a),
            "accumulation makes fewer steps, not more": lambda n, b, a, e: e * ceil(n / b) * a,
            "whole steps: round up": lambda n, b, a, e: e * n / (b * a),
        },
    )


def median_price(answer) -> None:
    """answer(probabilities of shape (n,)): the smallest price with half of the belief at or below."""
    import torch

    compare(
        answer,
        lambda p: int((p.cumsum(0) < 0.5).sum()),
        [
            (torch.tensor([0.05, 0.30, 0.10, 0.10, 0.25, 0.20]),),
            (torch.tensor([0.40, 0.05, 0.10, 0.45]),),
        ],
        {
            "that is the most likely price, not the median": lambda p: int(p.argmax()),
            "that is the mean, not the median": lambda p: float((p * torch.arange(len(p))).sum()),
            "that is the mean, rounded": lambda p: round(float((p * torch.arange(len(p))).sum())),
            "off by one: a price with half at or below it counts": lambda p: (
                int((p.cumsum(0) < 0.5).sum()) - 1
            ),
            "the middle of the prices, whatever the belief": lambda p: len(p) // 2,
        },
    )
