"""Adaptive recording rules: bands from an hour's mean and a day's spread, as people run them today.

After Grafana Labs' framework of recording rules for Prometheus (promql-anomaly-detection, "adaptive"),
with its constants: bands of two standard deviations, at least half of the mean, and the bands of the
same hour yesterday and a week ago; what is exactly zero is no sample. The metric is the conversion of
five minutes, once a minute.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.benchmarks.detection.rules import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    B = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

_HOUR: Final = 60
_SPREAD: Final = 26 * _HOUR
_MARGIN: Final = 0.5
_DEVIATIONS: Final = 2.0
_VARIABLE: Final = 0.5  # a spread of less than that of the mean is not looked at
_BACK: Final = (23 * _HOUR + 30, 167 * _HOUR + 30)
_HOLD: Final = 5


@dataclass(slots=True)
class _Recent:
    """Mean and variance of the values of the last ticks that are numbers."""

    size: int
    _rows: deque[F64] = field(default_factory=deque)
    _sums: F64 | None = None

    def add(self, row: F64) -> tuple[F64, F64]:
        """With this tick, each of shape (series,); not a number where there is none."""
        known = ~np.isnan(row)
        value = np.where(known, row, 0.0)
        parts = np.array([known, value, value * value], dtype=np.float64)
        self._sums = parts if self._sums is None else self._sums + parts
        self._rows.append(parts.astype(np.float32))
        if len(self._rows) > self.size:
            self._sums = self._sums - self._rows.popleft()
        count, total, squares = self._sums
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(count > 0, total / count, np.nan)
            return mean, np.maximum(squares / count - mean * mean, 0)


@dataclass(slots=True)
class AdaptiveBands:
    """The ratio of five minutes below the lower band for five minutes."""

    window: int = 5
    _clicks: Window = field(init=False)
    _orders: Window = field(init=False)
    _hour: _Recent = field(default_factory=lambda: _Recent(_HOUR))
    _spread: _Recent = field(default_factory=lambda: _Recent(_SPREAD))
    _lower: deque[F64] = field(default_factory=deque)
    _below: I64 | int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._clicks, self._orders = Window(self.window), Window(self.window)

    def step(self, time_ms: int, clicks: I64, orders: I64) -> B:
        """See ``rules.Rule``."""
        entries, exits = self._clicks.add(clicks), self._orders.add(orders)
        if entries is None or exits is None:
            return np.zeros(clicks.size, bool)
        ratio = np.where(exits > 0, exits / np.maximum(entries, 1), np.nan)
        mean, variance = self._hour.add(ratio)
        deviation = np.sqrt(variance)
        spread, _ = self._spread.add(np.where(deviation > _VARIABLE * mean, deviation, np.nan))
        bands = [mean - _DEVIATIONS * spread, (1 - _MARGIN) * mean, *self._before()]
        self._lower.append((mean - _DEVIATIONS * deviation).astype(np.float32))
        if len(self._lower) > max(_BACK):
            self._lower.popleft()
        low = ratio < np.maximum(np.fmin.reduce(bands), 0)
        self._below = np.where(low, self._below + 1, 0)
        return np.asarray(self._below >= _HOLD)

    def _before(self) -> list[F64]:
        """Lower bands of these times ago, as far back as there are any."""
        return [self._lower[-ago].astype(np.float64) for ago in _BACK if len(self._lower) >= ago]
