"""The market talk that Pocket Llama was trained on, made anew: data/make_base.py writes it."""

import importlib
import random
import sys

import torch

from helpers import DATA


def market_pages(n: int, seed: int) -> list[str]:
    """`n` pages of things for sale, each longer than 64 tokens; the same for the same seed.

    data/ is a folder of scripts, not a package: it is on Python's path only while they are imported.
    """
    sys.path.insert(0, str(DATA))
    try:
        make_base = importlib.import_module("make_base")
    finally:
        sys.path.remove(str(DATA))
    rng = random.Random(seed)
    return [make_base.page(rng, taken=(), pieces=())[0] for _ in range(n)]


@torch.inference_mode()
def own_text_loss(model, tokenizer, n_pages: int = 100, length: int = 128) -> float:
    """The loss of `model` on new pages of the base's own kind of text, in nats a token.

    It rises where tuning makes a model forget what it was trained on (lesson 9).
    """
    pages = market_pages(n_pages, seed=9)
    batch = tokenizer(pages, return_tensors="pt", truncation=True, max_length=length)["input_ids"]
    logits = model(batch).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).item()
