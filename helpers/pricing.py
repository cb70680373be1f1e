"""From a model's next-token distribution to a price in dollars, in batches (lesson 8)."""

from dataclasses import dataclass

import numpy as np
import torch

N_PRICES = 1000  # whole dollars, 0 to 999
FRAME = "Price is $"  # how a prompt ends; a number is tokenized behind it, as in training
MAX_ROWS = 512  # rows of logits a forward pass: 0.5 GB with a vocabulary of 150,000


@dataclass(frozen=True)
class PriceTree:
    """The tokens of the 1,000 prices as a tree; each node is the tuple of tokens that leads to it.

    With one token a number (Llama 3, Pocket Llama) it has 1,000 leaves and no inner node. With one
    token a digit (Qwen 3) the nodes "1" … "99" are prices and also the start of longer ones.
    """

    prices: list[tuple[int, ...]]  # the node of each price, 0 to 999
    nodes: list[tuple[int, ...]]  # all nodes but the root, shorter ones first
    inner: list[tuple[int, ...]]  # the nodes that another token can follow, shorter ones first


def price_tree(tokenizer) -> PriceTree:
    """The tree of the tokens that `tokenizer` writes for 0, 1, … 999 after a dollar sign.

    Raises ValueError if it joins the dollar sign and the digits in one token.
    """
    texts = [FRAME, *(f"{FRAME}{n}" for n in range(N_PRICES))]
    frame, *coded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    prices = []
    for n, ids in enumerate(coded):
        if ids[: len(frame)] != frame or len(ids) == len(frame):
            raise ValueError(
                f"this tokenizer joins the dollar sign and the digits of ${n} in one token, so the "
                "prompt cannot end before the price: take another base, such as Llama 3 or Qwen 3"
            )
        prices.append(tuple(ids[len(frame) :]))
    nodes = dict.fromkeys(path[:n] for path in prices for n in range(1, len(path) + 1))
    inner = dict.fromkeys(path[:n] for path in prices for n in range(1, len(path)))
    return PriceTree(prices, sorted(nodes, key=len), sorted(inner, key=len))


