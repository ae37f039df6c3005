"""How much more than Poisson counts scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.expectation.dispersion import BOUNDS, Dispersion

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 40
LEVEL_OF = np.array([0] * 4 + [1] * (ROWS - 4))


def learnt(
    counts: Callable[[np.random.Generator, int], np.ndarray],
    expected: float,
    buckets: int = 1_800,
    *,
    frozen: bool = False,
) -> Dispersion:
    """After buckets whose counts ``counts`` draws, given generator and shape."""
    dispersion = Dispersion(2, 1, kept=0.9999)
    dispersion.resize(LEVEL_OF)
    rng = np.random.default_rng(4)
    for bucket in range(buckets):
        drawn = counts(rng, bucket)
        mask = np.full((ROWS, 1), frozen)
        dispersion.learn(drawn.astype(float), np.full((ROWS, 1), expected), mask)
    return dispersion


def test_poisson_counts_are_not_dispersed() -> None:
    """Dispersion of Poisson counts is one."""
    found = learnt(lambda rng, _: rng.poisson(5.0, (ROWS, 1)), 5.0)
    assert found.factor.ravel() == pytest.approx([1.0, 1.0], abs=0.1)
    assert found.now().ravel() == pytest.approx(np.ones(ROWS), abs=0.25)


def test_doubled_counts_are() -> None:
    """Counts that come in pairs have twice the variance."""
    found = learnt(lambda rng, _: 2 * rng.poisson(2.5, (ROWS, 1)), 5.0)
    assert found.factor.ravel() == pytest.approx([2.0, 2.0], rel=0.2)


def test_wandering_grows_with_size() -> None:
    """5 % that last for 15 minutes are found, and matter where hundreds are expected."""
    noise = np.random.default_rng(8).normal(0.0, 0.05, (20, ROWS, 1))
    found = learnt(lambda rng, bucket: rng.poisson(50.0 * (1 + noise[bucket // 90])), 50.0)
    assert np.sqrt(found.wandering).ravel() == pytest.approx([0.05, 0.05], rel=0.3)
    assert found.now().mean() > 5.0


def test_what_wanders_is_unsure_for_longer_than_a_block() -> None:
    """Half of the variance that was found in 15 minutes is left over an hour; Poisson counts leave next to none."""
    noise = np.random.default_rng(8).normal(0.0, 0.05, (20, ROWS, 1))
    found = learnt(lambda rng, bucket: rng.poisson(50.0 * (1 + noise[bucket // 90])), 50.0)
    assert np.sqrt(found.slow()).ravel() == pytest.approx(np.full(ROWS, 0.035), rel=0.3)
    assert np.sqrt(learnt(lambda rng, _: rng.poisson(50.0, (ROWS, 1)), 50.0).slow()).max() < 0.01


def test_it_is_bounded_and_robust() -> None:
    """Half an hour of nothing, not yet found to be an incident, moves it little."""
    found = learnt(lambda rng, b: rng.poisson(0.0 if 900 <= b < 1_080 else 5.0, (ROWS, 1)), 5.0)
    assert BOUNDS[0] <= found.factor.max() < 2.5
    assert found.now().max() <= BOUNDS[1]


def test_frozen_series_say_nothing() -> None:
    """What happens in an incident is no scatter."""
    found = learnt(lambda rng, _: 5 * rng.poisson(1.0, (ROWS, 1)), 5.0, frozen=True)
    assert found.factor.ravel().tolist() == [1.0, 1.0]
