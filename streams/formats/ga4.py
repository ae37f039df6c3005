"""Google Analytics 4: payloads of the Measurement Protocol with the recommended e-commerce events.

One record is one payload ``{client_id, user_id, timestamp_micros, events: [...]}`` of up to 25 events; each becomes an
:class:`Event` with the id ``<id>#<index>``. If one of them is wrong, the record is: nothing is counted by halves.
Events without a node are passed over; a payload of nothing else is unmapped.

- Visitor: ``user_id``, else ``client_id``, else ``app_instance_id`` (app streams).
- Time: the event's ``timestamp_micros``, else the payload's, else the record's Kafka timestamp: GA4 takes an event
  without a timestamp to have happened when it was sent.
- Id: ``event_id`` of the event or of its ``params``, a custom field worth adding. GA4 itself has none, so without it
  the id is derived from visitor, time, event name and the bytes of ``params`` (transaction id and items among them):
  a payload that arrives twice is counted once, two clicks in the same microsecond on two SKUs are two.
- Slot: ``creative_slot``; banner: ``creative_name``, else ``promotion_id``. An item's own win over the event's.
- SKU: ``items[].item_id``, else ``item_name``; GA4 demands one of them.
- Price: ``items[].price`` as it stands. "Before sending the event, you must calculate the discounted price for each
  item. Google Analytics does not automatically subtract the ``discount`` value from the ``price``"
  (developers.google.com/analytics/devguides/collection/ga4/apply-discount). ``value``, ``tax`` and ``shipping`` are
  not read. A refund without items is the refund of the whole order, as in GA4.
- Extra dimensions: paths into ``params``, else into the payload (``user_properties.tier.value``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.events import MAX_TIME_MS, MIN_TIME_MS, Event, Reason
from streams.formats.base import (
    ExtraFields,
    Item,
    Order,
    agreed,
    check_count,
    check_document,
    complete,
    derived_id,
    distinct,
    invalid,
    key,
    node_table,
    read_json,
    required_text,
    text,
    unmapped,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Record
    from streams.funnel import Funnel

EVENT_NODES: Final[Mapping[str, str]] = {
    "view_promotion": "exposure",
    "view_item_list": "exposure",
    "select_promotion": "click",
    "select_item": "click",
    "view_item": "view",
    "add_to_cart": "cart",
    "begin_checkout": "checkout",
    "add_payment_info": "payment_attempt",
    "purchase": "paid",
    "refund": "refunded",
}
MAX_EVENTS: Final = 25
_MICROS_PER_MS: Final = 1000


class _Item(msgspec.Struct, gc=False):
    item_id: str | int | None = None
    item_name: str | int | None = None
    price: str | int | float | None = None
    quantity: str | int | float | None = None
    creative_slot: str | int | None = None
    creative_name: str | int | None = None
    promotion_id: str | int | None = None


class _Params(msgspec.Struct, gc=False):
    event_id: str | int | None = None
    transaction_id: str | int | None = None
    currency: str | None = None
    payment_type: str | None = None
    creative_slot: str | int | None = None
    creative_name: str | int | None = None
    promotion_id: str | int | None = None
    items: list[_Item] | None = None


class _Event(msgspec.Struct, gc=False):
    name: str | None = None
    event_id: str | int | None = None
    timestamp_micros: int | str | None = None
    params: msgspec.Raw = msgspec.Raw(b"null")


class _Payload(msgspec.Struct, gc=False):
    events: list[_Event] | None = None
    user_id: str | int | None = None
    client_id: str | int | None = None
    app_instance_id: str | int | None = None
    timestamp_micros: int | str | None = None


_PAYLOAD = msgspec.json.Decoder(_Payload)
_PARAMS: msgspec.json.Decoder[_Params | None] = msgspec.json.Decoder(_Params | None)


class Ga4Format:
    """Decodes Measurement Protocol payloads."""

    name = "ga4"

    def __init__(
        self,
        *,
        funnel: Funnel,
        events: Mapping[str, str | None] | None = None,
        extra_fields: tuple[str, ...] = (),
    ) -> None:
        self._nodes = node_table(EVENT_NODES, events or {}, funnel)
        self._extra = ExtraFields(extra_fields)

    def decode(self, record: Record) -> tuple[Event, ...]:
        """Return one event per mapped event of the payload.

        Raises:
            RejectedRecord: the payload or one of its mapped events is invalid, or none is mapped.
        """
        document = check_document(record.value)
        payload = read_json(_PAYLOAD, document)
        batch = _batch(payload)
        nodes = [self._node(event, f"events[{index}]") for index, event in enumerate(batch)]
        if not any(nodes):
            raise unmapped("events[0].name")
        return tuple(
            self._event(_Place(payload, event, index, document, record), node)
            for index, (event, node) in enumerate(zip(batch, nodes, strict=True))
            if node is not None
        )

    def _node(self, event: _Event, under: str) -> str | None:
        return self._nodes.get(required_text(event.name, f"{under}.name"))

    def _event(self, place: _Place, node: str) -> Event:
        under = f"{place.under}.params"
        raw = place.event.params
        params = read_json(_PARAMS, raw, under) or _Params()
        visitor = _visitor(place.payload)
        micros = _micros(place)
        slot, banner = _placement(params, under)
        items = _items(params, f"{under}.items")
        event = Event(
            event_id=f"{_id(place, params, visitor, micros)}#{place.number}",
            time_ms=micros // _MICROS_PER_MS,
            node=node,
            visitor_id=visitor,
            slot=agreed(slot, (item.slot for item in items)),
            banner=agreed(banner, (item.banner for item in items)),
            skus=distinct(item.sku for item in items),
            extra=self._extra.read((raw, under), (place.document, "")),
        )
        return complete(event, _order(params, under, items))


class _Place(NamedTuple):
    """One event and what it stands in."""

    payload: _Payload
    event: _Event
    number: int
    document: bytes
    record: Record

    @property
    def under(self) -> str:
        return f"events[{self.number}]"


def _batch(payload: _Payload) -> list[_Event]:
    batch = payload.events
    if not batch:
        raise invalid(Reason.MISSING_FIELD, "events")
    if len(batch) > MAX_EVENTS:
        raise invalid(Reason.TOO_MANY_ITEMS, "events")
    return batch


def _micros(place: _Place) -> int:
    """Event time in microseconds since the epoch."""
    if place.event.timestamp_micros is not None:
        return _check_micros(place.event.timestamp_micros, f"{place.under}.timestamp_micros")
    if place.payload.timestamp_micros is not None:
        return _check_micros(place.payload.timestamp_micros, "timestamp_micros")
    if not MIN_TIME_MS <= place.record.timestamp_ms <= MAX_TIME_MS:
        raise invalid(Reason.MISSING_FIELD, "timestamp_micros")
    return place.record.timestamp_ms * _MICROS_PER_MS


def _check_micros(value: int | str, field: str) -> int:
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(MAX_TIME_MS)) + 3):
            raise invalid(Reason.BAD_TIME, field)
        value = int(value)
    if value < MIN_TIME_MS:
        raise invalid(Reason.TIME_IN_SECONDS, field)
    if not MIN_TIME_MS * _MICROS_PER_MS <= value <= MAX_TIME_MS * _MICROS_PER_MS:
        raise invalid(Reason.BAD_TIME, field)
    return value


def _visitor(payload: _Payload) -> str:
    return (
        text(payload.user_id, "user_id")
        or text(payload.client_id, "client_id")
        or required_text(payload.app_instance_id, "client_id")
    )


def _id(place: _Place, params: _Params, visitor: str, micros: int) -> str:
    own = text(place.event.event_id, f"{place.under}.event_id")
    own = own or text(params.event_id, f"{place.under}.params.event_id")
    return own or derived_id(visitor, str(micros), str(place.event.name), bytes(place.event.params).decode())


def _placement(source: _Params | _Item, under: str) -> tuple[str | None, str | None]:
    slot = key(source.creative_slot, f"{under}.creative_slot")
    banner = key(source.creative_name, f"{under}.creative_name")
    return slot, banner if banner is not None else key(source.promotion_id, f"{under}.promotion_id")


def _items(params: _Params, under: str) -> list[Item]:
    items = params.items or []
    check_count(items, under)
    return [_item(item, f"{under}[{index}]") for index, item in enumerate(items)]


def _item(item: _Item, under: str) -> Item:
    sku = key(item.item_id, f"{under}.item_id") or key(item.item_name, f"{under}.item_name")
    if sku is None:
        raise invalid(Reason.MISSING_FIELD, f"{under}.item_id")
    slot, banner = _placement(item, under)
    return Item(sku, item.price, item.quantity, slot, banner, f"{under}.price", f"{under}.quantity")


def _order(params: _Params, under: str, items: list[Item]) -> Order:
    return Order(
        params.transaction_id,
        f"{under}.transaction_id",
        params.currency,
        f"{under}.currency",
        items,
        f"{under}.items",
        params.payment_type,
        f"{under}.payment_type",
    )
