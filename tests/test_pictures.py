"""The README's pictures: those of the committed lessons, small, sharp, with their words."""

import io
import os
import re

import film
import links
import numpy as np
import pictures
import pytest
from PIL import Image


@pytest.mark.parametrize("file", pictures.CELLS)
def test_a_picture_of_the_readme_is_its_lessons(file):
    png, shown = pictures.picture(file)
    assert (pictures.FOLDER / file).read_bytes() == png, "run: make pictures"
    assert len(png) < 150_000
    width, height = Image.open(io.BytesIO(png)).size
    assert (width // 2, height // 2) == (shown["width"], shown["height"])
    readme = links.README.read_text(encoding="utf-8")
    assert pictures.in_html(file) in readme.splitlines(), "run: make pictures"


def test_the_readme_shows_them_before_it_says_how_to_start():
    top, _, rest = links.README.read_text(encoding="utf-8").partition("## Start")
    assert re.findall(r'src="\.github/(.+?)"', top) == list(pictures.CELLS)
    assert "<img" not in rest
    assert {path.name for path in pictures.FOLDER.glob("*.png")} == set(pictures.CELLS)


@pytest.mark.skipif(
    os.environ.get("STACK", "pinned") != "pinned", reason="drawn by the pinned stack"
)
def test_the_film_of_the_site_is_lesson_2s_training():
    known = film.lesson()
    steps = film.steps(known["n_steps"])
    assert steps[0] == 0 and steps[-1] == known["n_steps"]
    with Image.open(film.FILE) as shipped:
        frames = []
        for n in range(shipped.n_frames):
            shipped.seek(n)
            frames.append(np.asarray(shipped.convert("RGB"), dtype=float))
    assert len(frames) == len(steps) and film.FILE.stat().st_size < 150_000
    for n in (0, 10, len(steps) - 1):
        drawn = np.asarray(film.frame(known, steps[n]), dtype=float)
        apart = [abs(drawn - frame).mean() for frame in frames]  # of 255: few colours, no more
        assert np.argmin(apart) == n and apart[n] < 2, "run: make pictures"
