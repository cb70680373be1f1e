"""Lesson 7's widget: levels, errors and bits, by a second way of counting, on both kinds of values."""

import re

import numpy as np
import pytest
import torch
from support import Panel

from helpers.lesson_07 import widget

PHOTO = torch.linspace(-1, 1, 64 * 64).reshape(64, 64).sin()
WEIGHTS = torch.randn(128, 128, generator=torch.Generator().manual_seed(0))


def even(bits):
    return torch.linspace(-1, 1, 2**bits)


def with_zero(bits):
    n = 2 ** (bits - 1) - 1
    return torch.arange(-n, n + 1) / n


def quantize(values, levels, block_size):
    blocks = values.reshape(-1, block_size)
    absmax = blocks.abs().amax(1, keepdim=True)
    return ((blocks / absmax)[..., None] - levels).abs().argmin(-1), absmax


def dequantize(codes, absmax, levels, shape):
    return (levels[codes] * absmax).reshape(shape)


@pytest.fixture
def panel():
    tables = {"even": even, "with zero": with_zero}
    return Panel(widget.quantizer(PHOTO, WEIGHTS, tables, quantize, dequantize))


def errors(panel):
    return [float(said) for said in re.findall(r"([\d.]+)% off", panel.said)]


def even_by_rounding(values, bits, block_size):
    """The error in percent, of levels in even steps, without a table of them."""
    blocks = np.asarray(values, dtype=float).reshape(-1, block_size)
    step = 2 * abs(blocks).max(1, keepdims=True) / (2**bits - 1)
    back = (np.floor(blocks / step) + 0.5) * step
    back = back.clip(-abs(blocks).max(1, keepdims=True), abs(blocks).max(1, keepdims=True))
    return 100 * np.linalg.norm(back - blocks) / np.linalg.norm(blocks)


@pytest.mark.parametrize("bits, block_size", [(2, 16), (4, 64), (8, 4096)])
def test_levels_bits_and_errors_follow_the_knobs(panel, bits, block_size):
    panel.find("bits").value = bits
    panel.find("block size").value = block_size
    assert f"{2**bits} levels, {bits + 32 / block_size:.2f} bits a number" in panel.said
    expected = [even_by_rounding(values, bits, block_size) for values in (PHOTO, WEIGHTS)]
    assert errors(panel) == pytest.approx(expected, abs=0.06)


def test_an_outlier_hurts_its_own_block_and_is_not_counted_itself(panel):
    before = errors(panel)
    panel.find("outlier, times the largest").value = 30
    in_blocks = errors(panel)
    panel.find("block size").value = 4096
    in_one = errors(panel)
    assert all(a < b < c for a, b, c in zip(before, in_blocks, in_one, strict=True))
    panel.find("levels").value = "with zero"
    assert errors(panel)[0] == 100.0, "all the rest is rounded to 0"
    back, off, _ = widget.round_trip(PHOTO, with_zero(4), 4096, 30, quantize, dequantize)
    assert back[32, 0] == 30 * PHOTO.abs().max() and back.count_nonzero() == 1
    assert PHOTO[32, 0] < 1, "the knobs leave the lesson's own photograph alone"


def test_the_photograph_and_a_line_for_each_level_are_drawn(panel):
    panel.find("bits").value = 3
    assert panel.said.count("<polyline") == 8 and "data:image/png;base64," in panel.said
    before = panel.said.partition("base64,")[2][:500]
    panel.find("bits").value = 2
    assert panel.said.count("<polyline") == 4 and before not in panel.said


def test_the_shares_are_of_all_weights():
    *_, shares = widget.round_trip(WEIGHTS, even(4), 64, 1, quantize, dequantize)
    assert sum(shares) == pytest.approx(100) and len(shares) == 16


def test_a_block_size_that_does_not_fit_is_told_in_place():
    few = torch.ones(3, 32)
    panel = Panel(widget.quantizer(PHOTO, few, {"even": even}, quantize, dequantize))
    assert "✗" in panel.said and "<img" not in panel.said


def test_without_a_kernel_a_table_gives_the_errors(capsys):
    widget.show_quantizer(PHOTO, WEIGHTS, {"even": even}, quantize, dequantize)
    said = capsys.readouterr().out
    assert f"{even_by_rounding(WEIGHTS, 3, 64):.1f}%" in said
