"""Checks of lesson 4: cross-entropy, the labels of a batch, a price for a cost, a bad twin."""

import torch

from helpers.exercises import Check, Prediction
from helpers.limits import number, text, whole

KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    "item_number": whole(0, 3999),
    "n_merges": whole(1, 1000),
    **dict.fromkeys(("test_word", "text_to_cut"), text()),
    "loss_value": number(0, 100, low_too=True),
    **dict.fromkeys(("learning_rate", "temperature"), number(0)),
    "n_steps": whole(1),
    "n_items": whole(1, 500),
}

# ---- cross_entropy(logits, targets): (N, V), (N,) → the mean loss in nats, a number or tensor


torchs_own = torch.nn.functional.cross_entropy  # what is refused while an answer runs


def cross_entropy_right(logits, targets):
    return torchs_own(logits, targets).item()


def _log_p(logits, dim=-1):
    return logits - logits.logsumexp(dim, keepdim=True)


def sign_lost(logits, targets):
    """The sign is lost: a logarithm of a probability is negative, a loss is not."""
    return -cross_entropy_right(logits, targets)


def summed(logits, targets):
    """That is the sum: the loss is the mean over the places."""
    return cross_entropy_right(logits, targets) * len(targets)


def in_bits(logits, targets):
    """That is in bits: take the natural logarithm."""
    return cross_entropy_right(logits, targets) / torch.tensor(2.0).log().item()


def log_of_the_mean(logits, targets):
    """That averages the probabilities first: take each logarithm, then the mean."""
    p = logits.softmax(-1)[torch.arange(len(targets)), targets]
    return -p.mean().log().item()


def not_normalised(logits, targets):
    """Those are the scores themselves: turn them into probabilities before you pick."""
    return -logits[torch.arange(len(targets)), targets].mean().item()


def softmax_forgotten(logits, targets):
    """That is the logarithm of the scores: turn them into probabilities first, with softmax."""
    return -logits[torch.arange(len(targets)), targets].log().mean().item()


def over_the_places(logits, targets):
    """The softmax runs over the places: it belongs over the tokens, the last dimension."""
    return -_log_p(logits, 0)[torch.arange(len(targets)), targets].mean().item()


def sum_over_all_places(logits, targets):
    """The sum runs over all places: each row of scores has a sum of its own, `sum(-1, keepdim=True)`."""
    log_p = logits - logits.exp().sum().log()
    return -log_p[torch.arange(len(targets)), targets].mean().item()


def log_forgotten(logits, targets):
    """The logarithm is missing: that is one minus the mean probability."""
    return 1 - logits.softmax(-1)[torch.arange(len(targets)), targets].mean().item()


def minus_the_probability(logits, targets):
    """The logarithm is missing: that is minus the mean probability."""
    return -logits.softmax(-1)[torch.arange(len(targets)), targets].mean().item()


def own_entropy(logits, targets):
    """That is the entropy of the model's belief: the loss looks at the target's probability alone."""
    return -(logits.softmax(-1) * _log_p(logits)).sum(-1).mean().item()


def all_tokens(logits, targets):
    """That averages over all tokens: pick each place's target first."""
    return -_log_p(logits).mean().item()


def the_likeliest(logits, targets):
    """That scores the most likely token: the target says which one was right."""
    return -_log_p(logits).max(-1).values.mean().item()


def divided_by_V(logits, targets):
    """Divided by the number of tokens: the mean goes over the places."""
    return cross_entropy_right(logits, targets) * len(targets) / logits.shape[1]


def all_pairs(logits, targets):
    """`p[:, targets]` picks every target in every row: name each row, `p[torch.arange(N), targets]`."""
    return -_log_p(logits)[:, targets].mean().item()


def zero_left_out(logits, targets):
    """0 is a token like any other: only -100 would carry no loss."""
    return cross_entropy_right(logits[targets != 0], targets[targets != 0])


def base_ten(logits, targets):
    """That is the logarithm to base 10: take the natural one."""
    return cross_entropy_right(logits, targets) / torch.tensor(10.0).log().item()


def perplexity(logits, targets):
    """That is the perplexity: the loss is its logarithm."""
    return torch.tensor(cross_entropy_right(logits, targets), dtype=torch.float64).exp().item()


def softmax_twice(logits, targets):
    """The softmax is taken twice: the second one gets probabilities for scores."""
    return cross_entropy_right(logits.softmax(-1), targets)


