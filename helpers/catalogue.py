"""The items to price: the shipped catalogue, checked byte by byte, as a `datasets.Dataset`."""

import hashlib
import json
import re
from pathlib import Path

from helpers import DATA

SPLITS = ("train", "validation", "test")
QUESTION = "How much does this cost to the nearest dollar?"


class DamagedFile(OSError):
    """A shipped file is missing or not as it was shipped; the message names the way back."""


def checked(name: str, folder: Path = DATA) -> Path:
    """The path of the shipped file `name`, after comparing it with its sha256 in data/README.md.

    Raises DamagedFile when it is missing, differs, or has no sha256 there.
    """
    path, readme = folder / name, folder / "README.md"
    restore = f"Restore it with: git checkout -- data/{name}   (or re-make it: make world)"
    if not path.exists():
        raise DamagedFile(f"data/{name} is missing. {restore}")
    wanted = re.search(rf"^([0-9a-f]{{64}})  {re.escape(name)}$", readme.read_text(), re.MULTILINE)
    if not wanted:
        raise DamagedFile(f"data/README.md has no sha256 for {name}. Restore data/README.md first.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != wanted[1]:
        raise DamagedFile(f"data/{name} is damaged: its sha256 is not the shipped one. {restore}")
    return path


def load(split: str, folder: Path = DATA):
    """The items of a split ("train", "validation", "test") as a `datasets.Dataset`.

    Columns: prompt and completion (as in the lectures' hub data), category, product, and
    true_price: the price (dollars) without its noise, which no model gets to see.
    """
    from datasets import Dataset

    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; take one of {', '.join(SPLITS)}")
    lines = checked(f"{split}.jsonl", folder).read_text(encoding="utf-8").splitlines()
    return Dataset.from_list([json.loads(line) for line in lines])


def prices(items):
    """The asked prices of `items` in dollars, shape (N,), float64."""
    import numpy as np

    return np.array([float(completion) for completion in items["completion"]])


def descriptions(items) -> list[str]:
    """What a shop says of each item: its prompt without the question around it."""
    return [
        p.removeprefix(f"{QUESTION}\n\n").removesuffix("\n\nPrice is $") for p in items["prompt"]
    ]
