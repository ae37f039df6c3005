"""Tests of ``alerts.recent``."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.recent import HOUR_BUCKETS, RecentCounts
from streams.closed import BUCKET_MS

_ROWS, _STEPS = 9, 4


def _filled(buckets: int) -> RecentCounts:
    """Counts and expectations of very different sizes, so that the order of adding them shows."""
    chance = np.random.default_rng(3)
    recent = RecentCounts(_STEPS)
    recent.resize(np.arange(_ROWS))
    shape = (_ROWS, _STEPS)
    for bucket in range(buckets):
        counts = [chance.random(shape) * 10.0 ** chance.integers(-9, 5, shape) for _ in range(3)]
        recent.add(counts[0], counts[1], counts[2], bucket * BUCKET_MS, np.zeros(shape, bool))
    return recent


@pytest.mark.parametrize("rows", [[0], [3, 5], [*range(1, _ROWS)]])
@pytest.mark.parametrize("buckets", [1, 50, HOUR_BUCKETS + 40])
def test_sums_of_some_rows_are_those_of_all_to_the_last_bit(rows: list[int], buckets: int) -> None:
    """Moments near and far, older than the hour, and to come; in whatever order they are asked for."""
    recent = _filled(buckets)
    for ago in (3, 1, 400, 0, 17, 359, 360, -2, 100):
        moment = recent.newest_ms - ago * BUCKET_MS
        for step in range(_STEPS):
            some = recent.since_at(moment, np.array(rows), step)
            for mine, whole in zip(some, recent.since(moment), strict=True):
                assert mine.tolist() == whole[rows, step].tolist()


def test_sums_of_some_rows_are_of_the_newest_bucket() -> None:
    """A bucket that comes makes others of them."""
    recent, rows = _filled(5), np.array([2])
    before = recent.since_at(0, rows, 1)
    more = np.ones((_ROWS, _STEPS))
    recent.add(more, more, more, 5 * BUCKET_MS, np.zeros_like(more, bool))
    assert (recent.since_at(0, rows, 1).entered > before.entered).all()