def each_place(logits, targets):
    """That is the loss of each place: take their mean."""
    return -_log_p(logits)[torch.arange(len(targets)), targets]


def _scores(n, v, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, v, generator=generator)
    return logits, torch.randint(v, (n,), generator=generator)


cross_entropy = Check(
    reference=cross_entropy_right,
    not_by=(torch.nn.functional, "cross_entropy"),
    cases=[
        _scores(4, 7, seed=1),
        _scores(3, 5, seed=2),
        (
            _scores(5, 4, seed=3)[0] - 3,
            torch.tensor([0, 3, 0, 2, 2]),
        ),  # negative, and targets twice
        (_scores(4, 4, seed=4)[0], torch.tensor([3, 0, 1, 1])),  # N = V
        _scores(1, 6, seed=5),
        (_scores(7, 3, seed=6)[0].T, torch.tensor([6, 0, 2])),  # not row by row in memory
    ],
    mistakes=[
        sign_lost,
        summed,
        in_bits,
        log_of_the_mean,
        not_normalised,
        softmax_forgotten,
        over_the_places,
        sum_over_all_places,
        log_forgotten,
        minus_the_probability,
        own_entropy,
        all_tokens,
        the_likeliest,
        divided_by_V,
        all_pairs,
        zero_left_out,
        base_ten,
        perplexity,
        softmax_twice,
        each_place,
    ],
    notice="This number, and nothing else, is what training makes smaller.",
)


# ---- make_labels(input_ids, attention_mask, n_prompt): (B, T), (B, T), (B,) → labels (B, T)


def labels_right(input_ids, attention_mask, n_prompt):
    labels = torch.full_like(input_ids, -100)
    for row, start in enumerate(n_prompt.tolist()):
        end = int(attention_mask[row].sum())
        labels[row, start:end] = input_ids[row, start:end]
    return labels


def padding_counts(input_ids, attention_mask, n_prompt):
    """The padding carries loss: where the attention mask is 0, the label is -100."""
    place = torch.arange(input_ids.shape[1])
    return input_ids.masked_fill(place < n_prompt[:, None], -100)


def prompt_counts(input_ids, attention_mask, n_prompt):
    """The prompt carries loss: only the completion should."""
    return input_ids.masked_fill(attention_mask == 0, -100)


def by_the_padding_token(input_ids, attention_mask, n_prompt):
    """The text's real end is masked too, as padding is the same token: go by the attention mask."""
    labels = padding_counts(input_ids, attention_mask, n_prompt)
    return labels.masked_fill(input_ids == 1, -100)


def the_wrong_way_round(input_ids, attention_mask, n_prompt):
    """The mask is the wrong way round: the completion keeps its labels."""
    kept = labels_right(input_ids, attention_mask, n_prompt) != -100
    return input_ids.masked_fill(kept, -100)


def masked_with_zero(input_ids, attention_mask, n_prompt):
    """0 is a token like any other: what carries no loss is -100."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    return labels.masked_fill(labels == -100, 0)


def first_prompt_for_all(input_ids, attention_mask, n_prompt):
    """Each row has a prompt of its own length: compare with n_prompt[:, None]."""
    return labels_right(input_ids, attention_mask, n_prompt[:1].expand(len(n_prompt)))


def one_too_many(input_ids, attention_mask, n_prompt):
    """One token too many is masked: places count from 0, so the completion starts at n_prompt."""
    return labels_right(input_ids, attention_mask, n_prompt + 1)


def shifted(input_ids, attention_mask, n_prompt):
    """Those are shifted: a label is the token at its own place, and the model shifts."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    return torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], -100)], dim=1)


def shifted_first(input_ids, attention_mask, n_prompt):
    """The tokens are shifted before they are masked: a label is the token at its own place, and the
    model shifts."""
    after = torch.cat([input_ids[:, 1:], torch.full_like(input_ids[:, :1], -100)], dim=1)
    hidden = labels_right(input_ids, attention_mask, n_prompt) == -100
    return after.masked_fill(hidden, -100)


def one_too_few(input_ids, attention_mask, n_prompt):
    """The last token of the prompt carries loss: places count from 0, so the completion starts at
    n_prompt."""
    return labels_right(input_ids, attention_mask, (n_prompt - 1).clamp(min=0))


