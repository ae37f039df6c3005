"""Snowplow e-commerce events, as the analytics SDKs turn the enriched stream into JSON.

One record is one enriched event. What happened is the ``type`` of the self-describing event
``snowplow_ecommerce_action``; what it happened to stands in entities: ``promotion``, ``product``, ``transaction``. The
keys that carry them end in the model number of their schema (``..._1``), and any model is read. Events of other kinds
(``page_view``) go by their ``event_name`` and are unmapped unless the configuration maps it. The enriched TSV itself is
not JSON and is rejected as such.

- Id: ``event_id``. Visitor: ``user_id``, else ``domain_userid``, else the ``userId`` of the mobile trackers' session
  entity, else ``network_userid``.
- Time: ``derived_tstamp`` (the client's clock corrected), else ``collector_tstamp``; without an offset it is UTC, as all
  of Snowplow's times are.
- Slot: ``promotion.slot``, else the ``name`` of the action, which names the list shown or clicked. Banner:
  ``promotion.creative_id``, else ``promotion.id``.
- SKU: ``product.id`` of each product, and ``promotion.product_ids``.
- ``transaction`` is ``paid``: its lines are the products at ``price`` x ``quantity``. The currency is the products' own,
  which is what their prices are in, else the transaction's; products in different currencies are rejected.
- Extra dimensions: paths into the event (``platform``, ``mkt_campaign``).

Fields: github.com/snowplow/iglu-central, schemas/com.snowplowanalytics.snowplow.ecommerce.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import msgspec

from streams.events import Event, Reason
from streams.formats.base import (
    PLACING_NODES,
    ExtraFields,
    Item,
    Order,
    agreed,
    check_count,
    check_document,
    complete,
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
from streams.funnel import ORDER_OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Record
    from streams.funnel import Funnel

EVENT_NODES: Final[Mapping[str, str]] = {
    "promo_view": "exposure",
    "list_view": "exposure",
    "promo_click": "click",
    "list_click": "click",
    "product_view": "view",
    "add_to_cart": "cart",
    "checkout_step": "checkout",
    "transaction": "paid",
    "trns_error": "payment_failed",
    "refund": "refunded",
}

_VENDOR = "com_snowplowanalytics_snowplow"
_ACTION = f"unstruct_event_{_VENDOR}_ecommerce_snowplow_ecommerce_action_"
_PRODUCT = f"contexts_{_VENDOR}_ecommerce_product_"
_PROMOTION = f"contexts_{_VENDOR}_ecommerce_promotion_"
_TRANSACTION = f"contexts_{_VENDOR}_ecommerce_transaction_"
_SESSION = f"contexts_{_VENDOR}_client_session_"
_NO_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?")

T = TypeVar("T")
_Parts = dict[str, msgspec.Raw]


class _Atomic(msgspec.Struct, gc=False):
    event_id: str | None = None
    event_name: str | None = None
    derived_tstamp: str | int | None = None
    collector_tstamp: str | int | None = None
    user_id: str | int | None = None
    domain_userid: str | None = None
    network_userid: str | None = None


class _Action(msgspec.Struct, gc=False):
    type: str | None = None
    name: str | None = None


class _Product(msgspec.Struct, gc=False):
    id: str | int | None = None
    price: str | int | float | None = None
    quantity: str | int | float | None = None
    currency: str | None = None


class _Promotion(msgspec.Struct, gc=False):
    id: str | int | None = None
    slot: str | None = None
    creative_id: str | None = None
    product_ids: list[str | int] | None = None


class _Transaction(msgspec.Struct, gc=False):
    transaction_id: str | int | None = None
    currency: str | None = None
    payment_method: str | None = None


class _Session(msgspec.Struct, gc=False, rename="camel"):
    user_id: str | None = None


class _Found(NamedTuple, Generic[T]):
    """An entity, or a list of them, and the key under which it stands or would stand."""

    value: T | None
    field: str


_ATOMIC = msgspec.json.Decoder(_Atomic)
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ACTIONS: msgspec.json.Decoder[_Action | None] = msgspec.json.Decoder(_Action | None)
_PRODUCTS: msgspec.json.Decoder[list[_Product] | None] = msgspec.json.Decoder(list[_Product] | None)
_PROMOTIONS: msgspec.json.Decoder[list[_Promotion] | None] = msgspec.json.Decoder(list[_Promotion] | None)
_TRANSACTIONS: msgspec.json.Decoder[list[_Transaction] | None] = msgspec.json.Decoder(
    list[_Transaction] | None
)
_SESSIONS: msgspec.json.Decoder[list[_Session] | None] = msgspec.json.Decoder(list[_Session] | None)


class SnowplowFormat:
    """Decodes Snowplow analytics-SDK JSON."""

    name = "snowplow"

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
        """Return the one event of an enriched event.

        Raises:
            RejectedRecord: the event is invalid, or its action is mapped to no node.
        """
        document = check_document(record.value)
        atomic = read_json(_ATOMIC, document)
        parts = read_json(_PARTS, document)
        node, listed = self._node(atomic, parts)
        products = _find(parts, _PRODUCT, _PRODUCTS)
        items = _items(products)
        slot, banner, shown = _promoted(_find(parts, _PROMOTION, _PROMOTIONS))
        skus = distinct([*(item.sku for item in items), *shown])
        check_count(skus, products.field)
        event = Event(
            event_id=required_text(atomic.event_id, "event_id"),
            time_ms=_time(atomic),
            node=node,
            visitor_id=_visitor(atomic, parts),
            slot=listed if slot is None else slot,
            banner=banner,
            skus=skus,
            extra=self._extra.read((document, "")),
        )
        if node in ORDER_OUTCOMES or node in PLACING_NODES:
            complete(event, _order(_find(parts, _TRANSACTION, _TRANSACTIONS), products, items))
        return (event,)

    def _node(self, atomic: _Atomic, parts: _Parts) -> tuple[str, str | None]:
        """Return the node, and the name of the list that was shown or clicked."""
        action, field = _find(parts, _ACTION, _ACTIONS)
        name, name_field = (action.type, f"{field}.type") if action else (atomic.event_name, "event_name")
        node = self._nodes.get(required_text(name, name_field))
        if node is None:
            raise unmapped(name_field)
        return node, key(action.name, f"{field}.name") if action else None


def _find(parts: _Parts, prefix: str, decoder: msgspec.json.Decoder[T | None]) -> _Found[T]:
    """Decode the part whose key is ``prefix`` and a model number."""
    for name, raw in parts.items():
        if name.startswith(prefix) and name[len(prefix) :].isdecimal():
            return _Found(read_json(decoder, raw, name), name)
    return _Found(None, f"{prefix}1")


def _time(atomic: _Atomic) -> int:
    if atomic.derived_tstamp is None and atomic.collector_tstamp is not None:
        return event_time(_in_utc(atomic.collector_tstamp), "collector_tstamp")
    return event_time(_in_utc(atomic.derived_tstamp), "derived_tstamp")


def _in_utc(value: str | int | None) -> str | int | None:
    return f"{value}Z" if isinstance(value, str) and _NO_OFFSET.fullmatch(value) else value


def _visitor(atomic: _Atomic, parts: _Parts) -> str:
    visitor = text(atomic.user_id, "user_id") or text(atomic.domain_userid, "domain_userid")
    if visitor is None:
        sessions, field = _find(parts, _SESSION, _SESSIONS)
        visitor = text(sessions[0].user_id, f"{field}[0].userId") if sessions else None
    return visitor or text(atomic.network_userid, "network_userid") or required_text(None, "domain_userid")


def _items(products: _Found[list[_Product]]) -> list[Item]:
    found, field = products
    check_count(found or (), field)
    return [_item(product, f"{field}[{index}]") for index, product in enumerate(found or ())]


def _item(product: _Product, under: str) -> Item:
    sku = key(product.id, f"{under}.id")
    if sku is None:
        raise invalid(Reason.MISSING_FIELD, f"{under}.id")
    return Item(sku, product.price, product.quantity, None, None, f"{under}.price", f"{under}.quantity")


def _promoted(promotions: _Found[list[_Promotion]]) -> tuple[str | None, str | None, list[str | None]]:
    """Return slot and banner, None where several promotions disagree, and the SKUs shown."""
    found, field = promotions
    slots: list[str | None] = []
    banners: list[str | None] = []
    skus: list[str | None] = []
    for index, promotion in enumerate(found or ()):
        under = f"{field}[{index}]"
        slots.append(key(promotion.slot, f"{under}.slot"))
        creative = key(promotion.creative_id, f"{under}.creative_id")
        banners.append(key(promotion.id, f"{under}.id") if creative is None else creative)
        skus += [key(sku, f"{under}.product_ids[{i}]") for i, sku in enumerate(promotion.product_ids or ())]
    return agreed(None, slots), agreed(None, banners), skus


def _order(
    transactions: _Found[list[_Transaction]], products: _Found[list[_Product]], items: list[Item]
) -> Order:
    under = f"{transactions.field}[0]"
    transaction = transactions.value[0] if transactions.value else _Transaction()
    currency, currency_field = _currency(products)
    if currency is None:
        currency, currency_field = transaction.currency, f"{under}.currency"
    return Order(
        transaction.transaction_id,
        f"{under}.transaction_id",
        currency,
        currency_field,
        items,
        products.field,
        transaction.payment_method,
        f"{under}.payment_method",
    )


def _currency(products: _Found[list[_Product]]) -> tuple[str | None, str]:
    """Return the currency in which all products are priced, None if none names one, and its field."""
    currency, field = None, ""
    for index, product in enumerate(products.value or ()):
        own = f"{products.field}[{index}].currency"
        if currency is None:
            currency, field = product.currency, own
        elif product.currency not in (None, currency):
            raise invalid(Reason.UNKNOWN_CURRENCY, own)
    return currency, field
