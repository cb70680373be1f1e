"""Checks of lesson 2: a nudge to both sides, the chain rule, division, two matrices in a row."""

import math

import torch

from helpers.exercises import Check, Prediction
from helpers.limits import number, whole

KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    **dict.fromkeys(("x0", "x_value", "w_value", "b_value"), number(-50, 50)),
    "nudge": number(0, 1),
    "label": whole(0, 1),
    **dict.fromkeys(("n_points", "hidden", "n_steps"), whole(1)),
    **dict.fromkeys(("learning_rate", "seconds_per_pass"), number(0)),
}

# ---- both_sides(f, x, epsilon): the slope of f at x, by a nudge to each side; a number


def both_sides_right(f, x, epsilon):
    return ((f(x + epsilon) - f(x)) + (f(x) - f(x - epsilon))) / (2 * epsilon)


def to_the_right_only(f, x, epsilon):
    """That nudges to the right only: the other end is f(x - epsilon)."""
    return (f(x + epsilon) - f(x)) / epsilon


def to_the_left_only(f, x, epsilon):
    """That nudges to the left only: the other end is f(x + epsilon)."""
    return (f(x) - f(x - epsilon)) / epsilon


def divided_by_one_epsilon(f, x, epsilon):
    """From x - epsilon to x + epsilon it is twice epsilon: divide by 2 * epsilon."""
    return (f(x + epsilon) - f(x - epsilon)) / epsilon


def brackets_below(f, x, epsilon):
    """Python reads `/ 2 * epsilon` from the left: divide by 2, times epsilon. Write
    `/ (2 * epsilon)`."""
    return (f(x + epsilon) - f(x - epsilon)) / 2 * epsilon


def brackets_above(f, x, epsilon):
    """Only the second value is divided: put the difference in brackets."""
    return f(x + epsilon) - f(x - epsilon) / (2 * epsilon)


def left_minus_right(f, x, epsilon):
    """The sign is turned round: take the value on the right minus the value on the left."""
    return (f(x - epsilon) - f(x + epsilon)) / (2 * epsilon)


def not_divided(f, x, epsilon):
    """That is how far y moved: divide it by how far x moved."""
    return f(x + epsilon) - f(x - epsilon)


def steepness(f, x, epsilon):
    """The sign is lost: a function that falls has a negative slope."""
    return abs(f(x + epsilon) - f(x - epsilon)) / (2 * epsilon)


def x_forgotten(f, x, epsilon):
    """That is the slope at 0: nudge x."""
    return (f(epsilon) - f(-epsilon)) / (2 * epsilon)


def ends_added(f, x, epsilon):
    """The two ends are added: take the value on the right minus the value on the left."""
    return (f(x + epsilon) + f(x - epsilon)) / (2 * epsilon)


both_sides = Check(
    reference=both_sides_right,
    cases=[
        (math.exp, 1.0, 0.5),
        (math.sin, -0.4, 0.3),
        (math.sqrt, 2.0, 0.001),
        (math.cos, 2.0, 0.25),
        (math.exp, 0.0, 0.5),
        (math.exp, 1, 2),
    ],
    mistakes=[
        to_the_right_only,
        to_the_left_only,
        divided_by_one_epsilon,
        brackets_below,
        brackets_above,
        left_minus_right,
        not_divided,
        steepness,
        x_forgotten,
        ends_added,
    ],
    notice="The errors of the two sides nearly cancel: at a nudge of 0.001, x² gives 6.000, not 6.001.",
)


# ---- chain_slope(x): the slope of exp(−x²) at x; a number


def chain_right(x):
    return -2 * x / math.exp(x**2)


def outer_alone(x):
    """That is the outer slope alone: multiply it by the slope of the inside, -x**2."""
    return math.exp(-(x**2))


def sign_lost(x):
    """The sign is lost: the inside is minus x**2, so its slope is -2 * x."""
    return 2 * x * math.exp(-(x**2))


def inner_alone(x):
    """That is the inner slope alone: multiply it by the slope of exp at -x**2."""
    return -2 * x


def slope_in_the_exponent(x):
    """The inner slope is in the exponent: take the outer slope at -x**2, then multiply."""
    return math.exp(-2 * x)


