"""Charts in SVG: points are where the axes say, and words are words."""

import re
import xml.etree.ElementTree as ET

import pytest

from helpers import svg


def parsed(html):
    return ET.fromstring(html)


def test_the_corners_of_the_data_are_the_corners_of_the_axes():
    chart = svg.Chart((-2, 6), (0, 10), "x", "y", height=200)
    chart.line([-2, 6, 2], [0, 10, 5], "red")
    wide, high = svg.WIDTH - svg.LEFT - svg.RIGHT, 200 - svg.TOP - svg.BOTTOM
    [inner] = parsed(chart.html()).findall("svg")
    points = inner.find("polyline").get("points")
    assert points == f"0.0,{high:.1f} {wide:.1f},0.0 {wide / 2:.1f},{high / 2:.1f}"


@pytest.mark.parametrize("limits", [(0, 0.031), (-5, 5), (40, 999)])
def test_ticks_are_round_numbers_where_they_belong(limits):
    html = svg.Chart(limits, (0, 1), "", "").html()
    ticks = re.findall(r'<text x="([\d.]+)" y="198.0" text-anchor="middle" *>(.+?)<', html)
    assert 3 <= len(ticks) <= 8
    wide = svg.WIDTH - svg.LEFT - svg.RIGHT
    for place, value in ticks:
        share = (float(value) - limits[0]) / (limits[1] - limits[0])
        assert 0 <= share <= 1 and float(place) == pytest.approx(svg.LEFT + share * wide, abs=0.1)


def test_a_long_number_at_the_right_end_is_inside_the_picture():
    html = svg.Chart((0, 1_000_000), (0, 1), "", "").html()
    [place] = re.findall(r'<text x="([\d.]+)" y="198.0" text-anchor="middle" *>1e\+06<', html)
    assert float(place) + svg.WIDEST * len("1e+06") / 2 <= svg.WIDTH


def test_words_are_not_markup_and_the_picture_is_left_to_the_sentence_beside_it():
    chart = svg.Chart((0, 1), (0, 1), "a < b & c", "<b>")
    chart.upright(0.5, "red", "<i>", left=True)
    root = parsed(chart.html())
    assert {"a < b & c", "<b>", "<i>"} <= set(root.itertext())
    assert root.get("aria-hidden") == "true"


@pytest.mark.parametrize(
    "x, left, anchor, y",
    [
        (0.5, False, "start", 14),
        (0.5, True, "end", 14),
        (0.1, True, "start", 30),  # no room at the left
        (0.9, False, "end", 30),
    ],
)
def test_the_name_of_a_line_is_inside_the_axes(x, left, anchor, y):
    chart = svg.Chart((0, 1), (0, 1), "", "")
    chart.upright(x, "red", "second median", left=left)
    [name] = [part for part in parsed(chart.html()).iter() if part.text == "second median"]
    assert name.get("text-anchor") == anchor and float(name.get("y")) == y