def until_the_first_end(input_ids, attention_mask, n_prompt):
    """A text ends where the attention mask ends, not at the first token that could be an end."""
    labels = torch.full_like(input_ids, -100)
    for row, start in enumerate(n_prompt.tolist()):
        ends = (input_ids[row] == 1).nonzero().flatten().tolist() or [input_ids.shape[1]]
        labels[row, start : ends[0] + 1] = input_ids[row, start : ends[0] + 1]
    return labels


def end_of_the_completion(input_ids, attention_mask, n_prompt):
    """A completion that was cut off has no end: go by the attention mask, not by the first end
    behind the prompt."""
    place = torch.arange(input_ids.shape[1])
    ends = (input_ids == 1) & (place >= n_prompt[:, None])
    seen = ends.cumsum(1) - ends.long()  # ends before this place
    return input_ids.masked_fill((place < n_prompt[:, None]) | (seen > 0), -100)


def empty_prompt(input_ids, attention_mask, n_prompt):
    """A prompt may be empty: with n_prompt 0 the whole text is the completion."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    return labels.masked_fill(n_prompt[:, None] == 0, -100)


def place_before_the_first(input_ids, attention_mask, n_prompt):
    """A prompt may be empty: n_prompt - 1 is then -1, the last place, which keeps its label."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    labels[torch.arange(len(labels)), n_prompt - 1] = -100
    return labels


def end_lost(input_ids, attention_mask, n_prompt):
    """The last token of the text is masked: it is the end that has to be learnt."""
    place = torch.arange(input_ids.shape[1])
    last = place == attention_mask.sum(1, keepdim=True) - 1
    return labels_right(input_ids, attention_mask, n_prompt).masked_fill(last, -100)


def minus_one(input_ids, attention_mask, n_prompt):
    """What carries no loss is -100, not -1."""
    labels = labels_right(input_ids, attention_mask, n_prompt)
    return labels.masked_fill(labels == -100, -1)


def floats(input_ids, attention_mask, n_prompt):
    """Those are floats: a label is the id of a token, a whole number."""
    return labels_right(input_ids, attention_mask, n_prompt).float()


make_labels = Check(
    reference=labels_right,
    cases=[
        (
            torch.tensor([[0, 41, 42, 89, 1, 1, 1], [0, 51, 52, 53, 54, 640, 1]]),
            torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]]),
            torch.tensor([3, 5]),
        ),
        (
            torch.tensor([[0, 7, 8, 9, 99, 1], [0, 7, 5, 1, 1, 1], [0, 6, 7, 12, 1, 1]]),
            torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0]]),
            torch.tensor([4, 2, 3]),
        ),
        (  # ends in the prompt, an empty prompt, a completion that was cut off, an empty completion
            torch.tensor([[0, 1, 7, 1, 8, 9, 1], [0, 7, 99, 1, 1, 1, 1], [0, 5, 6, 7, 1, 1, 1]]),
            torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0]]),
            torch.tensor([4, 0, 2]),
        ),
        (
            torch.tensor([[0, 5, 6, 1, 1], [8, 1, 1, 9, 1]]),
            torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]),
            torch.tensor([3, 1]),
        ),
        (torch.tensor([[0, 8, 1]]), torch.tensor([[1, 1, 1]]), torch.tensor([0])),
    ],
    mistakes=[
        padding_counts,
        prompt_counts,
        by_the_padding_token,
        the_wrong_way_round,
        masked_with_zero,
        first_prompt_for_all,
        one_too_many,
        shifted,
        shifted_first,
        one_too_few,
        until_the_first_end,
        end_of_the_completion,
        empty_prompt,
        place_before_the_first,
        end_lost,
        minus_one,
        floats,
    ],
    notice="Without a loss on the real end, a model never learns to stop.",
)


# ---- best_guess(belief, cost): (n,), (n guesses, n prices) → the guess that costs least on average


def best_guess_right(belief, cost):
    expected = [sum(p * c for p, c in zip(belief, row, strict=True)) for row in cost]
    return expected.index(min(expected))


def dimensions_swapped(belief, cost):
    """That adds up over guesses: `cost[guess]` is the row of one guess, a cost for each price."""
    return int((belief @ cost).argmin())


def the_worst(belief, cost):
    """That is the guess that costs most: take argmin."""
    return int((cost @ belief).argmax())


def its_cost(belief, cost):
    """That is what the best guess costs: return the guess, its index."""
    return float((cost @ belief).min())


