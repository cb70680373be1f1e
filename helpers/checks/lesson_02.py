"""Checks of lesson 02: the chain rule, a rule for the engine, a gradient through two matrices."""

import math

import torch

from helpers.checks import compare


def chain_slope(answer) -> None:
    """x → the slope of exp(−x²)."""
    compare(
        answer,
        lambda x: -2 * x * math.exp(-(x**2)),
        [(0.7,), (-1.3,), (1.9,)],
        {
            "the outer slope alone: multiply by the slope of the inside, -x**2": lambda x: math.exp(
                -(x**2)
            ),
            "the sign is lost: the inside is minus x**2": lambda x: 2 * x * math.exp(-(x**2)),
            "the slope of the inside stands in the exponent: take the outer slope at the inside's "
            "value, then multiply": lambda x: math.exp(-2 * x),
            "the inner slope alone: multiply by the slope of exp at -x**2": lambda x: -2 * x,
        },
    )


def divide_slopes(answer) -> None:
    """a, b → the slopes of a / b with respect to a and to b."""
    compare(
        answer,
        lambda a, b: (1 / b, -a / b**2),
        [(3.0, 4.0), (-1.5, 0.6), (2.2, -5.0)],
        {
            "the sign of b's slope: a larger b makes a / b smaller": lambda a, b: (1 / b, a / b**2),
            "swapped: a's slope comes first": lambda a, b: (-a / b**2, 1 / b),
            "these are the slopes of a × b": lambda a, b: (b, a),
            "b's slope falls with the square of b": lambda a, b: (1 / b, -a / b),
            "b's slope holds a too: moving b moves a / b more when a is large": lambda a, b: (
                1 / b,
                -1 / b**2,
            ),
        },
    )


def adapter_gradients(answer) -> None:
    """x (N, in), A (r, in), B (out, r), dy (N, out) → dA (r, in), dB (out, r)."""

    def reference(x, A, B, dy):
        A, B = (matrix.clone().requires_grad_() for matrix in (A, B))
        return torch.autograd.grad(x @ A.T @ B.T, (A, B), dy)

    def transposed(*case):
        return tuple(gradient.T for gradient in reference(*case))

    def averaged(x, A, B, dy):
        return tuple(gradient / len(x) for gradient in reference(x, A, B, dy))

    def not_through_B(x, A, B, dy):
        return dy[:, : len(A)].T @ x, dy.T @ (x @ A.T)

    def x_into_B(x, A, B, dy):
        return (dy @ B).T @ x, dy.T @ x

    compare(
        answer,
        reference,
        [_adapter_case(4, 3, 2, 5, seed=1), _adapter_case(6, 5, 3, 2, seed=2)],
        {
            "swapped: dA comes first": lambda *case: reference(*case)[::-1],
            "transposed: a gradient has the shape of its matrix": transposed,
            "averaged over the rows: dy holds the 1/N already, add the rows up": averaged,
            "dA has not passed through B: what arrives at A's output is dy @ B": not_through_B,
            "dB takes what comes into B, which is x @ A.T, not x": x_into_B,
        },
    )


def _adapter_case(n_rows, in_features, r, out_features, seed):
    shapes = (n_rows, in_features), (r, in_features), (out_features, r), (n_rows, out_features)
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