def outer_at_x(x):
    """The outer slope is taken at x: take it at -x**2, which is what exp was given."""
    return math.exp(x) * -2 * x


def outer_at_minus_x(x):
    """The outer slope is taken at -x: take it at -x**2, which is what exp was given."""
    return math.exp(-x) * -2 * x


def outer_at_the_inner_slope(x):
    """The outer slope is taken at -2 * x: take it at -x**2, which is what exp was given."""
    return math.exp(-2 * x) * -2 * x


def minus_squared_too(x):
    """The minus was squared too: `(-x) ** 2` is x², `-(x**2)` is −x²."""
    return math.exp((-x) ** 2) * -2 * x


def times_the_inside(x):
    """That multiplies by the inside, -x**2, and not by the slope of the inside."""
    return -(x**2) * math.exp(-(x**2))


def exponent_brought_down(x):
    """The rule for x² does not hold for exp: its slope is exp again, with the same exponent."""
    return -(x**2) * math.exp(-(x**2) - 1) * -2 * x


def power_rule_alone(x):
    """The rule for x² does not hold for exp: its slope is exp again, times the inner slope."""
    return -(x**2) * math.exp(-(x**2) - 1)


def x_missing(x):
    """The slope of -x**2 is -2 * x, not -2."""
    return -2 * math.exp(-(x**2))


def slopes_added(x):
    """The two slopes are added: one function after the other multiplies them."""
    return math.exp(-(x**2)) - 2 * x


def falls_everywhere(x):
    """Left of 0 the bell rises: the slope has the sign of -x."""
    return -2 * abs(x) * math.exp(-(x**2))


def square_halved(x):
    """The slope of x² is 2 * x: a factor of 2 is missing."""
    return -x * math.exp(-(x**2))


chain_slope = Check(
    reference=chain_right,
    cases=[(0.7,), (-1.3,), (1.9,), (0.0,), (1,), (-2,), (0.01,)],
    mistakes=[
        outer_alone,
        sign_lost,
        inner_alone,
        slope_in_the_exponent,
        outer_at_x,
        outer_at_minus_x,
        outer_at_the_inner_slope,
        minus_squared_too,
        times_the_inside,
        exponent_brought_down,
        power_rule_alone,
        x_missing,
        slopes_added,
        falls_everywhere,
        square_halved,
    ],
    notice="At x = 0 the slope is 0: the top of the bell.",
)


# ---- divide_slopes(a, b): the slopes of a / b with respect to a and to b; two numbers


def divide_right(a, b):
    return b**-1, -a * b**-2


def sign_of_b(a, b):
    """The sign of b's slope is wrong: a larger b makes a / b smaller."""
    return 1 / b, a / b**2


def slopes_swapped(a, b):
    """The two are swapped: a's slope comes first."""
    return -a / b**2, 1 / b


def of_a_product(a, b):
    """These are the slopes of a × b."""
    return b, a


def of_the_inverse(a, b):
    """b's slope holds a too: the larger a is, the more a / b moves with b."""
    return 1 / b, -1 / b**2


def b_not_squared(a, b):
    """The slope of b⁻¹ is −b⁻²: b's slope falls with the square of b."""
    return 1 / b, -a / b


def exponent_went_up(a, b):
    """The exponent goes down by one: from −1 to −2, not to 0. And Python reads `-a / b * b` from the
    left, which is -a."""
    return 1 / b, -a


def roles_turned_round(a, b):
    """In b's slope a and b have changed places: it is b that divides, squared."""
    return 1 / b, -b / a**2


def b_as_if_above(a, b):
    """1 / a would be the slope of b / a: here b is below the line."""
    return 1 / b, 1 / a


def a_slope_holds_a(a, b):
    """a's slope does not hold a: each step of a moves a / b by the same 1 / b."""
    return a / b, -a / b**2


def whole_division(a, b):
    """The operator // drops the fraction: use /."""
    return 1 // b, -a // b**2


def cubed(a, b):
    """The exponent goes down by one: from -1 to -2, not to -3."""
    return 1 / b, -a / b**3


def result_too(a, b):
    """Only the two slopes are wanted, not a / b itself."""
    return a / b, 1 / b, -a / b**2


