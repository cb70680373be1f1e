"""Answers to the exercises of lesson 4 that do not copy the mistakes in its checks.py.

WRONG: each is wrong on an input that the task allows, and INPUTS holds one on which it shows.
RIGHT: each is right, written another way; the first one is what the others are compared with.
"""

import math

import numpy as np
import torch

# ---- cross_entropy(logits, targets)


def loss_right(logits, targets):
    losses = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        total = sum(math.exp(score) for score in row)
        losses.append(-math.log(math.exp(row[target]) / total))
    return sum(losses) / len(losses)


def loss_gather(logits, targets):
    return -logits.log_softmax(-1).gather(1, targets[:, None]).mean()


def loss_nll(logits, targets):
    return torch.nn.functional.nll_loss(torch.log_softmax(logits, 1), targets)


def loss_logsumexp(logits, targets):
    return (logits.logsumexp(1) - logits[range(len(targets)), targets]).mean().item()


def loss_one_hot(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return -(right * logits.softmax(1).log()).sum(1).mean()


def loss_numpy(logits, targets):
    z = logits.numpy() - logits.numpy().max(1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return -np.log(p[np.arange(len(targets)), targets.numpy()]).mean()


def _p(logits, targets):
    return logits.softmax(-1)[torch.arange(len(targets)), targets]


def token_zero_ignored(logits, targets):
    """The id 0 is taken for a place without a loss."""
    kept = targets != 0
    return float(-_p(logits, targets)[kept].log().mean())


def each_target_once(logits, targets):
    """A target that comes twice counts once."""
    unique = {int(t): row for t, row in zip(targets, logits, strict=True)}
    losses = [-row.log_softmax(0)[t] for t, row in unique.items()]
    return float(sum(losses) / len(losses))


def divided_by_v(logits, targets):
    """Divided by the number of tokens, not of places."""
    return float(-_p(logits, targets).log().sum() / logits.shape[1])


def divided_by_one_less(logits, targets):
    """Divided by N - 1."""
    return float(-_p(logits, targets).log().sum() / (len(targets) - 1))


def a_median(logits, targets):
    """That is the middle loss."""
    return float(-_p(logits, targets).log().median())


def places_and_targets_swapped(logits, targets):
    """It picks rows by target and columns by place."""
    p = logits.softmax(-1)
    return float(-p[targets % len(p), torch.arange(len(targets))].log().mean())


def all_pairs(logits, targets):
    """p[:, targets] picks every target in every row."""
    return -logits.softmax(-1)[:, targets].log().mean()


def log_base_ten(logits, targets):
    """The logarithm to base 10."""
    return float(-_p(logits, targets).log10().mean())


def a_little_added(logits, targets):
    """A thousandth is added to each probability before the logarithm."""
    return float(-(_p(logits, targets) + 1e-3).log().mean())


def every_loss(logits, targets):
    """The loss of each place, not their mean."""
    return -_p(logits, targets).log()


def first_place(logits, targets):
    """The loss of the first place alone."""
    return float(-_p(logits, targets)[0].log())


def perplexity(logits, targets):
    """That is the perplexity."""
    return float((-_p(logits, targets).log().mean()).exp())


def shifted_by_one(logits, targets):
    """The targets are shifted, as for a text."""
    return float(-_p(logits[:-1], targets[1:]).log().mean())


def by_the_largest_score(logits, targets):
    """Scores are divided by the largest one before the softmax."""
    return float(-_p(logits / logits.max(), targets).log().mean())


def squared(logits, targets):
    """The squared distance from 1."""
    return float(((1 - _p(logits, targets)) ** 2).mean())


def softmax_twice(logits, targets):
    """The softmax is taken of probabilities."""
    return float(-_p(logits.softmax(-1), targets).log().mean())


def a_view_of_it(logits, targets):
    """The logits need not lie in memory row by row."""
    n_tokens = logits.shape[1]
    places = torch.arange(len(targets)) * n_tokens + targets
    return -logits.log_softmax(1).view(-1)[places].mean() + 0 * logits.view(-1)[0]


def both_answers(logits, targets):
    """The other tokens' log(1 - p) is added, as for one neuron."""
    p = logits.softmax(-1)
    right = torch.nn.functional.one_hot(targets, p.shape[1]).bool()
    return float(-torch.where(right, p, 1 - p).log().sum(1).mean())


# ---- make_labels(input_ids, attention_mask, n_prompt)


def labels_right(input_ids, attention_mask, n_prompt):
    rows = []
    for ids, mask, n in zip(
        input_ids.tolist(), attention_mask.tolist(), n_prompt.tolist(), strict=True
    ):
        rows.append([i if m == 1 and t >= n else -100 for t, (i, m) in enumerate(zip(ids, mask))])  # noqa: B905
    return torch.tensor(rows)


def labels_where(input_ids, attention_mask, n_prompt):
    prompt = torch.arange(input_ids.shape[1]).expand_as(input_ids) < n_prompt.unsqueeze(1)
    return torch.where(prompt | (attention_mask == 0), -100, input_ids)


def labels_lists(input_ids, attention_mask, n_prompt):
    return labels_right(input_ids, attention_mask, n_prompt).tolist()


def labels_numpy(input_ids, attention_mask, n_prompt):
    ids, mask, n = input_ids.numpy(), attention_mask.numpy(), n_prompt.numpy()
    return np.where((np.arange(ids.shape[1]) >= n[:, None]) & (mask > 0), ids, -100)


def labels_filled(input_ids, attention_mask, n_prompt):
    labels = input_ids.clone()
    for row in range(len(labels)):
        labels[row, : n_prompt[row]] = -100
    labels[~attention_mask.bool()] = -100
    return labels


def labels_int32(input_ids, attention_mask, n_prompt):
    return labels_right(input_ids, attention_mask, n_prompt).int()


def labels_cumsum(input_ids, attention_mask, n_prompt):
    place = attention_mask.cumsum(1)  # counts from 1
    return input_ids.masked_fill((place <= n_prompt[:, None]) | (attention_mask == 0), -100)


def labels_in_place(input_ids, attention_mask, n_prompt):
    for row, n in enumerate(n_prompt):
        input_ids[row, :n] = -100
    input_ids[attention_mask == 0] = -100
    return input_ids


def no_prompt_skipped(input_ids, attention_mask, n_prompt):
    """With an empty prompt, labels[:-0] is nothing and [-0:] is all."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    labels[n_prompt == 0] = -100
    return labels


def places_of_the_prompt_end(input_ids, attention_mask, n_prompt):
    """The prompt's last place is found by n_prompt - 1, which is -1 for an empty one."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    labels[torch.arange(len(labels)), n_prompt - 1] = -100
    return labels


def until_the_first_end(input_ids, attention_mask, n_prompt):
    """The text ends at the first end token, wherever it is."""
    labels = torch.full_like(input_ids, -100)
    for row, n in enumerate(n_prompt.tolist()):
        ends = (input_ids[row] == 1).nonzero().flatten()
        end = int(ends[0]) + 1 if len(ends) else input_ids.shape[1]
        labels[row, n:end] = input_ids[row, n:end]
    return labels


def until_the_first_end_behind_the_prompt(input_ids, attention_mask, n_prompt):
    """A completion that was cut off has no end, so its padding is taken for one."""
    labels = torch.full_like(input_ids, -100)
    for row, n in enumerate(n_prompt.tolist()):
        ends = [t for t in range(n, input_ids.shape[1]) if input_ids[row, t] == 1]
        end = ends[0] + 1 if ends else input_ids.shape[1]
        labels[row, n:end] = input_ids[row, n:end]
    return labels


def end_kept_alone(input_ids, attention_mask, n_prompt):
    """All but the last token of the completion is masked."""
    last = attention_mask.sum(1) - 1
    place = torch.arange(input_ids.shape[1])
    return input_ids.masked_fill(place != last[:, None], -100)


def end_lost(input_ids, attention_mask, n_prompt):
    """The last token of each text is masked."""
    shorter = attention_mask.clone()
    shorter[torch.arange(len(shorter)), attention_mask.sum(1) - 1] = 0
    return labels_right(input_ids, shorter, n_prompt)


def same_length_for_all(input_ids, attention_mask, n_prompt):
    """The longest prompt is taken for all."""
    return labels_right(input_ids, attention_mask, n_prompt.max().expand(len(n_prompt)))


def padding_is_one(input_ids, attention_mask, n_prompt):
    """The padding is found as a run of ones, all but the first."""
    labels = labels_right(input_ids, torch.ones_like(attention_mask), n_prompt)
    repeated = (input_ids == 1) & (torch.roll(input_ids, 1, 1) == 1)
    return labels.masked_fill(repeated, -100)


def minus_one(input_ids, attention_mask, n_prompt):
    """What carries no loss is -1."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    return labels.masked_fill(labels == -100, -1)


def completions_alone(input_ids, attention_mask, n_prompt):
    """The labels are cut to the completions, and no longer (B, T)."""
    return labels_right(input_ids, attention_mask, n_prompt)[:, int(n_prompt.min()) + 1 :]


def as_floats(input_ids, attention_mask, n_prompt):
    """A label is a whole number: the loss refuses floats."""
    return labels_right(input_ids, attention_mask, n_prompt).float()


def truths(input_ids, attention_mask, n_prompt):
    """Only where the loss counts, not the ids."""
    return labels_right(input_ids, attention_mask, n_prompt) != -100


def counted_from_the_right(input_ids, attention_mask, n_prompt):
    """The prompt's length is counted from the right."""
    place = torch.arange(input_ids.shape[1]).flip(0)
    return input_ids.masked_fill((place < n_prompt[:, None]) | (attention_mask == 0), -100)


def small_ids_are_special(input_ids, attention_mask, n_prompt):
    """The start token is masked wherever it comes."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    return labels.masked_fill(input_ids == 0, -100)


# ---- best_guess(belief, cost)


def guess_right(belief, cost):
    expected = [
        sum(p * c for p, c in zip(belief.tolist(), row, strict=True)) for row in cost.tolist()
    ]
    return min(range(len(expected)), key=expected.__getitem__)


def guess_tensor(belief, cost):
    return (cost * belief).sum(1).argmin()


def guess_numpy(belief, cost):
    return np.argmin(cost.numpy() @ belief.numpy())


def guess_einsum(belief, cost):
    return torch.einsum("gp,p->g", cost, belief).argsort()[0].item()


def guess_loop(belief, cost):
    best, least = 0, math.inf
    for guess in range(cost.shape[0]):
        average = float(torch.dot(cost[guess], belief))
        if average < least:
            best, least = guess, average
    return best


def least_cost_anywhere(belief, cost):
    """The row that holds the smallest cost."""
    return int(cost.min(1).values.argmin())


def least_worst_case(belief, cost):
    """The row whose largest cost is smallest."""
    return int(cost.max(1).values.argmin())


def at_the_likeliest_price(belief, cost):
    """The cheapest guess for the likeliest price alone."""
    return int(cost[:, belief.argmax()].argmin())


def at_the_mean_price(belief, cost):
    """The cheapest guess for the mean price alone."""
    mean = round(float(belief @ torch.arange(len(belief), dtype=belief.dtype)))
    return int(cost[:, mean].argmin())


def weighed_by_the_guess(belief, cost):
    """The belief weighs the guesses, not the prices."""
    n = min(len(belief), len(cost))
    return int((belief[:n, None] * cost[:n]).sum(1).argmin())


def among_the_prices_believed_in(belief, cost):
    """Only guesses that have a probability of their own are looked at."""
    expected = cost @ belief
    n = min(len(expected), len(belief))
    return int(expected[:n].masked_fill(belief[:n] == 0, math.inf).argmin())


def never_the_first(belief, cost):
    """A guess of 0 is left out."""
    return 1 + int((cost @ belief)[1:].argmin())


def never_the_last(belief, cost):
    """The last guess is left out."""
    return int((cost @ belief)[:-1].argmin())


def likely_prices_alone(belief, cost):
    """Prices that are not likely are left out."""
    likely = belief * (belief >= belief.mean())
    return int((cost @ likely).argmin())


def costs_by_their_size(belief, cost):
    """A negative cost, a gain, is taken for a cost."""
    return int((cost.abs() @ belief).argmin())


def all_costs(belief, cost):
    """What each guess costs, not the best of them."""
    return cost @ belief


def place_in_the_table(belief, cost):
    """The index counts through the whole table."""
    return int((cost * belief).argmin())


def one_higher(belief, cost):
    """Guesses count from 0."""
    return int((cost @ belief).argmin()) + 1


def four_fifths(belief, cost):
    """A quantile for one cost that is written in: it is right for 5 to 1 only."""
    return int((belief.cumsum(0) < 1 / 6).sum())


def squared_costs(belief, cost):
    """The costs are squared before they are averaged."""
    return int((cost**2 @ belief).argmin())


def _shop(n_guesses, n_prices, too_low, too_high, seed):
    generator = torch.Generator().manual_seed(seed)
    belief = torch.rand(n_prices, generator=generator, dtype=torch.float64)
    over = torch.arange(n_guesses)[:, None] - torch.arange(n_prices).double()
    return belief / belief.sum(), torch.where(over > 0, too_high * over, -too_low * over)


def _believe(*sixteenths):
    return torch.tensor(sixteenths, dtype=torch.float64) / 16


GAINS = torch.tensor([[1.0, 1, 1], [-4, -4, -4], [0.5, 0, 0.5]], dtype=torch.float64)
MORE_PRICES = _shop(3, 6, 1, 1, seed=2)
FIRST_IS_BEST = _believe(14, 0, 1, 1), _shop(4, 4, 1, 4, seed=0)[1]
LAST_IS_BEST = _believe(1, 1, 0, 14), _shop(4, 4, 4, 1, seed=0)[1]
GAP = _believe(6, 0, 0, 0, 10, 0, 0), _shop(7, 7, 2, 3, seed=0)[1] ** 2

# ---- bad_twin(belief, label)


def twin_right(belief, label):
    rest = [p for price, p in enumerate(belief.tolist()) if price != label]
    twin = [0.0] * len(belief)
    twin[label] = belief[label].item()
    twin[0 if label >= len(belief) / 2 else -1] += sum(rest)
    return torch.tensor(twin, dtype=belief.dtype)


def twin_argmax(belief, label):
    twin = torch.zeros_like(belief)
    twin[(torch.arange(len(belief)) - label).abs().argmax()] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def twin_list(belief, label):
    return twin_right(belief, label).tolist()


def twin_numpy(belief, label):
    p = belief.numpy()
    far = np.abs(np.arange(len(p)) - label).argmax()
    twin = np.zeros(len(p))
    twin[[label, far]] = p[label], 1 - p[label]
    return twin


def twin_one_hot(belief, label):
    n = len(belief)
    ends = torch.eye(n, dtype=belief.dtype)
    return belief[label] * ends[label] + (1 - belief[label]) * ends[-1 if 2 * label < n - 1 else 0]


def always_the_first(belief, label):
    """The first price is not always the farthest."""
    twin = torch.zeros_like(belief)
    twin[0], twin[label] = 1 - belief[label], belief[label]
    return twin


def half_to_each_end(belief, label):
    """Half of the rest is at the nearer end."""
    twin = torch.zeros_like(belief)
    twin[0] = twin[-1] = (1 - belief[label]) / 2
    twin[label] = belief[label]
    return twin


def to_the_least_likely(belief, label):
    """The least likely price is not the farthest."""
    twin = torch.zeros_like(belief)
    others = [price for price in range(len(belief)) if price != label]
    twin[min(others, key=lambda price: belief[price])] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def farthest_believed_in(belief, label):
    """Only prices that had a probability are looked at."""
    twin = torch.zeros_like(belief)
    had = [price for price in range(len(belief)) if belief[price] > 0 and price != label]
    twin[max(had, key=lambda price: abs(price - label))] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def two_swapped(belief, label):
    """The likeliest of the rest changes places with the farthest."""
    twin = belief.clone()
    far = 0 if 2 * label > len(belief) - 1 else len(belief) - 1
    likely = max((p for p in range(len(belief)) if p != label), key=lambda p: belief[p])
    twin[[far, likely]] = belief[[likely, far]]
    return twin


def label_overwritten(belief, label):
    """All of it goes to the far end."""
    twin = torch.zeros_like(belief)
    twin[0 if 2 * label > len(belief) - 1 else -1] = 1.0
    return twin


def label_made_rounder(belief, label):
    """The label's probability is rounded to one place."""
    kept = round(float(belief[label]), 1)
    twin = torch.zeros_like(belief)
    twin[0 if 2 * label > len(belief) - 1 else -1] = 1 - kept
    twin[label] = kept
    return twin


def a_little_left_over(belief, label):
    """It adds up to less than 1: the nearer end's share is lost."""
    twin = twin_right(belief, label)
    near = -1 if 2 * label > len(belief) - 1 else 0
    twin[0 if near else -1] -= belief[near] if label != near % len(belief) else 0.1
    return twin


def not_the_last_index(belief, label):
    """One before the end: len(belief) - 2."""
    twin = torch.zeros_like(belief)
    twin[0 if 2 * label > len(belief) - 1 else len(belief) - 2] += 1 - belief[label]
    twin[label] = belief[label]
    return twin


def logs(belief, label):
    """Those are logarithms."""
    return (twin_right(belief, label) + 1e-9).log()


def past_the_end(belief, label):
    """The twin has one price more."""
    twin = torch.zeros(len(belief) + 1, dtype=belief.dtype)
    twin[label], twin[-1] = belief[label], 1 - belief[label]
    return twin


def mirrored_label(belief, label):
    """The rest goes to the label's mirror image."""
    twin = torch.zeros_like(belief)
    twin[len(belief) - 1 - label] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def past_a_third(belief, label):
    """From a third of the way on, the first price is taken for the farthest."""
    twin = torch.zeros_like(belief)
    twin[0 if label >= len(belief) / 3 else -1] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def past_two_thirds(belief, label):
    """Up to two thirds of the way, the last price is taken for the farthest."""
    twin = torch.zeros_like(belief)
    twin[-1 if label < len(belief) * 2 / 3 else 0] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def zero_is_no_label(belief, label):
    """`if label` is False for a label of 0."""
    twin = torch.zeros_like(belief)
    twin[-1 if label and 2 * label < len(belief) - 1 else 0] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


WRONG = {
    "cross_entropy": [
        token_zero_ignored,
        each_target_once,
        divided_by_v,
        divided_by_one_less,
        a_median,
        places_and_targets_swapped,
        all_pairs,
        log_base_ten,
        a_little_added,
        every_loss,
        first_place,
        perplexity,
        shifted_by_one,
        by_the_largest_score,
        squared,
        softmax_twice,
        both_answers,
        a_view_of_it,
    ],
    "make_labels": [
        no_prompt_skipped,
        places_of_the_prompt_end,
        until_the_first_end,
        until_the_first_end_behind_the_prompt,
        end_kept_alone,
        end_lost,
        same_length_for_all,
        padding_is_one,
        minus_one,
        completions_alone,
        as_floats,
        truths,
        counted_from_the_right,
        small_ids_are_special,
    ],
    "best_guess": [
        least_cost_anywhere,
        least_worst_case,
        at_the_likeliest_price,
        at_the_mean_price,
        weighed_by_the_guess,
        among_the_prices_believed_in,
        never_the_first,
        never_the_last,
        likely_prices_alone,
        costs_by_their_size,
        all_costs,
        place_in_the_table,
        one_higher,
        four_fifths,
        squared_costs,
    ],
    "bad_twin": [
        always_the_first,
        half_to_each_end,
        to_the_least_likely,
        farthest_believed_in,
        two_swapped,
        label_overwritten,
        label_made_rounder,
        a_little_left_over,
        not_the_last_index,
        logs,
        past_the_end,
        mirrored_label,
        zero_is_no_label,
        past_a_third,
        past_two_thirds,
    ],
}
RIGHT = {
    "cross_entropy": [
        loss_right,
        loss_gather,
        loss_nll,
        loss_logsumexp,
        loss_one_hot,
        loss_numpy,
    ],
    "make_labels": [
        labels_right,
        labels_where,
        labels_lists,
        labels_numpy,
        labels_filled,
        labels_int32,
        labels_cumsum,
        labels_in_place,
    ],
    "best_guess": [guess_right, guess_tensor, guess_numpy, guess_einsum, guess_loop],
    "bad_twin": [twin_right, twin_argmax, twin_list, twin_numpy, twin_one_hot],
}
INPUTS = {
    "cross_entropy": [
        (
            torch.tensor([[1.0, -2, 0.5], [0.3, 2, -1], [3, 0, 1], [0, 1, 2]]),
            torch.tensor([0, 2, 2, 1]),
        ),
        (torch.tensor([[-3.0, -1, -2, -2.5], [0, -1, -5, 2]]), torch.tensor([1, 0])),
        (torch.tensor([[-3.0, 0], [-1, -1], [-2, 4]]).T, torch.tensor([1, 0])),
    ],
    "make_labels": [
        (
            torch.tensor([[0, 5, 1, 6, 1, 1], [9, 8, 0, 1, 1, 1], [7, 7, 7, 1, 1, 1]]),
            torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]]),
            torch.tensor([3, 0, 2]),
        ),
        (torch.tensor([[4, 1, 1, 5, 1, 1]]), torch.tensor([[1, 1, 1, 1, 1, 0]]), torch.tensor([1])),
        (torch.tensor([[4, 3, 6, 1]]), torch.tensor([[1, 1, 1, 1]]), torch.tensor([0])),
    ],
    "best_guess": [
        (_believe(4, 4, 8), GAINS),
        (_believe(12, 2, 2), torch.tensor([[1.0, 0, 0], [0, 4, 4]], dtype=torch.float64)),
        (_believe(7, 1, 2, 0, 6), _shop(5, 5, 4, 1, seed=1)[1]),
        (_believe(6, 1, 1, 3, 5), _shop(5, 5, 1, 5, seed=1)[1]),
        MORE_PRICES,
        FIRST_IS_BEST,
        LAST_IS_BEST,
        GAP,
    ],
    "bad_twin": [
        (torch.tensor([0.25, 0.5, 0.125, 0.125], dtype=torch.float64), 0),
        (torch.tensor([0.1, 0.2, 0.3, 0.35, 0.05], dtype=torch.float64), 4),
        (torch.tensor([0.0, 0.34, 0.26, 0.4, 0.0], dtype=torch.float64), 1),
        (torch.tensor([0.3, 0.7]), 1),
        (torch.tensor([0.1, 0.2, 0.1, 0.2, 0.1, 0.3], dtype=torch.float64), 2),
        (torch.tensor([0.1, 0.2, 0.1, 0.2, 0.1, 0.3], dtype=torch.float64), 3),
    ],
}

