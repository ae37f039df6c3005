"""Detectors' state: cut anywhere, it goes on to the bit."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.detectors.resolved import ResolvedTest
from alerts.detectors.sequential import SequentialTest
from tests.support.detector_worlds import PAY_LAW


def sent(state: Any) -> Any:
    """Through bytes and back, as a snapshot travels."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state))


def counted(test: SequentialTest, seed: int, buckets: int) -> None:
    """Some buckets of chance, rows coming in between."""
    rng = np.random.default_rng(seed)
    for _ in range(buckets):
        test.resize(test.rows + int(rng.integers(0, 2)))
        shape = (test.rows, 2)
        due = rng.gamma(0.5, 4.0, shape)
        test.update(rng.poisson(0.7 * due), due, rng.uniform(1, 2, shape), rng.random(shape) < 0.9, 3)


@given(st.integers(0, 999), st.integers(0, 20), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_a_sequential_test_restored_is_the_same(seed: int, before: int, after: int) -> None:
    """Snapshot, restore, go on: bytes of the state are equal."""
    straight, cut = SequentialTest(2), SequentialTest(2)
    counted(straight, seed, before)
    cut.restore(sent(straight.snapshot()))
    counted(straight, seed + 1, after)
    counted(cut, seed + 1, after)
    assert cut.snapshot() == straight.snapshot()


@given(st.integers(0, 999), st.integers(0, 20), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_a_test_of_payments_restored_is_the_same(seed: int, before: int, after: int) -> None:
    """Likewise of attempts that end or wait."""

    def paid(test: ResolvedTest, seed: int, buckets: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(buckets):
            test.resize(test.rows + int(rng.integers(0, 2)))
            made, won, lost = rng.poisson([[6.0], [4.0], [1.0]], (3, test.rows))
            test.update(made, won, lost, PAY_LAW, 0.92, rng.random(test.rows) < 0.9)

    straight, cut = ResolvedTest(), ResolvedTest()
    paid(straight, seed, before)
    cut.restore(sent(straight.snapshot()))
    paid(straight, seed + 1, after)
    paid(cut, seed + 1, after)
    assert cut.snapshot() == straight.snapshot()


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 50)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_whatever_is_counted_evidence_is_finite_and_not_negative(counts: list[tuple[int, float]]) -> None:
    """No count and no expectation, zero included, breaks the evidence."""
    test = SequentialTest(1)
    test.resize(1)
    for seen, due in counts:
        test.update(np.array([[seen]]), np.array([[due]]), 1.0, np.array([[True]]))
        assert np.isfinite(test.evidence()).all()
        assert (test.evidence() >= 0).all()
