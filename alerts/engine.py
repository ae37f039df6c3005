"""Closed buckets in, changes of incidents out: everything that decides, put together. Pure.

A fold: what it says depends on the buckets and control records that came before and on nothing else,
so a replay says what was said live, and a snapshot plus what came after it says the same again.

Per bucket: the witness says which data can be believed; the judges hold counts against what was
expected and say findings; findings are folded into causes, diagnosed and priced; the life cycle makes
incidents of them. Learning stops where something is wrong.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.causes import Causes, Closing
from alerts.control import Stock, Watches
from alerts.course import drawn
from alerts.expected_ratios import expected_ratios
from alerts.frozen import frozen
from alerts.heartbeats import Heartbeats
from alerts.identity import CLICKSTREAM, ORDERS
from alerts.judges.journeys import journey_lags
from alerts.judges.order_value import OrderValueJudge
from alerts.judges.payments import PaymentJudge
from alerts.judges.steps import StepJudge
from alerts.judges.traffic import TrafficJudge
from alerts.lifecycle import Lifecycle
from alerts.model import EVERYWHERE, Kind, Recovered, Rooted, Step
from alerts.places import Places
from alerts.promotion_targets import PromotionTargets, Worth
from alerts.rulings import Moment, Rulings
from alerts.series import SeriesTable
from alerts.settings import EngineSettings
from alerts.shown import shown
from alerts.witness import Witness
from streams.promotions import Calendar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.control import Control
    from alerts.expectation.series import Expected
    from alerts.incident import Incident
    from alerts.judges.spoken import Series, Verdicts
    from alerts.lifecycle import Change
    from alerts.measures import Measured
    from alerts.model import DataState, Finding
    from alerts.series import StepCounts
    from streams.closed import ClosedBucket
    from streams.judged import Judged

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

VERSION = 6


class Engine:
    """See the module.

    Args:
        settings: what it goes by.
        calendar: of promotions; may be replaced at any time.
    """

    def __init__(self, settings: EngineSettings | None = None, calendar: Calendar | None = None) -> None:
        self._settings = settings = settings or EngineSettings()
        self.calendar = calendar or Calendar()
        self.steps = tuple(Step(*pair) for pair in pairwise(settings.nodes))
        self.table = SeriesTable(settings.dimensions, len(self.steps), settings.max_rows)
        budget, learning = settings.budget, settings.expectation
        self._steps = StepJudge(self.table, self.steps, settings.sequential, budget, learning)
        tolerance = settings.sequential.tolerance
        self._payments = PaymentJudge(budget, learning, settings.dimensions, tolerance)
        self._traffic = TrafficJudge(self.table, budget, learning)
        self._order_value = OrderValueJudge(budget, learning)
        self._witness = Witness()
        self._heartbeats = Heartbeats()
        self._places = Places(self.table, self.steps, tolerance)
        self._causes = Causes(settings, self.table, self._steps, self._places)
        self._rulings = Rulings(settings.rules, settings.nodes, settings.order_nodes, self.table)
        self._targets = PromotionTargets(settings.nodes)
        self._lifecycle = Lifecycle(settings.lifecycle)
        self.expected: Expected | None = None
        # Upstream counts of the last bucket, shape (rows, steps); empty before the first.
        self.entered: F64 = np.zeros((0, len(self.steps)))

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Those that are open."""
        return self._lifecycle.incidents

    def expected_ratios(self, window_ms: int) -> dict[tuple[str, int], dict[str, float]]:
        """Expected conversion in the window up to now, by (dimension, step) and key; at most an hour, no SKUs."""
        return expected_ratios(self.table, self._places.recent, self.expected, window_ms)

    def recall(self, told: Iterable[Incident], latest_ms: int) -> None:
        """Learn what was told since the snapshot; see :meth:`alerts.lifecycle.Lifecycle.recall`."""
        self._lifecycle.recall(told, latest_ms)

    def judged(self, since_ms: int) -> Judged:
        """The buckets that ended after a moment, at most an hour of them, for whoever shows them."""
        return shown(self._places.recent, self.table, self.expected, self._targets.paces(), since_ms)

    def control(self, record: Control) -> tuple[Change, ...]:
        """What somebody said: took it on, silenced it, has no more of it. Who watches is for the pages to know."""
        if isinstance(record, Stock):
            self._causes.hear(record)
        if isinstance(record, Stock | Watches):
            return ()
        return drawn(self._lifecycle.control(record), self._places.recent, self.table, self.steps)

    def observe(
        self,
        closed: ClosedBucket,
        measures: Measured | None = None,
    ) -> tuple[Change, ...]:
        """Take in the next closed bucket; what is to be told because of it.

        Args:
            closed: the bucket; one that is not after the last changes nothing.
            measures: the windows, this bucket among them; without them no rule is judged, no target asked for.
        """
        testimony = self._witness.observe(closed, self._heartbeats.take(closed))
        believed = self._believed(testimony.data)
        counts = self.table.take(closed)
        expected = self._expect(closed, counts)
        verdicts = self._hear(closed, counts, expected, believed)
        spoken = [each for verdict in verdicts for each in verdict.spoken]
        slower = self._steps.slower(expected, closed.end_ms, self._slower_steps())
        recovered, anew = self._over(frozenset().union(*(verdict.back for verdict in verdicts)))
        # Who begins anew says nothing now: its mirror test is gone, and nobody could say that it is over.
        spoken = [each for each in spoken if each.series not in anew]
        closing = Closing(closed.end_ms, *self.worth, self.calendar)
        rooted = self._causes.find(spoken, slower, closing, self._lifecycle)
        recovered += self._no_more_slower(slower)
        moment = self._moment(closed, counts, expected, testimony.data)
        ruled, obeyed = self._rulings.judge(moment, self._places.recent, measures)
        span, worth = (closed.start_ms, closed.end_ms), self._spread(expected, believed)
        behind, met = self._targets.judge(self.calendar, span, measures, worth)
        changes = self._lifecycle.fold(
            [*rooted, *ruled, *behind, *(Rooted(finding) for finding in testimony.findings)],
            [*recovered, *obeyed, *met, *testimony.recoveries],
            closed.end_ms,
            testimony.data,
        )
        self._learn(closed, counts, expected, believed)
        self.expected, self.entered = expected, counts.entered
        return drawn(changes, self._places.recent, self.table, self.steps)

    # ------------------------------------------------------------------ judging
    def _believed(self, data: DataState) -> Bools:
        """Steps whose data can be believed, shape (steps,)."""
        unsure = data.bad | data.doubtful
        orders = self._settings.order_nodes
        return np.array(
            [
                CLICKSTREAM not in unsure and not (ORDERS in unsure and orders & set(step))
                for step in self.steps
            ]
        )

    def _expect(self, closed: ClosedBucket, counts: StepCounts) -> Expected:
        expectation = self._steps.expectation
        expectation.resize(self.table.levels)
        lags = journey_lags(closed, len(self.steps))
        return expectation.observe(
            counts.entered, lags, closed.start_ms, counts.late, self._lift(closed.start_ms)
        )

    def _lift(self, at_ms: int) -> F64 | float:
        """Factor on every step's conversion that running promotions are expected to bring.

        A promotion's lift is of clicks into payments; each step from the click on has an equal part.
        """
        if not any(active.expected_conversion != 1.0 for active in self.calendar.active(at_ms)):
            return 1.0
        places = (self.table.place(row) for row in range(len(self.table)))
        lifts = [self.calendar.lift(at_ms, *place).conversion for place in places]
        each = np.array(lifts) ** (1.0 / (len(self.steps) - 1))
        found = np.repeat(each[:, None], len(self.steps), axis=1)
        found[:, 0] = 1.0
        return found

    def _hear(
        self, closed: ClosedBucket, counts: StepCounts, expected: Expected, believed: Bools
    ) -> tuple[Verdicts, ...]:
        at_ms = closed.end_ms
        strictness = self.calendar.strictness(closed.start_ms, *EVERYWHERE[0])
        lift = self.calendar.lift(closed.start_ms, *EVERYWHERE[0])
        sensitivity = strictness.sensitivity
        return (
            self._steps.judge(counts, expected, at_ms, believed, sensitivity),
            self._payments.judge(closed, trusted=bool(believed[-1]), sensitivity=sensitivity),
            self._traffic.judge(
                counts.entered[:, 0],
                expected.traffic[:, 0],
                at_ms,
                trusted=bool(believed[0]),
                lift=lift.traffic,
                sensitivity=sensitivity,
            ),
            self._order_value.judge(closed, trusted=bool(believed[-1]), sensitivity=sensitivity),
        )

    def _over(self, back: frozenset[Series]) -> tuple[list[Recovered], frozenset[Series]]:
        """Incidents whose series are back, and the series that begin anew: what they explained, too."""
        roots = self._causes.roots
        recovered, series = roots.over(back, self._lifecycle.identities)
        # Also what had not said anything yet: its evidence is of the same trouble.
        for step in {one.step for one in recovered if one.scope == EVERYWHERE and one.step is not None}:
            everything = self._steps.all_of(step) | self._payments.all_of(step)
            # But not who has yet to say that another cause is over.
            series |= everything - roots.leads
        for judge in (self._steps, self._payments, self._traffic, self._order_value):
            judge.forget(series)
        return recovered, series

    def _slower_steps(self) -> list[Step]:
        """Steps of which an open incident says that they take longer."""
        steps = (one.step for one in self.incidents if one.kind is Kind.SLOWER)
        return [Step(step.from_node, step.to_node) for step in steps if step is not None]

    def _no_more_slower(self, slower: Sequence[Finding]) -> list[Recovered]:
        """Journeys that take no longer any more: their law has no other test."""
        now = {finding.step for finding in slower}
        return [Recovered(Kind.SLOWER, EVERYWHERE, step) for step in self._slower_steps() if step not in now]

    def _moment(
        self, closed: ClosedBucket, counts: StepCounts, expected: Expected, data: DataState
    ) -> Moment:
        """The bucket as it is held against lines that people drew."""
        active = self.calendar.active(closed.start_ms)
        return Moment(closed.end_ms, counts, expected, data, active, *self.worth)

    @property
    def worth(self) -> tuple[float, str | None]:
        """What an order is worth, and in which currency; as was configured before one is paid."""
        learnt, fallback = self._order_value, self._settings.aov_fallback
        if learnt.mean_minor > 0:
            return learnt.mean_minor, learnt.currency
        if len(fallback) != 1:
            # Nobody can say in which of several will be paid.
            return 0.0, None
        ((currency, value),) = fallback.items()
        return float(value), currency

    def _spread(self, expected: Expected, believed: Bools) -> Worth | None:
        """How much sums of orders vary; None while not all data can be believed."""
        total = self._steps.expectation.total
        if total is None or not believed.all():
            return None
        return Worth(float(expected.dispersion[total, -1]), self._order_value.variation)

    # ------------------------------------------------------------------ learning
    def _learn(self, closed: ClosedBucket, counts: StepCounts, expected: Expected, believed: Bools) -> None:
        still = frozen(self.table, self.steps, believed, self._lifecycle.identities)
        still |= self._steps.in_alarm(but=self._causes.withheld.lasting)
        self._steps.learn(still)
        self._places.add(closed, counts, expected.mean, still, self._order_value.currency)
        self._places.recent.note_scatter(expected.dispersion, expected.uncertainty)

    # ------------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data, between two buckets; also what a codec makes of that can be restored."""
        return {
            "version": VERSION,
            "parts": {name: part.snapshot() for name, part in self._parts()},
            "witness": self._witness.snapshot(),
            "heartbeats": self._heartbeats.snapshot(),
            "lifecycle": self._lifecycle.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of another version.
        """
        if state["version"] != VERSION:
            raise ValueError(f"a snapshot of version {state['version']}, not {VERSION}")
        for name, part in self._parts():
            part.restore(state["parts"][name])
        self._witness = Witness.restore(state["witness"])
        self._heartbeats = Heartbeats(state.get("heartbeats"))
        self._lifecycle = Lifecycle.restore(state["lifecycle"], self._settings.lifecycle)

    def _parts(self) -> Iterable[tuple[str, Any]]:
        return (
            ("table", self.table),
            ("steps", self._steps),
            ("payments", self._payments),
            ("traffic", self._traffic),
            ("order_value", self._order_value),
            ("places", self._places),
            ("causes", self._causes),
            ("rulings", self._rulings),
            ("targets", self._targets),
        )
