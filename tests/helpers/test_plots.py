"""Every picture: sharp, small enough for a phone, readable, and told in words beside it."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers import plots


@pytest.fixture
def displayed(monkeypatch):
    """What `show` displays: a list of (data, metadata)."""
    found = []
    monkeypatch.setattr(plots.environment, "in_notebook", lambda: True)
    monkeypatch.setattr(
        plots, "display", lambda data, metadata=None, raw=False: found.append((data, metadata))
    )
    return found


def a_figure(width=5.0, size=10):
    figure, ax = plt.subplots(figsize=(width, 2))
    ax.set_xlabel("steps", fontsize=size)
    return figure


def test_a_picture_has_twice_the_pixels_that_it_is_shown_with_and_a_white_margin(displayed):
    plots.show(a_figure(), "A line & <more>.")
    (data, metadata), _ = displayed
    image = Image.open(io.BytesIO(data["image/png"]))
    look = metadata["image/png"]
    assert [side // 2 for side in image.size] == [look["width"], look["height"]]
    assert 480 <= look["width"] <= 540
    pixels = np.asarray(image.convert("L"))
    for edge in (pixels[:16], pixels[-16:], pixels[:, :16], pixels[:, -16:]):
        assert edge.min() == 255
    assert pixels.min() < 100


def test_its_words_follow_as_text_that_needs_no_picture(displayed):
    plots.show(a_figure(), "A line & <more>.")
    (picture, metadata), (words, _) = displayed
    assert metadata["image/png"]["alt"] == words["text/plain"] == "A line & <more>."
    assert set(picture) == {"image/png", "text/plain"}  # html beside it would hide it on GitHub
    assert words["text/html"] == (
        "<details><summary>This picture in words</summary>A line &amp; &lt;more&gt;.</details>"
    )


def test_a_script_prints_the_words_and_closes_the_picture(capsys):
    figure = a_figure()
    plots.show(figure, "A line & <more>.")
    assert capsys.readouterr().out == "[picture] A line & <more>.\n"
    assert not plt.fignum_exists(figure.number)


def test_a_picture_that_a_phone_cannot_show_is_refused(displayed):
    with pytest.raises(ValueError, match=r"6\.5 inches wide: at most 6\.4"):
        plots.show(a_figure(width=6.5), "Too wide for a phone.")
    with pytest.raises(ValueError, match=r"'steps' has 8\.9 points: too small"):
        plots.show(a_figure(size=8.9), "Too small to read.")
    assert displayed == []
    plt.close("all")


def test_a_finding_and_its_panels_have_one_look():
    figure, panels = plt.subplots(1, 2)
    plots.heading(figure, "What both panels show")
    plots.panel_title(panels[0], "before")
    assert figure.get_suptitle() == "What both panels show"
    assert panels[0].title.get_fontweight() == "normal" or panels[0].get_title(loc="left")
    plt.close(figure)


def test_a_palette_is_used_where_the_eye_sees_no_difference(displayed):
    """A heat map keeps its shades; lines and letters need few colours."""
    shades = np.add.outer(np.linspace(0, 1, 300), np.linspace(0, 1, 300))
    figure, ax = plt.subplots(figsize=(4, 4))
    ax.imshow(np.dstack([shades / 2, shades.T[::-1] / 2, 1 - shades / 2]))
    for one in (figure, a_figure()):
        plots.show(one, "A picture of many or few colours.")
    many, few = (Image.open(io.BytesIO(data["image/png"])) for data, _ in displayed[::2])
    assert (many.mode, few.mode) == ("RGB", "P")
    assert len(few.getcolors()) <= 64
