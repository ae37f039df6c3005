"""The funnel as a picture."""

from __future__ import annotations

from streams.report.funnel import funnel_chart


def test_bars_shrink_and_none_vanishes() -> None:
    """One per node; a node that nobody reached still has a hair."""
    svg = funnel_chart(["a", "b", "c"], [10_000, 100, 0], ["10,000", "100", "0"])
    widths = [float(bar.get("width", "0")) for bar in svg.iter("rect")]
    assert widths[0] / widths[1] == 10
    assert widths[2] == 1
    assert [text.text for text in svg.iter("text")] == ["a", "10,000", "b", "100", "c", "0"]


def test_an_empty_night() -> None:
    """Nothing at all is drawn as nothing."""
    assert len([*funnel_chart(["a"], [0], ["0"]).iter("rect")]) == 1
