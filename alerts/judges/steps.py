"""Conversions: every step of every watched key against what was expected of it, in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.detectors.budget import one_in_ms
from alerts.detectors.components import Way
from alerts.detectors.sequential import SequentialTest
from alerts.expectation.readiness import Code
from alerts.expectation.series import Expectation
from alerts.judges.spoken import Mirrors, Now, Series, Spoken, Verdicts
from alerts.judges.thresholds import Thresholds
from alerts.model import Finding, Kind
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.detectors.budget import BudgetSettings
    from alerts.detectors.components import SequentialSettings
    from alerts.detectors.sequential import Account
    from alerts.expectation.series import Expected
    from alerts.expectation.settings import ExpectationSettings
    from alerts.model import Step
    from alerts.series import SeriesTable, StepCounts

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

JUDGE: Final = "steps"
# Under this part of what is expected a node is broken, not only worse.
BROKEN: Final = 0.1
# Times as many as were expected of those who entered before: no surge is greater.
_STILL_COMING: Final = 5.0
# Part of the evidence that it takes to say slower, at which it is still said.
_STILL: Final = 0.5


class Judged(NamedTuple):
    """A bucket as it was judged: counts, what was expected of them, and what may be said of them."""

    counts: StepCounts
    expected: Expected
    judged: Bools
    alarming: Bools


class StepJudge:
    """See the module.

    Args:
        table: the rows.
        steps: of the funnel.
        sequential: what is looked for.
        budget: how many false alarms.
        expectation: how fast things are learnt.
    """

    def __init__(
        self,
        table: SeriesTable,
        steps: Sequence[Step],
        sequential: SequentialSettings,
        budget: BudgetSettings,
        expectation: ExpectationSettings,
    ) -> None:
        self._table = table
        self.steps = tuple(steps)
        self._test = SequentialTest(len(steps), sequential)
        self._thresholds = Thresholds(table.dimensions, len(steps), budget)
        self._mirrors = Mirrors(sequential.tolerance)
        self.expectation = Expectation(table.dimensions, len(steps), expectation)
        self._held: F64 = np.zeros((0, len(steps), len(Way)))
        self._learning_ms = expectation.learning_ms
        self._learnt_ms: float = np.inf
        self.last: Judged | None = None

    @property
    def per_minute(self) -> F64:
        """Expected events a minute in the long mean, shape (rows, steps)."""
        return self._thresholds.per_minute

    def judge(
        self, counts: StepCounts, expected: Expected, at_ms: int, trusted: Bools, sensitivity: float = 1.0
    ) -> Verdicts:
        """Hold a bucket against what was expected of it.

        Args:
            counts: of the bucket.
            expected: of ``expectation.observe``.
            at_ms: end of the bucket.
            trusted: steps whose data can be believed, shape (steps,).
            sensitivity: factor on the budget.
        """
        rows, levels = len(self._table), self._table.levels
        if self._learnt_ms == np.inf:
            self._learnt_ms = at_ms + self._learning_ms
        self._thresholds.resize(rows)
        judged = (expected.readiness == Code.MONITORED) & trusted
        held = self._thresholds.update(expected.mean, expected.dispersion, judged, levels, sensitivity)
        self._test.resize(rows)
        due = (expected.drop, expected.surge)
        self._test.update(counts.reached, due, expected.dispersion, judged, counts.entered)
        alarming = self._alarming(judged, expected, held)
        self.last = Judged(counts, expected, judged, alarming[Way.DOWN] | alarming[Way.UP])
        self._held = held
        back = self._mirrors.look(self._now)
        self.forget(back)
        spoken = tuple(spoken for spoken in self._say(alarming, expected, at_ms) if spoken.series not in back)
        self._mirrors.watch(spoken)
        return Verdicts(spoken, back)

    def _alarming(self, judged: Bools, expected: Expected, held: F64) -> Bools:
        """Which series show as much as it takes, shape (2, rows, steps): the first axis is ``Way``."""
        where = np.flatnonzero(judged)
        nats = self._test.evidence_at(where, expected.uncertainty)
        found = np.zeros((len(Way), judged.size), dtype=np.bool_)
        found[:, where] = nats >= held.reshape(-1, len(Way)).take(where, axis=0).T
        return found.reshape(len(Way), *judged.shape)

    def _now(self, series: Series) -> Now:
        if self.last is None:
            raise RuntimeError("nothing was judged yet")
        place = series.row, series.step
        expected = self.last.expected
        return Now(
            float(self.last.counts.reached[place]),
            float(expected.mean[place]),
            float(expected.dispersion[place]),
            bool(self.last.judged[place]),
        )

    def _say(self, alarming: Bools, expected: Expected, at_ms: int) -> Iterator[Spoken]:
        if not alarming.any():
            return
        found = np.argwhere(alarming.transpose(1, 2, 0))
        where = found[:, 0] * len(self.steps) + found[:, 1]
        accounts = self._test.accounts(where, found[:, 2], expected.uncertainty.take(where))
        for (row, step, way), account in zip(found.tolist(), accounts, strict=True):
            finding = self._finding(row, step, Way(way), at_ms, expected, account)
            if way == Way.UP and _out_of_nothing(finding):
                continue
            yield Spoken(finding, Series(JUDGE, row, step, way))

    def _finding(
        self, row: int, step: int, way: Way, at_ms: int, expected: Expected, account: Account
    ) -> Finding:
        ratio = account.observed / account.expected if account.expected else np.inf
        per_minute = self._thresholds.rate(row, step)
        return Finding(
            _kind(way, ratio),
            (self._table.place(row),),
            self.steps[step],
            at_ms - account.buckets * BUCKET_MS,
            at_ms,
            account.observed,
            account.expected,
            account.entries,
            account.evidence,
            float(self._held[row, step, way]),
            one_in_ms(account.evidence, per_minute, float(expected.dispersion[row, step])),
        )

    def slower(self, expected: Expected, at_ms: int, held: Collection[Step] = ()) -> tuple[Finding, ...]:
        """Steps whose journeys take longer, by the law of the total's delays; said as long as it is so.

        Of steps that are ``held``, for it was said before, as long as half of the evidence stands: there is no
        mirror test of a law, and what comes and goes with every minute is told each time.
        """
        row = self.expectation.total
        if row is None:
            return ()
        found = []
        for one in expected.slower:
            step = self.steps[one.step]
            needed = float(self._held[row, one.step, Way.DOWN]) * (_STILL if step in held else 1.0)
            # Before that the law of old was a guess.
            if one.since_ms < self._learnt_ms or one.evidence < needed:
                continue
            times = one.since_ms, at_ms, one.median_s, one.before_s, 0.0
            rare = one_in_ms(one.evidence, float(self.per_minute[row, one.step]))
            place = self._table.place(row)
            found.append(Finding(Kind.SLOWER, (place,), step, *times, one.evidence, needed, rare))
        return tuple(found)

    def in_alarm(self, but: Collection[Series]) -> Bools:
        """Which series are in alarm, as they were judged last, shape (rows, steps); some excepted."""
        if self.last is None:
            return np.zeros((self._test.rows, len(self.steps)), dtype=np.bool_)
        found, mine = self.last.alarming.copy(), [one for one in but if one.judge == JUDGE]
        found[[one.row for one in mine], [one.step for one in mine]] = False
        return found

    def learn(self, frozen: Bools) -> None:
        """Learn from the bucket that was judged last, but of what is frozen, shape (rows, steps)."""
        if self.last is not None:
            self.expectation.learn(self.last.counts.reached, frozen)

    def all_of(self, step: Step) -> frozenset[Series]:
        """Every series of a step; none if it is not judged here."""
        if step not in self.steps:
            return frozenset()
        at = self.steps.index(step)
        return frozenset(Series(JUDGE, row, at, way) for row in range(self._test.rows) for way in Way)

    def forget(self, series: Sequence[Series] | frozenset[Series]) -> None:
        """Begin anew with some series: what was wrong with them is over."""
        self._mirrors.forget(series)
        mine = [one for one in series if one.judge == JUDGE]
        if mine:
            which = np.zeros((self._test.rows, len(self.steps)), dtype=np.bool_)
            which[[one.row for one in mine], [one.step for one in mine]] = True
            self._test.forget(which)

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "test": self._test.snapshot(),
            "thresholds": self._thresholds.snapshot(),
            "mirrors": self._mirrors.snapshot(),
            "learnt_ms": self._learnt_ms,
            "expectation": self.expectation.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._test.restore(state["test"])
        self._thresholds.restore(state["thresholds"])
        self._mirrors.restore(state["mirrors"])
        self._learnt_ms = state["learnt_ms"]
        self.expectation.restore(state["expectation"])


def _out_of_nothing(finding: Finding) -> bool:
    """Whether more went on than had entered, those from before the change counted generously.

    Then the two counts are not of the same visitors, such as orders that name a SKU where checkouts name
    none: that says something of the events, and nothing of conversion.
    """
    return finding.observed > finding.entries + _STILL_COMING * finding.expected


def _kind(way: Way, ratio: float) -> Kind:
    if way is Way.UP:
        return Kind.CONVERSION_SURGE
    return Kind.NODE_BREAK if ratio < BROKEN else Kind.CONVERSION_DROP
