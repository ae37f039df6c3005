"""From findings to causes: which promotion they are part of, how grave they are, what they are not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from alerts.causes import Causes, Closing
from alerts.diagnosis.diagnosing import RuledOut
from alerts.expectation.lags import BINS
from alerts.expectation.readiness import Code
from alerts.expectation.slower import Slower
from alerts.judges.spoken import Series, Spoken
from alerts.judges.steps import Judged, StepJudge
from alerts.lifecycle import Lifecycle
from alerts.model import EVERYWHERE, Finding, Kind, Place, Severity, Step
from alerts.places import Places
from alerts.series import LateEntries, SeriesTable, StepCounts
from alerts.settings import EngineSettings
from streams.closed import Cells, ClosedBucket
from streams.promotions import Calendar, Phase, PhaseSpan, Promotion, Strictness

NOW_MS, MINUTE = 1_762_689_600_000, 60_000
STEP = Step("order", "paid")
METHOD = (Place("payment_method", "card"),)
BROKEN = Finding(Kind.NODE_BREAK, METHOD, STEP, NOW_MS - 5 * MINUTE, NOW_MS, 0.0, 50.0, 60.0, 30.0, 12.0, 1e9)


def causes(settings: EngineSettings) -> Causes:
    """Nothing learnt yet."""
    steps = tuple(Step(*pair) for pair in pairwise(settings.nodes))
    table = SeriesTable(settings.dimensions, len(steps), settings.max_rows)
    judge = StepJudge(table, steps, settings.sequential, settings.budget, settings.expectation)
    return Causes(settings, table, judge, Places(table, steps, 0.1))


def closing(*promotions: Promotion) -> Closing:
    """Now, with orders of 100.00."""
    return Closing(NOW_MS, 10_000.0, "CNY", Calendar(promotions))


def promotion(shift: int) -> Promotion:
    """One that runs now, everywhere."""
    span = (NOW_MS - MINUTE, NOW_MS + MINUTE)
    phase = PhaseSpan(Phase.STEADY, *span, strictness=Strictness(severity_shift=shift))
    return Promotion("11.11", *span, spans=(phase,), scope={})


def test_a_cause_knows_its_promotion_and_what_it_loses() -> None:
    """Name and phase of what runs, the loss at the worth of an order, and the phase's shift of severity."""
    settings = EngineSettings()
    spoken, lifecycle = [Spoken(BROKEN, Series("payments", 1, 0, 0))], Lifecycle(settings.lifecycle)
    (usual,) = causes(settings).find(spoken, (), closing(), lifecycle)
    (sale,) = causes(settings).find(spoken, (), closing(promotion(-1)), lifecycle)
    assert (usual.promotion, usual.phase) == (None, None)
    assert (sale.promotion, sale.phase) == ("11.11", "steady")
    assert (usual.severity, sale.severity) == (Severity.CRITICAL, Severity.WARNING)
    assert (sale.finding.lost_minor, sale.finding.currency) == (500_000, "CNY")


def test_latency_is_ruled_out_unless_the_step_is_slower() -> None:
    """Two drops of one closing; the step whose journeys take longer does not rule that out."""
    settings = EngineSettings()
    lifecycle, late = Lifecycle(settings.lifecycle), Step("checkout", "order")
    spoken = [
        Spoken(
            replace(BROKEN, kind=Kind.CONVERSION_DROP, scope=(Place("slot", "a"),)), Series("steps", 1, 4, 0)
        ),
        Spoken(
            replace(BROKEN, kind=Kind.CONVERSION_DROP, scope=(Place("slot", "b"),), step=late),
            Series("steps", 2, 3, 0),
        ),
    ]
    slower = replace(BROKEN, kind=Kind.SLOWER, scope=EVERYWHERE, step=late)
    found = causes(settings).find(spoken, [slower], closing(), lifecycle)
    ruled_out = {
        one.finding.step: RuledOut.LATENCY.value in one.diagnosis.ruled_out
        for one in found
        if one.finding.kind is Kind.CONVERSION_DROP
    }
    assert ruled_out == {STEP: True, late: False}


