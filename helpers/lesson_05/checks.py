"""Checks of lesson 5: accumulated gradients, AdamW's step, six curves to read."""

import math

import torch
import torch.nn.functional as F

from helpers.exercises import Check, Prediction
from helpers.limits import number, several, whole

KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    "walk_rates": several(number(0)),
    "model_rates": several(number(0), least=2),
    **dict.fromkeys(("n_moves", "n_steps", "n_epochs", "live_steps"), whole(1)),
    "n_few": whole(1, 4000),
    "challenge": (
        lambda x: isinstance(x, dict),
        'names and values in braces, such as {"steps": 60}',
    ),
}

# ---- accumulate(gradients, n_labels): gradients of mean losses, one a pass → that of the whole batch


def accumulate_right(gradients, n_labels):
    total = torch.zeros_like(gradients[0])
    for gradient, n in zip(gradients, n_labels, strict=True):
        total = total + gradient * n
    return total / sum(n_labels)


def mean_of_means(gradients, n_labels):
    """That is the mean of means: a pass with more labels has to weigh more."""
    return sum(gradients) / len(gradients)


def added_up(gradients, n_labels):
    """That adds them up: the loss is a mean, so divide by the number of labels in all."""
    return sum(gradients)


def not_divided(gradients, n_labels):
    """That is the gradient of the sum over all labels: divide by their number."""
    return sum(g * n for g, n in zip(gradients, n_labels, strict=True))


def divided_by_passes(gradients, n_labels):
    """Divided by the number of passes: the weights add up to the number of labels."""
    return not_divided(gradients, n_labels) / len(gradients)


def weighed_the_wrong_way(gradients, n_labels):
    """The weights are the wrong way round: each gradient is a mean already, so multiply by n."""
    return sum(g / n for g, n in zip(gradients, n_labels, strict=True)) * sum(n_labels)


def divided_by_labels(gradients, n_labels):
    """Each is divided by its number of labels, which its mean has done already: multiply."""
    return sum(g / n for g, n in zip(gradients, n_labels, strict=True))


def the_last_pass(gradients, n_labels):
    """That is the last pass alone: `.grad` has to keep what the earlier ones gave."""
    return gradients[-1].clone()


accumulate = Check(
    reference=accumulate_right,
    cases=[
        ([torch.tensor([1.0, -2.0, 0.5]), torch.tensor([3.0, 1.0, -1.0])], [30, 10]),
        (
            [torch.tensor([[0.5, 2.0]]), torch.tensor([[-1.5, 4.0]]), torch.tensor([[2.5, 1.0]])],
            [4, 4, 1],
        ),
        ([torch.tensor([0.25, -3.0])], [7]),
        (
            [torch.tensor([[1.0, -4.0], [2.0, 0.5], [3.0, -1.0]]) * i for i in (1, -2, 5)],
            [4, 30, 12],
        ),
    ],
    mistakes=[
        mean_of_means,
        added_up,
        not_divided,
        divided_by_passes,
        weighed_the_wrong_way,
        divided_by_labels,
        the_last_pass,
    ],
    notice="With equal numbers of labels this is the plain mean, which is why the slip hides so well.",
)


# ---- adamw_step(w, g, m, v, t, lr, weight_decay): tensors of one shape → (w, m, v) after step t


def _adamw(
    w, g, m, v, t, lr, weight_decay, *, betas=(0.9, 0.999), square=2, corrected=True, root=True,
    decay="apart", sign=1, late=0, old=False, added=1e-8, added_inside=0.0
):  # fmt: skip
    """AdamW's step; each option makes one slip."""
    if decay == "gradient":
        g = g + weight_decay * w
    m_new = betas[0] * m + (1 - betas[0]) * g
    v_new = betas[1] * v + (1 - betas[1]) * g**square
    m_used, v_used = (m, v) if old else (m_new, v_new)
    if corrected:
        m_used = m_used / (1 - betas[0] ** (t + late))
        v_used = v_used / (1 - betas[1] ** (t + late))
    v_used = v_used + added_inside
    step = sign * lr * m_used / ((v_used**0.5 if root else v_used) + added)
    if decay == "last":
        return (w - step) * (1 - lr * weight_decay), m_new, v_new
    shrink = {"apart": 1 - lr * weight_decay, "full": 1 - weight_decay}.get(decay, 1.0)
    return shrink * w - step, m_new, v_new


