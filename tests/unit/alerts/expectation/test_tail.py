"""What arrives after half an hour: leaks, and how much comes out of each."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation.lags import TAPS
from alerts.expectation.tail import LEAKS, Leaks, TailShares

NOT_FROZEN = np.zeros(1, dtype=bool)


@pytest.fixture
def leaks() -> Leaks:
    """One row, one step."""
    made = Leaks(1)
    made.resize(1)
    return made


def test_everything_comes_out_in_the_end(leaks: Leaks) -> None:
    """Each leak gives back what went in."""
    out = np.zeros((LEAKS, 1, 1))
    for bucket in range(9_000):
        leaks.push(np.full((1, 1), 100.0 if bucket == 0 else 0.0))
        out += leaks.at_risk()
    assert out.ravel() == pytest.approx([100.0] * LEAKS, rel=1e-3)


def test_late_entries_are_where_they_would_be(leaks: Leaks) -> None:
    """An entry of long ago that comes now is in the leaks as if it had come then."""
    on_time = Leaks(1)
    on_time.resize(1)
    for bucket in range(10):
        on_time.push(np.full((1, 1), 4.0 if bucket == 2 else 0.0))
        leaks.push(np.zeros((1, 1)))
    leaks.correct(TAPS + 7, np.array([0]), np.array([0]), np.array([4.0]))
    assert leaks.at_risk() == pytest.approx(on_time.at_risk())


def test_nothing_late_remains_unexplained(leaks: Leaks) -> None:
    """In the long run, as many late arrivals are expected as come, though no leak is their law."""
    shares = TailShares(1, kept=0.9999)
    rng = np.random.default_rng(3)
    kept = np.exp(-10 / 5_000)
    waiting, seen, expected = 0.0, 0.0, 0.0
    for bucket in range(14_000):
        entered = 100.0 * (2.0 + np.sin(bucket / 1_300))
        leaks.push(np.full((1, 1), entered))
        waiting += entered
        arrived = float(rng.poisson(0.02 * waiting * (1 - kept)))
        waiting *= kept
        risk = leaks.at_risk()[:, 0]
        if bucket > 7_000:
            seen += arrived
            expected += float((shares.shares * risk).sum())
        shares.learn(np.array([arrived]), risk, NOT_FROZEN)
    assert expected == pytest.approx(seen, rel=0.03)
