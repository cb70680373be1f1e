"""Write tests/tools/site/models.json, from which the site's calculator counts LoRA's weights.

python tests/tools/site_models.py     # in the course's own environment; the site's has no torch
"""

import json
from collections import Counter
from pathlib import Path

from helpers import counting
from helpers.lesson_06 import plots, widget

FILE = Path(__file__).parent / "site" / "models.json"


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


if __name__ == "__main__":
    FILE.write_text(json.dumps(models(), indent=None) + "\n", encoding="utf-8")