def test_nothing_said_is_nothing_found() -> None:
    """And nobody has to be back for it."""
    settings = EngineSettings()
    found = causes(settings)
    assert found.find((), (), closing(), Lifecycle(settings.lifecycle)) == []
    assert found.roots.leads == frozenset()


def test_a_snapshot_goes_on() -> None:
    """Who has to be back is known after a restart."""
    settings = EngineSettings()
    before, after = causes(settings), causes(settings)
    series = Series("payments", 1, 0, 0)
    before.find([Spoken(BROKEN, series)], (), closing(), Lifecycle(settings.lifecycle))
    after.restore(before.snapshot())
    assert after.roots.leads == {series}
    assert after.snapshot() == before.snapshot()


def test_what_is_held_back_for_long_is_learnt_from() -> None:
    """Of two series in alarm that which is how it is now counts as well; findings of others are not of steps."""
    settings = EngineSettings()
    steps = tuple(Step(*pair) for pair in pairwise(settings.nodes))
    table = SeriesTable(settings.dimensions, len(steps), settings.max_rows)
    judge = StepJudge(table, steps, settings.sequential, settings.budget, settings.expectation)
    assert not judge.in_alarm(but=()).any()
    alarming = np.zeros((3, len(steps)), dtype=np.bool_)
    alarming[1, 2] = alarming[2, 4] = True
    counts, nothing = np.zeros((3, len(steps))), np.zeros(0, dtype=np.int64)
    judge.expectation.resize(np.array([0, 1, 1], dtype=np.int16))
    judge.last = Judged(
        StepCounts(counts, counts, LateEntries(nothing, nothing, nothing, np.zeros(0))),
        judge.expectation.observe(counts, np.zeros((BINS, len(steps))), NOW_MS),
        ~alarming,
        alarming,
    )
    assert np.array_equal(judge.in_alarm(but=[Series("payments", 1, 2, 0)]), alarming)
    found = judge.in_alarm(but=[Series("steps", 1, 2, 1)])
    assert np.argwhere(found).tolist() == [[2, 4]]


def test_slower_is_still_said_while_half_of_the_evidence_stands() -> None:
    """What takes 20 nats to be said is no more at 9, and at 11 it is only still so."""
    settings = EngineSettings()
    steps = tuple(Step(*pair) for pair in pairwise(settings.nodes))
    table = SeriesTable(settings.dimensions, len(steps), settings.max_rows)
    one = Cells(*np.zeros((3, 1), dtype=np.int64))
    table.take(ClosedBucket(0, 0, True, settings.nodes, len(steps), {"all": ["all"]}, {"all": one}))
    judge = StepJudge(table, steps, settings.sequential, settings.budget, settings.expectation)
    judge.expectation.resize(table.levels)
    counts = np.full((1, len(steps)), 100.0)
    observed = judge.expectation.observe(counts, np.zeros((BINS, len(steps))), NOW_MS)
    expected = observed._replace(mean=counts, readiness=np.full_like(observed.readiness, Code.MONITORED))
    nothing = np.zeros(0, dtype=np.int64)
    late = LateEntries(nothing, nothing, nothing, np.zeros(0))
    judge.judge(StepCounts(counts, counts, late), expected, NOW_MS, np.ones(len(steps), dtype=np.bool_))
    since_ms = NOW_MS + settings.expectation.learning_ms

    def said(nats: float, held: tuple[Step, ...] = ()) -> list[float]:
        slower = Slower(3, since_ms, 2.0, nats, 60.0, 30.0)
        found = judge.slower(expected._replace(slower=(slower,)), since_ms, held)
        return [finding.threshold for finding in found]

    (needed,) = said(100.0)
    assert said(0.9 * needed) == said(0.9 * needed, (steps[2],)) == []
    assert said(0.6 * needed, (steps[3],)) == [0.5 * needed]
    assert said(0.4 * needed, (steps[3],)) == []
