"""When traffic jumped."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation.jumps import Jumps


def jumps_of(rates: list[float], seed: int = 1) -> list[int]:
    """Buckets at which Poisson traffic of such rates is said to jump."""
    watched = Jumps(1, 1.5)
    entered = np.random.default_rng(seed).poisson(rates)
    return [at for at, count in enumerate(entered) if watched.push(np.array([float(count)]))[0]]


@pytest.mark.parametrize("factor", [10.0, 2.0, 0.5, 0.1])
def test_a_jump_is_seen_within_a_minute(factor: float) -> None:
    """Up and down, and it is over within ten minutes more."""
    found = jumps_of([200.0] * 400 + [200.0 * factor] * 400)
    assert 400 <= found[0] < 406
    assert found[-1] < 466


@pytest.mark.parametrize("rate", [0.5, 20.0, 2_000.0])
def test_steady_traffic_does_not_jump(rate: float) -> None:
    """However small the shop is."""
    assert jumps_of([rate] * 3_000) == []


def test_a_slow_rise_is_seen_against_the_hour() -> None:
    """Traffic that grows by half in half an hour jumped, once."""
    assert len(jumps_of([1_000.0] * 400 + [1_000.0 * 1.006**step for step in range(180)])) == 1
