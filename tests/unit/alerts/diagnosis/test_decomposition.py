"""GMV by factor, to the unit."""

from __future__ import annotations

from fractions import Fraction

import pytest

from alerts.diagnosis.decomposition import GmvChange, Trade, decompose, rounded


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (Trade(1000, 50, 500_000), Trade(2000, 100, 1_000_000), GmvChange(500_000, 0, 0)),
        (Trade(1000, 50, 500_000), Trade(1000, 25, 250_000), GmvChange(0, -250_000, 0)),
        (Trade(1000, 50, 500_000), Trade(1000, 50, 400_000), GmvChange(0, 0, -100_000)),
        (Trade(0, 0, 0), Trade(10, 2, 300), GmvChange(300, 0, 0)),
        (Trade(10, 2, 300), Trade(10, 0, 0), GmvChange(0, -300, 0)),
        (Trade(10, 2, 300), Trade(0, 2, 300), GmvChange(-300, 300, 0)),
        (Trade(10, 0, 0), Trade(10, 0, -70), GmvChange(0, 0, -70)),
    ],
)
def test_one_factor_that_moved_has_it_all(before: Trade, after: Trade, wanted: GmvChange) -> None:
    """What did not move has no part, and what the product cannot hold has a place."""
    assert decompose(before, after) == wanted


def test_two_factors_share_what_they_made_together() -> None:
    """Twice the traffic at half the conversion: they cancel."""
    change = decompose(Trade(1000, 100, 10_000), Trade(2000, 100, 10_000))
    assert (change.traffic, change.conversion, change.total) == (7500, -7500, 0)
    assert change.as_dict() == {"traffic": 7500, "conversion": -7500, "order_value": 0}


def test_rounding_keeps_the_sum() -> None:
    """Thirds of one unit, and of minus one, are one unit at one place."""
    third = Fraction(1, 3)
    assert rounded([third, third, third]) == [1, 0, 0]
    assert rounded([-third, -third, -third]) == [0, 0, -1]