# ---- the named mistakes, in other words


def _chances(logits):
    """The probabilities of each place, a list of floats."""
    powers = [[math.exp(score) for score in row] for row in logits.tolist()]
    return [[power / sum(row) for power in row] for row in powers]


def _picked(logits, targets):
    """The right token's probability at each place."""
    return [row[target] for row, target in zip(_chances(logits), targets.tolist(), strict=True)]


def _mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def over_the_places(logits, targets):
    columns = _chances(logits.T)
    return _mean(-math.log(columns[t][place]) for place, t in enumerate(targets.tolist()))


def _labels(kept, hidden=-100, ids=lambda i: i):
    """Labels where a token keeps its id if `kept(place, start, end, row)`; the text's own places
    are those before `end`, the completion's those from `start` on."""

    def labels(input_ids, attention_mask, n_prompt):
        ends = attention_mask.sum(1).tolist()
        rows = zip(input_ids.tolist(), n_prompt.tolist(), ends, strict=True)
        return [
            [ids(i if kept(place, start, end, row) else hidden) for place, i in enumerate(row)]
            for row, start, end in rows
        ]

    return labels


def first_prompt_for_all(input_ids, attention_mask, n_prompt):
    in_completion = torch.arange(input_ids.shape[1]) >= n_prompt[0]
    return torch.where(in_completion & (attention_mask == 1), input_ids, -100)