def adamw_right(w, g, m, v, t, lr, weight_decay):
    return _adamw(w, g, m, v, t, lr, weight_decay)


def uncorrected(*case):
    """The means start at zero and are too small at first: divide by 1 − beta to the power t."""
    return _adamw(*case, corrected=False)


def rootless(*case):
    """The root is missing: v is a mean of squares, and its root is a length."""
    return _adamw(*case, root=False)


def decay_in_the_gradient(*case):
    """That adds the decay to the gradient, as Adam does: AdamW shrinks the weight apart from it."""
    return _adamw(*case, decay="gradient")


def decay_forgotten(*case):
    """The weight does not decay: multiply it by 1 − lr × weight_decay."""
    return _adamw(*case, decay="none")


def decay_without_lr(*case):
    """The decay is too strong: it is lr × weight_decay."""
    return _adamw(*case, decay="full")


def decay_after_the_step(*case):
    """The step decays too: shrink the weight first, then subtract the step."""
    return _adamw(*case, decay="last")


def uphill(*case):
    """That walks uphill: subtract the step."""
    return _adamw(*case, sign=-1)


def betas_swapped(*case):
    """The betas are swapped: 0.9 is for the gradients and 0.999 for their squares."""
    return _adamw(*case, betas=(0.999, 0.9))


def old_and_new_swapped(*case):
    """The means forget too fast: β is the share of the old mean, 1 − β that of the new value."""
    return _adamw(*case, betas=(0.1, 0.001))


def not_squared(*case):
    """v is a mean of gradients here: take their squares."""
    return _adamw(*case, square=1)


def counted_from_zero(*case):
    """The power is one too high: t is 1 at the first step already."""
    return _adamw(*case, late=1)


def power_too_low(*case):
    """The power is one too low: t is 1 at the first step, so t - 1 divides by 0 there."""
    return _adamw(*case, late=-1)


def old_means(*case):
    """That steps with the old means: put the new gradient into m and v first."""
    return _adamw(*case, old=True)


def nothing_added(*case):
    """1e-8 is missing beside √v: where all gradients are 0, that divides 0 by 0."""
    return _adamw(*case, added=0.0)


def added_under_the_root(*case):
    """1e-8 is added under the root, where it counts as 1e-4: take the root first."""
    return _adamw(*case, added=0.0, added_inside=1e-8)


def w_alone(*case):
    """That is w alone: return w, m and v, or the next step starts without a memory."""
    return _adamw(*case)[0]


def corrected_means_kept(w, g, m, v, t, lr, weight_decay):
    """m and v are returned corrected: the correction is for this step only."""
    w, m, v = _adamw(w, g, m, v, t, lr, weight_decay)
    return w, m / (1 - 0.9**t), v / (1 - 0.999**t)


def _step(w, g, m, v, t, lr, weight_decay):
    w, g, m, v = (torch.tensor(row) for row in (w, g, m, v))
    return w, g, m, v, t, lr, weight_decay


adamw_step = Check(
    reference=adamw_right,
    cases=[
        _step([0.5, -2.0, 1.5], [0.3, 0.1, -4.0], [0.1, -0.2, 0.5], [0.04, 0.25, 2.0], 3, 0.1, 0.2),
        _step([1.0, -3.0], [0.02, -5.0], [0.0, 0.0], [0.0, 0.0], 1, 0.01, 0.5),
        _step([[2.0], [-0.25]], [[0.6], [0.2]], [[-0.3], [0.1]], [[0.5], [0.3]], 40, 0.05, 0.1),
        # so late that the correction is 1: here 1e-8 counts, before the correction or after it
        _step([0.5, -0.25], [3e-8, -1e-4], [2e-8, 5e-5], [4e-16, 1e-8], 20_000, 0.1, 0.1),
        _step([0.5, -0.25, 1.0], [0.0, 0.5, -2.0], [0.0] * 3, [0.0] * 3, 1, 0.1, 0.1),
    ],
    mistakes=[
        uncorrected,
        rootless,
        decay_in_the_gradient,
        decay_forgotten,
        decay_without_lr,
        decay_after_the_step,
        uphill,
        betas_swapped,
        old_and_new_swapped,
        not_squared,
        counted_from_zero,
        power_too_low,
        old_means,
        nothing_added,
        added_under_the_root,
        w_alone,
        corrected_means_kept,
    ],
    notice="The length of the gradient has dropped out: only its sign and its steadiness are left.",
)


