"""How many entries are expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.expectation.settings import DAY_MS, ExpectationSettings
from alerts.expectation.traffic import Traffic
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Callable


def learnt(rate: Callable[[int], float], buckets: int, every: int = 1) -> Traffic:
    """After buckets of the total and one key with a tenth of it; a step each."""
    traffic = Traffic(1, ExpectationSettings())
    traffic.resize(2)
    rng = np.random.default_rng(6)
    for bucket in range(0, buckets, every):
        mean = rate(bucket * BUCKET_MS)
        counts = rng.poisson([[mean], [0.1 * mean]]).astype(float)
        traffic.learn(bucket * BUCKET_MS, counts, 0, np.zeros((2, 1), dtype=bool))
    return traffic


def test_steady_traffic() -> None:
    """What came is what is expected, of each series its own."""
    forecast = learnt(lambda _: 300.0, 720).expected(720 * BUCKET_MS)
    assert forecast.mean.ravel() == pytest.approx([300.0, 30.0], rel=0.05)
    assert forecast.error[0] < 0.2


def test_day_and_night_are_expected() -> None:
    """After two weeks, a morning's rise is expected before it comes."""

    def swing(at_ms: int) -> float:
        return float(300.0 * (1 + 0.6 * np.sin(2 * np.pi * at_ms / DAY_MS)))

    traffic = learnt(swing, 14 * 8_640, every=6)
    ahead_ms = 14 * DAY_MS + 3 * 3_600_000
    assert traffic.expected(ahead_ms).mean[0, 0] == pytest.approx(swing(ahead_ms), rel=0.15)


def test_frozen_traffic_is_not_learnt() -> None:
    """An outage does not become what is expected."""
    traffic = learnt(lambda _: 300.0, 720)
    for bucket in range(720, 1_440):
        traffic.learn(bucket * BUCKET_MS, np.zeros((2, 1)), 0, np.ones((2, 1), dtype=bool))
    assert traffic.expected(1_440 * BUCKET_MS).mean[0, 0] == pytest.approx(300.0, rel=0.05)
