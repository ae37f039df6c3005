"""Is there a reason to speak again? Table by table."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.incident import ScopePart
from alerts.ledger import delivered
from alerts.message import MessageState
from alerts.model import Kind, Severity, State
from alerts.stages.dedupe import Dedupe
from alerts.stages.knowledge import Knowledge, Owed
from alerts.stages.route import Route
from alerts.stages.stage import Candidate, Why
from tests.support.deliveries import candidate, incident, later, over, taken
from tests.support.findings import T0

HOUR = 3_600_000
ROUTE = Route("all", ("ops",))
BASE = incident(lost_minor_per_minute=100.0)
TAKEN = taken(BASE)


def decide(about: Any, told: Any = None, now_ms: int = T0, **fields: Any) -> Candidate | Why:
    """What there is to tell if a channel was told so."""
    state = Knowledge()
    if told is not None:
        state.ledger.write(delivered(told, "ops", key="k", state=MessageState.OPENED, at_ms=T0))
    owed = fields.pop("owed", None)
    one = candidate(about, **fields)
    state.owe(one.address, owed)
    decision = Dedupe((ROUTE,)).decide((one,), state, now_ms)
    return decision.survivors[0] if decision.survivors else decision.dropped[0].why


def reason(*args: Any, **fields: Any) -> MessageState | Why | None:
    """The same, in a word."""
    said = decide(*args, **fields)
    return said if isinstance(said, Why) else said.state


@pytest.mark.parametrize(
    ("told", "now", "expected"),
    [
        (None, BASE, "opened"),
        (None, TAKEN, "acknowledged"),
        (None, over(BASE), "never_told"),
        (BASE, BASE, "nothing_new"),
        (BASE, later(BASE), "nothing_new"),
        (BASE, later(BASE, severity=Severity.CRITICAL), "worse"),
        (BASE, later(BASE, severity=Severity.INFO), "nothing_new"),
        (BASE, later(BASE, kind=Kind.NODE_BREAK), "worse"),
        (BASE, later(BASE, lost_minor_per_minute=200.0), "nothing_new"),
        (BASE, later(BASE, lost_minor_per_minute=201.0), "worse"),
        (BASE, later(BASE, scope=(ScopePart("all", "all"),)), "wider"),
        (BASE, later(BASE, scope=(*BASE.scope, ScopePart("sku", "A"))), "narrower"),
        (BASE, TAKEN, "acknowledged"),
        (TAKEN, later(TAKEN), "nothing_new"),
        (TAKEN, later(TAKEN, state=State.FIRING), "worse"),
        (BASE, over(BASE), "resolved"),
        (TAKEN, over(TAKEN), "resolved"),
        (over(BASE), over(BASE), "nothing_new"),
        (over(BASE), later(over(BASE), state=State.FIRING), "opened"),
        (over(BASE), over(later(over(BASE))), "never_told"),
        (later(BASE), BASE, "nothing_new"),
        (over(BASE), BASE, "nothing_new"),
    ],
)
def test_what_is_new(told: Any, now: Any, expected: str) -> None:
    """What was told last is held against what is so now; an older record says nothing."""
    assert reason(now, told) == expected


def test_what_was_owed_is_told_as_what_it_is_now() -> None:
    """It opened and ended while nobody could be told."""
    owed = Owed(MessageState.OPENED, T0 - 9, 1)
    said = decide(over(BASE), owed=owed)
    assert isinstance(said, Candidate)
    assert (said.state, said.owed_ms, said.owed_revision) == (MessageState.RESOLVED, T0, 2)


def test_what_is_owed_keeps_its_time_and_key() -> None:
    """However often it is decided."""
    owed = Owed(MessageState.OPENED, T0 - 9, 1)
    said = decide(later(BASE), owed=owed)
    assert isinstance(said, Candidate)
    assert (said.owed_ms, said.owed_revision) == (T0 - 9, 1)


def test_reminders() -> None:
    """In time, of what fires and can be believed, and only as the route says."""
    assert reason(BASE, BASE, T0 + HOUR - 1) is Why.NOTHING_NEW
    assert reason(BASE, BASE, T0 + HOUR) is MessageState.REMINDER
    assert reason(later(BASE, held=True), BASE, T0 + HOUR) is Why.NOTHING_NEW
    assert reason(TAKEN, TAKEN, T0 + HOUR) is Why.NOTHING_NEW
    assert reason(BASE, BASE, T0 + HOUR, route="") is Why.NOTHING_NEW


def test_who_is_asked_besides() -> None:
    """Is told so at once, and once."""
    assert reason(BASE, escalated=True) is MessageState.ESCALATED
    assert reason(BASE, BASE, escalated=True) is MessageState.ESCALATED
    state = Knowledge()
    asked = delivered(BASE, "ops", key="k", state=MessageState.ESCALATED, at_ms=T0, escalated=True)
    state.ledger.write(asked)
    decision = Dedupe((ROUTE,)).decide((candidate(BASE, escalated=True),), state, T0)
    assert [one.why for one in decision.dropped] == [Why.NOTHING_NEW]
