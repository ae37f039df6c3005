"""Escalation: who else is asked, and when."""

from __future__ import annotations

from typing import Any

from alerts.stages.escalate import Escalate
from alerts.stages.knowledge import Knowledge
from alerts.stages.route import Route
from tests.support.deliveries import candidate, incident, later, over, taken
from tests.support.findings import T0

ROUTE = Route("all", ("ops",), escalate_to=("pager", "ops"), escalate_after_ms=1_000)
INCIDENT = incident(updated_at_ms=T0)


def asked(about: Any, now_ms: int) -> list[tuple[str, bool]]:
    """Channels, and whether because nobody acknowledged."""
    state = Knowledge()
    state.hear(INCIDENT)
    state.hear(about)
    decision = Escalate((ROUTE,)).decide((candidate(about),), state, now_ms)
    assert decision.dropped == ()
    return [(one.channel, one.escalated) for one in decision.survivors]


def test_after_a_time() -> None:
    """Counted from when it fired, whatever was written since; a channel of both routes once."""
    again = later(INCIDENT, updated_at_ms=T0 + 999)
    assert asked(again, T0 + 999) == [("ops", False)]
    assert asked(again, T0 + 1_000) == [("pager", True), ("ops", True)]


def test_not_if_somebody_took_it() -> None:
    """Nor if it is over, or cannot be believed."""
    for about in (taken(INCIDENT), over(INCIDENT), later(INCIDENT, held=True)):
        assert asked(about, T0 + 9_999) == [("ops", False)]
