"""Draw the site's film of lesson 2, a boundary on its way to a circle: part of `make pictures`.

The training is the lesson's own: its code runs here, as committed, up to the picture of the same.
"""

import contextlib
import io
import runpy
import tempfile
from pathlib import Path

import links
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import torch
from matplotlib.lines import Line2D
from PIL import Image

from helpers.lesson_02 import plots

FILE = Path(__file__).parent / "site" / "static" / "closing.gif"
SIZE, DPI = (3.6, 3.8), 120  # inches, and pixels each: drawn larger than shown
N_FRAMES, N_COLOURS = 26, 24
MILLISECONDS, HELD = 130, 2500  # how long a frame is shown, and the last one


def lesson() -> dict:
    """The names of lesson 2 when its hidden layer is trained: forward, history, trained, X, y, …"""
    [path] = links.NOTEBOOKS.glob("02_*.ipynb")
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    code = "\n".join(c.source for c in cells if "colab" not in c.metadata.get("tags", []))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lesson.py"
        file.write_text(code.partition("\nplots.boundary(")[0], encoding="utf-8")
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return runpy.run_path(str(file))
        finally:
            torch.set_default_dtype(torch.float32)  # the lesson sets float64


def steps(n_steps: int) -> list[int]:
    """The steps that are shown, 0 and the last among them; the first ones are near each other."""
    return np.unique(np.rint(n_steps * np.linspace(0, 1, N_FRAMES) ** 2.2).astype(int)).tolist()


def frame(known: dict, step: int) -> Image.Image:
    """The boundary after `step` steps. known: what `lesson` returns."""
    figure = plt.figure(figsize=SIZE, dpi=DPI)
    ax = figure.add_subplot(xlabel="first input", ylabel="second input")
    params = [*known["history"], known["trained"]][step]
    right = plots.draw_boundary(ax, known["forward"], params, known["X"], known["y"])
    ax.set_title(f"step {step}: {right:.0%} right")
    handles = [Line2D([], [], color="black", lw=2), *ax.collections[-2:]]
    names = ["p = 0.5", "label 0", "label 1"]
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    figure.canvas.draw()
    drawn = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    plt.close(figure)
    return drawn


def main() -> None:
    """Train, draw, and write the film."""
    known = lesson()
    frames = [frame(known, step) for step in steps(known["n_steps"])]
    colours = frames[len(frames) // 2].quantize(N_COLOURS)  # this one has every shade
    first, *rest = [one.quantize(palette=colours, dither=Image.Dither.NONE) for one in frames]
    durations = [*[MILLISECONDS] * len(rest), HELD]
    first.save(FILE, append_images=rest, save_all=True, duration=durations, loop=0, optimize=True)


if __name__ == "__main__":
    main()