def most_likely(belief, cost):
    """That is the most likely price, whatever a mistake costs."""
    return int(belief.argmax())


def the_median(belief, cost):
    """That is the median: it is best when dollars too high and too low cost the same."""
    return int((belief.cumsum(0) < 0.5).sum())


def the_mean(belief, cost):
    """That is the mean: it is best for squared errors."""
    return round(float(belief @ torch.arange(len(belief), dtype=belief.dtype)))


def belief_ignored(belief, cost):
    """That treats all prices as equally likely: weigh each cost with the belief."""
    return int(cost.mean(1).argmin())


def least_worst(belief, cost):
    """That is the guess whose worst case costs least: weigh each cost with the belief."""
    return int(cost.max(1).values.argmin())


def at_the_likeliest(belief, cost):
    """That is best for the most likely price alone: weigh all prices with the belief."""
    return int(cost[:, belief.argmax()].argmin())


def all_costs(belief, cost):
    """That is what each guess costs: return the index of the smallest."""
    return cost @ belief


def gains_as_costs(belief, cost):
    """A negative cost is a gain: keep its sign."""
    return int((cost.abs() @ belief).argmin())


def place_in_the_table(belief, cost):
    """That is a place in the whole table: add up over the prices first."""
    return int((cost * belief).argmin())


def guess_believed_in(belief, cost):
    """The best guess need not be a price with a probability: look at all guesses."""
    n = min(len(belief), len(cost))
    return int((cost @ belief)[:n].masked_fill(belief[:n] == 0, float("inf")).argmin())


def _costs(n, too_low, too_high):
    price = torch.arange(n, dtype=torch.float64)
    over = price[:, None] - price[None, :]  # guess - price
    return torch.where(over > 0, too_high * over, -too_low * over)


best_guess = Check(
    reference=best_guess_right,
    cases=[
        (torch.tensor([1, 3, 2, 2, 1, 4, 2, 1], dtype=torch.float64) / 16, _costs(8, 1, 5)),
        (torch.tensor([4, 1, 6, 1, 1, 1, 1, 1, 0], dtype=torch.float64) / 16, _costs(9, 4, 1)),
        (torch.tensor([6, 0, 0, 0, 0, 0, 10], dtype=torch.float64) / 16, _costs(7, 1, 1) ** 2),
        (torch.tensor([14, 0, 1, 1], dtype=torch.float64) / 16, _costs(4, 1, 1)),
        (torch.tensor([1, 0, 1, 14], dtype=torch.float64) / 16, _costs(4, 1, 1)),
        (
            torch.tensor([4, 4, 8], dtype=torch.float64) / 16,
            torch.tensor([[0, 0, 6], [3, 3, 3.5], [5, 1, 4]], dtype=torch.float64),
        ),
        (torch.tensor([5, 7, 4], dtype=torch.float64) / 16, -_costs(6, 1, 1)[:, :3]),  # gains
        (torch.tensor([1, 2, 3, 4, 5, 1], dtype=torch.float64) / 16, _costs(6, 2, 1)[:4]),
    ],
    mistakes=[
        dimensions_swapped,
        the_worst,
        its_cost,
        most_likely,
        the_median,
        the_mean,
        belief_ignored,
        least_worst,
        at_the_likeliest,
        all_costs,
        gains_as_costs,
        place_in_the_table,
        guess_believed_in,
    ],
    notice="Where a guess too high costs five times one too low, you ask for less than the median.",
)


# ---- bad_twin(belief, label): (n,), int → a belief of equal loss, as far off in dollars as can be


def bad_twin_right(belief, label):
    n = len(belief)
    far = max(range(n), key=lambda price: abs(price - label))
    twin = [0.0] * n
    twin[label] = float(belief[label])
    twin[far] = 1 - float(belief[label])
    return torch.tensor(twin, dtype=belief.dtype)


def always_the_last(belief, label):
    """The last price is not always the farthest: from a high label, 0 is farther."""
    twin = torch.zeros_like(belief)
    twin[label], twin[-1] = belief[label], 1 - belief[label]
    return twin


def label_lost(belief, label):
    """The label has lost its probability: now the loss is infinite, not equal."""
    twin = torch.zeros_like(belief)
    twin[max(0, len(belief) - 1, key=lambda price: abs(price - label))] = 1
    return twin


def spread_out(belief, label):
    """The rest is spread out: put all of it where it is farthest off."""
    twin = torch.full_like(belief, float(1 - belief[label]) / (len(belief) - 1))
    twin[label] = belief[label]
    return twin


