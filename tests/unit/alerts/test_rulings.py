"""Rules that an operator wrote, through the engine: found, told, over; and when nothing may be said."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from alerts.expectation.settings import ExpectationSettings
from alerts.incident import encode_incident
from alerts.model import Kind, Reason, Severity
from alerts.rules import Comparison, Rule, Subject
from alerts.settings import EngineSettings
from streams.closed import VISITORS, Cells
from streams.promotions import Calendar, Phase, PhaseSpan, Promotion, Targets
from tests.benchmarks.detection import shop
from tests.benchmarks.detection.catalogue import Settings as ShopSettings
from tests.benchmarks.detection.running import ONSET_MS
from tests.benchmarks.detection.scenarios import SCENARIOS
from tests.benchmarks.detection.telling import Teller
from tests.support.judged import Judged

if TYPE_CHECKING:
    from alerts.lifecycle import Change
    from streams.closed import ClosedBucket

HISTORY, FUTURE = 240, 60
ENDS = (Reason.OPENED, Reason.RESOLVED)
PAYMENT, CLICKS = Subject("order", "paid"), Subject(None, "click")
LOW = Rule("low", PAYMENT, 0.5, minimum=20, window="1m", relative_to=Comparison.EXPECTED)
FIXED = replace(LOW, name="fixed", line=0.2, relative_to=None, severity=Severity.INFO)
LONG = Rule("long", Subject("click", "paid"), 0.7, minimum=20, window="15m", relative_to=Comparison.EXPECTED)
BUSY = Rule("busy", CLICKS, 0.9, above=True, window="5m", minimum=1, relative_to=Comparison.EXPECTED)


@cache
def buckets() -> tuple[ClosedBucket, ...]:
    """A small shop whose payments hang from the 240th bucket on."""
    small = ShopSettings(3_000, slots=3, banners=4, skus=10, realistic=True)
    teller = Teller(shop.Shop(small, ONSET_MS - HISTORY * 10_000))
    return tuple(teller.closed(HISTORY + FUTURE, SCENARIOS["S1@120"].placed(ONSET_MS)))


def judged(*rules: Rule, calendar: Calendar | None = None) -> Judged:
    """Whoever goes by these rules."""
    quick = ExpectationSettings(learning_ms=1_800_000, warm_up_ms=300_000)
    return Judged(EngineSettings(expectation=quick, rules=rules), calendar)


def of_rules(told: list[Change]) -> list[tuple[Reason, str, Severity]]:
    """Why, of which rule and how bad; of rules only."""
    return [
        (reason, incident.detail, incident.severity)
        for incident, reason in told
        if incident.kind is Kind.RULE and reason in ENDS
    ]


def test_a_rule_is_an_incident_with_its_own_severity() -> None:
    """Against a fixed line and against what was expected; nothing before payments hang."""
    one = judged(LOW, FIXED)
    assert of_rules(one.over(buckets()[:HISTORY])) == []
    told = one.over(buckets()[HISTORY:])
    assert sorted(of_rules(told)) == [
        (Reason.OPENED, "fixed", Severity.INFO),
        (Reason.OPENED, "low", Severity.WARNING),
    ]
    opened = [i for i, reason in told if reason is Reason.OPENED and i.kind is Kind.RULE]
    assert all(0 < i.opened_at_ms - ONSET_MS <= 90_000 for i in opened)
    assert all((i.step.from_node, i.step.to_node) == ("order", "paid") for i in opened if i.step)


def test_what_is_expected_of_several_steps_and_of_traffic() -> None:
    """Clicks into payments fall short of it; clicks are about what they should be."""
    one = judged(LONG, BUSY)
    told = of_rules(one.over(buckets()))
    assert [each for each in told if each[1] == "long"] == [(Reason.OPENED, "long", Severity.WARNING)]
    assert (Reason.OPENED, "busy", Severity.WARNING) in told
    assert of_rules(judged(replace(BUSY, line=1.5)).over(buckets())) == []


def test_over_when_the_line_is_not_crossed_any_more() -> None:
    """Rules that are gone with a reload take their incidents along, those that stay go on."""
    one = judged(LOW, FIXED)
    one.over(buckets()[:270])
    other = one.heir(judged(LOW).settings)
    assert of_rules(other.over(buckets()[270:])) == [(Reason.RESOLVED, "fixed", Severity.INFO)]
    lifted = replace(LOW, line=5.0, above=True)
    other = one.heir(judged(lifted, FIXED).settings)
    assert of_rules(other.over(buckets()[270:])) == [(Reason.RESOLVED, "low", Severity.WARNING)]


def test_a_line_that_is_crossed_teaches_nobody_anything_else() -> None:
    """Detectors know the same, and learn on, whatever an operator thinks of the numbers."""
    always = replace(FIXED, name="always", line=0.001, above=True, minimum=1)
    one, other = judged(always), judged()
    one.over(buckets()[:90])
    other.over(buckets()[:90])
    assert [incident.detail for incident in one.engine.incidents] == ["always"]
    learnt = [msgspec.msgpack.encode(each.engine.snapshot()["parts"]["steps"]) for each in (one, other)]
    assert learnt[0] == learnt[1]


def test_a_restart_says_the_same() -> None:
    """To the byte, wherever it was; rules, windows and what was expected go along."""
    rules = (LOW, LONG, BUSY, replace(FIXED, hold_ms=60_000))
    one = judged(*rules)
    one.over(buckets()[:235])
    other = one.heir()
    whole = [encode_incident(change.incident) for change in one.over(buckets()[235:])]
    parts: list[bytes] = []
    for some in (buckets()[235:244], buckets()[244:251], buckets()[251:]):
        parts += [encode_incident(change.incident) for change in other.over(some)]
        other = other.heir()
    assert parts == whole
    assert parts


def sale(start: int, end: int) -> Calendar:
    """One promotion between two buckets, all of it open."""
    span = ONSET_MS + start * 10_000, ONSET_MS + end * 10_000
    return Calendar([Promotion("D11", *span, (PhaseSpan(Phase.OPEN, *span),), {}, Targets(orders=10**6))])


def test_a_promotion_s_rule_is_asked_in_its_phases_only() -> None:
    """And its incident names them; with the promotion it ends. So does the target that is missed."""
    rule = replace(FIXED, promotion="D11", phases=frozenset({"open"}))
    one = judged(rule, calendar=sale(20, 40))
    everything = one.over(buckets())
    told = [change for change in everything if change.incident.kind is Kind.RULE]
    assert [(c.reason, (c.incident.opened_at_ms - ONSET_MS) // 10_000) for c in told if c.reason in ENDS] == [
        (Reason.OPENED, 21),
        (Reason.RESOLVED, 21),
    ]
    assert (told[0].incident.promotion, told[0].incident.phase) == ("D11", "open")
    missed = [c for c in everything if c.incident.kind is Kind.PROMOTION_BEHIND_TARGET and c.reason in ENDS]
    assert [(c.reason, c.incident.promotion) for c in missed] == [(end, "D11") for end in ENDS]
    assert missed[-1].incident.resolved_at_ms == told[-1].incident.resolved_at_ms
    never = judged(replace(rule, phases=frozenset({"last_hour"})), calendar=sale(20, 40))
    assert of_rules(never.over(buckets())) == []


def without_orders(closed: ClosedBucket) -> ClosedBucket:
    """The same as if the orders topic had told nothing."""
    first = closed.stages.index("order")
    counts = {}
    for name, cells in closed.counts.items():
        kept = cells.columns % VISITORS < first
        counts[name] = Cells(cells.keys[kept], cells.columns[kept], cells.counts[kept])
    records = {key: count for key, count in closed.records.items() if key[1] == 0}
    return replace(closed, counts=counts, records=records, money={})


def test_nothing_is_said_on_data_that_cannot_be_believed() -> None:
    """Orders that nobody delivers are an outage and no broken rule, also while a window still has it."""
    silent = [*buckets()[:200], *map(without_orders, buckets()[200:225]), *buckets()[225:235]]
    told = judged(LONG, replace(LONG, name="soon", line=0.4, window="1m")).over(silent)
    kinds = {change.incident.kind for change in told}
    assert Kind.DATA_OUTAGE in kinds
    assert Kind.RULE not in kinds