divide_slopes = Check(
    reference=divide_right,
    cases=[(3.0, 4.0), (-1.5, 0.6), (2.2, -5.0), (0.0, 2.0), (2, 3), (5, -2)],
    mistakes=[
        whole_division,
        cubed,
        result_too,
        sign_of_b,
        slopes_swapped,
        of_a_product,
        of_the_inverse,
        b_not_squared,
        exponent_went_up,
        roles_turned_round,
        b_as_if_above,
        a_slope_holds_a,
    ],
    notice="Two slopes are all that an engine needs to know about an operation.",
)


# ---- two_matrix_gradients(x, A, B, dy): x (N, in), A (r, in), B (out, r), dy (N, out)
# ---- → dA (r, in), dB (out, r)


def two_matrices_right(x, A, B, dy):
    A, B = (matrix.clone().requires_grad_() for matrix in (A, B))
    return torch.autograd.grad(x @ A.T @ B.T, (A, B), dy)


def matrices_swapped(x, A, B, dy):
    """The two are swapped: dA comes first."""
    return two_matrices_right(x, A, B, dy)[::-1]


def both_transposed(x, A, B, dy):
    """Both are transposed: a gradient has the shape of its matrix."""
    dA, dB = two_matrices_right(x, A, B, dy)
    return dA.T, dB.T


def dA_transposed(x, A, B, dy):
    """dA is transposed: it has the shape of A, (r, in)."""
    dA, dB = two_matrices_right(x, A, B, dy)
    return dA.T, dB


def dB_transposed(x, A, B, dy):
    """dB is transposed: it has the shape of B, (out, r)."""
    dA, dB = two_matrices_right(x, A, B, dy)
    return dA, dB.T


def averaged(x, A, B, dy):
    """That averages over the rows: dy holds the 1 / N already, so add the rows up."""
    dA, dB = two_matrices_right(x, A, B, dy)
    return dA / len(x), dB / len(x)


def not_through_B(x, A, B, dy):
    """dA has not gone back through B: what arrives at A's output is dy @ B."""
    return dy.T @ x, dy.T @ (x @ A.T)


def x_into_B(x, A, B, dy):
    """dB takes what came into B, which is x @ A.T and not x."""
    return (dy @ B).T @ x, dy.T @ x


def ones_for_dy(x, A, B, dy):
    """That ignores dy: the gradient that arrives at y is where the walk back begins."""
    return two_matrices_right(x, A, B, torch.ones_like(dy))


def y_for_dy(x, A, B, dy):
    """That sends y itself back: the walk back begins with dy."""
    return two_matrices_right(x, A, B, x @ A.T @ B.T)


def steps(x, A, B, dy):
    """The sign is turned round: those are the steps, and the gradients point the other way."""
    dA, dB = two_matrices_right(x, A, B, dy)
    return -dA, -dB


def reshaped(x, A, B, dy):
    """A reshape does not transpose: turn dA round with .T."""
    dA, dB = two_matrices_right(x, A, B, dy)
    return dA.T.reshape(dA.shape), dB


def first_row_alone(x, A, B, dy):
    """That is the first row alone: add up the gradients of all rows."""
    return two_matrices_right(x[:1], A, B, dy[:1])


def _tensors(n_rows, in_features, r, out_features, seed):
    shapes = (n_rows, in_features), (r, in_features), (out_features, r), (n_rows, out_features)
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


two_matrix_gradients = Check(
    reference=two_matrices_right,
    cases=[
        _tensors(4, 3, 2, 5, seed=1),
        _tensors(6, 5, 3, 2, seed=2),
        _tensors(1, 4, 1, 3, seed=3),
        _tensors(3, 3, 3, 3, seed=4),
    ],
    mistakes=[
        matrices_swapped,
        both_transposed,
        dA_transposed,
        dB_transposed,
        averaged,
        not_through_B,
        x_into_B,
        ones_for_dy,
        y_for_dy,
        steps,
        reshaped,
        first_row_alone,
    ],
    notice="While B is all zeros, dA is all zeros too: only B moves in the first step.",
)

# what the learner predicts, in the lesson's order
growth = Prediction(near=1.2)
passes = Prediction(near=1.1)
