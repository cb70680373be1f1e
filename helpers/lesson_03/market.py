"""The market talk that Pocket Llama was trained on, made anew: data/make_base.py writes it."""

import importlib
import random
import sys

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
