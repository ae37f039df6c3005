"""What is worth telling, in which order, and what stands for those without room."""

from __future__ import annotations

from typing import Any

from alerts.drafting import draft, loss_per_minute
from alerts.kept import MORE, Kept, summary, urgency
from alerts.model import EVERYWHERE, Diagnosis, Kind, Reason, Severity, State
from tests.support.findings import PAIR, SLOT, T0, rooted


def told(**fields: Any) -> Kept:
    """A firing one, just told."""
    incident = draft(rooted(**fields), T0, 0)
    kept = Kept(incident, T0, T0, loss_per_minute(incident))
    kept.change(state=State.FIRING)
    return kept


def test_the_widest_and_worst_come_first() -> None:
    """So narrower ones find the wider open, and room goes to what matters."""
    ranked = [
        rooted(Kind.TRAFFIC_DROP, EVERYWHERE),
        rooted(Kind.NODE_BREAK, SLOT),
        rooted(scope=SLOT, evidence=30.0),
        rooted(scope=SLOT, evidence=20.0),
        rooted(Kind.NODE_BREAK, PAIR),
    ]
    shuffled = [ranked[place] for place in (3, 0, 4, 2, 1)]
    assert sorted(shuffled, key=urgency) == ranked


def test_the_same_is_not_worth_telling() -> None:
    """Nor up to twice the loss, nor without any."""
    assert told(lost_minor=100).see(rooted(lost_minor=200), T0, 2.0) is None
    assert told(lost_minor=0).see(rooted(lost_minor=0), T0, 2.0) is None
    assert told(lost_minor=100).see(rooted(lost_minor=201), T0, 2.0) is Reason.WORSE
    assert told(lost_minor=100).see(rooted(lost_minor=49), T0, 2.0) is Reason.BETTER


def test_a_better_name_is_worth_telling() -> None:
    """A break is worse, the others are names."""
    assert told().see(rooted(Kind.OUT_OF_STOCK), T0, 2.0) is Reason.RENAMED
    assert told(severity=Severity.CRITICAL).see(rooted(Kind.NODE_BREAK), T0, 2.0) is Reason.WORSE
    assert told(kind=Kind.NODE_BREAK).see(rooted(), T0, 2.0) is None


def test_the_summary_counts_what_it_stands_for() -> None:
    """And what those had folded; it is everywhere and of no step."""
    beyond = [rooted(scope=SLOT), rooted(scope=PAIR, diagnosis=Diagnosis(folded=4))]
    one = summary(beyond)
    assert (one.finding.scope, one.finding.step, one.finding.detail) == (EVERYWHERE, None, MORE)
    assert one.diagnosis == Diagnosis(folded=6)
