"""Write what the site's moving pictures compute from: models.json and beliefs.json, in site/.

python tests/tools/site_tables.py     # in the course's own environment; the site's has no torch
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np

from helpers import base_model, counting, pricing
from helpers.lesson_06 import plots, widget

SITE = Path(__file__).parent / "site"
FRAME = "Going rate ~$"  # lesson 4's
# {product: (its text, {what differs: (words of the text, words in their place)})}
PRODUCTS = {
    "pressure washer": (
        "Brand new, sealed. A white pressure washer from Aldermoor with 160 bar, 5 m hose and "
        "plastic pump. Hose winds onto a reel.",  # the item of lesson 4
        {
            "well used": ("Brand new, sealed.", "Well used."),
            "red": ("white", "red"),
            "from Juniper Row": ("Aldermoor", "Juniper Row"),
            "12 m hose": ("5 m", "12 m"),
            "brass pump": ("plastic", "brass"),
        },
    ),
    "headphones": (
        "Hollis headphones, over ear, wireless, noise cancelling, in black. Brand new, sealed. "
        "Soft pads for long days.",
        {
            "used": ("Brand new, sealed.", "Used, in working order."),
            "white": ("black", "white"),
            "from Aldermoor": ("Hollis", "Aldermoor"),
            "wired": ("wireless", "wired"),
        },
    ),
}


def models() -> dict:
    """What the calculator of lesson 6 knows: its ranks, and of each model its linear layers.

    A module is [name, in_features, out_features, how many]; chosen: the names ticked at the start.
    """
    found = {}
    for name, config in ({"Llama 3.1 8B": counting.llama_3_1_8b()} | widget.other_models()).items():
        shapes, n_base, _ = widget.shapes_and_size(config)
        modules = Counter((full.split(".")[-1], *shape) for full, shape in shapes.items())
        found[name] = {
            "n_base": n_base,
            "chosen": widget.first_choice(shapes),
            "modules": [[*module, n] for module, n in modules.items()],
        }
    return {"ranks": plots.RANKS, "models": found}


def texts() -> dict[str, str]:
    """The texts of the moving beliefs by their names: each product, then what differs from it."""
    found = {}
    for product, (text, changes) in PRODUCTS.items():
        found[product] = text
        for name, (words, others) in changes.items():
            found[f"{product}, {name}"] = text.replace(words, others)
    return found


def beliefs_of(texts: list[str]) -> np.ndarray:
    """What the untuned Pocket Llama believes of each text's price, (N, 1000), as in lesson 4."""
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    model = base_model.load_base(base_model.POCKET)
    return pricing.price_distribution(model, tokenizer, [f"{text}\n{FRAME}" for text in texts])


def beliefs() -> list[dict]:
    """Of each text its name, the text, and −ln p of the prices 0 to 999 in units of 0.0001 nats."""
    named = texts()
    nats = np.rint(-10_000 * np.log(beliefs_of(list(named.values())))).astype(int)
    rows = zip(named.items(), nats.tolist(), strict=True)
    return [{"name": name, "text": text, "nats": row} for (name, text), row in rows]


if __name__ == "__main__":
    for name, table in (("models", models()), ("beliefs", beliefs())):
        text = json.dumps(table, separators=(",", ":"))
        (SITE / f"{name}.json").write_text(text + "\n", encoding="utf-8")
