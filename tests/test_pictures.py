"""The README's pictures: those of the committed lessons, small, sharp, with their words."""

import io
import re

import links
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
