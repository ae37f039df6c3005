"""Yardsticks: the rules that are in use today, and the CUSUMs that theory calls best.

Promises: one call of ``step`` per tick, all series at once, an answer per series. They know more than
a detector does (the true conversion, by hour if told, and the delay law), so what they score is a
bound for them. Source of the settings: prometheus and grafana recipes; Page 1954; Moustakides 1986.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    B = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]


class Rule(Protocol):
    """Is told of every tick, and says which series are in alarm."""

    def step(self, time_ms: int, clicks: I64, orders: I64) -> B:
        """Counts of the tick that starts at ``time_ms``; all of shape (series,)."""
        ...


@dataclass(slots=True)
class Window:
    """Sums over the last ticks; None of them before it is full."""

    size: int
    _rows: list[I64] = field(default_factory=list)
    _sum: I64 | None = None
    _next: int = 0

    def add(self, row: I64) -> I64 | None:
        """With this tick; shape (series,)."""
        if len(self._rows) < self.size:
            self._rows.append(row)
            self._sum = row.copy() if self._sum is None else self._sum + row
        elif self._sum is not None:
            self._sum = self._sum + row - self._rows[self._next]
            self._rows[self._next] = row
            self._next = (self._next + 1) % self.size
        return self._sum if len(self._rows) == self.size else None


@dataclass(slots=True)
class FixedLine:
    """Conversion in the window below ``factor`` of the normal one, for ``hold`` ticks."""

    p0: float
    factor: float = 0.7
    window: int = 5
    hold: int = 1
    _clicks: Window = field(init=False)
    _orders: Window = field(init=False)
    _below: I64 | int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._clicks, self._orders = Window(self.window), Window(self.window)

    def step(self, time_ms: int, clicks: I64, orders: I64) -> B:
        """See ``Rule``."""
        entries, exits = self._clicks.add(clicks), self._orders.add(orders)
        if entries is None or exits is None:
            return np.zeros(clicks.size, bool)
        low = (entries > 0) & (exits < self.factor * self.p0 * entries)
        self._below = np.where(low, self._below + 1, 0)
        return np.asarray(self._below >= self.hold)


@dataclass(slots=True)
class ThreeSigma:
    """The ratio of 5 minutes more than three standard deviations below its mean of an hour."""

    window: int = 5
    memory: int = 60
    _clicks: Window = field(init=False)
    _orders: Window = field(init=False)
    _ratios: list[F64] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._clicks, self._orders = Window(self.window), Window(self.window)

    def step(self, time_ms: int, clicks: I64, orders: I64) -> B:
        """See ``Rule``."""
        entries, exits = self._clicks.add(clicks), self._orders.add(orders)
        low = np.zeros(clicks.size, bool)
        if entries is None or exits is None:
            return low
        ratio = exits / np.maximum(entries, 1)
        if len(self._ratios) == self.memory:
            past = np.array(self._ratios)
            low = ratio < past.mean(axis=0) - 3 * past.std(axis=0)
            self._ratios.pop(0)
        self._ratios.append(ratio)
        return low


@dataclass(slots=True)
class WeekOverWeek:
    """The ratio of a window below ``factor`` of the same window a period ago."""

    window: int = 5
    factor: float = 0.7
    period: int = 10_080
    _clicks: Window = field(init=False)
    _orders: Window = field(init=False)
    _past: list[F64] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._clicks, self._orders = Window(self.window), Window(self.window)

    def step(self, time_ms: int, clicks: I64, orders: I64) -> B:
        """See ``Rule``."""
        entries, exits = self._clicks.add(clicks), self._orders.add(orders)
        low = np.zeros(clicks.size, bool)
        if entries is None or exits is None:
            return low
        ratio = (exits / np.maximum(entries, 1)).astype(np.float32)
        self._past.append(ratio.astype(np.float64))
        if len(self._past) > self.period:
            low = np.asarray(ratio < self.factor * self._past.pop(0))
        return low


@dataclass(slots=True)
class BinomialZ:
    """Orders in the window ``limit`` standard deviations below clicks times the normal conversion."""

    p0: float
    limit: float = -4.0
    window: int = 5
    _clicks: Window = field(init=False)
    _orders: Window = field(init=False)

    def __post_init__(self) -> None:
        self._clicks, self._orders = Window(self.window), Window(self.window)

    def step(self, time_ms: int, clicks: I64, orders: I64) -> B:
        """See ``Rule``."""
        entries, exits = self._clicks.add(clicks), self._orders.add(orders)
        if entries is None or exits is None:
            return np.zeros(clicks.size, bool)
        normal = entries * self.p0
        deviation = np.sqrt(np.maximum(normal * (1 - self.p0), 1e-9))
        return np.asarray(exits - normal < self.limit * deviation)


@dataclass(slots=True)
class LagCusum:
    """CUSUM of orders against those that clicks let expect, for a drop by ``drop``.

    With the true conversion, the true delays and the right drop it is the best there is; thresholds
    may be several at once, then series are repeated: shape (thresholds, series), flattened.

    Attributes:
        conversion: of a click at a time, known.
        taps: share of its orders by ticks since the click, shape (taps,).
        drop: relative drop that it is made for; below 1.
        thresholds: log likelihood ratios at which it gives alarm and starts again.
    """

    conversion: Callable[[int], float]
    taps: F64
    drop: float
    thresholds: tuple[float, ...] = (11.4,)
    _ring: F64 | None = None
    _at: int = 0
    _score: F64 | None = None

    def step(self, time_ms: int, clicks: I64, orders: I64) -> B:
        """See ``Rule``."""
        expected = self._expect(np.asarray(clicks * self.conversion(time_ms), np.float64))
        gained = orders * np.log1p(-self.drop) + expected * self.drop
        if self._score is None:
            self._score = np.zeros((len(self.thresholds), clicks.size))
        self._score = np.maximum(self._score + gained, 0)
        over = self._score >= np.asarray(self.thresholds)[:, None]
        self._score[over] = 0
        return over.ravel()

    def _expect(self, converting: F64) -> F64:
        size = self.taps.size
        if self._ring is None:  # as if it had always been so
            self._ring = np.tile(converting, (size, 1))
        self._ring[self._at] = converting
        ages = (self._at - np.arange(size)) % size
        by_row = np.zeros(size)
        by_row[ages] = self.taps
        self._at = (self._at + 1) % size
        return np.asarray(by_row @ self._ring)
