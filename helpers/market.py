"""The market talk that Pocket Llama was trained on, made anew: data/make_base.py writes it."""

import importlib
import random
import sys

import torch
import torch.nn.functional as F

from helpers import DATA

PAGES_AT_ONCE = 10  # of a forward pass: all logits of 100 pages would take 0.4 GB more


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

    It rises where tuning makes a model forget what it was trained on (lessons 7 and 9).
    """
    pages = market_pages(n_pages, seed=9)
    ids = tokenizer(pages, return_tensors="pt", truncation=True, max_length=length)["input_ids"]
    total = 0.0
    for batch in ids.split(PAGES_AT_ONCE):
        logits = model(batch).logits[:, :-1].flatten(0, 1)
        total += F.cross_entropy(logits, batch[:, 1:].flatten(), reduction="sum").item()
    return total / ids[:, 1:].numel()
