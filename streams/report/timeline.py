"""Charts over time: what sold and converted step by step, and the sums beside the last promotion's.

A step's conversion is what was paid in it over what clicked in it; payments follow clicks by minutes, so
steps of minutes read low when traffic rises and high when it falls: the note below the chart says so.
"""

from __future__ import annotations

from itertools import accumulate
from math import nan
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.ratios import ratio
from streams.durations import HOUR
from streams.report.shapes import Scale, canvas, label, line, path, rect, ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from xml.etree.ElementTree import Element

    from streams.core.ratios import Ratio
    from streams.report.data import Curve
    from streams.report.outline import Times

    Format = Callable[[float], str]

_WIDTH: Final = 880
_LEFT: Final = 74
_RIGHT: Final = _WIDTH - 14
_LABELS: Final = 7
_LANES: Final = 3
# A rate of fewer clicks is noise and would only set the scale.
_LEAST_CLICKS: Final = 20


class Span(NamedTuple):
    """A named time to be shaded."""

    times: Times
    name: str


class Panel(NamedTuple):
    """A part of a picture: from ``top`` to ``bottom``, with values from 0 to the last tick."""

    top: float
    bottom: float
    values: Sequence[float]

    @property
    def y(self) -> Scale:
        """From values to places."""
        return Scale(0.0, self.values[-1], self.bottom, self.top)


def activity(
    curve: Curve,
    until_ms: int,
    phases: Sequence[Span],
    troubles: Iterable[Times],
    titles: tuple[str, str],
    formats: tuple[Format, Format, Format],
) -> Element:
    """Paid orders in each step as bars, and below the conversion with its interval.

    Args:
        curve: the promotion.
        until_ms: nothing is drawn after it.
        phases: shaded in turn, and named.
        troubles: times of incidents, marked.
        titles: of the two panels.
        formats: of counts, shares and times.
    """
    svg, x = canvas(_WIDTH, 382), Scale(curve.edges[0], curve.edges[-1], _LEFT, _RIGHT)
    count, share, clock = formats
    bars = Panel(56, 190, ticks(max(curve.orders, default=0)))
    rates = Panel(238, 346, ticks(_highest(curve, until_ms), 3))
    for number, span in enumerate(phases):
        left, right = x(span.times.start_ms), x(span.times.end_ms)
        if number % 2 == 0:
            rect(svg, "shade", (left, bars.top), (right, rates.bottom))
        label(svg, span.name, (left + 3, 50 - 13 * (number % 2)))
    _troubles(svg, [*troubles], x, bars, rates)
    _frame(svg, bars, titles[0], count)
    _frame(svg, rates, titles[1], share)
    for orders, start, end in zip(curve.orders, curve.edges, curve.edges[1:], strict=False):
        if orders:
            rect(svg, "bar", (x(start) + 0.4, bars.y(orders)), (x(end) - 0.4, bars.bottom))
    _rates(svg, curve, until_ms, x, rates.y)
    _clock(svg, x, curve.edges[0], curve.edges[-1], rates.bottom + 16, clock)
    return svg


def _troubles(svg: Element, troubles: Sequence[Times], x: Scale, bars: Panel, rates: Panel) -> None:
    """Each in a lane between the panels, as far as there are lanes; behind all of them one shade."""
    lanes = [x.first] * _LANES
    edge = x.first
    for times in sorted(troubles):
        left, right = (min(max(x(at), x.first), x.last) for at in times)
        right = max(right, left + 2)
        if right > edge:
            rect(svg, "danger", (max(left, edge), bars.top), (right, rates.bottom))
            edge = right
        lane = next((number for number, end in enumerate(lanes) if end <= left), None)
        if lane is not None:
            lanes[lane] = right + 1
            top = bars.bottom + 6 + 7 * lane
            rect(svg, "trouble", (left, top), (right, top + 5))


def _highest(curve: Curve, until_ms: int) -> float:
    found = [each.upper for each in _ratios(curve, until_ms) if each is not None]
    return min(max(found, default=0.0), 2.0)


def _ratios(curve: Curve, until_ms: int) -> Iterator[Ratio | None]:
    """Of each step that was recorded and had clicks enough."""
    for paid, clicks, end in zip(curve.paid, curve.clicks, curve.edges[1:], strict=True):
        yield ratio(paid, clicks) if clicks >= _LEAST_CLICKS and end <= until_ms else None


