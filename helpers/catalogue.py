"""The items to price, as a `datasets.Dataset`: the shipped catalogue, or a data set on the hub."""

import hashlib
import json
from pathlib import Path

from helpers import DATA

POCKET = "pocket"
SPLITS = ("train", "validation", "test")
QUESTION = "How much does this cost to the nearest dollar?"


class DamagedFile(OSError):
    """A shipped file is missing or has been modified; the message says how to restore it."""


def checked(name: str, folder: Path = DATA) -> Path:
    """The path of the shipped file `name`, after comparing it with its sha256 in data/SHA256SUMS.

    Raises DamagedFile when it is missing, differs, or has no sha256 there.
    """
    path = folder / name
    restore = f"Restore it with: git checkout -- data/{name}   (or re-make it: make world)"
    if not path.exists():
        raise DamagedFile(f"data/{name} is missing. {restore}")
    if sha256_of(path) != shipped_sha256(name, folder):
        raise DamagedFile(f"data/{name} is damaged: its sha256 is not the shipped one. {restore}")
    return path


def sha256_of(path: Path) -> str:
    """The sha256 (hex) of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shipped_sha256(name: str, folder: Path = DATA) -> str:
    """The sha256 (hex) that data/SHA256SUMS gives for the shipped file `name`.

    Raises DamagedFile when it has none.
    """
    known = shipped(folder)
    if name not in known:
        restore = "Restore it with: git checkout -- data/SHA256SUMS"
        raise DamagedFile(f"data/SHA256SUMS has no line for {name}. {restore}")
    return known[name]


def shipped(folder: Path = DATA) -> dict[str, str]:
    """{name: sha256 (hex)} of the files that data/SHA256SUMS names; empty if it is missing."""
    sums = folder / "SHA256SUMS"  # as `sha256sum` writes it: hex, two spaces, name
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    return {line[66:]: line[:64] for line in lines}


def load(split: str, source: str = POCKET, revision: str | None = None, folder: Path = DATA):
    """The items of a split ("train", "validation", "test") as a `datasets.Dataset`.

    source: "pocket" for the shipped catalogue (in `folder`), the name of a data set on the hub
        (at `revision`), or a folder laid out like one. Columns: prompt and completion, as in the lectures' data. The
        pocket world adds category, product and true_price: the price (dollars) without its
        noise, which no model gets to see.
    Raises ValueError when the split or the columns are not there.
    """
    from datasets import Dataset, load_dataset

    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; take one of {', '.join(SPLITS)}")
    if source == POCKET:
        lines = checked(f"{split}.jsonl", folder).read_text(encoding="utf-8").splitlines()
        return Dataset.from_list([json.loads(line) for line in lines])
    found = load_dataset(source, revision=revision)
    names = [split] + (["val"] if split == "validation" else [])
    name = next((name for name in names if name in found), None)
    if name is None:
        raise ValueError(f"{source} has no split {split}; it has {', '.join(found)}")
    if missing := {"prompt", "completion"} - set(found[name].column_names):
        raise ValueError(
            f"{source} has no column {', '.join(sorted(missing))}; it has "
            f"{', '.join(found[name].column_names)}. Wanted: prompt and completion, as in the lectures"
        )
    return found[name]


def prices(items):
    """The asking prices of `items` in dollars, shape (N,), float64."""
    import numpy as np

    return np.array([float(completion) for completion in items["completion"]])


def descriptions(items) -> list[str]:
    """What a shop says of each item: its prompt without the question around it."""
    return [
        p.removeprefix(f"{QUESTION}\n\n").removesuffix("\n\nPrice is $") for p in items["prompt"]
    ]
