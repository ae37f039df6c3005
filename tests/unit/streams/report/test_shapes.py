"""Shapes and scales."""

from __future__ import annotations

from math import nan
from xml.etree.ElementTree import tostring

import pytest

from streams.report.shapes import Scale, canvas, circle, label, path, rect, ticks


def test_a_scale_maps_ends_to_ends() -> None:
    """Upside down too; of a scale without a span everything is at its beginning."""
    scale = Scale(0, 10, 200, 100)
    assert [scale(value) for value in (0, 5, 10, 20)] == [200, 150, 100, 0]
    assert Scale(3, 3, 7, 9)(3) == 7


@pytest.mark.parametrize(
    ("high", "values"),
    [
        (10, [0, 2.5, 5, 7.5, 10]),
        (0.17, [0, 0.05, 0.1, 0.15, 0.2]),
        (0, [0, 1]),
        (nan, [0, 1]),
        (1e9, [0, 2.5e8, 5e8, 7.5e8, 1e9]),
    ],
)
def test_ticks_are_round_and_reach_the_top(high: float, values: list[float]) -> None:
    """From zero on, also where there is nothing to show."""
    assert [*ticks(high)] == pytest.approx(values)


def test_names_are_text() -> None:
    """What a shop calls its SKUs is never markup, in no place."""
    svg, evil = canvas(10, 10), '"><script>alert(1)</script>'
    circle(svg, "star", (1, 2), 3, evil)
    label(svg, evil, (1, 2))
    written = tostring(svg, encoding="unicode", method="html")
    assert "<script" not in written
    assert written.count("&lt;script&gt;") == 2


def test_a_line_breaks_where_nothing_is_known() -> None:
    """No number is drawn that there is none of; a line of nothing is none."""
    svg = canvas(10, 10)
    path(svg, "now", [(0, 1), (1, nan), (2, 3), (3, 4.04)])
    path(svg, "now", [(0, nan)])
    [drawn] = svg
    assert drawn.get("d") == "M0 1M2 3L3 4"


def test_nothing_is_smaller_than_nothing() -> None:
    """A browser refuses negative sizes."""
    svg = canvas(10, 10)
    assert rect(svg, "bar", (5, 5), (4, 9)).get("width") == "0"
