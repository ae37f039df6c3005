"""What is being sent, and channels that fail."""

from __future__ import annotations

from alerts.message import MessageState
from alerts.stages.hold import Hold
from alerts.stages.knowledge import Knowledge, Trouble
from alerts.stages.stage import Why
from tests.support.deliveries import CRITICAL, candidate, incident
from tests.support.findings import T0

USUAL = candidate(incident("a"), state=MessageState.OPENED)
PAGE = candidate(incident("b", **CRITICAL), state=MessageState.OPENED)


def test_what_is_being_sent_waits() -> None:
    """The rest of the channel does not."""
    state = Knowledge(in_flight={USUAL.address})
    decision = Hold().decide((USUAL, PAGE), state, T0)
    assert decision.survivors == (PAGE,)
    assert [one.why for one in decision.dropped] == [Why.IN_FLIGHT]


def test_a_channel_that_fails_is_tried_with_the_most_urgent() -> None:
    """When its time has come, and nothing is on its way."""
    state = Knowledge(troubles={"ops": Trouble(1, T0, T0 + 10, "timeout")})
    assert Hold().decide((USUAL, PAGE), state, T0 + 9).survivors == ()
    assert Hold().decide((USUAL, PAGE), state, T0 + 10).survivors == (PAGE,)
    state.in_flight.add(PAGE.address)
    assert Hold().decide((USUAL, PAGE), state, T0 + 10).survivors == ()
