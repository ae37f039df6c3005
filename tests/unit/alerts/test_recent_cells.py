"""Tests of ``alerts.recent_cells``."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.recent_cells import RecentCells
from streams.closed import BUCKET_MS

_KEPT = 20
_PLACES = 3


def _cells(chance: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    many = int(chance.integers(0, 30))
    counts = chance.integers(1, 9, many).astype(np.float64)
    return chance.integers(0, size, many), chance.integers(0, _PLACES, many), counts


class _Plain:
    """Adds up all buckets that are remembered, each time."""

    def __init__(self) -> None:
        self.buckets: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []

    def since(self, since_ms: int, place: int, size: int) -> np.ndarray:
        out = np.zeros(size)
        for start, keys, places, counts in self.buckets[-_KEPT:]:
            if start >= since_ms:
                np.add.at(out, keys[places == place], counts[places == place])
        return out


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_those_of_the_buckets_since(seed: int) -> None:
    """Whatever is asked for, again or for the first time, while buckets come, are forgotten, and names grow."""
    chance = np.random.default_rng(seed)
    recent, plain = RecentCells(_KEPT), _Plain()
    size, standing = 5, 0
    for bucket in range(3 * _KEPT):
        size += int(chance.integers(0, 2))
        start = bucket * BUCKET_MS
        cells = _cells(chance, size)
        recent.add(start, *cells, size)
        plain.buckets.append((start, *cells))
        if chance.random() < 0.1:
            standing = start
        for moment in (standing, start - 5 * BUCKET_MS, int(chance.integers(-5, start + 2 * BUCKET_MS))):
            for place in range(_PLACES):
                got = recent.since(moment, place, size)
                assert got.tolist() == plain.since(moment, place, size).tolist()


def test_nothing_is_known_before_the_first_bucket() -> None:
    """Sums of no buckets are zero, of as many combinations as there are."""
    assert RecentCells(_KEPT).since(0, 0, 3).tolist() == [0.0, 0.0, 0.0]


def test_a_snapshot_goes_on() -> None:
    """What is restored says what was said before, and is asked anew."""
    chance = np.random.default_rng(1)
    recent, again = RecentCells(_KEPT), RecentCells(_KEPT)
    for bucket in range(2 * _KEPT):
        recent.add(bucket * BUCKET_MS, *_cells(chance, 4), 4)
    again.add(0, *_cells(chance, 4), 4)
    again.since(0, 0, 4)
    again.restore(recent.snapshot())
    cells = _cells(chance, 4)
    for each in (recent, again):
        each.add(2 * _KEPT * BUCKET_MS, *cells, 4)
    moment = 30 * BUCKET_MS
    assert again.since(moment, 1, 4).tolist() == recent.since(moment, 1, 4).tolist()
    assert again.snapshot() == recent.snapshot()
