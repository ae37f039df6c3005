"""Segment, e-commerce spec v2; RudderStack and PostHog use the same names and shapes.

One record is one ``track`` call as Segment delivers it to a destination. Other calls (``page``, ``identify`` ...) are
unmapped.

- Id: ``messageId``. Visitor: ``userId``, else ``anonymousId``.
- Time: ``timestamp`` (Segment's, with the client's clock skew taken out), else ``originalTimestamp``.
- Slot: ``properties.position``, but only in promotion events ("Promotion's position": ``home_banner_top``). In product
  events the same property is the rank of the product in its list. Banner: ``creative``, else ``promotion_id``.
- SKU: ``sku``, else ``product_id``, of ``properties`` and of each of ``properties.products``. A product without either
  is counted under ``(none)``: its order is no less an order.
- Money: ``products[].price`` x ``quantity`` in ``properties.currency``; prices may be numbers or decimal strings.
  Order totals are not read: they hold tax and shipping or not, as each shop likes. A missing currency is
  ``missing_field``; Segment's own "assumed to be US dollars" would put a shop's takings under the wrong currency.
- Extra dimensions: paths into ``properties``, else into the message (``channel``, ``context.campaign.source``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.events import Event
from streams.formats.base import (
    ExtraFields,
    Item,
    Order,
    check_count,
    check_document,
    complete,
    distinct,
    event_time,
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
    "Promotion Viewed": "exposure",
    "Product List Viewed": "exposure",
    "Promotion Clicked": "click",
    "Product Clicked": "click",
    "Product Viewed": "view",
    "Product Added": "cart",
    "Wishlist Product Added to Cart": "cart",
    "Checkout Started": "checkout",
    "Payment Info Entered": "payment_attempt",
    "Order Completed": "paid",
    "Order Cancelled": "cancelled",
    "Order Refunded": "refunded",
    # The names these had in spec v1, which Segment keeps as aliases.
    "Viewed Promotion": "exposure",
    "Viewed Product Category": "exposure",
    "Clicked Promotion": "click",
    "Clicked Product": "click",
    "Viewed Product": "view",
    "Added Product": "cart",
    "Started Order": "checkout",
    "Completed Order": "paid",
}
_PROMOTION: Final = "promotion"


class _Product(msgspec.Struct, gc=False):
    sku: str | int | None = None
    product_id: str | int | None = None
    price: str | int | float | None = None
    quantity: str | int | float | None = None


class _Properties(_Product, gc=False):
    position: str | int | None = None
    creative: str | int | None = None
    promotion_id: str | int | None = None
    order_id: str | int | None = None
    currency: str | None = None
    payment_method: str | None = None
    products: list[_Product] | None = None


class _Message(msgspec.Struct, gc=False, rename="camel"):
    type: str | None = None
    event: str | None = None
    message_id: str | int | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    timestamp: str | int | None = None
    original_timestamp: str | int | None = None
    properties: msgspec.Raw = msgspec.Raw(b"null")


_MESSAGE = msgspec.json.Decoder(_Message)
_PROPERTIES: msgspec.json.Decoder[_Properties | None] = msgspec.json.Decoder(_Properties | None)


class SegmentFormat:
    """Decodes Segment track calls."""

    name = "segment"

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
        """Return the one event of a track call.

        Raises:
            RejectedRecord: the call is invalid, or is no track call of a mapped event.
        """
        document = check_document(record.value)
        message = read_json(_MESSAGE, document)
        if message.type not in (None, "track"):
            raise unmapped("type")
        name = required_text(message.event, "event")
        node = self._nodes.get(name)
        if node is None:
            raise unmapped("event")
        properties = read_json(_PROPERTIES, message.properties, "properties") or _Properties()
        items = _items(properties)
        event = Event(
            event_id=required_text(message.message_id, "messageId"),
            time_ms=_time(message),
            node=node,
            visitor_id=text(message.user_id, "userId") or required_text(message.anonymous_id, "anonymousId"),
            slot=key(properties.position, "properties.position") if _PROMOTION in name.lower() else None,
            banner=_banner(properties),
            skus=distinct([_sku(properties, "properties"), *(item.sku for item in items)]),
            extra=self._extra.read((message.properties, "properties"), (document, "")),
        )
        return (complete(event, _order(properties, items)),)


def _time(message: _Message) -> int:
    if message.timestamp is None and message.original_timestamp is not None:
        return event_time(message.original_timestamp, "originalTimestamp")
    return event_time(message.timestamp, "timestamp")


def _banner(properties: _Properties) -> str | None:
    creative = key(properties.creative, "properties.creative")
    return creative if creative is not None else key(properties.promotion_id, "properties.promotion_id")


def _sku(product: _Product, under: str) -> str | None:
    return key(product.sku, f"{under}.sku") or key(product.product_id, f"{under}.product_id")


def _items(properties: _Properties) -> list[Item]:
    products = properties.products or []
    check_count(products, "properties.products")
    return [_item(product, f"properties.products[{index}]") for index, product in enumerate(products)]


def _item(product: _Product, under: str) -> Item:
    sku = _sku(product, under)
    return Item(sku, product.price, product.quantity, None, None, f"{under}.price", f"{under}.quantity")


def _order(properties: _Properties, items: list[Item]) -> Order:
    return Order(
        properties.order_id,
        "properties.order_id",
        properties.currency,
        "properties.currency",
        items,
        "properties.products",
        properties.payment_method,
        "properties.payment_method",
    )
