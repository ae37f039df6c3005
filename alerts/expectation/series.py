"""What is expected of every watched series: the front door of this room.

For every closed bucket: ``resize`` if there are new rows, ``observe`` what entered, judge, then
``learn`` what was reached. What is expected of a bucket never depends on what was reached in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from alerts.expectation import readiness, rising
from alerts.expectation.arrivals import Arrivals
from alerts.expectation.delay import DelayLaws
from alerts.expectation.dispersion import SHORT, Dispersion
from alerts.expectation.doubt import Doubt
from alerts.expectation.lags import BINS, TAPS
from alerts.expectation.level import TOTAL, Levels
from alerts.expectation.season import Season, Swings
from alerts.expectation.settings import ExpectationSettings
from alerts.expectation.tail import Leaks
from alerts.expectation.traffic import Traffic
from alerts.expectation.youth import Youth
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from alerts.expectation.doubt import Kernels
    from alerts.expectation.level import Level
    from alerts.expectation.slower import Slower
    from alerts.expectation.traffic import Forecast
    from alerts.series import LateEntries

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I8 = NDArray[np.int8]
    I16 = NDArray[np.int16]
    I64 = NDArray[np.int64]
    # From the levels of rows, shape (rows,), to expected conversions a series must have seen before
    # it is judged; broadcastable to (rows, steps).
    Needed = Callable[[I16], F64]


# An hour may be so many standard errors off; detection bears so much by itself (its tolerance).
_SURE: Final = 2.0
_BORNE: Final = 0.1
# The total has one of the first rows.
_AMONG: Final = 1_000


class Expected(NamedTuple):
    """Of one bucket; arrays of shape (rows, steps) unless said otherwise.

    Attributes:
        mean: expected downstream counts.
        drop: the same as a drop is judged: while the delay law is in doubt, the lowest count that a
            plausible law expects; in an hour of the day that was not seen yet, less by what hours differ.
        surge: likewise the highest, and while a row's traffic rises no less than of people twice as quick.
        uncertainty: standard error of all three, relative: of the level and the season, and what wanders
            for longer than dispersion bears.
        dispersion: variance of counts over 15 minutes, divided by their mean; 1 to 10.
        readiness: of ``readiness.Code``.
        missing: expected conversions that a series still has to see before it is judged.
        traffic: expected upstream counts.
        traffic_uncertainty: standard error of that, relative; shape (steps,).
        in_doubt: whether the delay law of a step is in doubt; shape (steps,).
        slower: steps whose journeys became slower, with the evidence.
    """

    mean: F64
    drop: F64
    surge: F64
    uncertainty: F64
    dispersion: F64
    readiness: I8
    missing: F64
    traffic: F64
    traffic_uncertainty: F64
    in_doubt: Bools
    slower: tuple[Slower, ...]


class _Open(NamedTuple):
    """A bucket that was observed and not learnt.

    Arrivals if all converted, times the lift, and what was expected: shape (rows, steps).
    """

    start_ms: int
    entered: F64
    lags: F64
    at_risk: F64
    units: F64
    mean: F64


class _Part(Protocol):
    def snapshot(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Expectation:
    """See the module.

    Args:
        dimensions: names of the levels, ``all`` first, as in ``SeriesTable``.
        steps: how many the funnel has.
        settings: how fast things are learnt.
        needed: expected conversions a series must have seen before it is judged; None for as many
            as the settings say.
    """

    def __init__(
        self,
        dimensions: Sequence[str],
        steps: int,
        settings: ExpectationSettings | None = None,
        needed: Needed | None = None,
    ) -> None:
        self._settings = settings = settings or ExpectationSettings()
        self._steps, self._needed = steps, needed or self._enough
        self._attributed_levels = [at for at, name in enumerate(dimensions) if name in settings.attributed]
        self._take_levels(np.zeros(0, dtype=np.int16))
        self._monitored: Bools = np.zeros((0, steps), dtype=bool)
        self._number: int | None = None
        self._learnt = 0
        self._arrivals, self._leaks = Arrivals(steps), Leaks(steps)
        self._laws = DelayLaws(steps, settings)
        self._doubt = Doubt(self._laws, settings)
        self._levels = Levels(len(dimensions), steps, _kept(settings.level_half_life_ms))
        swings = Swings(settings.daily_sd, settings.weekly_sd)
        self._season = Season(steps, swings, settings.season_half_life_ms, settings.utc_offset_ms)
        self._dispersion = Dispersion(len(dimensions), steps, _kept(settings.dispersion_half_life_ms))
        self._traffic = Traffic(steps, settings)
        self._youth = Youth(steps, settings)
        self._open: _Open | None = None

    def _enough(self, levels: I16) -> F64:
        return np.full((levels.size, 1), self._settings.min_conversions)

    @property
    def total(self) -> int | None:
        """Row of the total; None until it has one."""
        return self._total

    @property
    def learning(self) -> bool:
        """Whether too little of the stream was seen to judge any series."""
        return self._learnt * BUCKET_MS < self._settings.learning_ms

    def resize(self, levels: I16) -> None:
        """Give new rows their place; ``levels`` are the dimension numbers of all rows, shape (rows,).

        Rows only grow. Between ``learn`` and ``observe``.
        """
        if levels.size == self._level_of.size:
            return
        self._take_levels(levels.astype(np.int16))
        missing = np.zeros((levels.size - self._monitored.shape[0], self._steps), dtype=bool)
        self._monitored = np.concatenate((self._monitored, missing))
        self._levels.resize(levels)
        self._dispersion.resize(levels)
        for part in (self._arrivals, self._leaks, self._traffic):
            part.resize(levels.size)

    def _take_levels(self, levels: I16) -> None:
        self._level_of = levels
        self._attributed = np.flatnonzero(np.isin(levels, self._attributed_levels))
        found = np.flatnonzero(levels[:_AMONG] == TOTAL)
        self._total = int(found[0]) if found.size else None

    def observe(
        self,
        entered: F64,
        lags: F64,
        start_ms: int,
        late: LateEntries | None = None,
        lift: F64 | float = 1.0,
    ) -> Expected:
        """Take in what entered, and say what is expected to be reached in the same bucket.

        Args:
            entered: upstream counts, shape (rows, steps).
            lags: conversions of ``all`` by delay, late ones included, shape (19, steps): bins as in
                ``lags.EDGES_S``; zeros where journeys are not seen.
            start_ms: start of the bucket. A gap since the one before counts as empty buckets.
            late: upstream counts of buckets that were observed before, if any. What should have arrived of
                them by now is expected in this bucket, for late arrivals are counted in it.
            lift: factor on conversion that a promotion's calendar expects, broadcastable to
                (rows, steps).

        Raises:
            ValueError: the bucket is not after the one before.
        """
        self._go_to(start_ms // BUCKET_MS, entered.shape)
        forecast = self._traffic.expected(start_ms)
        at_risk = self._push(entered, lags, late)
        kernels = self._doubt.kernels()
        units = self._units(kernels)
        if late is not None and late.rows.size:
            units += self._overdue(late, units.shape[1:], kernels)
        self._put_right()
        level = self._levels.now()
        per_unit = level.mean * lift * self._season.factor(start_ms)
        means = units * per_unit
        self._open = _Open(start_ms, entered, lags, at_risk, units[0] * lift, means[0])
        return self._expected(means, self._highest(means, per_unit, kernels), level, start_ms, forecast)

    def learn(self, reached: F64, frozen: Bools) -> None:
        """Take in what was reached in the bucket observed last, and close it.

        Args:
            reached: downstream counts, late ones included, shape (rows, steps).
            frozen: of which nothing is to be learnt: an incident is open, or data is missing; shape
                (rows, steps).

        Raises:
            ValueError: no bucket is open.
        """
        if self._open is None:
            raise ValueError("no bucket was observed")
        was, self._open = self._open, None
        self._traffic.learn(was.start_ms, was.entered, self.total, frozen)
        if not self.learning:
            self._dispersion.learn(reached, was.mean, frozen)
        if self._learnt * BUCKET_MS >= self._settings.warm_up_ms:
            season = self._season.factor(was.start_ms)
            self._levels.learn(reached, was.units * season, frozen)
            if self.total is not None:
                self._youth.learn(frozen[self.total])
            self._learn_season(was, reached, frozen)
        self._learn_laws(was, frozen)
        self._learnt += 1
        if self._learnt % SHORT == 0:
            self._levels.compare(self._dispersion.factor)

    def _learn_season(self, was: _Open, reached: F64, frozen: Bools) -> None:
        total = self.total
        if total is not None:
            wandering = self._dispersion.wandering[TOTAL]
            self._season.learn(
                was.start_ms, reached[total], was.units[total], BUCKET_MS, frozen[total], wandering
            )

    def _learn_laws(self, was: _Open, frozen: Bools) -> None:
        total = self.total
        if total is not None:
            beyond = self._leaks.at_risk(slice(total, total + 1))[:, 0]
            self._laws.learn(was.lags, was.at_risk, beyond, frozen[total])

    def _go_to(self, number: int, shape: tuple[int, ...]) -> None:
        if self._number is not None:
            if number <= self._number:
                raise ValueError("buckets come in order")
            # What is longer ago than the taps reach is forgotten all the same.
            for _ in range(min(number - self._number - 1, 2 * TAPS)):
                self._push(np.zeros(shape), np.zeros((BINS, self._steps)), None)
        self._number = number

    def _push(self, entered: F64, lags: F64, late: LateEntries | None) -> F64:
        """Returns who of the total is at risk of which delay, shape (18, steps)."""
        self._leaks.push(self._arrivals.push(entered))
        if late is not None and late.rows.size:
            self._correct(late)
        total = self.total
        by_age = np.zeros((TAPS, self._steps)) if total is None else self._arrivals.entered(total)
        at_risk = self._laws.at_risk(by_age)
        self._doubt.push(self._number or 0, by_age[0], lags, at_risk)
        self._youth.push(by_age[0])
        return at_risk

    def _correct(self, late: LateEntries) -> None:
        ages = self._ages(late)
        known = (ages > 0) & (ages < TAPS)
        for where, mine in ((self._arrivals, known), (self._leaks, ages >= TAPS)):
            if mine.any():
                where.correct(ages[mine], late.rows[mine], late.steps[mine], late.counts[mine])
        if self.total is not None:
            mine = (ages > 0) & (late.rows == self.total)
            self._doubt.correct(ages[mine], late.steps[mine], late.counts[mine])

    def _ages(self, late: LateEntries) -> I64:
        """In buckets; below 1 are none that came late."""
        return (self._number or 0) - late.bucket_ms // BUCKET_MS

    def _units(self, kernels: Kernels) -> F64:
        """Arrivals if all converted, by law, shape (1 or 3, rows, steps)."""
        units = self._arrivals.convolved(kernels.taps, self._doubt.in_doubt)
        beyond = self._leaks.arriving(self._laws.tail_shares * kernels.beyond)
        beyond[self._attributed] = 0.0
        units += beyond
        for each in units:
            self._count_on(each, kernels)
        return units

    def _highest(self, means: F64, per_unit: F64, kernels: Kernels) -> F64:
        """The most that any law expects; of rows whose traffic rises, of quicker people, too."""
        highest: F64 = means[0] if len(means) == 1 else means.max(axis=0)
        rows, more = rising.quicker(self._arrivals, kernels.taps[0])
        if not rows.size:
            return highest
        more[np.isin(rows, self._attributed)] /= 1.0 - kernels.beyond
        highest = highest.copy()
        highest[rows] = np.maximum(highest[rows], means[0, rows] + more * per_unit[rows])
        return highest

    def _put_right(self) -> None:
        """What was learnt by a young stream's laws, by those of now."""
        corrected = self._youth.corrected(self._doubt.undoubted())
        if corrected is None:
            return
        factor = np.broadcast_to(corrected.factor, (self._level_of.size, self._steps)).copy()
        factor[self._attributed] = corrected.attributed
        self._levels.rescale(factor)

    def _overdue(self, late: LateEntries, shape: tuple[int, ...], kernels: Kernels) -> F64:
        """Of late entries, what should have arrived before this bucket, shape (rows, steps)."""
        ages = self._ages(late)
        done = np.cumsum(kernels.taps[0], axis=1)
        due = late.counts * np.where(ages > 0, done[late.steps, np.clip(ages, 1, TAPS) - 1], 0.0)
        places = late.rows * self._steps + late.steps
        sums = np.bincount(places, due, minlength=shape[0] * shape[1])
        found = sums.astype(np.float64, copy=False).reshape(shape)
        self._count_on(found, kernels)
        return found

    def _count_on(self, arrivals: F64, kernels: Kernels) -> None:
        """Of attributed rows, shape (rows, steps), arrivals by the share of them that are counted, however late."""
        arrivals[self._attributed] /= 1.0 - kernels.beyond

    def _expected(
        self, means: F64, highest: F64, level: Level, start_ms: int, forecast: Forecast
    ) -> Expected:
        dispersion = self._dispersion.now()
        hour = self._season.variance(start_ms)
        variance = level.error**2 * dispersion + hour + self._dispersion.slow()
        conceded = np.maximum(_SURE * np.sqrt(hour) - _BORNE, 0.0)
        needed = np.broadcast_to(self._needed(self._level_of), level.seen.shape)
        self._monitored = readiness.monitored(level.seen, needed, level.mean, self._monitored)
        return Expected(
            mean=means[0],
            drop=(means[0] if len(means) == 1 else means.min(axis=0)) * (1.0 - conceded),
            surge=highest * (1.0 + conceded),
            uncertainty=np.sqrt(variance),
            dispersion=dispersion,
            readiness=readiness.codes(self._monitored, learning=self.learning),
            missing=np.maximum(needed - level.seen, 0.0),
            traffic=forecast.mean,
            traffic_uncertainty=forecast.error,
            in_doubt=self._doubt.in_doubt,
            slower=self._doubt.slower,
        )

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data, between ``learn`` and ``observe``.

        Raises:
            ValueError: a bucket is open.
        """
        if self._open is not None:
            raise ValueError("a bucket is open")
        return {
            "number": self._number,
            "learnt": self._learnt,
            "levels_of": pack(self._level_of),
            "monitored": pack(self._monitored),
            "parts": {name: part.snapshot() for name, part in self._parts()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, bit by bit as if nothing had happened."""
        self._number, self._learnt = state["number"], state["learnt"]
        self._take_levels(unpack(state["levels_of"]))
        self._monitored = unpack(state["monitored"])
        for name, part in self._parts():
            part.restore(state["parts"][name])
        self._open = None

    def _parts(self) -> list[tuple[str, _Part]]:
        return [
            ("arrivals", self._arrivals),
            ("leaks", self._leaks),
            ("laws", self._laws),
            ("doubt", self._doubt),
            ("levels", self._levels),
            ("season", self._season),
            ("dispersion", self._dispersion),
            ("traffic", self._traffic),
            ("youth", self._youth),
        ]


def _kept(half_life_ms: int) -> float:
    """Share of memory that a bucket leaves."""
    return float(0.5 ** (BUCKET_MS / half_life_ms))
