"""The ring of entries: a convolution, late entries in their place, rows that come later."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation.arrivals import Arrivals

BOTH = np.ones(2, dtype=bool)


@pytest.fixture
def ring() -> Arrivals:
    """Two rows, two steps, four buckets."""
    arrivals = Arrivals(2, taps=4)
    arrivals.resize(2)
    return arrivals


def test_arrivals_are_a_convolution(ring: Arrivals) -> None:
    """After more buckets than it remembers, it says what numpy's convolution says."""
    rng = np.random.default_rng(1)
    entered = rng.poisson(20.0, (11, 2, 2)).astype(float)
    kernels = rng.random((3, 2, 4))
    for bucket in entered:
        ring.push(bucket)
    wanted = np.einsum("lsk,kns->lns", kernels, entered[:-5:-1])
    assert ring.convolved(kernels, BOTH) == pytest.approx(wanted, rel=1e-5)


def test_what_leaves_is_what_entered(ring: Arrivals) -> None:
    """Entries leave after as many buckets as are remembered."""
    left = [ring.push(np.full((2, 2), float(count))) for count in range(1, 6)]
    assert [part[0, 0] for part in left] == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_late_entries_arrive_as_if_they_had_been_there(ring: Arrivals) -> None:
    """A correction gives what an entry in time gives."""
    on_time = Arrivals(2, taps=4)
    on_time.resize(2)
    for late, full in ((0.0, 5.0), (1.0, 1.0), (2.0, 2.0)):
        ring.push(np.full((2, 2), late))
        on_time.push(np.full((2, 2), full))
    every = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    for _ in range(5):
        ring.correct(2, *every, np.ones(4))
    kernels = np.random.default_rng(2).random((1, 2, 4))
    assert (ring.convolved(kernels, ~BOTH) == on_time.convolved(kernels, ~BOTH)).all()


def test_new_rows_change_nothing_for_old_ones(ring: Arrivals) -> None:
    """A row that comes later has no past, and leaves others theirs."""
    ring.push(np.full((2, 2), 3.0))
    ring.resize(700)
    assert len(ring) == 700
    found = ring.convolved(np.ones((1, 2, 4)), BOTH)[0]
    assert found[:2].tolist() == [[3.0, 3.0]] * 2
    assert not found[2:].any()
