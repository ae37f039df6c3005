"""An independent count of the Snowplow sample, from its warehouse tables or from its JSON lines.

Shares nothing with the formats, the core or :mod:`tests.support.snowplow_csv`: the tables are joined on their
``root_id`` as an analyst would, and counted by hand in the order of time. Written for this sample: it has no
duplicates, no promotion entities, and each order is refunded or cancelled by nobody.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.pages import Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NODES = {
    "list_view": "exposure",
    "promo_view": "exposure",
    "list_click": "click",
    "promo_click": "click",
    "product_view": "view",
    "add_to_cart": "cart",
    "checkout_step": "checkout",
    "transaction": "paid",
}
_NONE = "(none)"
_WINDOW = timedelta(minutes=30)
_PREFIX = "com_snowplowanalytics_snowplow_"
_EVENT_PREFIX = f"unstruct_event_{_PREFIX}ecommerce_snowplow_"
_ENTITY_PREFIX = f"contexts_{_PREFIX}"


class Product(NamedTuple):
    """A product as the tracker named it."""

    sku: str
    price: str
    currency: str


class Action(NamedTuple):
    """One thing a visitor did; ``slot`` is the name of the list, or empty."""

    time: datetime
    visitor: str
    type: str
    slot: str
    products: list[Product]
    order: bool


def actions_in_tables(folder: Path) -> Iterator[Action]:
    """The rows of the events table joined with those of their entities."""
    actions = _by_event(folder, "ecommerce_action")
    products = _by_event(folder, "ecommerce_product")
    orders = _by_event(folder, "ecommerce_transaction")
    sessions = _by_event(folder, "client_session")
    for row in _table(folder / "snowplow_ecommerce_events.csv"):
        number = row["event_id"]
        # The action of one event stands in the events table only.
        action = actions[number][0] if actions[number] else _own_action(row)
        yield Action(
            _time(row["derived_tstamp"]),
            row["domain_userid"] or _session_user(sessions[number]) or row["network_userid"],
            action.get("type", ""),
            action.get("name", ""),
            [Product(product["id"], product["price"], product["currency"]) for product in products[number]],
            order=any(order["transaction_id"] for order in orders[number]),
        )


def _own_action(row: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = json.loads(row[f"{_EVENT_PREFIX}ecommerce_action_1_0_0"] or "{}")
    return found


def _session_user(sessions: list[dict[str, str]]) -> str:
    return sessions[0]["user_id"] if sessions else ""


def _by_event(folder: Path, entity: str) -> defaultdict[str, list[dict[str, str]]]:
    found: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _table(folder / f"{_PREFIX}{entity}_1.csv"):
        found[row["root_id"]].append(row)
    return found


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def actions_in_lines(path: Path) -> Iterator[Action]:
    """The events of a file of analytics-SDK JSON lines."""
    for line in path.read_text("utf-8").splitlines():
        event: dict[str, Any] = json.loads(line)
        action = event.get(f"{_EVENT_PREFIX}ecommerce_action_1", {})
        products = event.get(f"{_ENTITY_PREFIX}ecommerce_product_1", [])
        session = event.get(f"{_ENTITY_PREFIX}client_session_1", [{}])[0]
        orders = event.get(f"{_ENTITY_PREFIX}ecommerce_transaction_1", [])
        yield Action(
            _time(event["derived_tstamp"]),
            event.get("domain_userid") or session.get("userId") or event["network_userid"],
            action.get("type", ""),
            action.get("name", ""),
            [Product(item["id"], str(item.get("price", "")), item.get("currency", "")) for item in products],
            order=any(order.get("transaction_id") for order in orders),
        )


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Click(NamedTuple):
    time: datetime
    slot: str


def count(actions: Iterable[Action], topic: str) -> Totals:
    """What all actions, sent to one topic in the order of time, must count to."""
    totals = Totals()
    clicks: dict[tuple[str, str | None], _Click] = {}
    marks: dict[tuple[str, ...], datetime] = {}
    for action in sorted(actions, key=lambda action: action.time):
        totals.records[topic, _outcome(action)] += 1
        if _outcome(action) == "accepted":
            _count(action, totals, clicks, marks)
    return totals


def _outcome(action: Action) -> str:
    if action.type == "refund":
        assert not action.order, "the sample's one refund names no order"
        return "invalid"
    return "accepted" if action.type in NODES else "unmapped"


def _count(
    action: Action,
    totals: Totals,
    clicks: dict[tuple[str, str | None], _Click],
    marks: dict[tuple[str, ...], datetime],
) -> None:
    node = NODES[action.type]
    placed = [(sku, _slot(action, sku, clicks)) for sku in _skus(action)]
    keys = {("all", "all"), ("banner", _NONE)}
    keys |= {pair for sku, slot in placed for pair in (("sku", sku), ("slot", slot))}
    for key in keys:
        totals.events[*key, node] += 1
        mark = marks.get((action.visitor, *key, node))
        if node != "exposure" and (mark is None or action.time - mark > _WINDOW):
            marks[action.visitor, *key, node] = action.time
            totals.visitors[*key, node] += 1
    if node == "click":
        for sku in (None, *_skus(action)):
            clicks[action.visitor, sku] = _Click(action.time, action.slot or _NONE)
    if node == "paid":
        _take_money(action, totals, dict(placed), keys)


def _skus(action: Action) -> list[str]:
    return sorted({product.sku for product in action.products}) or [_NONE]


def _slot(action: Action, sku: str, clicks: dict[tuple[str, str | None], _Click]) -> str:
    """The list that the action names, else that of the visitor's newest click, first one on the SKU."""
    if action.slot or NODES[action.type] in ("exposure", "click"):
        return action.slot or _NONE
    for click in (clicks.get((action.visitor, sku)), clicks.get((action.visitor, None))):
        if click and action.time - click.time <= _WINDOW:
            return click.slot
    return _NONE


def _take_money(action: Action, totals: Totals, slots: dict[str, str], keys: set[tuple[str, str]]) -> None:
    for key in keys:
        totals.orders[*key, "paid"] += 1
    for product in action.products:
        cents = int(Decimal(product.price) * 100)
        for key in (("all", "all"), ("banner", _NONE), ("sku", product.sku), ("slot", slots[product.sku])):
            totals.revenue[*key, product.currency, "paid"] += cents
