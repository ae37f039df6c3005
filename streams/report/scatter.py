"""The scorecard as a picture: exposures across (by powers of ten), conversion upwards, one dot per key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from alerts.diagnosis.scorecard import Quadrant
from streams.report.shapes import Scale, canvas, circle, label, line, ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from streams.report.data import DimensionFigures, KeyFigures

_WIDTH: Final = 880
_HEIGHT: Final = 330
_LEFT: Final = 74
_RIGHT: Final = _WIDTH - 16
_TOP: Final = 30
_BOTTOM: Final = _HEIGHT - 42
# A key that converted once of two clicks would squeeze all others to the ground.
_ROOM: Final = 1.6
_ORDER: Final = (
    *(Quadrant.UNCLEAR, Quadrant.TAIL, Quadrant.WASTED_TRAFFIC),
    *(Quadrant.HIDDEN_GEM, Quadrant.STAR),
)


def scorecard_chart(
    figures: DimensionFigures,
    names: Mapping[Quadrant, str],
    axes: tuple[str, str],
    count: Callable[[float], str],
    percent: Callable[[float], str],
    say: Callable[[KeyFigures], str],
) -> Element:
    """The picture.

    Args:
        figures: of the dimension.
        names: of the quadrants, for the legend.
        axes: names of the axes.
        count: writes exposures.
        percent: writes rates.
        say: what a dot says of its key.
    """
    svg = canvas(_WIDTH, _HEIGHT)
    rates = ticks(_highest(figures.points, figures.conversion_line))
    powers = _powers([point.exposures for point in figures.points] + [figures.exposure_line])
    x = Scale(powers[0], powers[-1], _LEFT, _RIGHT)
    y = Scale(0.0, rates[-1], _BOTTOM, _TOP)
    for rate in rates:
        line(svg, "grid", (_LEFT, y(rate)), (_RIGHT, y(rate)))
        label(svg, percent(rate), (_LEFT - 7, y(rate) + 4), "end")
    for power in powers:
        at_edge = "end" if power == powers[-1] else "middle"
        label(svg, count(10.0**power), (x(power), _BOTTOM + 16), at_edge)
    across = x(math.log10(max(figures.exposure_line, 1.0)))
    line(svg, "edge", (across, _TOP), (across, _BOTTOM))
    line(svg, "edge", (_LEFT, y(figures.conversion_line)), (_RIGHT, y(figures.conversion_line)))
    for point in sorted(figures.points, key=lambda point: _ORDER.index(point.quadrant)):
        at = x(math.log10(point.exposures)), max(y(point.conversion.ratio), _TOP - 4.0)
        circle(svg, str(point.quadrant), at, 4.5, say(point))
    label(svg, axes[0], (_RIGHT, _HEIGHT - 8), "end")
    label(svg, axes[1], (4, 14), "strong")
    _legend(svg, names)
    return svg


def _highest(points: Sequence[KeyFigures], line_: float) -> float:
    """Above nearly all rates that are known at all well; others stand at the upper edge."""
    sure = [point.conversion.ratio for point in points if point.quadrant is not Quadrant.UNCLEAR]
    usual = sorted(point.conversion.ratio for point in points)
    most = usual[int(0.98 * (len(usual) - 1))] if usual else 0.0
    return max([*sure, line_ * _ROOM, min(most, line_ * 2 * _ROOM), 1e-6])


def _powers(exposures: Sequence[float]) -> list[int]:
    known = [value for value in exposures if value >= 1.0] or [1.0]
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    return [*range(low, max(high, low + 1) + 1)]


def _legend(svg: Element, names: Mapping[Quadrant, str]) -> None:
    left = float(_RIGHT)
    for quadrant in _ORDER:
        left -= 26 + sum(12 if ord(char) > 0x2E80 else 6.2 for char in names[quadrant])
        circle(svg, str(quadrant), (left, 10), 4.5, names[quadrant])
        label(svg, names[quadrant], (left + 9, 14))
