"""Short builders of native-format events, for streams written by hand.

An event builder gives the record's bytes; :func:`stream` makes the offsets of one topic-partition.
Times are milliseconds after :data:`T0`, which starts a bucket. Ids are unique unless given.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from streams.events import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

T0 = 1_762_689_600_000  # 2025-11-09T12:00:00Z, a multiple of ten seconds
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_ids = itertools.count()


def at(t: int) -> int:
    """The absolute time ``t`` milliseconds after :data:`T0`."""
    return T0 + t


def body(name: str, visitor: str = "v1", t: int = 0, **fields: Any) -> dict[str, Any]:
    """An event as a document; a field given as None is left out, any other stands as it is."""
    document: dict[str, Any] = {
        "event_id": f"e{next(_ids)}",
        "event_time": at(t),
        "event": name,
        "visitor_id": visitor,
    }
    document.update(fields)
    return {name: value for name, value in document.items() if value is not None}


def event(name: str, visitor: str = "v1", t: int = 0, **fields: Any) -> bytes:
    """An event of any name."""
    return json.dumps(body(name, visitor, t, **fields)).encode()


def exposure(visitor: str = "v1", t: int = 0, **fields: Any) -> bytes:
    """An exposure; slot, banner and sku stand for themselves."""
    return event("exposure", visitor, t, **fields)


def click(visitor: str = "v1", t: int = 0, **fields: Any) -> bytes:
    """A click, which later events are attributed to."""
    return event("click", visitor, t, **fields)


def view(visitor: str = "v1", t: int = 0, **fields: Any) -> bytes:
    """A product view, the first node that is attributed."""
    return event("view", visitor, t, **fields)


def line(sku: str | None = "A", price: str = "1.00", **fields: Any) -> dict[str, Any]:
    """One order line; a field given as None is left out."""
    item = {"sku": sku, "price": price, **fields}
    return {name: value for name, value in item.items() if value is not None}


def order(name: str, visitor: str = "v1", t: int = 0, *items: dict[str, Any], **fields: Any) -> bytes:
    """An event of an order: CNY and order O1 unless given, lines only if given."""
    fields = {"order_id": "O1", "currency": "CNY", **fields}
    return event(name, visitor, t, items=list(items) or None, **fields)


def paid(visitor: str = "v1", t: int = 0, *items: dict[str, Any], **fields: Any) -> bytes:
    """A paid order, of one line of SKU A at 1.00 unless lines are given."""
    return order("paid", visitor, t, *(items or (line(),)), **fields)


def refunded(visitor: str = "v1", t: int = 0, *items: dict[str, Any], **fields: Any) -> bytes:
    """A refund, without lines and currency unless given."""
    return order("refunded", visitor, t, *items, **{"currency": "CNY" if items else None, **fields})


def cancelled(visitor: str = "v1", t: int = 0, *items: dict[str, Any], **fields: Any) -> bytes:
    """A cancellation, without lines and currency unless given."""
    return order("cancelled", visitor, t, *items, **{"currency": "CNY" if items else None, **fields})


def stream(values: Iterable[bytes | None], *, kafka_ms: int | None = None) -> list[Record]:
    """One topic-partition: offsets from 0, every timestamp ``kafka_ms`` after T0 (default a day)."""
    stamp = at(24 * HOUR if kafka_ms is None else kafka_ms)
    return [Record(offset, stamp, value) for offset, value in enumerate(values)]
