"""What is looked for."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.detectors.components import SequentialSettings, Way, margin_for


def test_within_the_tolerance_nothing_grows() -> None:
    """At the very edge of the tolerance every component's sum falls on average."""
    settings = SequentialSettings(tolerance=0.15, drops=((0.5, 1.0),), surges=((2.0, 1.0),))
    for component in settings.components():
        edge = 0.85 if component.way is Way.DOWN else 1.15
        assert component.sign * (edge - component.slope) < 0


def test_a_margin_makes_evidence_dearer() -> None:
    """Calibrated for an expectation that may be off, the same height says less."""
    sure, unsure = SequentialSettings().components(), SequentialSettings().components(0.05)
    assert all(
        late.rate * 20 + late.offset < early.rate * 20 + early.offset
        for early, late in zip(sure, unsure, strict=True)
    )


def test_margins_grow_with_the_error_and_never_beyond_it() -> None:
    """A small standard error costs by its square, a large one itself."""
    assert margin_for(0.01) == pytest.approx(0.003)
    assert margin_for(0.05) == pytest.approx(0.05)
    assert margin_for(-1.0) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"tolerance": 0.0}, {"drops": ((0.95, 1.0),)}, {"surges": ((1.05, 1.0),)}, {"drops": ((0.5, 0.0),)}],
)
def test_what_cannot_be_calibrated_is_refused(wrong: dict[str, Any]) -> None:
    """No tolerance, a ratio within it, no weight."""
    with pytest.raises(ValueError, match=r"tolerance|weight"):
        SequentialSettings(**wrong)
