"""Charts over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.report.data import Curve
from streams.report.outline import Times
from streams.report.timeline import Span, activity, cumulated, sums

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

HOUR = 3_600_000
CURVE = Curve(
    (0, HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR), (100, 200, 10, 300), (10, 30, 9, 0), (11, 31, 9, 0), (5, 6, 7, 0)
)


def drawn(until_ms: int = 3 * HOUR, troubles: tuple[Times, ...] = ()) -> Element:
    """The chart of activity."""
    formats = (str, str, str)
    spans = [Span(Times(0, HOUR), "warm-up"), Span(Times(HOUR, 4 * HOUR), "open")]
    return activity(CURVE, until_ms, spans, troubles, ("orders", "rate"), formats)


def of_class(svg: Element, class_: str) -> list[Element]:
    """Shapes of a class."""
    return [shape for shape in svg if shape.get("class") == class_]


def test_a_bar_for_each_step_with_orders() -> None:
    """As high as they were: the second step is the highest."""
    bars = of_class(drawn(), "bar")
    heights = [float(bar.get("height", "0")) for bar in bars]
    assert len(heights) == 3
    assert max(heights) == heights[1]


def test_conversion_is_drawn_where_it_is_known() -> None:
    """Not of ten clicks, nor after the end of what was recorded."""
    [line] = of_class(drawn(), "now")
    assert line.get("d", "").count("M") + line.get("d", "").count("L") == 2
    [longer] = of_class(drawn(until_ms=4 * HOUR), "now")
    assert longer.get("d", "").count("M") == 2


def test_incidents_side_by_side_stand_in_lanes() -> None:
    """What overlaps is shaded once; a fourth at a time has no lane left; nothing leaves the picture."""
    times = [Times(HOUR, 2 * HOUR)] * 4 + [Times(-HOUR, HOUR // 2), Times(3 * HOUR, 9 * HOUR)]
    svg = drawn(troubles=tuple(times))
    marks = of_class(svg, "trouble")
    assert len(marks) == 5
    assert len({mark.get("y") for mark in marks}) == 3
    assert len(of_class(svg, "danger")) == 3
    ends = [float(mark.get("x", "0")) + float(mark.get("width", "0")) for mark in marks]
    assert max(ends) <= 880


def test_sums_begin_with_the_start() -> None:
    """The warm-up's orders are no part of it, nor is what nobody recorded."""
    assert sums(CURVE, CURVE.orders, HOUR, 3 * HOUR) == [(0, 0.0), (HOUR, 31.0), (2 * HOUR, 40.0)]


def test_lines_that_are_there_are_named() -> None:
    """Without a last time and a target there is one line."""
    now = [(0, 0.0), (HOUR, 5.0)]
    alone = cumulated(now, [], None, HOUR, ("this", "last", "goal"), (str, str))
    assert [text.text for text in alone.iter("text") if text.get("class") == "strong"] == ["this"]
    full = cumulated(now, now, 9.0, HOUR, ("this", "last", "goal"), (str, str))
    assert [text.text for text in full.iter("text") if text.get("class") == "strong"] == [
        "this",
        "last",
        "goal",
    ]
    # The goal is within the picture although nothing came near it.
    [goal] = [line for line in full.iter("line") if line.get("class") == "goal" and line.get("y1") != "14"]
    assert float(goal.get("y1", "0")) >= 34