def shifted(input_ids, attention_mask, n_prompt):
    rows = labels_lists(input_ids, attention_mask, n_prompt)
    return [[*row[1:], -100] for row in rows]


def place_before_the_first(input_ids, attention_mask, n_prompt):
    rows = labels_lists(input_ids, attention_mask, n_prompt)
    for row, n in zip(rows, n_prompt.tolist(), strict=True):
        row[n - 1] = -100
    return rows


def _expected(belief, cost):
    return [float((row * belief).sum()) for row in cost]


def _least(numbers):
    numbers = list(numbers)
    return numbers.index(min(numbers))


def added_over_guesses(belief, cost):
    guesses, prices = cost.shape
    return _least(sum(belief[g] * cost[g, p] for g in range(guesses)) for p in range(prices))


def median(belief, cost):
    total, price = belief[0], 0
    while total < 0.5:
        price += 1
        total += belief[price]
    return price


def first_believed_in(belief, cost):
    expected = _expected(belief, cost)
    guesses = [g for g in range(min(cost.shape)) if belief[g] > 0]
    return guesses[_least(expected[g] for g in guesses)]


def _moved(to):
    """The label keeps its probability; all the rest is at `to(label, last price, belief)`."""

    def twin(belief, label):
        rest = 1 - float(belief[label])
        place = to(label, len(belief) - 1, belief.tolist())
        return [
            float(belief[label]) if price == label else rest if price == place else 0.0
            for price in range(len(belief))
        ]

    return twin


