"""Answers to the exercises of lesson 5: what a learner may well write, wrong and right."""

import numpy as np
import torch

# Exercise 1: accumulate(gradients, n_labels)


def accumulate_two_passes(gradients, n_labels):
    """Written for two passes."""
    total = gradients[0] * n_labels[0] + gradients[1] * n_labels[1]
    return total / (n_labels[0] + n_labels[1])


def accumulate_by_count(gradients, n_labels):
    """A dict by count: of two passes with as many labels, one is lost."""
    by_count = dict(zip(n_labels, gradients, strict=True))
    return sum(gradient * n for n, gradient in by_count.items()) / sum(n_labels)


def accumulate_softmax(gradients, n_labels):
    """The shares are a softmax of the counts."""
    shares = torch.tensor(n_labels).float().softmax(0)
    return sum(gradient * share for gradient, share in zip(gradients, shares, strict=True))


def accumulate_sorted(gradients, n_labels):
    """The counts are sorted, the gradients are not."""
    pairs = zip(gradients, sorted(n_labels), strict=True)
    return sum(gradient * n for gradient, n in pairs) / sum(n_labels)


def accumulate_longest_first(gradients, n_labels):
    """The counts are sorted the other way round."""
    pairs = zip(gradients, sorted(n_labels, reverse=True), strict=True)
    return sum(gradient * n for gradient, n in pairs) / sum(n_labels)


def accumulate_divided_twice(gradients, n_labels):
    """Divided by the number of passes as well."""
    total = sum(gradient * n for gradient, n in zip(gradients, n_labels, strict=True))
    return total / sum(n_labels) / len(gradients)


