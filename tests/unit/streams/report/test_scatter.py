"""The scorecard as a picture."""

from __future__ import annotations

from alerts.diagnosis.scorecard import Quadrant
from streams.core.ratios import ratio
from streams.report.data import DimensionFigures, KeyFigures
from streams.report.scatter import scorecard_chart

NAMES = {quadrant: quadrant.value for quadrant in Quadrant}


def key(name: str, exposures: int, paid: int, quadrant: Quadrant) -> KeyFigures:
    """One of a hundred clicks."""
    return KeyFigures(name, exposures, 100, paid, 0, ratio(paid, 100), 0.0, quadrant)


def test_every_key_is_a_dot_that_says_its_name() -> None:
    """In the colour of its quadrant, further right with more exposures, higher with more conversion."""
    points = (key("<b>", 100_000, 20, Quadrant.STAR), key("low", 10, 2, Quadrant.TAIL))
    figures = DimensionFigures("slot", 2, 0.1, (), (), (), {}, {}, points, 1_000.0, 0.1)
    svg = scorecard_chart(figures, NAMES, ("x", "y"), str, str, lambda one: one.key)
    dots = {dot.findtext("title"): dot for dot in svg.iter("circle")}
    star, low = dots["<b>"], dots["low"]
    assert (star.get("class"), low.get("class")) == ("star", "tail")
    assert float(star.get("cx", "0")) > float(low.get("cx", "0"))
    assert float(star.get("cy", "0")) < float(low.get("cy", "0"))


def test_one_that_nobody_is_sure_of_does_not_set_the_scale() -> None:
    """Two of two clicks stand at the upper edge, not all others at the ground."""
    usual = tuple(key(f"k{number}", 1_000, 5, Quadrant.TAIL) for number in range(99))
    points = (*usual, key("lucky", 10, 100, Quadrant.UNCLEAR))
    figures = DimensionFigures("slot", 100, 0.05, (), (), (), {}, {}, points, 1_000.0, 0.05)
    svg = scorecard_chart(figures, NAMES, ("x", "y"), str, str, lambda one: one.key)
    dots = {dot.findtext("title"): float(dot.get("cy", "0")) for dot in svg.iter("circle")}
    assert dots["lucky"] == 26
    assert dots["k0"] < 200