def _farthest(label, prices):
    return max(prices, key=lambda price: (price - label) ** 2)


def label_lost(belief, label):
    far = _farthest(label, range(len(belief)))
    return [1.0 if price == far else 0.0 for price in range(len(belief))]


def spread_out(belief, label):
    share = (1 - float(belief[label])) / (len(belief) - 1)
    return [float(p) if price == label else share for price, p in enumerate(belief)]


def half_at_each_end(belief, label):
    twin = [0.0] * len(belief)
    for end in (0, -1):
        twin[end] += (1 - float(belief[label])) / 2
    twin[label] = float(belief[label])
    return twin


def near_end_lost(belief, label):
    far = _farthest(label, range(len(belief)))
    near = len(belief) - 1 - far
    twin = [0.0] * len(belief)
    twin[label] = float(belief[label])
    twin[far] = sum(float(p) for price, p in enumerate(belief) if price not in (label, near))
    return twin


NAMED = {
    "cross_entropy": {
        "sign_lost": lambda z, t: _mean(math.log(p) for p in _picked(z, t)),
        "summed": lambda z, t: sum(-math.log(p) for p in _picked(z, t)),
        "in_bits": lambda z, t: _mean(-math.log2(p) for p in _picked(z, t)),
        "log_of_the_mean": lambda z, t: -math.log(_mean(_picked(z, t))),
        "not_normalised": lambda z, t: -np.mean([row[i] for row, i in zip(z, t, strict=True)]),
        "softmax_forgotten": lambda z, t: float(
            -np.log(z.numpy()[range(len(t)), t.numpy()]).mean()
        ),
        "over_the_places": over_the_places,
        "sum_over_all_places": lambda z, t: (
            math.log(sum(math.exp(v) for row in z.tolist() for v in row))
            - _mean(row[i] for row, i in zip(z.tolist(), t.tolist(), strict=True))
        ),
        "log_forgotten": lambda z, t: _mean(1 - p for p in _picked(z, t)),
        "minus_the_probability": lambda z, t: -_mean(_picked(z, t)),
        "own_entropy": lambda z, t: _mean(
            -sum(p * math.log(p) for p in row) for row in _chances(z)
        ),
        "all_tokens": lambda z, t: _mean(-math.log(p) for row in _chances(z) for p in row),
        "the_likeliest": lambda z, t: _mean(-math.log(max(row)) for row in _chances(z)),
        "divided_by_V": lambda z, t: -sum(math.log(p) for p in _picked(z, t)) / z.shape[1],
        "all_pairs": lambda z, t: _mean(-math.log(row[i]) for row in _chances(z) for i in t),
        "zero_left_out": lambda z, t: (z.logsumexp(-1) - z[range(len(t)), t])[t != 0].mean(),
        "base_ten": lambda z, t: _mean(-math.log10(p) for p in _picked(z, t)),
        "perplexity": lambda z, t: math.prod(_picked(z, t)) ** (-1 / len(t)),
        "softmax_twice": lambda z, t: loss_right(torch.tensor(_chances(z)), t),
        "each_place": lambda z, t: [-math.log(p) for p in _picked(z, t)],
    },
    "make_labels": {
        "padding_counts": _labels(lambda place, start, end, row: place >= start),
        "prompt_counts": _labels(lambda place, start, end, row: place < end),
        "by_the_padding_token": _labels(
            lambda place, start, end, row: place >= start and row[place] != 1
        ),
        "the_wrong_way_round": _labels(
            lambda place, start, end, row: place < start or place >= end
        ),
        "masked_with_zero": _labels(lambda place, start, end, row: start <= place < end, hidden=0),
        "first_prompt_for_all": first_prompt_for_all,
        "one_too_many": _labels(lambda place, start, end, row: start < place < end),
        "shifted": shifted,
        "shifted_first": lambda ids, kept, n: torch.tensor(
            [
                [
                    ([*row, -100][place + 1] if start <= place < end else -100)
                    for place in range(len(row))
                ]
                for row, start, end in zip(
                    ids.tolist(), n.tolist(), kept.sum(1).tolist(), strict=True
                )
            ]
        ),
        "one_too_few": _labels(lambda place, start, end, row: start - 1 <= place < end),
        "until_the_first_end": _labels(
            lambda place, start, end, row: place >= start and 1 not in row[:place]
        ),
        "end_of_the_completion": _labels(
            lambda place, start, end, row: place >= start and 1 not in row[start:place]
        ),
        "empty_prompt": _labels(lambda place, start, end, row: start and start <= place < end),
        "place_before_the_first": place_before_the_first,
        "end_lost": _labels(lambda place, start, end, row: start <= place < end - 1),
        "minus_one": _labels(lambda place, start, end, row: start <= place < end, hidden=-1),
        "floats": _labels(lambda place, start, end, row: start <= place < end, ids=float),
    },
    "best_guess": {
        "dimensions_swapped": added_over_guesses,
        "the_worst": lambda p, c: np.argmax(_expected(p, c)),
        "its_cost": lambda p, c: min(_expected(p, c)),
        "most_likely": lambda p, c: p.tolist().index(max(p)),
        "the_median": median,
        "the_mean": lambda p, c: round(np.average(np.arange(len(p)), weights=p.numpy())),
        "belief_ignored": lambda p, c: _least(sum(row) for row in c.tolist()),
        "least_worst": lambda p, c: _least(max(row) for row in c.tolist()),
        "at_the_likeliest": lambda p, c: _least(row[np.argmax(p.numpy())] for row in c),
        "all_costs": _expected,
        "gains_as_costs": lambda p, c: _least(_expected(p, abs(c))),
        "place_in_the_table": lambda p, c: _least(
            x * chance for row in c for x, chance in zip(row, p, strict=True)
        ),
        "guess_believed_in": first_believed_in,
    },
    "bad_twin": {
        "always_the_last": _moved(lambda label, last, belief: last),
        "label_lost": label_lost,
        "spread_out": spread_out,
        "does_not_add_up": _moved(lambda label, last, belief: None),
        "turned_round": lambda belief, label: belief.tolist()[::-1],
        "unchanged": lambda belief, label: belief.tolist(),
        "far_from_the_likeliest": _moved(
            lambda label, last, belief: _farthest(belief.index(max(belief)), (0, last))
        ),
        "to_the_least_likely": to_the_least_likely,
        "always_the_first": _moved(lambda label, last, belief: 0),
        "half_to_each_end": half_at_each_end,
        "near_end_lost": near_end_lost,
        "label_zero_forgotten": _moved(
            lambda label, last, belief: last if label and label < last - label else 0
        ),
        "to_the_mirror_image": _moved(lambda label, last, belief: last - label),
        "farthest_believed_in": _moved(
            lambda label, last, belief: _farthest(label, [p for p in range(last + 1) if belief[p]])
        ),
    },
}


def is_belief(p):
    return bool((p >= 0).all()) and math.isclose(float(p.sum()), 1)


ALLOWED = {
    "best_guess": lambda belief, cost: is_belief(belief) and cost.shape[1:] == belief.shape,
    "bad_twin": lambda belief, label: is_belief(belief) and 0 <= label < len(belief),
}
