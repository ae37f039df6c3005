"""The light world: many slots with clicks and orders only, each of them a replicate.

Promises: all slots behave alike and independently; orders follow clicks by the delay law within the
attribution window; ``(rest)`` carries the other traffic of the site, so that the total stays what it
is when some replicates break. A thousand replicates of ten seconds cost about a millisecond.
Refuses to know of banners, SKUs or payments: see ``shop``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.benchmarks.detection import laws
from tests.benchmarks.detection.effects import Effect, What

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

AT_ONCE: Final = 180  # ticks; the work grows with their square
REST: Final = "(rest)"


@dataclass(frozen=True, slots=True)
class Settings:
    """A light world.

    Attributes:
        slots: how many replicates.
        orders_per_minute: of each slot, daily mean, within the attribution window.
        realistic: conversion swings and has noise, and events come late; else conversion is constant.
        background: traffic of ``(rest)``, relative to all replicates together; 0 leaves it out.
        conversion: orders per click.
        tick_s: 10 for closed buckets; 60 for rules on a minute's clock.
        span_s: orders later than this after their click are not seen: attribution ends.
        seed: all chance comes from it.
    """

    slots: int
    orders_per_minute: float = 6.0
    realistic: bool = False
    background: float = 4.0
    conversion: float = 0.03
    tick_s: int = 10
    span_s: int = laws.ATTRIBUTION_S
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Block:
    """Some ticks: clicks and orders by slot, shape (ticks, slots), and orders by lag (ticks, 19)."""

    start_ms: int
    clicks: I64
    orders: I64
    lags: I64


@dataclass(slots=True)
class _Pending:
    """Conversions of the last ticks under one delay law, shape (taps, slots), and the law (taps, 19)."""

    taps: F64
    tail: F64


@dataclass(slots=True)
class World:
    """Generates blocks one after the other; ``copy.deepcopy`` forks it, ``reseed`` parts the forks."""

    settings: Settings
    start_ms: int
    now_ms: int = field(init=False)
    weights: F64 = field(init=False)
    _rng: np.random.Generator = field(init=False)
    _noise: laws.Noise = field(init=False)
    _pending: dict[float, _Pending] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        chosen = self.settings
        self.now_ms = self.start_ms
        self._rng = np.random.default_rng(chosen.seed)
        rest = [chosen.background * chosen.slots] if chosen.background else []
        self.weights = np.array([1.0] * chosen.slots + rest)
        self._noise = laws.Noise(self.weights.size, chosen.tick_s, self._rng)
        self._start_full()

    def reseed(self, seed: int) -> None:
        """Go on with other chance."""
        self._rng = np.random.default_rng((self.settings.seed, seed))

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of the dimension ``slot``."""
        slots = tuple(f"s{number:04d}" for number in range(self.settings.slots))
        return (*slots, REST) if self.settings.background else slots

    def block(self, ticks: int, effects: Sequence[Effect] = ()) -> Block:
        """The next ticks."""
        parts = [self._some(min(AT_ONCE, ticks - done), effects) for done in range(0, ticks, AT_ONCE)]
        clicks, orders, lags = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("clicks", "orders", "lags")
        )
        return Block(parts[0].start_ms, clicks, orders, lags)

    def _some(self, ticks: int, effects: Sequence[Effect]) -> Block:
        start, tick_ms = self.now_ms, self.settings.tick_s * 1000
        times = start + tick_ms * np.arange(ticks, dtype=np.int64)
        clicks = self._rng.poisson(self._traffic(times, effects)).astype(np.int64)
        converting = clicks * self._conversion(times, effects)
        arrivals, by_bin = np.zeros(clicks.shape), np.zeros((ticks, len(laws.LAG_EDGES)))
        for stretch, part in self._by_law(times, converting, effects).items():
            more, bins = self._arrive(stretch, part)
            arrivals += more
            by_bin += bins
        orders = self._rng.poisson(np.maximum(arrivals, 0)).astype(np.int64)
        self.now_ms += ticks * tick_ms
        return Block(start, clicks, orders, self._lags(orders.sum(axis=1), by_bin))

    def _day_s(self, times: I64) -> F64:
        return (times % (laws.DAY_S * 1000) / 1000 + self.settings.tick_s / 2).astype(np.float64)

    def _per_tick(self) -> float:
        """Clicks of one slot in a tick, daily mean."""
        chosen = self.settings
        seen = laws.joint(laws.CLICK_TO_ORDER, chosen.tick_s, chosen.span_s).sum()
        return chosen.orders_per_minute * chosen.tick_s / 60 / (chosen.conversion * float(seen))

    def _traffic(self, times: I64, effects: Sequence[Effect]) -> F64:
        base = self._per_tick() * laws.traffic_at(self._day_s(times))[:, None] * self.weights
        return _apply(base, times, effects, What.TRAFFIC)

    def _conversion(self, times: I64, effects: Sequence[Effect]) -> F64:
        p = np.full((times.size, self.weights.size), self.settings.conversion)
        if self.settings.realistic:
            p *= laws.conversion_at(self._day_s(times))[:, None]
            p *= np.maximum(1 + laws.NOISE_SD * self._noise.draw(times.size, self._rng), 0)
        return _apply(p, times, effects, What.CONVERSION)

    def _by_law(self, times: I64, converting: F64, effects: Sequence[Effect]) -> Mapping[float, F64]:
        """Conversions by how much slower than usual they come."""
        parts = {stretch: np.zeros(converting.shape) for stretch in self._pending}
        slower = np.ones(times.size)
        for effect in effects:
            slower *= effect.at(times) if effect.what is What.DELAY else 1.0
        for stretch in np.unique(slower).tolist():
            parts[stretch] = np.where(slower[:, None] == stretch, converting, 0.0)
        return parts

    def _law(self, stretch: float) -> _Pending:
        if stretch not in self._pending:
            chosen = self.settings
            law = laws.CLICK_TO_ORDER.stretched(stretch)
            taps = laws.joint(law, chosen.tick_s, chosen.span_s)
            tail = np.zeros((len(taps), self.weights.size))
            self._pending[stretch] = _Pending(taps, tail)
        return self._pending[stretch]

    def _arrive(self, stretch: float, converting: F64) -> tuple[F64, F64]:
        """Expected orders of these ticks, by slot and by lag."""
        pending = self._law(stretch)
        ticks, taps = len(converting), len(pending.taps)
        known = np.concatenate([pending.tail, converting])
        pending.tail = known[-taps:].copy()
        shares = pending.taps.sum(axis=1)
        # Row t takes from row taps + t - a of what is known.
        ago = taps + np.arange(ticks)[:, None] - np.arange(taps + ticks)[None, :]
        picked = np.where((ago >= 0) & (ago < taps), shares[np.clip(ago, 0, taps - 1)], 0.0)
        total = known.sum(axis=1)
        bins = (np.convolve(total, of_bin)[taps : taps + ticks] for of_bin in pending.taps.T)
        return picked @ known, np.column_stack(list(bins))

    def _lags(self, totals: I64, by_bin: F64) -> I64:
        sums = by_bin.sum(axis=1, keepdims=True)
        even = np.full(by_bin.shape, 1 / by_bin.shape[1])
        shares = np.divide(by_bin, sums, out=even, where=sums > 0)
        return self._rng.multinomial(totals, shares).astype(np.int64)

    def _start_full(self) -> None:
        """As if the clicks of the last hours had been seen: orders flow from the first tick on."""
        pending = self._law(1.0)
        tick_ms = self.settings.tick_s * 1000
        times = self.start_ms + tick_ms * np.arange(-len(pending.taps), 0, dtype=np.int64)
        pending.tail = self._traffic(times, ()) * self._conversion(times, ())


def _apply(values: F64, times: I64, effects: Sequence[Effect], what: What) -> F64:
    for effect in effects:
        if effect.what is what:
            at = effect.at(times)
            slots = [number for _, number in effect.where] or slice(None)
            values[:, slots] *= at[:, None]
    return values
