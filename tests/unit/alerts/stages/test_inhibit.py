"""Inhibition: what a wider incident, or bad data, explains."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.incident import StepPart
from alerts.model import EVERYWHERE, Kind, Place, Severity
from alerts.stages.inhibit import Inhibit
from alerts.stages.knowledge import Knowledge
from alerts.stages.stage import Why
from tests.support.deliveries import CRITICAL, candidate, incident, later, over
from tests.support.findings import PAIR, SLOT, T0

CHILD = incident("child")
TOTAL = incident("total", EVERYWHERE)
CLICKS = StepPart("click", "view")


def outage(*scope: Place, **fields: Any) -> Any:
    """Data that cannot be believed."""
    known: dict[str, Any] = {"kind": Kind.DATA_OUTAGE, "step": None, "detail": "silent"} | CRITICAL
    return incident("data", scope or EVERYWHERE, **known | fields)


def hidden(above: Any, child: Any = CHILD, now_ms: int = T0) -> bool:
    """Whether one hides the other."""
    state = Knowledge()
    state.hear(above)
    state.hear(child)
    decision = Inhibit().decide((candidate(child),), state, now_ms)
    assert {one.why for one in decision.dropped} <= {Why.INHIBITED}
    return bool(decision.dropped)


@pytest.mark.parametrize(
    ("above", "child", "expected"),
    [
        (TOTAL, CHILD, True),
        (CHILD, TOTAL, False),
        (CHILD, incident("pair", PAIR), True),
        (incident("b", (Place("slot", "b"),)), CHILD, False),
        (later(TOTAL, step=CLICKS), CHILD, False),
        (later(TOTAL, kind=Kind.TRAFFIC_DROP), CHILD, False),
        (later(TOTAL, kind=Kind.NODE_BREAK), CHILD, True),
        (later(TOTAL, detail="alipay"), CHILD, True),
        (later(TOTAL, severity=Severity.INFO), CHILD, False),
        (outage(), CHILD, True),
        (outage(Place("topic", "orders")), CHILD, True),
        (outage(Place("topic", "orders")), later(CHILD, step=CLICKS), False),
        (outage(Place("topic", "clickstream")), later(CHILD, step=CLICKS), True),
        (outage(severity=Severity.INFO), CHILD, False),
        (outage(kind=Kind.BAD_INPUT), CHILD, True),
        (TOTAL, outage(Place("topic", "orders")), False),
    ],
)
def test_who_hides_whom(above: Any, child: Any, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """The wider of a family and step, or bad data behind it; never the less severe."""
    assert hidden(above, child) is expected


def test_it_lingers() -> None:
    """Children end a little later than what explains them; then they stand for themselves."""
    ended = over(TOTAL, T0)
    assert hidden(ended, now_ms=T0 + 59_999)
    assert not hidden(ended, now_ms=T0 + 60_000)


def test_an_end_is_let_through() -> None:
    """Whoever was told is told that it is over."""
    assert not hidden(TOTAL, over(CHILD))


def test_nothing_hides_itself() -> None:
    """Nor do two of the same scope hide each other."""
    assert not hidden(TOTAL, later(TOTAL))
    assert not hidden(incident("a"), incident("b"))
    assert not hidden(incident("a", SLOT), incident("b", SLOT, kind=Kind.NODE_BREAK))
