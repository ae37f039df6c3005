"""Slower, or fewer: told apart by the shape of delays, once they can be."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation import lags
from alerts.expectation.slower import FACTORS, UNCHANGED, Journeys, Stretched, compared, evidence, plausible

LAW = lags.mixed(lags.exponential(240.0), lags.exponential(2_400.0), 0.7)
OLD = Stretched(LAW, conversion=0.03, known=50_000.0)
EDGES = np.array(lags.EDGES_S[1:])


def cohort(
    minutes: float, factor: float, rate: float, per_minute: float = 10_000.0
) -> tuple[np.ndarray, np.ndarray]:
    """Arrivals and risks by delay of who entered in the last ``minutes``, so much slower and fewer."""
    # Who entered then was at risk of a delay for as long as is left after it.
    risk = per_minute * np.maximum(minutes - EDGES / 60, 0.0)
    mass = lags.bins(lags.scaled(LAW, factor))[:-1]
    return np.random.default_rng(5).poisson(0.03 * rate * risk * mass).astype(float), risk


@pytest.mark.parametrize(("factor", "rate"), [(1.0, 1.0), (1.0, 0.5), (1.0, 0.0), (1.0, 1.5)])
def test_fewer_is_not_slower(factor: float, rate: float) -> None:
    """However many arrive, if they take as long as ever there is no evidence."""
    assert evidence(compared(*cohort(30.0, factor, rate), OLD))[1] < 4.0


def test_twice_as_slow() -> None:
    """A large shop's journeys of a quarter of an hour are evidence; those of thirty are proof, and say how slow."""
    assert evidence(compared(*cohort(15.0, 2.0, 1.0), OLD))[1] > 6.0
    factor, nats = evidence(compared(*cohort(30.0, 2.0, 1.0), OLD))
    assert factor == pytest.approx(2.0, rel=0.16)
    assert nats > 60.0


def test_early_on_both_are_plausible() -> None:
    """After a minute, half as many may be twice as slow; after twenty they are fewer."""
    early = plausible(compared(*cohort(1.0, 1.0, 0.5), OLD))
    late = plausible(compared(*cohort(20.0, 1.0, 0.5), OLD))
    assert FACTORS[early.slowest] > 1.7
    assert late.slowest <= UNCHANGED + 1


def test_what_is_known_narrows() -> None:
    """An unchanged law is soon the only one that is plausible, and always among them."""
    ranges = [plausible(compared(*cohort(minutes, 1.0, 1.0), OLD)) for minutes in (0.0, 1.0, 5.0, 30.0)]
    widths = [each.slowest - each.fastest for each in ranges]
    assert widths[0] > widths[1] > widths[3]
    assert widths[3] <= 1
    assert all(each.fastest <= UNCHANGED <= each.slowest for each in ranges)


def test_a_law_of_few_journeys_proves_little() -> None:
    """Against an old law learnt from 20 journeys, a thousand new ones are worth 20."""
    few = Stretched(LAW, conversion=0.03, known=20.0)
    seen = cohort(10.0, 2.0, 1.0)
    assert evidence(compared(*seen, few))[1] < 0.1 * evidence(compared(*seen, OLD))[1]


def test_only_who_entered_since_counts() -> None:
    """Delays that reach back before the moment are left out, until all of a bin lie behind it."""
    journeys = Journeys(1)
    ones = np.ones((lags.WITHIN, 1))
    for _ in range(20):
        journeys.push(ones, 10.0 * ones)
    arrived, risk = journeys.since(12, 0)
    mature = np.maximum(12 - -(-EDGES // lags.BUCKET_S) + 1, 0)
    assert arrived.tolist() == mature.tolist()
    assert risk.tolist() == (10.0 * mature).tolist()


def test_a_little_slower_is_not_told() -> None:
    """A law that is off by a seventh is no evidence, in however large a shop."""
    assert (
        evidence(compared(*cohort(60.0, float(FACTORS[UNCHANGED + 1]), 1.0, per_minute=100_000.0), OLD))[1]
        < 2.0
    )


def test_who_always_took_longer_is_not_slower() -> None:
    """Twice as slow is none where those at the step are of twice the time; three times as slow still is."""
    assert evidence(compared(*cohort(30.0, 2.0, 1.0), OLD), longer=2.0)[1] < 2.0
    assert evidence(compared(*cohort(60.0, 3.4, 1.0), OLD), longer=2.0)[1] > 10.0
    assert evidence(compared(*cohort(60.0, 3.4, 1.0), OLD), longer=5.0)[1] == 0.0
