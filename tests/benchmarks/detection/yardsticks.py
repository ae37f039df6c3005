"""What rules score that are fed arrays: false alarms, delays, and the best there can be.

The minute's clock is that of the earlier program whose figures this repeats; ten seconds are the product's.
Thresholds of an *optimum* are calibrated: the lowest that gives at most one false alarm in 60 days of
a slot, on other seeds than delays are measured with.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.benchmarks.detection import laws
from tests.benchmarks.detection.adaptive import AdaptiveBands
from tests.benchmarks.detection.effects import Effect, What
from tests.benchmarks.detection.light import Settings, World
from tests.benchmarks.detection.rules import (
    BinomialZ,
    FixedLine,
    LagCusum,
    Rule,
    ThreeSigma,
    WeekOverWeek,
)
from tests.benchmarks.detection.scoring import Delays, delays_of, episodes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tests.benchmarks.detection.light import Block

    B = NDArray[np.bool_]

P0: Final = 0.03
DAY_MS: Final = laws.DAY_S * 1000
ONSET_MS: Final = 11 * 3_600_000  # of the test day
GUARANTEED: Final = 11.4  # ln of a false alarm in 60 days, minutes
_LONG_S: Final = 18_000  # longest delay on the minute's clock
_WARM_MIN: Final = 120


@dataclass(frozen=True, slots=True)
class Clock:
    """A tick, and how long orders are followed: 60 s and 5 h in the earlier program, 10 s and 30 min in ours."""

    tick_s: int = 60
    span_s: int = _LONG_S

    def ticks(self, minutes: int) -> int:
        """How many ticks so many minutes have."""
        return minutes * 60 // self.tick_s

    def settings(self, slots: int, seed: int, *, rate: float = 6.0, realistic: bool = True) -> Settings:
        """Replicates only, no other traffic."""
        return Settings(
            slots=slots,
            orders_per_minute=rate,
            realistic=realistic,
            background=0,
            tick_s=self.tick_s,
            span_s=self.span_s,
            seed=seed,
        )

    def taps(self) -> NDArray[np.float64]:
        """Share of a click's orders by tick."""
        return np.asarray(laws.joint(laws.CLICK_TO_ORDER, self.tick_s, self.span_s).sum(axis=1))


MINUTES: Final = Clock()
BUCKETS: Final = Clock(10, laws.ATTRIBUTION_S)


def flat(_: int) -> float:
    """Conversion without its swing."""
    return P0


def by_hour(time_ms: int) -> float:
    """Conversion with its swing, known beforehand."""
    return P0 * float(laws.conversion_at(np.array([time_ms % DAY_MS / 1000])).item())


def known(*, realistic: bool) -> Callable[[int], float]:
    """True conversion but for its noise."""
    return by_hour if realistic else flat


RULES: Final[dict[str, Callable[[], Rule]]] = {
    "fixed < .7 p0, 5 min": lambda: FixedLine(P0),
    "same, for: 5m": lambda: FixedLine(P0, hold=5),
    "3-sigma, 5 min vs last 60": ThreeSigma,
    "same time before < .7, 5 min": lambda: WeekOverWeek(period=1_440),
    "same time before < .7, 60 min": lambda: WeekOverWeek(window=60, period=1_440),
    "adaptive recording rules, 5 min": AdaptiveBands,
    "binomial z < -4, 5 min": lambda: BinomialZ(P0),
    "CUSUM r=.3, lag-aware, flat p0": lambda: LagCusum(flat, MINUTES.taps(), 0.3),
    "CUSUM r=.3, lag-aware, hour-of-day p": lambda: LagCusum(by_hour, MINUTES.taps(), 0.3),
}


def alarms_of(rule: Rule, block: Block, tick_s: int) -> B:
    """Alarms of each tick, shape (ticks, series)."""
    times = range(block.start_ms, block.start_ms + len(block.clicks) * tick_s * 1000, tick_s * 1000)
    return np.array([rule.step(*row) for row in zip(times, block.clicks, block.orders, strict=True)])