@torch.inference_mode()
def price_distribution(model, tokenizer, prompts: list[str], batch_size: int = 50) -> np.ndarray:
    """What the model believes of each prompt's price: probabilities, shape (N, 1000).

    The rule: a price gets the probability of its tokens, one after the other, times the
    probability that no token of the tree continues the number (99 must not go on to 990 … 999);
    then all is renormalised over the 1,000 prices. With one token a number nothing continues a
    price, so this is the softmax over the price tokens at the one position after the prompt.

    One forward pass a batch. With several tokens a number, the tree's inner nodes (99 of them for
    single digits) follow the prompt in the same pass, each seeing the prompt and the tokens that
    lead to it, and a pass holds fewer prompts, so that memory stays bounded.
    batch_size: prompts a forward pass, at most. They are padded on the left. The model is left in
    the mode (train or eval) that it was in.
    """
    tree, was_training = price_tree(tokenizer), model.training
    side, tokenizer.padding_side = tokenizer.padding_side, "left"
    batch_size = max(1, min(batch_size, MAX_ROWS // (1 + len(tree.inner))))
    order = np.argsort([len(prompt) for prompt in prompts], kind="stable")  # little padding
    beliefs = np.empty((len(prompts), N_PRICES), dtype=np.float32)
    model.eval()
    try:
        for start in range(0, len(prompts), batch_size):
            chosen = order[start : start + batch_size]
            batch = tokenizer([prompts[i] for i in chosen], return_tensors="pt", padding=True)
            batch = batch.to(model.device)
            if tree.inner:
                batch = _with_inner_nodes(batch, tree, model.get_input_embeddings().weight.dtype)
            kept = 1 + len(tree.inner)  # the prompt's last position, and the inner nodes'
            logits = model(**batch, logits_to_keep=kept, use_cache=False).logits[:, -kept:]
            beliefs[chosen] = _probabilities(logits, tree).cpu().numpy()
    finally:
        model.train(was_training)
        tokenizer.padding_side = side
    return beliefs


def _with_inner_nodes(batch, tree: PriceTree, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The model's inputs for prompts (B, T) followed by the tree's inner nodes: (B, T + nodes).

    The attention mask (B, 1, T + nodes, T + nodes) is added to the scores: 0 where a position may
    look, the least number where not. A node's position is as if it followed the prompt directly.
    """
    ids, real = batch["input_ids"], batch["attention_mask"].bool()
    (B, T), n = ids.shape, len(tree.inner)
    L = T + n
    last = torch.tensor([node[-1] for node in tree.inner], device=ids.device)
    depth = torch.tensor([len(node) for node in tree.inner], device=ids.device)
    leads = [[node[: len(other)] == other for other in tree.inner] for node in tree.inner]

    sees = torch.zeros(B, L, L, dtype=torch.bool, device=ids.device)
    sees[:, :T, :T] = torch.ones(T, T, dtype=torch.bool, device=ids.device).tril()
    sees[:, T:, :T] = True
    sees[:, :, :T] &= real[:, None, :]
    sees[:, T:, T:] = torch.tensor(leads, device=ids.device)
    sees |= torch.eye(L, dtype=torch.bool, device=ids.device)  # padding sees itself: no empty row
    mask = torch.zeros(B, 1, L, L, dtype=dtype, device=ids.device)
    mask.masked_fill_(~sees[:, None], torch.finfo(dtype).min)

    n_real = real.sum(-1, keepdim=True)
    places = torch.cat([(real.cumsum(-1) - 1).clamp(min=0), n_real - 1 + depth], dim=-1)
    ids = torch.cat([ids, last.expand(B, n)], dim=-1)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": places}


def _probabilities(logits: torch.Tensor, tree: PriceTree) -> torch.Tensor:
    """The belief over the prices, (B, 1000), from logits (B, 1 + inner nodes, V), the root first."""
    row = {node: i for i, node in enumerate([(), *tree.inner])}
    rows = [row[node[:-1]] for node in tree.nodes]  # where each node's last token is predicted
    scores = logits[:, rows, [node[-1] for node in tree.nodes]].float()  # (B, nodes)
    first = rows.count(0)
    step = scores[:, :first].softmax(-1)  # (B, nodes): a token's probability after the ones before
    goes_on = logits.new_zeros(len(logits), len(row), dtype=torch.float32)  # 0 at the root: unused
    if tree.inner:
        norm = torch.stack([one.float().logsumexp(-1) for one in logits])  # (B, 1 + inner nodes)
        deeper = (scores - norm[:, rows])[:, first:].exp()
        goes_on.index_add_(1, torch.tensor(rows[first:], device=deeper.device), deeper)
        step = torch.cat([step, deeper], dim=-1)

    where = {node: i for i, node in enumerate(tree.nodes)}
    longest = max(map(len, tree.prices))
    steps = [[where[path[: n + 1]] for n in range(len(path))] for path in tree.prices]
    steps = [path + [len(where)] * (longest - len(path)) for path in steps]  # filled up with ones
    step = torch.cat([step, torch.ones_like(step[:, :1])], dim=-1)
    ends = 1 - goes_on[:, [row.get(path, 0) for path in tree.prices]]
    belief = step[:, steps].prod(-1) * ends.clamp(min=0)
    return belief / belief.sum(-1, keepdim=True) if tree.inner else belief


def most_likely(beliefs: np.ndarray) -> np.ndarray:
    """The price with the highest probability, shape (N,).

    With one token a number, this is what greedy decoding answers.
    """
    return beliefs.argmax(-1).astype(float)


def mean(beliefs: np.ndarray) -> np.ndarray:
    """The expected price, shape (N,): the best guess for squared error."""
    return beliefs @ np.arange(N_PRICES, dtype=float)


def median(beliefs: np.ndarray) -> np.ndarray:
    """The smallest price with half of the belief at or below it, shape (N,).

    It is the best guess for absolute error.
    """
    return (beliefs.cumsum(-1) < 0.5 * beliefs.sum(-1, keepdims=True)).sum(-1).astype(float)
