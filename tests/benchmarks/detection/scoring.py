"""What a run scored: false alarms, delays, and how sure one can be of a share.

Alarms are given as booleans by (tick, series) or as times; an *episode* is a run of alarms with less
than half an hour between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, lgamma, log, log1p, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    B = NDArray[np.bool_]
    F64 = NDArray[np.float64]

EPISODE_GAP_MIN: Final = 30
HORIZON_MIN: Final = 240


def episodes(minutes: Sequence[float]) -> int:
    """How many episodes alarms of one series make; their times in minutes, ascending."""
    steps = np.diff(np.asarray(minutes, float))
    return int((steps > EPISODE_GAP_MIN).sum()) + 1 if len(minutes) else 0


def episodes_of(alarms: B, tick_s: int) -> int:
    """The same summed over series, alarms of shape (ticks, series)."""
    rows = (np.flatnonzero(alarms[:, series]) * tick_s / 60 for series in range(alarms.shape[1]))
    return sum(episodes(row.tolist()) for row in rows)


@dataclass(frozen=True, slots=True)
class Delays:
    """Delays of detections in minutes; inf where nothing was found within the horizon."""

    minutes: tuple[float, ...]

    @property
    def runs(self) -> int:
        """How many."""
        return len(self.minutes)

    @property
    def found(self) -> float:
        """Share found within the horizon."""
        return (
            sum(minute <= HORIZON_MIN for minute in self.minutes) / len(self.minutes) if self.minutes else 0.0
        )

    def quantile(self, share: float) -> float:
        """Delay within which that share of runs is found; inf if fewer are."""
        ranked = sorted(self.minutes)
        return float(ranked[min(int(share * len(ranked)), len(ranked) - 1)]) if ranked else inf

    @property
    def median(self) -> float:
        """Half of the runs are found sooner."""
        return self.quantile(0.5)

    @property
    def p95(self) -> float:
        """Nineteen of twenty runs are found sooner."""
        return self.quantile(0.95)


def delays_of(alarms: B, tick_s: int) -> Delays:
    """First alarm of each series after a change at tick 0, at the end of its tick."""
    horizon = alarms[: HORIZON_MIN * 60 // tick_s]
    first = (horizon.argmax(axis=0) + 1) * tick_s / 60
    return Delays(tuple(np.where(horizon.any(axis=0), first, inf).tolist()))


def upper_bound(seen: int, runs: int, sure: float = 0.95) -> float:
    """The share above which so few would be seen with probability ``1 - sure`` only (Clopper-Pearson)."""
    if not runs or seen >= runs:
        return 1.0
    low, high = max(seen / runs, 1e-9), 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(_binomial(k, runs, middle) for k in range(seen + 1))
        low, high = (middle, high) if below > 1 - sure else (low, middle)
    return high


def _binomial(seen: int, runs: int, share: float) -> float:
    ways = lgamma(runs + 1) - lgamma(seen + 1) - lgamma(runs - seen + 1)
    return exp(ways + seen * log(share) + (runs - seen) * log1p(-share))


def rate_bound(seen: int, sure: float = 0.95) -> float:
    """Of a Poisson count: the mean above which so few would be seen with probability ``1 - sure``."""
    low, high = max(float(seen), 1e-9), seen + 20.0 + 5 * sqrt(seen)
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(exp(k * log(middle) - middle - lgamma(k + 1)) for k in range(seen + 1))
        low, high = (middle, high) if below > 1 - sure else (low, middle)
    return high
