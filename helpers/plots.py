"""What every picture shares: colours by role, titles, and `show`, which adds a description in words.

A lesson's own pictures are in its folder, `lesson_NN/plots.py`. The look is notebooks/matplotlibrc.
No torch at import time: a function takes arrays or tensors and turns them into NumPy.
"""

import io
from html import escape

import matplotlib
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image, ImageChops, ImageStat

from helpers import ROOT, environment

matplotlib.rc_file(ROOT / "notebooks" / "matplotlibrc")  # wherever the lesson runs

# Okabe and Ito's colours, by what they mean in every lesson
TRAINING, VALIDATION, REFERENCE = "#0072B2", "#D55E00", "#777777"
FROZEN, ADAPTER, MUTED = "#BBCCDD", "#E69F00", "#DDDDDD"
GREEN, PINK, SKY, YELLOW = "#009E73", "#CC79A7", "#56B4E9", "#F0E442"  # no meaning of their own
SIGNED = LinearSegmentedColormap.from_list("signed", [TRAINING, "white", ADAPTER])

MAX_WIDTH, MIN_POINTS = 6.4, 9  # inches; points of the smallest text
PIXELS = 2  # pixels of the file for each pixel shown: sharp on a phone


def heading(figure: plt.Figure, text: str) -> None:
    """The finding above several panels, in the look of one panel's title."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, fontweight="bold")


def panel_title(ax: plt.Axes, text: str) -> None:
    """The name of one panel below a `heading`."""
    ax.set_title(text, fontsize=10, fontweight="normal")


def png(figure: plt.Figure, alt: str) -> tuple[dict, dict]:
    """`figure` as a PNG with the text alternative `alt`: (data, metadata) for display; closes it.

    Raises ValueError if it is wider than a phone can show or holds text too small to read.
    """
    _check_readable(figure)
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=PIXELS * figure.dpi)
    plt.close(figure)
    picture = _reduced(Image.open(drawn).convert("RGB"))
    picture.save(buffer, format="png", optimize=True)
    width, height = (pixels // PIXELS for pixels in picture.size)
    data = {"image/png": buffer.getvalue(), "text/plain": f"[picture] {alt}"}
    return data, {"image/png": {"alt": alt, "width": width, "height": height}}


def _reduced(picture: Image.Image) -> Image.Image:
    """`picture` with a palette, a third of the size, if the eye sees no difference; else as it is."""
    for n_colours in (64, 128, 256):
        fewer = picture.quantize(n_colours)
        change = ImageStat.Stat(ImageChops.difference(picture, fewer.convert("RGB")))
        if max(change.mean) < 0.25:  # of 255, on average
            return fewer
    return picture


def show(figure: plt.Figure, alt: str) -> None:
    """Display `figure` and, folded below it, `alt`: what the picture shows, in words.

    JupyterLab, nbconvert and GitHub drop the alt text of a picture, so screen readers get it as
    text of its own. A script prints the words alone.
    """
    if not environment.in_notebook():
        plt.close(figure)
        print(f"[picture] {alt}")
        return
    data, metadata = png(figure, alt)
    display(data, metadata=metadata, raw=True)
    words = f"<details><summary>This picture in words</summary>{escape(alt)}</details>"
    display({"text/html": words, "text/plain": alt}, raw=True)


def _check_readable(figure) -> None:
    if figure.get_figwidth() > MAX_WIDTH:
        raise ValueError(f"{figure.get_figwidth()} inches wide: at most {MAX_WIDTH}")
    figure.canvas.draw()  # ticks get their labels when they are drawn
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_visible() and text.get_text().strip() and text.get_fontsize() < MIN_POINTS:
            raise ValueError(f"{text.get_text()!r} has {text.get_fontsize()} points: too small")