def does_not_add_up(belief, label):
    """It does not add up to 1: what the label leaves has to go somewhere."""
    twin = torch.zeros_like(belief)
    twin[label] = belief[label]
    return twin


def turned_round(belief, label):
    """The loss has changed: the label has to keep its probability, whatever the rest does."""
    return belief.flip(0)


def unchanged(belief, label):
    """That is the same belief: keep the label's probability and move the rest."""
    return belief.clone()


def far_from_the_likeliest(belief, label):
    """That is farthest from the most likely price: dollars count from the label."""
    said = int(belief.argmax())
    twin = torch.zeros_like(belief)
    far = max(range(len(belief)), key=lambda price: abs(price - said))
    twin[far] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def to_the_least_likely(belief, label):
    """The least likely price is not the farthest: dollars count from the label."""
    others = [price for price in range(len(belief)) if price != label]
    twin = torch.zeros_like(belief)
    twin[min(others, key=lambda price: belief[price])] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def always_the_first(belief, label):
    """The first price is not always the farthest: from a low label, the last one is farther."""
    twin = torch.zeros_like(belief)
    twin[0], twin[label] = 1 - belief[label], belief[label]
    return twin


def half_to_each_end(belief, label):
    """Half of the rest is at the nearer end: put all of it where it is farthest off."""
    twin = torch.zeros_like(belief)
    twin[0] = twin[-1] = (1 - belief[label]) / 2
    twin[label] = belief[label]
    return twin


def near_end_lost(belief, label):
    """It does not add up to 1: what the belief gave to the nearer end is lost."""
    twin = bad_twin_right(belief, label)
    near = 0 if 2 * label < len(belief) - 1 else len(belief) - 1
    far = len(belief) - 1 - near
    if near != label:
        twin[far] -= belief[near]
    return twin


def label_zero_forgotten(belief, label):
    """0 is a label too, but `if label` is False for it: from 0 the last price is the farthest."""
    twin = torch.zeros_like(belief)
    twin[-1 if label and 2 * label < len(belief) - 1 else 0] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def to_the_mirror_image(belief, label):
    """The label's mirror image is not the farthest price: the end on that side is."""
    twin = torch.zeros_like(belief)
    twin[len(belief) - 1 - label] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


def farthest_believed_in(belief, label):
    """A price with probability 0 may be the farthest: the rest may go to any price."""
    twin = torch.zeros_like(belief)
    believed = [price for price in range(len(belief)) if belief[price] > 0 and price != label]
    twin[max(believed, key=lambda price: abs(price - label))] = 1 - belief[label]
    twin[label] = belief[label]
    return twin


bad_twin = Check(
    reference=bad_twin_right,
    cases=[
        (torch.tensor([0, 1, 2, 3, 5, 3, 2, 0], dtype=torch.float64) / 16, 2),
        (torch.tensor([2, 6, 1, 1, 2, 3, 1, 0], dtype=torch.float64) / 16, 5),
        (torch.tensor([3, 2, 4, 1, 6], dtype=torch.float64) / 16, 1),
        (torch.tensor([0, 2, 5, 4, 3, 2], dtype=torch.float64) / 16, 4),
        (torch.tensor([1, 2, 4, 4, 3, 2], dtype=torch.float64) / 16, 2),
        (torch.tensor([1, 1, 2, 3, 1, 4, 1, 2, 1], dtype=torch.float64) / 16, 5),
        (torch.tensor([8, 5, 3, 0], dtype=torch.float64) / 16, 0),
        (torch.tensor([1, 3, 12], dtype=torch.float64) / 16, 2),
        (torch.tensor([0.25, 0.75]), 1),
        (torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), 3),  # nothing is left to move
    ],
    mistakes=[
        always_the_last,
        label_lost,
        spread_out,
        does_not_add_up,
        turned_round,
        unchanged,
        far_from_the_likeliest,
        to_the_least_likely,
        always_the_first,
        half_to_each_end,
        near_end_lost,
        label_zero_forgotten,
        to_the_mirror_image,
        farthest_believed_in,
    ],
    notice="Its loss is equal to the last digit, and a shop that trusts it goes broke.",
)

# what the learner predicts, in the lesson's order
choices = Prediction(near=1.3)
phrase = Prediction(among=("sold for", "going rate"))
