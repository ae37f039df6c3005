"""SensorsData 神策: one JSON object per record, as its SDKs write it and its Kafka import reads it.

``{"distinct_id", "time", "type": "track", "event", "properties": {...}}``; other types (``profile_set``,
``track_signup`` ...) are unmapped. Event names and properties are every customer's own. The presets are the names that
manuals and common practice show; ``events`` in the configuration and :class:`SensorsFields` fit them to a shop.

- Visitor: ``distinct_id``, else ``login_id``, else ``anonymous_id``.
- Id: derived from visitor, time, event, ``_track_id`` and the bytes of ``properties``: ``_track_id`` alone has nine
  digits or so and repeats within the hour on a busy partition.
- Time: ``time`` in milliseconds.
- Lines of an order: the list of objects under ``items``, if there is one; else the single product of the event (SKU,
  price, quantity); else one line over the order's whole ``amount`` without a SKU. The last two are what is left when
  an order is split into ``SubmitOrder`` and one ``SubmitOrderDetail`` per product.
- Currency: hardly any tracking plan has one; absent, it is ``default_currency`` (CNY).
- Extra dimensions: paths into ``properties`` (``$city``), else into the message.

Format: manual.sensorsdata.cn, 数据格式.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.events import Event, Reason
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
    event_time,
    invalid,
    key,
    node_table,
    read_json,
    required_text,
    text,
    unmapped,
)
from streams.formats.fields import exact_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Record
    from streams.funnel import Funnel

EVENT_NODES: Final[Mapping[str, str]] = {
    "BannerShow": "exposure",
    "ProductExposure": "exposure",
    "BannerClick": "click",
    "ProductClick": "click",
    "ViewProduct": "view",
    "AddToShoppingCart": "cart",
    "Checkout": "checkout",
    "SubmitOrder": "order",
    "PayOrder": "paid",
    "PayOrderFailed": "payment_failed",
    "CancelOrder": "cancelled",
    "RefundOrder": "refunded",
}


@dataclass(frozen=True, slots=True)
class SensorsFields:
    """Names of the properties that a shop's tracking plan uses.

    ``sku``, ``price``, ``quantity``, ``slot`` and ``banner`` are also the names inside each entry of ``items``.
    """

    slot: str = "slot_id"
    banner: str = "banner_id"
    sku: str = "product_id"
    order_id: str = "order_id"
    currency: str = "currency"
    items: str = "products"
    price: str = "product_price"
    quantity: str = "product_quantity"
    amount: str = "order_amount"
    payment_method: str = "payment_method"
    default_currency: str | None = "CNY"


class _Message(msgspec.Struct, gc=False):
    type: str | None = None
    event: str | None = None
    time: int | str | None = None
    distinct_id: str | int | None = None
    login_id: str | int | None = None
    anonymous_id: str | int | None = None
    track_id: str | int | None = msgspec.field(default=None, name="_track_id")
    properties: msgspec.Raw = msgspec.Raw(b"null")


_MESSAGE = msgspec.json.Decoder(_Message)
_PROPERTIES: msgspec.json.Decoder[dict[str, Any] | None] = msgspec.json.Decoder(
    dict[str, Any] | None, float_hook=exact_number
)


class SensorsDataFormat:
    """Decodes SensorsData track events."""

    name = "sensorsdata"

    def __init__(
        self,
        *,
        funnel: Funnel,
        events: Mapping[str, str | None] | None = None,
        extra_fields: tuple[str, ...] = (),
        fields: SensorsFields | None = None,
    ) -> None:
        self._nodes = node_table(EVENT_NODES, events or {}, funnel)
        self._extra = ExtraFields(extra_fields)
        self._fields = fields or SensorsFields()

    def decode(self, record: Record) -> tuple[Event, ...]:
        """Return the one event of a track message.

        Raises:
            RejectedRecord: the message is invalid, or tracks no mapped event.
        """
        document = check_document(record.value)
        message = read_json(_MESSAGE, document)
        if message.type not in (None, "track"):
            raise unmapped("type")
        node = self._nodes.get(required_text(message.event, "event"))
        if node is None:
            raise unmapped("event")
        values = read_json(_PROPERTIES, message.properties, "properties")
        properties = _Properties(values or {}, self._fields)
        items = properties.items()
        slot, banner = properties.placement()
        visitor = _visitor(message)
        event = Event(
            event_id=_id(message, visitor),
            time_ms=event_time(message.time, "time"),
            node=node,
            visitor_id=visitor,
            slot=agreed(slot, (item.slot for item in items)),
            banner=agreed(banner, (item.banner for item in items)),
            skus=distinct([properties.sku(), *(item.sku for item in items)]),
            extra=self._extra.read((message.properties, "properties"), (document, "")),
        )
        return (complete(event, properties.order(items)),)


class _Properties:
    """One JSON object of properties, read by the names of a shop's tracking plan."""

    def __init__(self, values: dict[str, Any], fields: SensorsFields, under: str = "properties") -> None:
        self._values = values
        self._fields = fields
        self._under = under

    def _at(self, name: str) -> tuple[object, str]:
        return self._values.get(name), f"{self._under}.{name}"

    def sku(self) -> str | None:
        return key(*self._at(self._fields.sku))

    def placement(self) -> tuple[str | None, str | None]:
        return key(*self._at(self._fields.slot)), key(*self._at(self._fields.banner))

    def items(self) -> list[Item]:
        """Return the products listed in the event."""
        listed, under = self._at(self._fields.items)
        if listed is None:
            return []
        if not isinstance(listed, list):
            raise invalid(Reason.WRONG_TYPE, under)
        check_count(listed, under)
        return [self._listed(entry, f"{under}[{index}]") for index, entry in enumerate(listed)]

    def _listed(self, entry: object, under: str) -> Item:
        if not isinstance(entry, dict):
            raise invalid(Reason.WRONG_TYPE, under)
        product = _Properties(entry, self._fields, under)
        return product.item(*product.placement())

    def item(self, slot: str | None = None, banner: str | None = None) -> Item:
        """Return the one product that these properties are."""
        price, price_field = self._at(self._fields.price)
        quantity, quantity_field = self._at(self._fields.quantity)
        return Item(self.sku(), price, quantity, slot, banner, price_field, quantity_field)

    def order(self, items: list[Item]) -> Order:
        """Return the order, its lines being ``items`` if there are any."""
        currency, currency_field = self._at(self._fields.currency)
        return Order(
            *self._at(self._fields.order_id),
            self._fields.default_currency if currency is None else currency,
            currency_field,
            items or self._whole(),
            self._at(self._fields.items)[1],
            *self._at(self._fields.payment_method),
        )

    def _whole(self) -> list[Item]:
        price, _ = self._at(self._fields.price)
        amount, amount_field = self._at(self._fields.amount)
        if price is not None:
            return [self.item()]
        return [] if amount is None else [Item(self.sku(), amount, None, None, None, amount_field, "")]


def _visitor(message: _Message) -> str:
    return (
        text(message.distinct_id, "distinct_id")
        or text(message.login_id, "login_id")
        or text(message.anonymous_id, "anonymous_id")
        or required_text(None, "distinct_id")
    )


def _id(message: _Message, visitor: str) -> str:
    parts = (visitor, str(message.time), str(message.event), str(message.track_id))
    return derived_id(*parts, bytes(message.properties).decode())
