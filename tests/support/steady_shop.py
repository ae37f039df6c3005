"""A shop in which every second is like the one before, until its payments break: for tests of watching.

A visitor a second clicks and, two times in three, goes on to pay. Once payments are broken every
attempt fails; everything before goes on. Before that they may ail: then a quarter of the attempts fails.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streams.demo.simulator import SimulatedRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

_ITEMS = [{"sku": "A", "quantity": 1, "price": "10.00"}]
# Seconds from the visitor's coming.
_BROWSING = {"exposure": 0, "click": 1, "view": 2, "cart": 10, "checkout": 20}
_ORDERING = {"order": 25, "payment_attempt": 26}
_PAYING = 30


def visits(
    start_ms: int, end_ms: int, broken_from_ms: int, ailing_from_ms: int | None = None
) -> list[SimulatedRecord]:
    """All records with event times in ``[start_ms, end_ms)``, in order."""
    found = [
        record
        for number in range((start_ms // 1000) - 60, end_ms // 1000)
        for record in _visit(
            number, broken_from_ms, broken_from_ms if ailing_from_ms is None else ailing_from_ms
        )
        if start_ms <= record.event_time_ms < end_ms
    ]
    return sorted(found, key=lambda record: record.event_time_ms)


def _visit(number: int, broken_from_ms: int, ailing_from_ms: int) -> Iterator[SimulatedRecord]:
    came_ms = number * 1000
    buys = number % 3 > 0
    for event, second in _BROWSING.items():
        if buys or event in ("exposure", "click", "view"):
            yield _record("clickstream", event, number, came_ms + second * 1000, slot="home", sku="A")
    if not buys:
        return
    order = {"order_id": f"O{number}", "currency": "CNY", "items": _ITEMS, "payment_method": "card"}
    for event, second in _ORDERING.items():
        yield _record("orders", event, number, came_ms + second * 1000, **order)
    paid_ms = came_ms + _PAYING * 1000
    ailing = paid_ms >= ailing_from_ms and number // 3 % 4 == 0
    outcome = "payment_failed" if paid_ms >= broken_from_ms or ailing else "paid"
    yield _record("orders", outcome, number, paid_ms, **order)


def _record(topic: Any, event: str, number: int, at_ms: int, **fields: Any) -> SimulatedRecord:
    visitor = f"v{number}"
    body = {"event_id": f"{event}{number}", "event": event, "event_time": at_ms, "visitor_id": visitor}
    return SimulatedRecord(topic, at_ms, at_ms, visitor.encode(), json.dumps(body | fields).encode())
