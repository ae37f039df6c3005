"""Conversion levels: own data where there is some, the dimension's otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation.level import Levels

POISSON = np.ones((2, 1))


def learnt(true: list[float], bases: list[float], buckets: int = 50) -> Levels:
    """The total, then keys of one dimension with such conversions and arrivals per bucket."""
    levels = Levels(2, 1, kept=0.9999)
    levels.resize(np.array([0] + [1] * len(true)))
    rng = np.random.default_rng(9)
    base = np.array(bases)
    for bucket in range(buckets):
        counts = rng.poisson(np.array(true) * base)
        of_all = np.append(counts.sum(), counts)[:, None].astype(float)
        levels.learn(of_all, np.append(base.sum(), base)[:, None], np.zeros((len(true) + 1, 1), dtype=bool))
        if bucket % 6 == 5:
            levels.compare(POISSON)
    return levels


def test_a_key_with_data_is_itself() -> None:
    """Thousands of conversions outweigh what others do."""
    level = learnt([0.06, *[0.03] * 20], [2_000.0] * 21).now()
    assert level.mean[1, 0] == pytest.approx(0.06, rel=0.05)
    assert level.error[1, 0] < 0.02


def test_a_key_without_data_is_its_dimension() -> None:
    """A new key is expected to convert as the others do, and not to be sure."""
    levels = learnt([0.03] * 20, [500.0] * 20)
    levels.resize(np.array([0] + [1] * 21))
    level = levels.now()
    assert level.mean[-1, 0] == pytest.approx(0.03, rel=0.05)
    assert level.error[-1, 0] > level.error[1, 0]
    assert level.seen[-1, 0] == 0.0


def test_equal_keys_shrink_more_than_different_ones() -> None:
    """The less keys differ, the less a small key's own few conversions say."""
    rng = np.random.default_rng(10)
    bases = [3.0, *[1_000.0] * 60]
    alike = learnt([0.03] * 61, bases)
    apart = learnt((0.03 * rng.gamma(2.0, 0.5, 61)).tolist(), bases)
    # Its own 4.5 arrivals' worth of luck counts for more where keys differ.
    assert alike.now().error[1, 0] < 0.5 * apart.now().error[1, 0]


def test_frozen_rows_remember() -> None:
    """Neither learnt nor forgotten, row by row."""
    levels = learnt([0.03, 0.03], [500.0, 500.0])
    before = levels.now().seen
    frozen = np.array([[False], [True], [False]])
    for _ in range(100):
        levels.learn(np.zeros((3, 1)), np.full((3, 1), 500.0), frozen)
    after = levels.now()
    assert after.seen[1, 0] == before[1, 0]
    assert after.mean[2, 0] < 0.02


def test_before_anything_is_seen() -> None:
    """Nothing is expected of nothing."""
    levels = Levels(2, 3, kept=0.999)
    levels.resize(np.array([0, 1]))
    assert levels.now().mean.max() < 1e-9
    assert not levels.now().seen.any()
