"""Funnelwatch's own event format: one JSON object per record, in either source topic.

Clickstream::

    {"event_id": "...", "event_time": 1762689603125, "event": "click", "visitor_id": "v1",
     "slot": "home.top.1", "banner": "hero_v3", "sku": "SKU_1"}

Orders::

    {"event_id": "...", "event_time": "2026-11-11T00:00:03.125+08:00", "event": "paid",
     "visitor_id": "v1", "order_id": "O1", "currency": "CNY",
     "items": [{"sku": "SKU_1", "quantity": 2, "price": "39.90", "slot": "...", "banner": "..."}]}

``event_time`` is ms since the epoch or RFC 3339 with an offset; ``price`` is a decimal string, or
an integer in minor units with ``"minor": true``. Unknown fields are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from streams.core.money import exponent, line_amount, to_minor
from streams.errors import ConfigError
from streams.events import MAX_SKUS, Event, OrderLine, Reason
from streams.formats.base import PLACING_NODES, check_count, node_table
from streams.formats.documents import check_document, read_json, unmapped
from streams.formats.fields import event_time, invalid, quantity
from streams.formats.keys import check_key, check_text
from streams.funnel import ORDER_OUTCOMES, REVERSALS, Funnel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Record


class NativeItem(msgspec.Struct, gc=False):
    """One order line as it stands in the message."""

    sku: str | None = None
    # Read as it stands and judged below: a quantity that is no whole number is a bad quantity.
    quantity: int | float | str | None = None
    price: str | int | None = None
    minor: bool = False
    slot: str | None = None
    banner: str | None = None


class NativeEvent(msgspec.Struct, gc=False):
    """A message as it stands. ``items`` stays raw: only events of orders look into it."""

    event_id: str
    event_time: int | str
    event: str
    visitor_id: str
    slot: str | None = None
    banner: str | None = None
    sku: str | tuple[str, ...] | None = None
    order_id: str | None = None
    currency: str | None = None
    payment_method: str | None = None
    items: msgspec.Raw = msgspec.Raw(b"null")


_OWN_FIELDS = frozenset(NativeEvent.__struct_fields__)
_NO_TEXTS = ("event_time", "sku", "items")


class NativeFormat:
    """Decoder of the native format.

    Args:
        funnel: its nodes are the event names, beside the outcomes of orders.
        events: further names -> node, or None for names that are passed over on purpose.
        extra_fields: top-level fields of the extra dimensions.

    Raises:
        ConfigError: an extra dimension of a field that holds no text, or ``events`` names no node.
    """

    name = "native"
    max_skus = MAX_SKUS

    def __init__(
        self,
        *,
        funnel: Funnel,
        events: Mapping[str, str | None] | None = None,
        extra_fields: tuple[str, ...] = (),
    ) -> None:
        names = funnel.nodes + ORDER_OUTCOMES
        self.nodes = node_table({name: name for name in names}, events or {}, funnel)
        self.ordering = frozenset(PLACING_NODES + ORDER_OUTCOMES)
        self.extra_fields = extra_fields
        self.extra_attributes = _extra_attributes(extra_fields)
        self._type = _event_type(extra_fields)
        self._decoder = msgspec.json.Decoder(self._type)
        self._items = msgspec.json.Decoder(list[NativeItem] | None)
        self._texts = ("event_id", "visitor_id", "slot", "banner", *self.extra_attributes)
        self.document = self._decoder.decode
        self.blank = self._type(event_id="-", event_time=0, event="", visitor_id="-")

    def try_document(self, value: bytes | None) -> NativeEvent | None:
        """The message as it stands, or None if it is not one."""
        try:
            return self.document(value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def maybe_long(self, doc: NativeEvent, characters: int) -> bool:
        """Whether a text of the message has more characters than given."""
        texts = [getattr(doc, name) for name in self._texts]
        texts += doc.sku if isinstance(doc.sku, tuple) else (doc.sku,)
        return any(text is not None and len(text) > characters for text in texts)

    def decode(self, record: Record) -> tuple[Event, ...]:
        """The record's one event.

        Raises:
            RejectedRecord: with the exact reason and field.
        """
        doc = read_json(self._decoder, check_document(record.value))
        event = Event(
            event_id=check_text(doc.event_id, "event_id"),
            time_ms=event_time(doc.event_time, "event_time"),
            node=check_text(doc.event, "event"),
            visitor_id=check_text(doc.visitor_id, "visitor_id"),
            slot=_key(doc.slot, "slot"),
            banner=_key(doc.banner, "banner"),
            skus=_skus(doc.sku),
            extra=tuple(
                _key(getattr(doc, attribute), name)
                for attribute, name in zip(self.extra_attributes, self.extra_fields, strict=True)
            ),
        )
        node = self.nodes.get(doc.event)
        if node is None:
            raise unmapped("event")
        event.node = node
        if node in self.ordering:
            self._read_order(doc, event)
        return (event,)

    def _read_order(self, doc: NativeEvent, event: Event) -> None:
        placing = event.node in PLACING_NODES
        event.order_id = _optional(doc.order_id, "order_id")
        event.payment_method = _optional(doc.payment_method, "payment_method")
        if event.order_id is None and (placing or event.node in REVERSALS):
            raise invalid(Reason.MISSING_FIELD, "order_id")
        items = read_json(self._items, doc.items, "items") or []
        check_count(items, "items")
        if placing and not items:
            raise invalid(Reason.MISSING_FIELD, "items")
        event.currency = _optional(doc.currency, "currency")
        if event.currency is None and items:
            raise invalid(Reason.MISSING_FIELD, "currency")
        if event.currency is not None:
            digits = exponent(event.currency)
            event.lines = tuple(_line(item, digits, f"items[{i}]") for i, item in enumerate(items))


def _extra_attributes(extra_fields: tuple[str, ...]) -> tuple[str, ...]:
    """Attributes that hold the extra fields: the event's own ones may be dimensions as well.

    Raises:
        ConfigError: a field of the format that holds no single text.
    """
    for name in extra_fields:
        if name in _NO_TEXTS:
            raise ConfigError("dimensions", f"a field that holds a text, which {name} does not")
    return tuple(
        name if name in _OWN_FIELDS else f"extra_{extra_fields.index(name)}" for name in extra_fields
    )


def _event_type(extra_fields: tuple[str, ...]) -> type[NativeEvent]:
    attributes = dict(zip(_extra_attributes(extra_fields), extra_fields, strict=True))
    fields: list[Any] = [
        (attribute, str | None, msgspec.field(default=None, name=name))
        for attribute, name in attributes.items()
        if attribute not in _OWN_FIELDS
    ]
    if not fields:
        return NativeEvent
    return cast("type[NativeEvent]", msgspec.defstruct("NativeEvent", fields, bases=(NativeEvent,), gc=False))


def _key(text: str | None, field: str) -> str | None:
    return None if text is None else check_key(text, field)


def _optional(text: str | None, field: str) -> str | None:
    return None if text is None else check_text(text, field)


def _skus(sku: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if sku is None:
        return ()
    if isinstance(sku, str):
        return (check_key(sku, "sku"),)
    check_count(sku, "sku")
    return tuple(check_key(name, f"sku[{i}]") for i, name in enumerate(sku))


def _line(item: NativeItem, digits: int, path: str) -> OrderLine:
    count = _quantity(item.quantity, f"{path}.quantity")
    return OrderLine(
        _key(item.sku, f"{path}.sku"),
        count,
        line_amount(_price(item, digits, f"{path}.price"), count, f"{path}.price"),
        _key(item.slot, f"{path}.slot"),
        _key(item.banner, f"{path}.banner"),
    )


def _quantity(value: object, field: str) -> int:
    if value is not None and type(value) is not int:
        raise invalid(Reason.BAD_QUANTITY, field)
    return quantity(value, field)


def _price(item: NativeItem, digits: int, field: str) -> int:
    price = item.price
    if price is None:
        raise invalid(Reason.MISSING_FIELD, field)
    if isinstance(price, str) is item.minor:
        # A decimal string counts major units and an integer minor ones: never guess which was meant.
        raise invalid(Reason.WRONG_TYPE, field)
    if isinstance(price, str):
        return to_minor(check_text(price, field), digits, field)
    if price < 0:
        raise invalid(Reason.NEGATIVE_PRICE, field)
    return price
