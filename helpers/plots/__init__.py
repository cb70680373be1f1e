"""What every picture shares: the look of `notebooks/matplotlibrc`, colours by role, a text alternative.

One module a subject draws the pictures of its lesson (`tensors`, `graphs`, `lora`, `training`).
No torch at import time: a function takes arrays or tensors and turns them into NumPy.
"""

import io

import matplotlib
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from helpers import ROOT

matplotlib.rc_file(ROOT / "notebooks" / "matplotlibrc")  # wherever the lesson runs

TRAINING, VALIDATION, REFERENCE = "#0072B2", "#D55E00", "#777777"
FROZEN, ADAPTER, MUTED = "#BBCCDD", "#E69F00", "#DDDDDD"
SIGNED = LinearSegmentedColormap.from_list("signed", ["#0072B2", "white", "#E69F00"])


def png(figure: plt.Figure, alt: str) -> tuple[dict, dict]:
    """`figure` as a PNG with the text alternative `alt`: (data, metadata) for display; closes it."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    plt.close(figure)
    # a palette of 256 colours: a third of the size
    Image.open(drawn).convert("RGB").quantize(256).save(buffer, format="png", optimize=True)
    data = {"image/png": buffer.getvalue(), "text/plain": f"[picture] {alt}"}
    return data, {"image/png": {"alt": alt}}


def show(figure: plt.Figure, alt: str) -> None:
    """Display `figure` as a PNG whose text alternative is `alt`, and close it."""
    data, metadata = png(figure, alt)
    display(data, metadata=metadata, raw=True)
