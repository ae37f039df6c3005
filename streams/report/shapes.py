"""SVG shapes in a tree, and scales between numbers and places.

Promises: text is escaped when the tree is written; nothing has a style of its own, classes do, so that
light, dark and paper differ in one place. Numbers have one decimal: a chart is some kilobytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Point = tuple[float, float]

_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers ``low`` to ``high`` to places ``first`` to ``last``; what lies outside stays outside."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """The place of a number."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.first + share * (self.last - self.first)


def canvas(width: int, height: int) -> Element:
    """An empty picture."""
    return Element("svg", viewBox=f"0 0 {width} {height}", xmlns="http://www.w3.org/2000/svg")


def rect(parent: Element, class_: str, start: Point, end: Point) -> Element:
    """A rectangle between two corners, the upper left one first."""
    (left, top), (right, bottom) = start, end
    size = {"width": _n(max(right - left, 0.0)), "height": _n(max(bottom - top, 0.0))}
    return SubElement(parent, "rect", {"class": class_, "x": _n(left), "y": _n(top)} | size)


def line(parent: Element, class_: str, start: Point, end: Point) -> None:
    """A straight line."""
    ends = {"x1": _n(start[0]), "y1": _n(start[1]), "x2": _n(end[0]), "y2": _n(end[1])}
    SubElement(parent, "line", {"class": class_} | ends)


def path(parent: Element, class_: str, points: Iterable[Point], *, closed: bool = False) -> None:
    """A line through points; it breaks where a place is not finite."""
    words, pen = [], "M"
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        words.append(f"{pen}{_n(x)} {_n(y)}")
        pen = "L"
    if words:
        SubElement(parent, "path", {"class": class_, "d": "".join(words) + ("Z" if closed else "")})


def circle(parent: Element, class_: str, at: Point, radius: float, title: str) -> None:
    """A dot that says what it is when it is pointed at."""
    dot = SubElement(parent, "circle", {"class": class_, "cx": _n(at[0]), "cy": _n(at[1]), "r": _n(radius)})
    SubElement(dot, "title").text = title


def label(parent: Element, text: str, at: Point, class_: str = "") -> None:
    """Text that begins at a place, or as its class says."""
    place = {"x": _n(at[0]), "y": _n(at[1])} | ({"class": class_} if class_ else {})
    SubElement(parent, "text", place).text = text


def ticks(high: float, most: int = 4) -> Sequence[float]:
    """Round numbers from 0 on, the last at or above ``high``; never fewer than two."""
    if not (math.isfinite(high) and high > 0):
        return (0.0, 1.0)
    rough = high / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(nice for nice in _NICE if nice * size >= rough * (1 - 1e-9)) * size
    return [step * number for number in range(math.ceil(high / step * (1 - 1e-9)) + 1)]


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
