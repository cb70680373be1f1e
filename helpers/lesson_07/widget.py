"""Lesson 7's widget: bits, levels, blocks and an outlier, on a photograph and on weights.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

import base64
import io
from collections.abc import Callable

import ipywidgets
import numpy as np
from IPython.display import display
from PIL import Image

from helpers import svg, widgets
from helpers.plots import TRAINING

BLOCKS = (16, 64, 256, 1024, 4096)
SHOWN = 200  # pixels of the page, the side of the photograph


def show_quantizer(photo, weights, tables: dict, quantize: Callable, dequantize: Callable) -> None:
    """Display the knobs with the photograph and the levels; folded below, a few errors as a table.

    Arguments: as in `quantizer`.
    """
    display(quantizer(photo, weights, tables, quantize, dequantize))
    rows = []
    for bits in (2, 3, 4):
        for name, levels_of in tables.items():
            errors = [
                round_trip(values, levels_of(bits), 64, 1, quantize, dequantize)[1]
                for values in (photo, weights)
            ]
            rows.append([f"{bits}", name, *(f"{error:.1%}" for error in errors)])
    head = ["bits", "levels", "photograph off", "weights off"]
    html, text = widgets.table(head, rows)
    widgets.static_twin("No widget above? Errors in blocks of 64", html, text)


def quantizer(
    photo, weights, tables: dict, quantize: Callable, dequantize: Callable
) -> ipywidgets.VBox:
    """Bits, levels, block size and outlier, and the answer as the last child.

    photo: a tensor (64, 64) from -1 to 1; weights: a tensor. tables: {name: a function that returns
    the sorted levels of so many bits}. quantize(values, levels, block_size) returns codes and
    scales; dequantize(codes, scales, levels, shape) the values that come back.
    """
    bits = widgets.knob("bits", 4, 2, 8)
    table = widgets.dropdown("levels", tables)
    block = widgets.dropdown("block size", BLOCKS, 64)
    outlier = widgets.knob("outlier, times the largest", 1, 1, 30)

    def answer():
        levels = tables[table.value](bits[0].value)
        how = levels, block.value, outlier[0].value, quantize, dequantize
        back, photo_off, _ = round_trip(photo, *how)
        _, weights_off, shares = round_trip(weights, *how)
        each = bits[0].value + 32 / block.value  # a scale of 32 bits for each block
        said = (
            f"{len(levels)} levels, {each:.2f} bits a number: the photograph is {photo_off:.1%} "
            f"off, the weights are {weights_off:.1%} off"
        )
        return said, _picture(back) + _chart(levels.tolist(), shares)

    said = widgets.answer_to(answer, bits[0], table, block, outlier[0])
    rows = widgets.row([*bits, table, block]), widgets.row(outlier)
    return ipywidgets.VBox([*rows, said])


def round_trip(values, levels, block_size: int, outlier: float, quantize, dequantize):
    """(values that come back, relative error of all but the outlier, share of each level, %).

    outlier: the first value in the middle row becomes so many times the largest one; 1: no outlier.
    """
    damaged, place = values.clone(), (len(values) // 2, 0)
    if outlier > 1:
        damaged[place] = outlier * values.abs().max()
    codes, scales = quantize(damaged, levels, block_size)
    back = dequantize(codes, scales, levels, values.shape)
    difference = back - damaged
    if outlier > 1:
        difference[place] = 0.0
    shares = 100 * codes.flatten().bincount(minlength=len(levels)) / values.numel()
    return back, float(difference.norm() / values.norm()), shares.tolist()


def _picture(values):
    """Values of -1 to 1 as an image in HTML, grey."""
    grey = (127.5 * (np.asarray(values).clip(-1, 1) + 1)).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="png")
    look = f"width: {SHOWN}px; image-rendering: pixelated"
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img style="{look}" alt="the photograph that comes back" src="data:image/png;base64,{data}">'


def _chart(levels, shares):
    chart = svg.Chart(
        (-1.05, 1.05), (0, 1.1 * max(shares)), "weight / absmax of its block", "weights (%)", 180
    )
    for level, share in zip(levels, shares, strict=True):
        chart.line([level, level], [0, share], TRAINING)
    return chart.html()