def false_alarms(make: Callable[[], Rule], clock: Clock, settings: Settings, days: int = 1) -> float:
    """Episodes per slot and day, after a day of warming up."""
    world = World(settings, 0)
    rule = make()
    alarms_of(rule, world.block(clock.ticks(1_440 + _WARM_MIN)), clock.tick_s)
    seen = sum(
        episodes_of(alarms_of(rule, world.block(clock.ticks(1_440)), clock.tick_s), clock.tick_s)
        for _ in range(days)
    )
    return seen / (settings.slots * days)


@dataclass(slots=True)
class Morning:
    """Rules that have seen the hours up to the onset, to be forked for each change."""

    clock: Clock
    world: World
    rule: Rule

    @classmethod
    def of(cls, make: Callable[[], Rule], clock: Clock, settings: Settings, *, day: bool = True) -> Morning:
        """A day (or two hours) before the onset, all quiet."""
        warm = 1_440 + _WARM_MIN if day else _WARM_MIN
        world, rule = World(settings, ONSET_MS + DAY_MS - warm * 60_000), make()
        alarms_of(rule, world.block(clock.ticks(warm)), clock.tick_s)
        return cls(clock, world, rule)

    def after(self, effects: Sequence[Effect], minutes: int = 240) -> B:
        """Alarms after the onset, shape (ticks, series)."""
        world, rule = copy.deepcopy((self.world, self.rule))
        return alarms_of(rule, world.block(self.clock.ticks(minutes), effects), self.clock.tick_s)

    def delays(self, drop: float) -> Delays:
        """Of a drop at the onset."""
        change = Effect(What.CONVERSION, 1 - drop, self.world.now_ms)
        return delays_of(self.after([change]), self.clock.tick_s)

    def jump(self, factor: float, minutes: int = 120) -> float:
        """Share of slots with a false alarm after traffic jumps within a minute."""
        change = Effect(What.TRAFFIC, factor, self.world.now_ms, ramp_ms=60_000)
        return float(self.after([change], minutes).any(axis=0).mean())


@dataclass(frozen=True, slots=True)
class Optimum:
    """The CUSUM made for a drop, its calibrated threshold and what it takes to find that drop."""

    drop: float
    threshold: float
    delays: Delays


_GRID: Final = tuple(np.arange(5.5, 11.01, 0.5).tolist())
_DAYS: Final = 5
_MADE_FOR: Final = 0.7
_ENOUGH: Final = 5  # alarms that a threshold must have had to be looked at


def optimum(drop: float, clock: Clock, slots: int, *, rate: float = 6.0, realistic: bool = False) -> Optimum:
    """Calibrated on five days of each slot; at most for -70 %: of orders that stop, the first minutes miss a part."""
    taps, p = clock.taps(), known(realistic=realistic)
    made_for = min(drop, _MADE_FOR)
    world = World(clock.settings(slots, 101, rate=rate, realistic=realistic), 0)
    rule = LagCusum(p, taps, made_for, _GRID)
    seen = np.zeros(len(_GRID))
    for _ in range(_DAYS):
        alarms = alarms_of(rule, world.block(clock.ticks(1_440)), clock.tick_s)
        by_threshold = alarms.reshape(len(alarms), len(_GRID), slots)
        seen += [episodes_of(by_threshold[:, at], clock.tick_s) for at in range(len(_GRID))]
    threshold = _crossing(seen / (_DAYS * slots), _DAYS * slots)
    best = LagCusum(p, taps, made_for, (threshold,))
    settings = clock.settings(slots, 202, rate=rate, realistic=realistic)
    morning = Morning.of(lambda: best, clock, settings, day=False)
    return Optimum(drop, threshold, morning.delays(drop))


def _crossing(rates: NDArray[np.float64], slot_days: int) -> float:
    """Where false alarms fall to one in 60 days: they fall exponentially with the threshold."""
    enough = rates * slot_days >= _ENOUGH
    slope, start = np.polyfit(np.asarray(_GRID)[enough], np.log(rates[enough]), 1)
    return float((np.log(1 / 60) - start) / slope)
