"""The formula for a CUSUM's false alarms against simulation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.detectors.arl import drop_law, reference, surge_law

if TYPE_CHECKING:
    from alerts.detectors.arl import Law

# Slope, events on average to a false alarm.
_DROPS = [(0.84, 1500.0), (0.5, 1500.0)]
_SURGES = [(1.2, 1500.0), (2.5, 1500.0)]


def simulated(slope: float, sign: int, height: float, a_bucket: float, seed: int) -> float:
    """Events on average until the sum reaches the height, started anew after each time."""
    rng, sums, reached, rows, buckets = np.random.default_rng(seed), np.zeros(500), 0, 500, 4000
    for _ in range(buckets):
        sums += sign * (rng.poisson(a_bucket, rows) - slope * a_bucket)
        np.maximum(sums, 0.0, out=sums)
        over = sums >= height
        reached += int(over.sum())
        sums[over] = 0.0
    return rows * buckets * a_bucket / max(reached, 1)


def height(law: Law, events: float) -> float:
    """At which a false alarm comes once in so many events."""
    return (math.log(events) - law.offset) / law.rate


@pytest.mark.parametrize(("slope", "events"), _DROPS)
def test_a_drop_s_law_is_met(slope: float, events: float) -> None:
    """Looked at often, false alarms of a drop come as the formula says."""
    seen = simulated(slope, -1, height(drop_law(slope), events), 0.1, 1)
    assert 0.8 * events < seen < 1.35 * events


@pytest.mark.parametrize(("slope", "events"), _SURGES)
def test_a_surge_s_law_is_met(slope: float, events: float) -> None:
    """Looked at often, false alarms of a surge come as the formula says."""
    seen = simulated(slope, 1, height(surge_law(slope), events), 0.1, 2)
    assert 0.8 * events < seen < 1.35 * events


@pytest.mark.parametrize(("slope", "sign"), [(0.84, -1), (1.2, 1)])
def test_seldom_looks_are_quieter(slope: float, sign: int) -> None:
    """Where a bucket holds many events the law is a bound: false alarms are rarer, never more frequent."""
    law = drop_law(slope) if sign < 0 else surge_law(slope)
    assert simulated(slope, sign, height(law, 3000.0), 10.0, 3) > 3000.0


def test_the_exponent_is_that_of_a_likelihood_ratio() -> None:
    """Between the expected rate itself and another, a height counts as their log likelihood ratio."""
    assert drop_law(reference(0.7, 1.0)).rate == pytest.approx(-math.log(0.7))
    assert surge_law(reference(2.0, 1.0)).rate == pytest.approx(math.log(2.0))


def test_an_expectation_that_is_off_costs() -> None:
    """The nearer the actual rate comes to the slope, the less a height says."""
    assert drop_law(0.84, 0.95).rate < drop_law(0.84).rate
    assert surge_law(1.2, 1.05).rate < surge_law(1.2).rate


def test_a_slope_on_the_wrong_side_is_refused() -> None:
    """A sum that grows with nothing wrong has no law."""
    with pytest.raises(ValueError, match="slope of a drop"):
        drop_law(0.95, 0.9)
    with pytest.raises(ValueError, match="slope of a surge"):
        surge_law(1.0)
