"""Lesson 1's widget: torch is asked, and each size is coloured by what really happens to it."""

import itertools

import numpy as np
import pytest
from support import Panel

from helpers.lesson_01 import widget


@pytest.fixture
def panel():
    return Panel(widget.shapes("3, 1", "4"))


def test_shapes_meet_or_are_refused_with_a_reason(panel):
    assert "(3, 1) + (4,) makes (3, 4)" in panel.said
    panel.find("operation").value = "@"
    assert (
        "(3, 1) @ (4,): refused, because 1 meets 4" in panel.said
        and widget.VALIDATION in panel.said
    )
    panel.find("second shape").value = "(1, 5)"
    assert "(3, 1) @ (1, 5) makes (3, 5)" in panel.said
    panel.find("operation").value = "+"
    assert "(3, 1) + (1, 5) makes (3, 5)" in panel.said
    panel.find("second shape").value = ""
    assert "(3, 1) + () makes (3, 1)" in panel.said
    panel.find("operation").value = "@"
    assert "because @ needs a dimension on both sides" in panel.said


@pytest.mark.parametrize("text", ["3, x", "-1", "2.5", "1 2 3 4 5 6 7", "9999999", "[3]"])
def test_what_is_no_shape_is_explained(panel, text):
    panel.find("second shape").value = text
    assert "✗" in panel.said and "<svg" not in panel.said
    panel.find("second shape").value = "3 4"
    assert "makes (3, 4)" in panel.said


SIZES = [(), (1,), (2,), (3,), (1, 2), (2, 1), (2, 3), (3, 2), (2, 2, 3), (1, 3, 2), (2, 1, 2, 3)]


@pytest.mark.parametrize("operation", ["+", "@"])
def test_sizes_are_refused_in_the_picture_where_numpy_refuses_and_nowhere_else(operation):
    for a, b in itertools.product(SIZES, SIZES):
        try:
            x, y = np.ones(a), np.ones(b)
            expected = (x + y if operation == "+" else x @ y).shape
        except ValueError:
            expected = None
        assert widget.meet(a, b, operation) == expected, (a, b)
        drawn = widget._drawn(a, b, operation, expected)
        if a and b or operation == "+":
            refused = any("refused" in column for column in widget.aligned(a, b, operation))
            assert refused == (expected is None), (a, b)
            words = drawn.count(">refused<")
            assert words == 1 and "result" in drawn


def test_a_size_of_one_is_repeated_and_the_inner_sizes_disappear():
    fates = [column[2:] for column in widget.aligned((3, 1), (4,), "+")]
    assert fates == [("repeated", "equal, or kept"), ("equal, or kept",) * 2]
    [columns, inner, rows] = widget.aligned((2, 3), (3, 5), "@")
    assert (columns[:2], inner[:2], rows[:2]) == ((None, 5), (3, 3), (2, None))
    assert inner[2:] == ("disappears",) * 2


def test_without_a_kernel_a_table_has_both_answers(capsys):
    widget.show_shapes("2, 3", "3, 4")
    said = capsys.readouterr().out
    assert "(2, 3) @ (3, 4)" in said and "(2, 4)" in said and "refused" in said
