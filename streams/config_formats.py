"""The section ``formats``: how events are written in the two source topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from streams.config_section import Section
from streams.config_types import (
    FieldPath,
    FormatName,
    FromText,
    InnerFormat,
    Name,
    NullWord,
    Text,
    one_of_or_off,
)
from streams.core.money import EXPONENTS


class MappedFields(Section):
    """Where the format ``mapping`` finds things: dotted paths into the event.

    Paths of an ``item_...`` start at one entry of ``items``. ``price_minor`` says that prices are
    whole minor units (cents) instead of decimal strings.
    """

    event_id: FieldPath = "event_id"
    event_time: FieldPath = "event_time"
    event: FieldPath = "event"
    visitor_id: FieldPath = "visitor_id"
    slot: FieldPath = "slot"
    banner: FieldPath = "banner"
    sku: FieldPath = "sku"
    order_id: FieldPath = "order_id"
    currency: FieldPath = "currency"
    items: FieldPath = "items"
    item_sku: FieldPath = "sku"
    item_quantity: FieldPath = "quantity"
    item_price: FieldPath = "price"
    item_slot: FieldPath = "slot"
    item_banner: FieldPath = "banner"
    price_minor: bool = False
    payment_method: FieldPath = "payment_method"


class SensorsDataFields(Section):
    """Names of the properties that the tracking plan of a shop with ``sensorsdata`` uses.

    ``sku``, ``price``, ``quantity``, ``slot`` and ``banner`` are also the names inside each entry of
    ``items``. ``default_currency`` is that of orders which carry none; ``off`` refuses those.
    """

    slot: Text = "slot_id"
    banner: Text = "banner_id"
    sku: Text = "product_id"
    order_id: Text = "order_id"
    currency: Text = "currency"
    items: Text = "products"
    price: Text = "product_price"
    quantity: Text = "product_quantity"
    amount: Text = "order_amount"
    payment_method: Text = "payment_method"
    default_currency: Annotated[str | None, one_of_or_off(EXPONENTS, "an ISO 4217 code such as CNY")] = "CNY"


class Formats(Section):
    """The input format of each source topic, and names of events beyond the format's own.

    ``events`` maps names of events to nodes; null passes an event over on purpose.
    """

    clickstream: FormatName = "native"
    orders: FormatName = "native"
    events: Annotated[Mapping[Text, Annotated[Name | None, NullWord]], FromText, Field(max_length=500)] = {}
    mapping: MappedFields = MappedFields()
    sensorsdata: SensorsDataFields = SensorsDataFields()
    cloudevents_data: InnerFormat = "native"
