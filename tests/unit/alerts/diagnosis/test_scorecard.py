"""The exposure x conversion matrix."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.diagnosis.scorecard import Quadrant, scorecard, wilson


def numbers(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """An array of floats."""
    return np.array(values, np.float64)


def test_four_keys_have_four_places() -> None:
    """Much or little shown, better or worse converting."""
    card = scorecard(
        numbers(1_000_000, 1_000_000, 50_000, 50_000, 900_000),
        numbers(20_000, 20_000, 10_000, 10_000, 30_000),
        numbers(1_200, 300, 600, 150, 900),
    )
    assert card.quadrants[:4] == (Quadrant.STAR, Quadrant.WASTED_TRAFFIC, Quadrant.HIDDEN_GEM, Quadrant.TAIL)
    assert card.quadrants[4] is Quadrant.UNCLEAR
    assert card.lower[0] > card.conversion_line == pytest.approx(0.03, rel=0.01)


def test_three_lucky_orders_make_no_gem() -> None:
    """A key with next to no data is unclear, whatever its rate, and does not draw the lines."""
    big, tiny = [1e6, 3e4, 900.0], [50.0, 3.0, 2.0]
    exposures, entries, conversions = (numbers(big[at], big[at], *[tiny[at]] * 500) for at in range(3))
    card = scorecard(exposures, entries, conversions)
    assert set(card.quadrants[2:]) == {Quadrant.UNCLEAR}
    assert card.conversion_line == pytest.approx(0.03, rel=0.1)
    assert card.exposure_line == 1e6


def test_keys_on_the_line_are_seldom_placed() -> None:
    """Five thousand SKUs that all convert alike: about one in a hundred is placed by chance."""
    random = np.random.default_rng(1)
    entries = np.floor(random.pareto(1.0, 5000) * 100.0 + 1.0)
    card = scorecard(entries * 30.0, entries, random.binomial(entries.astype(int), 0.03).astype(np.float64))
    placed = sum(quadrant is not Quadrant.UNCLEAR for quadrant in card.quadrants)
    assert placed < 0.02 * 5000


def test_nothing_seen_is_unclear() -> None:
    """No traffic at all, and more conversions than entries, are no failure."""
    assert scorecard(numbers(0, 0), numbers(0, 0), numbers(0, 0)).quadrants == (Quadrant.UNCLEAR,) * 2
    assert scorecard(numbers(), numbers(), numbers()).quadrants == ()
    assert scorecard(numbers(9, 9), numbers(5, 500), numbers(50, 50)).upper.max() <= 1.0


def test_wilson_holds_known_values() -> None:
    """10 of 100 at 1.96: 5.5 % to 17.4 %; without entries anything goes."""
    lower, upper = wilson(numbers(10, 0), numbers(100, 0), 1.96)
    assert lower.tolist() == pytest.approx([0.0552, 0.0], abs=1e-4)
    assert upper.tolist() == pytest.approx([0.1744, 1.0], abs=1e-4)