def accumulate_whole_shares(gradients, n_labels):
    """Shares divided without a remainder: all of them are 0, but that of a single pass."""
    total = sum(n_labels)
    return sum(gradient * (n // total) for gradient, n in zip(gradients, n_labels, strict=True))


def accumulate_one_number(gradients, n_labels):
    """Averages the elements away as well."""
    total = sum(gradient * n for gradient, n in zip(gradients, n_labels, strict=True))
    return total.mean() / sum(n_labels)


def accumulate_matrices(gradients, n_labels):
    """Works for gradients with two dimensions only."""
    weighed = torch.einsum("pij,p->ij", torch.stack(gradients), torch.tensor(n_labels).float())
    return weighed / sum(n_labels)


def accumulate_vectors(gradients, n_labels):
    """Works for gradients with one dimension only."""
    counts = torch.tensor(n_labels)[:, None]
    return (torch.stack(gradients) * counts).sum(0) / counts.sum()


def accumulate_last_dimension(gradients, n_labels):
    """The counts are multiplied along the last dimension, not along the passes."""
    counts = torch.tensor(n_labels)
    return (torch.stack(gradients) * counts).sum(0) / counts.sum()


def accumulate_rounded(gradients, n_labels):
    """The shares are rounded to two digits."""
    total = sum(n_labels)
    pairs = zip(gradients, n_labels, strict=True)
    return sum(gradient * round(n / total, 2) for gradient, n in pairs)


def accumulate_running(gradients, n_labels):
    """A running mean of two: the last pass has half of the weight."""
    mean = gradients[0]
    for gradient in gradients[1:]:
        mean = (mean + gradient) / 2
    return mean


def accumulate_rare_first(gradients, n_labels):
    """Weighed by one over the count."""
    shares = [1 / n for n in n_labels]
    pairs = zip(gradients, shares, strict=True)
    return sum(gradient * share for gradient, share in pairs) / sum(shares)


def accumulate_most_labels(gradients, n_labels):
    """Divided by the largest count."""
    total = sum(gradient * n for gradient, n in zip(gradients, n_labels, strict=True))
    return total / max(n_labels)


def accumulate_without_first(gradients, n_labels):
    """Starts with the first gradient, which is never multiplied by its count."""
    total = gradients[0]
    for gradient, n in zip(gradients[1:], n_labels[1:], strict=True):
        total = total + gradient * n
    return total / sum(n_labels)


def right_accumulate_loop(gradients, n_labels):
    total = torch.zeros_like(gradients[0])
    for i in range(len(gradients)):
        total += n_labels[i] / sum(n_labels) * gradients[i]
    return total


def right_accumulate_einsum(gradients, n_labels):
    shares = torch.tensor(n_labels) / sum(n_labels)
    return torch.einsum("p...,p->...", torch.stack(gradients), shares)


def right_accumulate_view(gradients, n_labels):
    stacked = torch.stack(gradients)
    counts = torch.tensor(n_labels).view(-1, *[1] * gradients[0].dim())
    return (stacked * counts).sum(0) / counts.sum()


def right_accumulate_tensordot(gradients, n_labels):
    counts = torch.tensor(n_labels, dtype=torch.float32)
    return torch.tensordot(counts / counts.sum(), torch.stack(gradients), dims=1)


def right_accumulate_numpy(gradients, n_labels):
    stacked = np.stack([gradient.numpy() for gradient in gradients])
    return torch.from_numpy(np.average(stacked, axis=0, weights=n_labels)).float()


def right_accumulate_repeated(gradients, n_labels):
    each_label = [g for g, n in zip(gradients, n_labels, strict=True) for _ in range(n)]
    return torch.stack(each_label).mean(0)


# Exercise 2: adamw_step(w, g, m, v, t, lr, weight_decay)


def moments(g, m, v):
    return 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2


def adamw_exponential_decay(w, g, m, v, t, lr, weight_decay):
    """Shrinks by exp(−lr · weight_decay)."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    shrunk = w * np.exp(-lr * weight_decay)
    return shrunk - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


def adamw_epsilon_in_root(w, g, m, v, t, lr, weight_decay):
    """Adds 1e-8 under the root."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat + 1e-8).sqrt(), m, v


def adamw_no_epsilon(w, g, m, v, t, lr, weight_decay):
    """Divides 0 by 0 where the gradient has always been 0."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / v_hat.sqrt(), m, v


def adamw_clamped(w, g, m, v, t, lr, weight_decay):
    """Takes the larger of √v and 1e-8 instead of their sum."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / v_hat.sqrt().clamp(min=1e-8), m, v


def adamw_large_epsilon(w, g, m, v, t, lr, weight_decay):
    """Adds 1e-6."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat.sqrt() + 1e-6), m, v


def adamw_times_t(w, g, m, v, t, lr, weight_decay):
    """Corrects by 1 − β·t."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9 * t), v / (1 - 0.999 * t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat.abs().sqrt() + 1e-8), m, v


def adamw_always_first(w, g, m, v, t, lr, weight_decay):
    """Corrects every step as the first one."""
    m, v = moments(g, m, v)
    return w * (1 - lr * weight_decay) - lr * (m / 0.1) / ((v / 0.001).sqrt() + 1e-8), m, v


def adamw_corrects_root(w, g, m, v, t, lr, weight_decay):
    """Corrects v after the root."""
    m, v = moments(g, m, v)
    root = v.sqrt() / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * (m / (1 - 0.9**t)) / (root + 1e-8), m, v


def adamw_corrects_m_only(w, g, m, v, t, lr, weight_decay):
    """Corrects m and leaves v as it is."""
    m, v = moments(g, m, v)
    return w * (1 - lr * weight_decay) - lr * (m / (1 - 0.9**t)) / (v.sqrt() + 1e-8), m, v


def adamw_mixed_shares(w, g, m, v, t, lr, weight_decay):
    """0.9 of the new gradient and 0.1 of the old mean."""
    m, v = 0.1 * m + 0.9 * g, 0.001 * v + 0.999 * g**2
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


def adamw_absolute_gradient(w, g, m, v, t, lr, weight_decay):
    """v is a mean of absolute values."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g.abs()
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


def adamw_other_order(w, g, m, v, t, lr, weight_decay):
    """Returns v before m."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat.sqrt() + 1e-8), v, m


def adamw_forgets(w, g, m, v, t, lr, weight_decay):
    """The means start at 0 in every step."""
    m, v = 0.1 * g, 0.001 * g**2
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


def adamw_one_mean_square(w, g, m, v, t, lr, weight_decay):
    """One mean square for the whole tensor."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * (g**2).mean()
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w * (1 - lr * weight_decay) - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


def adamw_decay_times_step(w, g, m, v, t, lr, weight_decay):
    """Shrinks the step instead of the weight."""
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w - (1 - lr * weight_decay) * lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


def library_step(w, g, m, v, t, optimizer=torch.optim.AdamW, **options):
    """The library's own step, with the state put in."""
    weight = torch.nn.Parameter(w.clone())
    weight.grad = g.clone()
    optimizer = optimizer([weight], **options)
    optimizer.state[weight] = {
        "step": torch.tensor(float(t - 1)),
        "exp_avg": m.clone(),
        "exp_avg_sq": v.clone(),
    }
    optimizer.step()
    state = optimizer.state[weight]
    return weight.detach(), state["exp_avg"], state["exp_avg_sq"]


def right_adamw_library(w, g, m, v, t, lr, weight_decay):
    return library_step(w, g, m, v, t, lr=lr, weight_decay=weight_decay)


def right_adamw_lerp(w, g, m, v, t, lr, weight_decay):
    m = torch.lerp(m, g, 0.1)
    v = torch.lerp(v, g.square(), 0.001)
    step = (m / (1 - 0.9**t)) / (torch.sqrt(v / (1 - 0.999**t)) + 1e-8)
    w = w - lr * weight_decay * w
    return [w - lr * step, m, v]


def right_adamw_in_place(w, g, m, v, t, lr, weight_decay):
    m.mul_(0.9).add_(g, alpha=0.1)
    v.mul_(0.999).addcmul_(g, g, value=0.001)
    w.mul_(1 - lr * weight_decay)
    w.addcdiv_(m / (1 - 0.9**t), (v / (1 - 0.999**t)).sqrt().add_(1e-8), value=-lr)
    return w, m, v


def right_adamw_numpy(w, g, m, v, t, lr, weight_decay):
    w, g, m, v = (tensor.numpy().astype(np.float64) for tensor in (w, g, m, v))
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * np.square(g)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    w = w - w * lr * weight_decay - lr * m_hat / (np.sqrt(v_hat) + 1e-8)
    return tuple(torch.from_numpy(array).float() for array in (w, m, v))


def right_adamw_by_element(w, g, m, v, t, lr, weight_decay):
    found = []
    flat = (tensor.flatten().tolist() for tensor in (w, g, m, v))
    for w_i, g_i, m_i, v_i in zip(*flat, strict=True):
        m_i = 0.9 * m_i + 0.1 * g_i
        v_i = 0.999 * v_i + 0.001 * g_i**2
        step = m_i / (1 - 0.9**t) / ((v_i / (1 - 0.999**t)) ** 0.5 + 1e-8)
        found.append((w_i * (1 - lr * weight_decay) - lr * step, m_i, v_i))
    return tuple(torch.tensor(column).reshape(w.shape) for column in zip(*found, strict=True))


def right_adamw_root_of_v(w, g, m, v, t, lr, weight_decay):
    """Adds 1e-8 to the root before its correction, as the task may be read."""
    m, v = moments(g, m, v)
    root = (v.sqrt() + 1e-8) / (1 - 0.999**t) ** 0.5
    return w * (1 - lr * weight_decay) - lr * (m / (1 - 0.9**t)) / root, m, v


# Exercise 3: six letters


def right_diagnoses_function():
    return "ebadfc"


WRONG = {
    "accumulate": [
        accumulate_two_passes,
        accumulate_by_count,
        accumulate_softmax,
        accumulate_sorted,
        accumulate_longest_first,
        accumulate_divided_twice,
        accumulate_whole_shares,
        accumulate_one_number,
        accumulate_matrices,
        accumulate_vectors,
        accumulate_last_dimension,
        accumulate_rounded,
        accumulate_running,
        accumulate_rare_first,
        accumulate_most_labels,
        accumulate_without_first,
    ],
    "adamw_step": [
        adamw_exponential_decay,
        adamw_epsilon_in_root,
        adamw_no_epsilon,
        adamw_clamped,
        adamw_large_epsilon,
        adamw_times_t,
        adamw_always_first,
        adamw_corrects_root,
        adamw_corrects_m_only,
        adamw_mixed_shares,
        adamw_absolute_gradient,
        adamw_other_order,
        adamw_forgets,
        adamw_one_mean_square,
        adamw_decay_times_step,
    ],
    "diagnoses": [
        "cbadfe",
        "ebafdc",
        "ebdafc",
        "fbadec",
        "ebadf",  # five letters
        "ebadfcc",
        "ebaefc",  # a letter twice
        "cfdabe",  # from the last curve to the first
        "bfadce",  # the curve of each diagnosis, not the diagnosis of each curve
    ],
}

RIGHT = {
    "accumulate": [
        right_accumulate_loop,
        right_accumulate_einsum,
        right_accumulate_view,
        right_accumulate_tensordot,
        right_accumulate_numpy,
        right_accumulate_repeated,
    ],
    "adamw_step": [
        right_adamw_library,
        right_adamw_lerp,
        right_adamw_in_place,
        right_adamw_numpy,
        right_adamw_by_element,
        right_adamw_root_of_v,
    ],
    "diagnoses": [
        "ebadfc",
        "".join(["e", "b", "a", "d", "f", "c"]),
        right_diagnoses_function,
        np.str_("ebadfc"),
    ],
}

# The named mistakes of checks.py, from their sentences


def named_not_divided(gradients, n_labels):
    each_label = [g for g, n in zip(gradients, n_labels, strict=True) for _ in range(n)]
    return torch.stack(each_label).sum(0)


def named_weighed_the_wrong_way(gradients, n_labels):
    weights = [sum(n_labels) / n for n in n_labels]
    return torch.tensordot(torch.tensor(weights), torch.stack(gradients), dims=1)


def named_the_last_pass(gradients, n_labels):
    for gradient, n in zip(gradients, n_labels, strict=True):
        total = gradient * n / n
    return total


def named_uncorrected(w, g, m, v, t, lr, weight_decay):
    m, v = moments(g, m, v)
    return w - lr * weight_decay * w - lr * m / (v.sqrt() + 1e-8), m, v


def named_rootless(w, g, m, v, t, lr, weight_decay):
    m, v = moments(g, m, v)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w - lr * weight_decay * w - lr * m_hat / (v_hat + 1e-8), m, v


def named_decay_after_the_step(w, g, m, v, t, lr, weight_decay):
    w, m, v = library_step(w, g, m, v, t, lr=lr, weight_decay=0)
    return w - lr * weight_decay * w, m, v


def named_not_squared(w, g, m, v, t, lr, weight_decay):
    m, v = torch.lerp(m, g, 0.1), torch.lerp(v, g, 0.001)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w - lr * weight_decay * w - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


def named_old_means(w, g, m, v, t, lr, weight_decay):
    w = w - lr * weight_decay * w
    w = w - lr * m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    return w, *moments(g, m, v)


def named_corrected_means_kept(w, g, m, v, t, lr, weight_decay):
    m, v = moments(g, m, v)
    m, v = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return w - lr * weight_decay * w - lr * m / (v.sqrt() + 1e-8), m, v


def by_library(optimizer=torch.optim.AdamW, **options):
    """An answer that takes the library's step with `options`."""

    def answer(w, g, m, v, t, lr, weight_decay):
        given = {"lr": lr, "weight_decay": weight_decay} | options
        return library_step(w, g, m, v, t, optimizer, **given)

    return answer


def swapped(first, second):
    """The diagnoses with two letters in each other's place."""
    return "ebadfc".translate(str.maketrans(first + second, second + first))


NAMED = {
    "accumulate": {
        "mean_of_means": lambda gradients, n_labels: torch.stack(gradients).mean(0),
        "added_up": lambda gradients, n_labels: torch.stack(gradients).sum(0),
        "not_divided": named_not_divided,
        "divided_by_passes": lambda gradients, n_labels: (
            named_not_divided(gradients, n_labels) / len(n_labels)
        ),
        "weighed_the_wrong_way": named_weighed_the_wrong_way,
        "divided_by_labels": lambda gradients, n_labels: torch.tensordot(
            1 / torch.tensor(n_labels), torch.stack(gradients), dims=1
        ),
        "the_last_pass": named_the_last_pass,
    },
    "adamw_step": {
        "uncorrected": named_uncorrected,
        "rootless": named_rootless,
        "decay_in_the_gradient": by_library(torch.optim.Adam),
        "decay_forgotten": by_library(weight_decay=0),
        "decay_without_lr": lambda w, g, m, v, t, lr, weight_decay: library_step(
            w - weight_decay * w, g, m, v, t, lr=lr, weight_decay=0
        ),
        "decay_after_the_step": named_decay_after_the_step,
        "uphill": lambda w, g, m, v, t, lr, weight_decay: right_adamw_numpy(
            w, g, m, v, t, -lr, -weight_decay
        ),
        "betas_swapped": by_library(betas=(0.999, 0.9)),
        "old_and_new_swapped": by_library(betas=(0.1, 0.001)),
        "not_squared": named_not_squared,
        "counted_from_zero": lambda w, g, m, v, t, lr, weight_decay: right_adamw_lerp(
            w, g, m, v, t + 1, lr, weight_decay
        ),
        "power_too_low": lambda w, g, m, v, t, lr, weight_decay: right_adamw_lerp(
            w, g, m, v, t - 1, lr, weight_decay
        ),
        "old_means": named_old_means,
        "nothing_added": by_library(eps=0),
        "added_under_the_root": adamw_epsilon_in_root,
        "w_alone": lambda *case: right_adamw_lerp(*case)[0],
        "corrected_means_kept": named_corrected_means_kept,
    },
    "diagnoses": {
        "slow_taken_for_fine": swapped("b", "a"),
        "large_taken_for_fine": swapped("c", "a"),
        "waves_taken_for_a_large_rate": swapped("f", "c"),
        "overfitting_missed": swapped("e", "a"),
        "large_taken_for_diverging": swapped("c", "d"),
        "in_the_order_of_the_list": "".join(sorted("ebadfc")),
        "in_capitals": "ebadfc".upper(),
        "letters_of_the_list": "".join(str("ebadfc".index(letter) + 1) for letter in "abcdef"),
    },
}
