"""Quiet hours: what waits for the morning, and what does not."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.ledger import delivered
from alerts.message import MessageState
from alerts.stages.hours import Hours
from alerts.stages.knowledge import Knowledge
from alerts.stages.quiet import Quiet
from alerts.stages.route import Route
from tests.support.deliveries import CRITICAL, Post, candidate, incident, over
from tests.support.findings import T0

HOUR = 3_600_000
# T0 is noon in UTC.
ROUTE = Route("all", ("ops",), quiet=Hours(12 * 60, 13 * 60, ZoneInfo("UTC")), remind_every_ms=None)


@pytest.mark.parametrize(
    ("about", "state", "passes"),
    [
        (incident(), "opened", False),
        (incident(**CRITICAL), "opened", True),
        (over(incident()), "resolved", True),
        (incident(), "escalated", True),
    ],
)
def test_what_is_told_at_night(about: Any, state: str, passes: bool) -> None:  # noqa: FBT001 - a column of the table
    """What is severe, what ends, and who is asked because nobody answers."""
    known = Knowledge()
    known.ledger.write(delivered(incident(), "ops", key="k", state=MessageState.OPENED, at_ms=T0))
    one = candidate(about, state=MessageState(state), escalated=state == "escalated")
    assert bool(Quiet((ROUTE,)).decide((one,), known, T0).survivors) is passes
    assert Quiet((ROUTE,)).decide((one,), known, T0 + HOUR).survivors


def test_the_morning_after() -> None:
    """What is still so is told then; what ended meanwhile is told as ended."""
    post = Post(ROUTE)
    post.hear(incident("a"), incident("b"))
    assert post.tell() == []
    post.hear(over(incident("b")))
    assert post.tell(HOUR - 1) == []
    assert sorted(post.tell(1)) == [("opened", "ops"), ("resolved", "ops")]
