"""One's own JSON: dotted paths from the configuration say where each field stands.

A path is names joined by dots. A step into a list is an index from 0 (``lines.0.sku``), or ``*`` for every entry in the
paths ``sku`` and ``items``. A step that leads nowhere, or a null, means that the field is absent; a step into something
that is neither object nor list is ``wrong_type``.

- Event names are the nodes' own names and the order outcomes' unless ``events`` maps others.
- Time: milliseconds, or RFC 3339 with an offset.
- ``sku`` may lead to one SKU or to a list of them. Without it the SKUs are those of ``items``.
- Prices: decimal strings or JSON numbers, or with ``price_minor`` whole numbers of minor units.
- Extra dimensions are dotted paths of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.errors import ConfigError
from streams.events import Event, Reason
from streams.formats.base import (
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
    unmapped,
)
from streams.formats.fields import exact_number
from streams.funnel import ORDER_OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.events import Record
    from streams.funnel import Funnel

EVERY: Final = "*"
_MANY: Final = ("sku", "items")
_INDEX = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class MappingPaths:
    """Where the fields of an event stand; paths of an ``item_...`` start at one entry of ``items``."""

    event_id: str = "event_id"
    event_time: str = "event_time"
    event: str = "event"
    visitor_id: str = "visitor_id"
    slot: str = "slot"
    banner: str = "banner"
    sku: str = "sku"
    order_id: str = "order_id"
    currency: str = "currency"
    items: str = "items"
    item_sku: str = "sku"
    item_quantity: str = "quantity"
    item_price: str = "price"
    item_slot: str = "slot"
    item_banner: str = "banner"
    payment_method: str = "payment_method"
    price_minor: bool = False


class Path:
    """A compiled dotted path.

    Raises:
        ConfigError: it has an empty step, or a ``*`` where one value is wanted.
    """

    def __init__(self, setting: str, dotted: str, *, many: bool = False) -> None:
        self.dotted = dotted
        self._steps = tuple(dotted.split("."))
        if not all(self._steps):
            raise ConfigError(setting, "a dotted path such as context.page.slot")
        if EVERY in self._steps and not many:
            raise ConfigError(setting, "a dotted path to one value, without *")

    def find(self, document: object, under: str = "") -> tuple[object, str]:
        """Return the value at the path, None if there is none, and where it stands."""
        value: Any = document
        for step in self._steps:
            if not isinstance(value, dict):
                # Lists, absent parts and mistakes; what most paths never meet.
                return next(self._walk(document, under, 0), (None, _join(under, self.dotted)))
            value = value.get(step)
        return value, _join(under, self.dotted)

    def find_all(self, document: object) -> Iterator[tuple[object, str]]:
        """Return every value at the path, each with where it stands; lists at its end count as ``*``."""
        for value, field in self._walk(document, "", 0):
            if isinstance(value, list):
                yield from ((entry, f"{field}[{index}]") for index, entry in enumerate(value))
            else:
                yield value, field

    def _walk(self, value: object, field: str, depth: int) -> Iterator[tuple[object, str]]:
        if value is None:
            return
        if depth == len(self._steps):
            yield value, field
            return
        for entry, place in _step(value, self._steps[depth], field):
            yield from self._walk(entry, place, depth + 1)


def _step(value: object, step: str, field: str) -> list[tuple[object, str]]:
    if isinstance(value, dict) and step != EVERY:
        return [(value.get(step), _join(field, step))]
    if isinstance(value, list) and step == EVERY:
        return [(entry, f"{field}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, list) and _INDEX.fullmatch(step):
        index = int(step)
        return [(value[index], f"{field}[{index}]")] if index < len(value) else []
    raise invalid(Reason.WRONG_TYPE, field)


def _join(under: str, name: str) -> str:
    return f"{under}.{name}" if under else name


_DOCUMENT = msgspec.json.Decoder(dict[str, Any], float_hook=exact_number)


class MappingFormat:
    """Decodes JSON objects by the paths of a configuration."""

    name = "mapping"

    def __init__(
        self,
        *,
        funnel: Funnel,
        paths: MappingPaths,
        events: Mapping[str, str | None] | None = None,
        extra_fields: tuple[str, ...] = (),
    ) -> None:
        names = {node: node for node in (*funnel.nodes, *ORDER_OUTCOMES)}
        self._nodes = node_table(names, events or {}, funnel)
        self._paths = {
            field.name: Path(f"mapping.{field.name}", getattr(paths, field.name), many=field.name in _MANY)
            for field in fields(paths)
            if field.name != "price_minor"
        }
        self._price_minor = paths.price_minor
        self._extra = [Path("dimensions", field) for field in extra_fields]
        self.paths = paths

    def decode(self, record: Record) -> tuple[Event, ...]:
        """Return the one event of a record.

        Raises:
            RejectedRecord: the record is invalid, or its event name is mapped to no node.
        """
        document = read_json(_DOCUMENT, check_document(record.value))
        name, name_field = self._at("event", document)
        node = self._nodes.get(required_text(name, name_field))
        if node is None:
            raise unmapped(name_field)
        items = self._items(document)
        event = Event(
            event_id=required_text(*self._at("event_id", document)),
            time_ms=event_time(*self._at("event_time", document)),
            node=node,
            visitor_id=required_text(*self._at("visitor_id", document)),
            slot=agreed(key(*self._at("slot", document)), (item.slot for item in items)),
            banner=agreed(key(*self._at("banner", document)), (item.banner for item in items)),
            skus=self._skus(document, items),
            extra=tuple(key(*path.find(document)) for path in self._extra),
        )
        return (complete(event, self._order(document, items)),)

    def _at(self, name: str, document: object, under: str = "") -> tuple[object, str]:
        return self._paths[name].find(document, under)

    def _skus(self, document: object, items: list[Item]) -> tuple[str, ...]:
        own = [key(*found) for found in self._paths["sku"].find_all(document)]
        check_count(own, self._paths["sku"].dotted)
        return distinct(own) or distinct(item.sku for item in items)

    def _items(self, document: object) -> list[Item]:
        found = list(self._paths["items"].find_all(document))
        check_count(found, self._paths["items"].dotted)
        return [self._item(entry, field) for entry, field in found]

    def _item(self, entry: object, under: str) -> Item:
        if not isinstance(entry, dict):
            raise invalid(Reason.WRONG_TYPE, under)
        price, price_field = self._at("item_price", entry, under)
        if self._price_minor and isinstance(price, Decimal):
            raise invalid(Reason.WRONG_TYPE, price_field)
        quantity, quantity_field = self._at("item_quantity", entry, under)
        return Item(
            key(*self._at("item_sku", entry, under)),
            price,
            quantity,
            key(*self._at("item_slot", entry, under)),
            key(*self._at("item_banner", entry, under)),
            price_field,
            quantity_field,
        )

    def _order(self, document: object, items: list[Item]) -> Order:
        return Order(
            *self._at("order_id", document),
            *self._at("currency", document),
            items,
            self._paths["items"].dotted,
            *self._at("payment_method", document),
            prices_are_minor=self._price_minor,
        )