# ---- diagnoses: six letters, the diagnosis of each of the six curves


def _random(*shape, seed):
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=chance) / shape[1] ** 0.5


def _items(n, seed):
    """Inputs (n, 32) and labels (n, 1) from a small network and noise."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 32, generator=chance)
    y = torch.tanh(x @ (2 * _random(16, 32, seed=0)).T) @ _random(1, 16, seed=5).T
    return x, y + 0.6 * torch.randn(n, 1, generator=chance)


def _loss(weights, x, y):
    return F.mse_loss(torch.tanh(x @ weights[0].T) @ weights[1].T, y)


def _training(optimizer, lr, n_items=2048, falling=False, sorted_items=False, n_steps=100):
    """(training, validation) losses of a small network, one of each a step."""
    weights = [_random(128, 32, seed=0), _random(1, 128, seed=1)]
    weights = [weight.requires_grad_() for weight in weights]
    optimizer, chance = optimizer(weights, lr), torch.Generator().manual_seed(3)
    (x, y), held_out = _items(n_items, seed=1), _items(256, seed=2)
    if sorted_items:
        x, y = x[y[:, 0].argsort()], y[y[:, 0].argsort()]
    training, validation = [], []
    for step in range(n_steps):
        if falling:
            optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / n_steps)) / 2
        with torch.no_grad():
            validation.append(_loss(weights, *held_out).item())
        size = min(64, n_items)
        chosen = torch.randint(n_items, (size,), generator=chance)
        if sorted_items:
            chosen = torch.arange(step * size, (step + 1) * size) % n_items
        loss = _loss(weights, x[chosen], y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        training.append(loss.item())
    return training, validation


def six_trainings():
    """Six trainings of one small network: (training, validation) losses, one of each a step."""
    adamw, sgd = torch.optim.AdamW, torch.optim.SGD
    return [
        _training(adamw, 1e-3, n_items=40),
        _training(adamw, 1e-4),
        _training(adamw, 1e-2, falling=True),
        _training(sgd, 0.35),
        _training(adamw, 1e-2, sorted_items=True),
        _training(adamw, 0.1),
    ]


def diagnoses_right():
    return "ebadfc"


def slow_taken_for_fine():
    """Curve 2 still falls at the end, and slowly: who would stop there? Curve 3 has settled."""
    return "eabdfc"


def large_taken_for_fine():
    """Curves 3 and 6 both settle, but one was thrown about first and settles higher."""
    return "ebcdfa"


def waves_taken_for_a_large_rate():
    """Curve 5 has waves of one length, curve 6 has wild jumps at first: what has a period?"""
    return "ebadcf"


def overfitting_missed():
    """In curve 1 the two lines part and the dashed one rises; in curve 3 they stay together."""
    return "abedfc"


def large_taken_for_diverging():
    """Curve 6 comes back from its jumps: a loss that diverges does not."""
    return "ebacfd"


def in_the_order_of_the_list():
    """That is the list in its own order: give the letter of curve 1 first, then that of curve 2."""
    return "abcdef"


def in_capitals():
    """The letters are right: write them small."""
    return "EBADFC"


def letters_of_the_list():
    """That says which curve each letter has: say which letter each curve has."""
    return "326415"


diagnoses = Check(
    reference=diagnoses_right,
    cases=[()],
    mistakes=[
        slow_taken_for_fine,
        large_taken_for_fine,
        waves_taken_for_a_large_rate,
        overfitting_missed,
        large_taken_for_diverging,
        in_the_order_of_the_list,
        in_capitals,
        letters_of_the_list,
    ],
    notice="A cure for each: fewer epochs, a higher rate, none, a far lower rate, shuffling, a "
    "lower rate.",
)

# what the learner predicts, in the lesson's order
edge = Prediction(near=1.05)
