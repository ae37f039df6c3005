"""Routes: by kind, severity, scope, promotion, phase and time; and who was told stays told."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.control import ScopeMatch
from alerts.ledger import Address, delivered
from alerts.message import MessageState
from alerts.model import Kind, Severity
from alerts.stages.hours import Hours
from alerts.stages.knowledge import Knowledge, Owed
from alerts.stages.route import Match, Route, Routing
from alerts.stages.stage import Candidate, Why
from tests.support.deliveries import incident, over
from tests.support.findings import T0

UTC = ZoneInfo("UTC")
INCIDENT = incident(promotion="D11", phase="open")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"kinds": frozenset({Kind.CONVERSION_DROP, Kind.SLOWER})}, True),
        ({"kinds": frozenset({Kind.SLOWER})}, False),
        ({"severities": frozenset({Severity.WARNING})}, True),
        ({"severities": frozenset({Severity.CRITICAL})}, False),
        ({"scope": (ScopeMatch("slot", "home.top.1"),)}, True),
        ({"scope": (ScopeMatch("slot"), ScopeMatch("sku"))}, False),
        ({"promotions": frozenset({"D11"})}, True),
        ({"promotions": frozenset({""})}, False),
        ({"phases": frozenset({"open"})}, True),
        ({"phases": frozenset({"steady"})}, False),
    ],
)
def test_matching(fields: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """What is left out matches all."""
    assert Match(**fields).covers(INCIDENT) is expected


def routed(*routes: Route, about: Any = INCIDENT, state: Knowledge | None = None) -> list[tuple[str, str]]:
    """Channels and routes."""
    decision = Routing(routes).decide((Candidate(about),), state or Knowledge(), T0)
    return [(one.channel, one.route) for one in decision.survivors]


def test_the_first_that_matches() -> None:
    """And those after it while it says so; a channel once."""
    no = Route("no", ("x",), Match(kinds=frozenset({Kind.SLOWER})))
    one = Route("one", ("a", "b"), and_on=True)
    two, three = Route("two", ("b", "c")), Route("three", ("d",))
    assert routed(no, one, two, three) == [("a", "one"), ("b", "one"), ("c", "two")]
    assert routed(two, one) == [("b", "two"), ("c", "two")]


def test_who_was_told_stays_told() -> None:
    """And who was to be told; not who knows that it is over."""
    state = Knowledge()
    state.ledger.write(delivered(INCIDENT, "old", key="k", state=MessageState.OPENED, at_ms=T0))
    ended = delivered(over(INCIDENT), "done", key="k", state=MessageState.RESOLVED, at_ms=T0)
    state.ledger.write(ended)
    state.owe(Address("owed", INCIDENT.id), Owed(MessageState.OPENED, T0, 1))
    assert routed(state=state) == [("old", ""), ("owed", "")]


def test_the_time_of_day() -> None:
    """A route that holds later only makes it wait; none at all is final."""
    night = Route("night", ("a",), Match(hours=Hours(0, 60, UTC)))
    noon = Route("noon", ("b",), Match(hours=Hours(12 * 60, 13 * 60, UTC)))
    assert routed(night, noon) == [("b", "noon")]
    for routes, why in (((night,), Why.OUT_OF_HOURS), ((), Why.UNROUTED)):
        decision = Routing(routes).decide((Candidate(INCIDENT),), Knowledge(), T0)
        assert [one.why for one in decision.dropped] == [why]