def _rates(svg: Element, curve: Curve, until_ms: int, x: Scale, y: Scale) -> None:
    middles = [x((start + end) / 2) for start, end in zip(curve.edges, curve.edges[1:], strict=False)]
    known = [*zip(middles, _ratios(curve, until_ms), strict=True)]
    band = [(place, each) for place, each in known if each is not None]
    outline = [(place, y(each.upper)) for place, each in band]
    outline += [(place, y(each.lower)) for place, each in reversed(band)]
    path(svg, "area", outline, closed=True)
    path(svg, "now", ((place, nan if each is None else y(each.ratio)) for place, each in known))


def cumulated(
    now: Sequence[tuple[int, float]],
    then: Sequence[tuple[int, float]],
    goal: float | None,
    length_ms: int,
    names: tuple[str, str, str],
    formats: tuple[Format, Format],
) -> Element:
    """Sums since the start, this time and last time, and what was to be reached.

    Args:
        now: (ms since the start, sum), as is ``then``.
        then: the last promotion; may be empty.
        goal: None if there is none.
        length_ms: of the longer one.
        names: of the lines: this, last, goal.
        formats: of sums and of times since the start.
    """
    svg, x = canvas(_WIDTH, 286), Scale(0, length_ms, _LEFT, _RIGHT)
    highest = max([goal or 0.0, *(value for _, value in (*now, *then))])
    panel = Panel(34, 250, ticks(highest))
    _frame(svg, panel, "", formats[0])
    if goal is not None:
        line(svg, "goal", (_LEFT, panel.y(goal)), (_RIGHT, panel.y(goal)))
    for class_, points in (("then", then), ("now", now)):
        path(svg, class_, ((x(at), panel.y(value)) for at, value in points))
    _clock(svg, x, 0, length_ms, panel.bottom + 16, formats[1])
    shown = [("now", names[0], True), ("then", names[1], bool(then)), ("goal", names[2], goal is not None)]
    _legend(svg, [(class_, name) for class_, name, there in shown if there])
    return svg


def sums(curve: Curve, values: Sequence[int], start_ms: int, until_ms: int) -> list[tuple[int, float]]:
    """(ms since the start, sum) of the steps from the start on, up to a time."""
    steps = [
        (end - start_ms, value)
        for value, begin, end in zip(values, curve.edges, curve.edges[1:], strict=False)
        if begin >= start_ms and end <= until_ms
    ]
    totals = accumulate(value for _, value in steps)
    return [(0, 0.0), *((at, float(total)) for (at, _), total in zip(steps, totals, strict=True))]


def _frame(svg: Element, panel: Panel, title: str, format_: Format) -> None:
    for value in panel.values:
        line(svg, "grid", (_LEFT, panel.y(value)), (_RIGHT, panel.y(value)))
        label(svg, format_(value), (_LEFT - 7, panel.y(value) + 4), "end")
    if title:
        label(svg, title, (4, panel.top - (38 if panel.top < 100 else 9)), "strong")


def _clock(svg: Element, x: Scale, start_ms: int, end_ms: int, y: float, clock: Format) -> None:
    """Round hours below a panel, or tenths of what is shorter."""
    length = end_ms - start_ms
    hours = max(1, -(-length // (HOUR * _LABELS)))
    step = next((n for n in (1, 2, 3, 4, 6, 12, 24) if n >= hours), -(-hours // 24) * 24) * HOUR
    if length < 3 * HOUR:
        step = next(n * 60_000 for n in (1, 2, 5, 10, 15, 30) if n * 60_000 * _LABELS >= length)
    first = start_ms + -start_ms % step
    for at in range(first, end_ms + 1, step):
        line(svg, "edge", (x(at), y - 16), (x(at), y - 11))
        if x(at) < _RIGHT - 8:
            label(svg, clock(at), (x(at), y), "middle")


def _legend(svg: Element, entries: Sequence[tuple[str, str]]) -> None:
    left = float(_LEFT)
    for class_, name in entries:
        line(svg, class_, (left, 14), (left + 26, 14))
        label(svg, name, (left + 32, 18), "strong")
        left += 60 + sum(12 if ord(char) > 0x2E80 else 6.5 for char in name)
