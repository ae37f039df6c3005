"""Attempts that wait for a result."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.detectors.pending import TAPS, Pending, result_law
from tests.support.detector_worlds import EDGES_S, PAY_LAW


def test_a_law_adds_up_to_what_is_ever_resolved() -> None:
    """Shares over all buckets are the resolved ones; results beyond the last edge are not waited for."""
    counts = [1.0] * 18 + [2.0]
    law = result_law(EDGES_S, counts, resolved_share=0.9)
    assert law.shape == (TAPS,)
    assert 0.9 * 15 / 20 < law.sum() < 0.9 * 18 / 20
    assert (law >= 0).all()


def test_an_attempt_falls_anywhere_in_its_bucket() -> None:
    """Of Exp(12 s) lags 32 % of results come in the attempt's own bucket, 38 % in the next."""
    np.testing.assert_allclose(PAY_LAW[:3], [0.32, 0.38, 0.17], atol=0.015)


def test_results_as_due_leave_no_surplus() -> None:
    """Where results come as the law says, nothing waits that should not."""
    pending, one, due = Pending(), np.array([True]), np.zeros(1)
    pending.resize(1)
    for _ in range(60):
        due = pending.update(np.array([20.0]), pending_due(pending), PAY_LAW, one)
    assert due == pytest.approx(20.0, abs=0.01)
    assert pending.surplus(0.0)[0] == pytest.approx(0.0, abs=1e-9)
    assert pending.evidence(PAY_LAW, 0.02, 1.0)[0] == 0


def pending_due(pending: Pending) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What will be due in the next bucket of 20 attempts."""
    before = pending.snapshot()
    due = pending.update(np.array([20.0]), np.zeros(1), PAY_LAW, np.array([True]))
    pending.restore(before)
    return due


def test_the_tail_is_a_bound_and_not_a_loose_one() -> None:
    """The chance of so many waiting attempts is below the bound, and not a hundred times below."""
    rng, waits = np.random.default_rng(2), 1 - np.cumsum(PAY_LAW)
    drawn = rng.binomial(20, waits[:40], (200_000, 40)).sum(axis=1)
    pending = Pending()
    pending.resize(1)
    for _ in range(TAPS):
        pending.update(np.array([20.0]), np.array([20.0]), PAY_LAW, np.array([True]))
    mean = 20 * waits.sum()
    for surplus in (8, 12):
        attempts, waiting = np.full((1, TAPS), 20.0), np.array([mean + surplus])
        bound = np.exp(-pending._tail(attempts, waits, waiting)[0])  # noqa: SLF001 - the bound itself
        chance = (drawn >= mean + surplus).mean()
        assert bound / 30 < chance < bound


def test_no_attempts_no_evidence() -> None:
    """An empty row says nothing, and no logarithm of zero is taken."""
    pending = Pending()
    pending.resize(2)
    pending.update(np.zeros(2), np.zeros(2), PAY_LAW, np.array([True, True]))
    assert (pending.evidence(PAY_LAW, 0.02, 1.0) == 0).all()
