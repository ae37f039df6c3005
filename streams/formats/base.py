"""What a format is, and how an event is put together.

Promises that the same mistake has the same reason in every format, with the dotted field it stands in. The order is
fixed, so a record with two mistakes always shows the same one: tombstone, size, UTF-8, nesting, JSON, shape, event
name, then field by field. In vendors' formats an event name that nobody mapped makes an event ``unmapped`` whatever
else it carries: their streams are full of events with other shapes, and those are no bad input.

Refuses to guess: a missing time, visitor or currency is never filled from somewhere else unless the format's own
docstring names the place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from streams.core.money import exponent, line_amount
from streams.errors import ConfigError
from streams.events import MAX_LINES, MAX_SKUS, Event, OrderLine, Reason
from streams.formats.documents import (
    ExtraFields,
    check_document,
    check_nesting,
    check_size,
    check_utf8,
    read_json,
    unmapped,
)
from streams.formats.fields import (
    derived_id,
    event_time,
    invalid,
    key,
    price_minor,
    quantity,
    required_text,
    text,
)
from streams.formats.keys import check_key, check_text
from streams.funnel import ORDER_OUTCOMES, REVERSALS
from streams.heartbeats import HEARTBEAT_EVENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Sized

    from streams.events import Record
    from streams.funnel import Funnel

__all__ = [
    "PLACING_NODES",
    "ExtraFields",
    "Format",
    "Item",
    "Order",
    "agreed",
    "check_count",
    "check_document",
    "check_key",
    "check_nesting",
    "check_size",
    "check_text",
    "check_utf8",
    "complete",
    "derived_id",
    "distinct",
    "event_time",
    "invalid",
    "key",
    "node_table",
    "price_minor",
    "quantity",
    "read_json",
    "required_text",
    "text",
    "unmapped",
]

PLACING_NODES: Final = ("order", "paid")


class Format(Protocol):
    """Turns one record into events; pure, and the same record always gives the same answer."""

    @property
    def name(self) -> str:
        """Name in the configuration, e.g. ``ga4``."""
        ...

    def decode(self, record: Record) -> tuple[Event, ...]:
        """Return at least one event.

        Raises:
            RejectedRecord: ``INVALID`` with reason and field, ``UNMAPPED`` with ``unknown_event``, or
                ``HEARTBEAT``.
        """
        ...


class Item(NamedTuple):
    """One product of an event, as yet unpriced; ``price`` and ``quantity`` are as the record has them."""

    sku: str | None
    price: object
    quantity: object
    slot: str | None
    banner: str | None
    price_field: str
    quantity_field: str


class Order(NamedTuple):
    """What an event says about an order, each part with the field to blame for it."""

    order_id: object
    order_id_field: str
    currency: object
    currency_field: str
    items: Sequence[Item]
    items_field: str
    payment_method: object
    payment_method_field: str
    prices_are_minor: bool = False


def check_count(values: Sized, field: str) -> None:
    """Reject an event with more SKUs or lines than one event may hold."""
    if len(values) > min(MAX_SKUS, MAX_LINES):
        raise invalid(Reason.TOO_MANY_ITEMS, field)


def distinct(skus: Iterable[str | None]) -> tuple[str, ...]:
    """Return the SKUs that are there, once each, in their order."""
    return tuple(dict.fromkeys(sku for sku in skus if sku is not None))


def agreed(own: str | None, of_items: Iterable[str | None]) -> str | None:
    """Return the slot or banner of an event whose items may carry their own.

    An item's wins over the event's. Items that disagree leave the event its own: one exposure of a list is one event
    and cannot stand in two slots.
    """
    values = {own if value is None else value for value in of_items}
    return values.pop() if len(values) == 1 else own


def complete(event: Event, order: Order) -> Event:
    """Fill in what the event's node demands of its order, and nothing that it does not.

    ``order`` and ``paid`` need an id, a currency and at least one priced item. ``cancelled`` and ``refunded`` need an
    id, and with items a currency. Payment outcomes take what is there. Other nodes have no order.
    """
    if event.node in PLACING_NODES or event.node in REVERSALS:
        event.order_id = required_text(order.order_id, order.order_id_field)
        if event.node in PLACING_NODES and not order.items:
            raise invalid(Reason.MISSING_FIELD, order.items_field)
        event.currency, event.lines = _money(order)
        event.skus = () if event.lines else event.skus
    elif event.node in ORDER_OUTCOMES:
        event.order_id = text(order.order_id, order.order_id_field)
        event.payment_method = text(order.payment_method, order.payment_method_field)
    return event


def _money(order: Order) -> tuple[str | None, tuple[OrderLine, ...]]:
    currency = text(order.currency, order.currency_field)
    if currency is None:
        if order.items:
            raise invalid(Reason.MISSING_FIELD, order.currency_field)
        return None, ()
    decimals = exponent(currency, order.currency_field)
    digits = 0 if order.prices_are_minor else decimals
    return currency, tuple(_line(item, digits) for item in order.items)


def _line(item: Item, digits: int) -> OrderLine:
    price = price_minor(item.price, digits, item.price_field)
    count = quantity(item.quantity, item.quantity_field)
    return OrderLine(item.sku, count, line_amount(price, count, item.price_field), item.slot, item.banner)


def node_table(preset: Mapping[str, str], events: Mapping[str, str | None], funnel: Funnel) -> dict[str, str]:
    """Event name to node: the preset, overridden by ``events`` (None: ignore on purpose), within this funnel.

    Raises:
        ConfigError: ``events`` names a node that the funnel does not have, or our own heartbeats.
    """
    if HEARTBEAT_EVENT in events:
        raise ConfigError(f"events.{HEARTBEAT_EVENT}", "any other name: this one is Funnelwatch's own")
    known = (*funnel.nodes, *ORDER_OUTCOMES)
    for name, node in events.items():
        if node is not None and node not in known:
            raise ConfigError(f"events.{name}", f"null or one of {', '.join(known)}")
    merged: dict[str, str | None] = {**preset, **events}
    return {name: node for name, node in merged.items() if node in known}
