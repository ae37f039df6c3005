"""Small worlds for detectors: orders that lag clicks, and payments that end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.detectors.budget import thresholds
from alerts.detectors.components import Way
from alerts.detectors.pending import result_law
from alerts.detectors.resolved import ResolvedTest
from alerts.detectors.sequential import SequentialTest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

DAYS_60 = 7 / 60  # false alarms a week: one in 60 days
WARM = 60  # buckets before the change
EDGES_S = (0, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800)
PAY_LAW = result_law(EDGES_S, (-np.diff(np.exp(-np.array([*EDGES_S, 1e6]) / 12))).tolist())


def arrived(minutes: F64) -> F64:
    """Share of a click's orders that have come so long after it."""
    return 0.7 * (1 - np.exp(-minutes / 4)) + 0.3 * (1 - np.exp(-minutes / 40))


def drop_delays(drop: float, rows: int, seed: int, uncertainty: float = 0.0) -> F64:
    """Minutes until a drop at 11:00 is found; 6 orders a minute in the mean, 7.8 then and rising."""
    rng, buckets = np.random.default_rng(seed), 6 * 240
    clock = np.arange(-6 * 480, buckets)
    clicks = 1 + 0.6 * np.cos(2 * np.pi * (11 - 15 + clock / 360) / 24)
    due = np.convolve(clicks, np.diff(arrived(np.arange(6 * 480 + 1) / 6)))[: clock.size]
    after = np.convolve(clicks * (clock >= 0), np.diff(arrived(np.arange(buckets + 1) / 6)))[: clock.size]
    test, judged = SequentialTest(1), np.ones((rows, 1), bool)
    test.resize(rows)
    least = thresholds(6.0, 1.0, 1, DAYS_60)[Way.DOWN]
    found = np.full(rows, np.inf)
    for at in range(6 * 480 - WARM, clock.size):
        seen = rng.poisson(max(due[at] - drop * after[at], 0.0), (rows, 1))
        test.update(seen, np.full((rows, 1), due[at]), 1.0, judged)
        fired = test.evidence(uncertainty)[:, 0, Way.DOWN] >= least
        if clock[at] < 0:
            test.forget(fired[:, np.newaxis])
            continue
        found = np.where(fired & np.isinf(found), (clock[at] + 1) / 6, found)
        if np.isfinite(found).all():
            break
    return found


def payments(per_minute: float, rows: int, seed: int, how: str, share: float = 1.0) -> F64:
    """Counts by bucket of attempts, successes and failures, shape (3, rows, 120); broken from 60 on.

    ``how``: attempts made from then on ``hang``, all results ``stop``, or all results ``fail``.
    """
    rng, buckets = np.random.default_rng(seed), 120
    counts = np.zeros((3, rows, buckets + 1))
    for row in range(rows):
        made = rng.uniform(0, buckets, rng.poisson(per_minute / 6 * buckets))
        ended = made + rng.exponential(1.2, made.size)
        won, held = rng.random(made.size) < 0.92, rng.random(made.size) < share
        broken = held & ((made if how == "hang" else ended) >= WARM)
        won &= ~(broken & (how == "fail"))
        ended = np.where(broken & (how != "fail"), buckets, np.minimum(ended, buckets))
        for at, times in enumerate((made, ended[won], ended[~won])):
            counts[at, row] = np.bincount(times.astype(int), minlength=buckets + 1)
    return counts[..., :buckets]


def payment_delays(per_minute: float, rows: int, seed: int, how: str, share: float = 1.0) -> F64:
    """Seconds from the start of a bucket in which payments break until found."""
    counts = payments(per_minute, rows, seed, how, share)
    test, found = ResolvedTest(), np.full(rows, np.inf)
    test.resize(rows)
    least = thresholds(per_minute, 1.0, 1, DAYS_60)[Way.DOWN]
    for at in range(counts.shape[-1]):
        made, won, lost = counts[..., at]
        test.update(made, won, lost, PAY_LAW, 0.92, np.ones(rows, bool))
        fired = test.evidence() >= least
        if at < WARM:
            test.forget(fired)
            continue
        found = np.where(fired & np.isinf(found), 10.0 * (at + 1 - WARM), found)
    return found


def told(what: str, delays: Any) -> str:
    """A line for the table."""
    p95 = np.quantile(delays, 0.95, method="higher")
    return f"{what}: median {np.median(delays):.0f}, p95 {p95:.0f}"
