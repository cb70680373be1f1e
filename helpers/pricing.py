"""From a model's next-token distribution to a price in dollars, in batches (lesson 08)."""

import numpy as np
import torch

N_PRICES = 1000  # every integer 0–999 is one token, in Pocket Llama as in Llama 3


def price_token_ids(tokenizer) -> torch.Tensor:
    """The token of every whole price, shape (1000,). Raises ValueError if one is not a single token."""
    ids = [tokenizer.encode(str(n), add_special_tokens=False) for n in range(N_PRICES)]
    if any(len(i) != 1 for i in ids):
        raise ValueError(
            "This tokenizer writes some prices below 1000 in several tokens, so one step cannot "
            "hold a price. Use a base with one token a number (Llama 3, Pocket Llama)."
        )
    return torch.tensor(ids)[:, 0]


@torch.inference_mode()
def price_distribution(model, tokenizer, prompts: list[str], batch_size: int = 50) -> np.ndarray:
    """What the model believes of each prompt's price: probabilities, shape (N, 1000).

    Read from the one position after the prompt and renormalised over the price tokens. Prompts
    are padded on the left; the model is left in the mode (train or eval) in which it came.
    """
    ids, was_training = price_token_ids(tokenizer), model.training
    side, tokenizer.padding_side = tokenizer.padding_side, "left"
    order = np.argsort([len(prompt) for prompt in prompts], kind="stable")  # little padding
    beliefs = np.empty((len(prompts), N_PRICES), dtype=np.float32)
    model.eval()
    try:
        for start in range(0, len(prompts), batch_size):
            chosen = order[start : start + batch_size]
            batch = tokenizer([prompts[i] for i in chosen], return_tensors="pt", padding=True)
            logits = model(**batch.to(model.device), logits_to_keep=1).logits[:, -1]
            beliefs[chosen] = logits[:, ids.to(logits.device)].float().softmax(-1).cpu().numpy()
    finally:
        model.train(was_training)
        tokenizer.padding_side = side
    return beliefs


def most_likely(beliefs: np.ndarray) -> np.ndarray:
    """The price with the highest probability, shape (N,): what greedy decoding would say."""
    return beliefs.argmax(-1).astype(float)


def mean(beliefs: np.ndarray) -> np.ndarray:
    """The expected price, shape (N,): the best guess for squared error."""
    return beliefs @ np.arange(N_PRICES, dtype=float)


def median(beliefs: np.ndarray) -> np.ndarray:
    """The price with half of the belief below it, shape (N,): the best guess for absolute error."""
    return (beliefs.cumsum(-1) < 0.5 * beliefs.sum(-1, keepdims=True)).sum(-1).astype(float)
