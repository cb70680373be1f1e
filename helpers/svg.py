"""Pictures for widgets, in SVG: drawn in a few milliseconds, sharp, in the colours of the theme.

matplotlib takes 100 ms and more for a picture, too long for one that follows a slider. What a
committed page shows is drawn by `helpers.plots`, since no script of SVG is needed there.
No torch at import time.
"""

from html import escape

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH = 480  # pixels of a picture at its widest; on a phone it shrinks with the page
WIDEST = 8  # pixels of a letter, about
# A click on a dot with a place types the place into the widget's first box for a number. The script
# stands in the picture itself: of all that a widget shows, only that is in reach of a click.
CLICK = """const dot = event.target.closest('[data-place]');
if (dot) {
    const box = this.closest('.widget-vbox').querySelector('input[type=number]');
    box.value = dot.dataset.place;
    box.dispatchEvent(new Event('change', {bubbles: true}));
}"""
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 8, 38  # pixels around a chart's axes


def picture(parts: list[str], height: float, width: float = WIDTH) -> str:
    """SVG `parts` as HTML; height, width in pixels. The sentence beside it is what is read aloud."""
    look = f"display: block; width: 100%; max-width: {width:.0f}px; height: auto; font-size: 13px"
    opening = f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="{look}" fill="currentColor"'
    return f'{opening} aria-hidden="true">{"".join(parts)}</svg>'


def text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    """`words` at a point in pixels. anchor: start, middle or end; more: further attributes."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def path(x, y, look: str) -> str:
    """A line through points in pixels. look: its attributes, such as stroke."""
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" stroke-linejoin="round" {look}/>'


class Chart:
    """Axes, and what is drawn in them, in the units of the data.

    x, y: (lowest, highest) on each axis. height: pixels. What is outside of the axes is cut off.
    """

    def __init__(self, x, y, x_label: str, y_label: str, height: float = 220):
        self.x, self.y, self.height, self.inside = x, y, height, []
        self.wide, self.high = WIDTH - LEFT - RIGHT, height - TOP - BOTTOM
        axes = f"M{LEFT},{TOP} V{TOP + self.high} H{LEFT + self.wide}"
        self.around = [f'<path d="{axes}" fill="none" stroke="currentColor"/>']
        for value in _ticks(x, 7):
            words = f"{value:g}"
            place = min(LEFT + self._right(value), WIDTH - WIDEST * len(words) / 2)  # or it is cut
            self.around.append(text(place, height - BOTTOM + 16, words, "middle"))
        for value in _ticks(y, 4):
            self.around.append(text(LEFT - 5, TOP + self._down(value) + 4, f"{value:g}", "end"))
        middle = TOP + self.high / 2
        turned = f'transform="rotate(-90 12 {middle})"'
        self.around.append(text(12, middle, y_label, "middle", turned))
        self.around.append(text(LEFT + self.wide / 2, height - 4, x_label, "middle"))

    def _right(self, x):
        return (np.asarray(x) - self.x[0]) / (self.x[1] - self.x[0]) * self.wide

    def _down(self, y):
        return (self.y[1] - np.asarray(y)) / (self.y[1] - self.y[0]) * self.high

    def line(self, x, y, colour: str, dashes: str = "", filled: bool = False) -> None:
        """A line through points (N,). dashes: lengths in pixels, such as "4 3"."""
        fill = f'fill="{colour}" fill-opacity="0.35"' if filled else 'fill="none"'
        look = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}" {fill}'
        self.inside.append(path(self._right(x), self._down(y), look))

    def upright(self, x: float, colour: str, words: str, dashes: str = "", left=False) -> None:
        """A vertical line at `x`, named at its right or left, where there is room for the name.

        Without room the name goes to the other side, a line lower. dashes: as in `line`.
        """
        place = float(self._right(x))
        look = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        self.inside.append(path([place, place], [0, self.high], look))
        has_room = 5 + WIDEST * len(words) <= (place if left else self.wide - place)
        side, anchor = (-5, "end") if left == has_room else (5, "start")
        self.inside.append(text(place + side, 14 if has_room else 30, words, anchor))

    def dots(self, x, y, colour: str, radius: float = 3, places=None) -> None:
        """A dot at each of the points (N,). radius: pixels.

        places: (N,) what a click on each dot types into the widget's first box for a number.
        """
        named = [""] * len(x)
        if places is not None:
            named = [f' data-place="{place}"' for place in places]
            room = 'stroke="transparent" stroke-width="8"'  # around each dot, for a finger
            self.inside.append(f'<g {room} style="cursor: pointer" onclick="{CLICK}">')
        for a, b, name in zip(self._right(x), self._down(y), named, strict=True):
            self.inside.append(
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{radius:g}" fill="{colour}"{name}/>'
            )
        self.inside += ["</g>"] if places is not None else []

    def html(self) -> str:
        """The chart as HTML."""
        frame = f'<svg x="{LEFT}" y="{TOP}" width="{self.wide}" height="{self.high}">'
        return picture([*self.around, frame, *self.inside, "</svg>"], self.height)


def _ticks(limits, n):
    ticks = MaxNLocator(n, steps=[1, 2, 5, 10]).tick_values(*limits)
    return [tick for tick in ticks if limits[0] <= tick <= limits[1]]
