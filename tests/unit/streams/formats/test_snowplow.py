"""Snowplow: entities of any model, and a real sample counted by hand. See ``fixtures/snowplow/README.md``."""

from __future__ import annotations

import csv
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from streams.errors import RejectedRecord
from streams.events import Event, Outcome, Record
from streams.formats.snowplow import EVENT_NODES, SnowplowFormat
from streams.funnel import Funnel
from tests.support.bad_fields import ACTION, PRODUCT, PROMOTION, TRANSACTION
from tests.support.snowplow_csv import enriched_events

SAMPLE = Path(__file__).parents[3] / "fixtures" / "snowplow" / "ecommerce_sample.jsonl"
FORMAT = SnowplowFormat(funnel=Funnel(), extra_fields=("platform",))


def decode(action: str | None, name: str | None = None, /, **fields: Any) -> Event:
    """The event of an action."""
    event: dict[str, Any] = {"event_id": "e1", "domain_userid": "d1", "derived_tstamp": "2025-11-09 12:00:00"}
    event |= {ACTION: {"type": action, "name": name}} if action else {}
    (decoded,) = FORMAT.decode(Record(0, 0, json.dumps(event | fields).encode()))
    return decoded


def sample() -> list[dict[str, Any]]:
    """The events of the sample."""
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


def decoded_sample() -> tuple[list[Event], Counter[Outcome]]:
    """The events that count, and how often records do not."""
    events: list[Event] = []
    rejected: Counter[Outcome] = Counter()
    for line in SAMPLE.read_bytes().splitlines():
        try:
            events += FORMAT.decode(Record(0, 0, line))
        except RejectedRecord as error:
            rejected[error.outcome] += 1
    return events, rejected


def test_the_sample_has_the_nodes_that_its_actions_say() -> None:
    """Counted from the plain JSON; the one refund names no order and is invalid."""
    actions = Counter(event.get(ACTION, {}).get("type") for event in sample())
    nodes: Counter[str] = Counter()
    for action, count in actions.items():
        if action in EVENT_NODES and action != "refund":
            nodes[EVENT_NODES[action]] += count
    events, rejected = decoded_sample()
    assert Counter(event.node for event in events) == nodes
    assert nodes == {"view": 76, "exposure": 32, "checkout": 24, "click": 22, "cart": 19, "paid": 13}
    assert rejected == {Outcome.UNMAPPED: actions[None] + actions["remove_from_cart"], Outcome.INVALID: 1}


def test_the_sample_has_the_takings_that_its_products_say() -> None:
    """Product prices, each in its own currency: one transaction says USD over a product priced in GBP."""
    takings: Counter[str] = Counter()
    for event in sample():
        if event.get(ACTION, {}).get("type") == "transaction":
            for product in event[PRODUCT]:
                takings[product["currency"]] += int(Decimal(str(product["price"])) * 100)
    events, _ = decoded_sample()
    counted: Counter[str] = Counter()
    for paid in (event for event in events if event.node == "paid"):
        counted[str(paid.currency)] += sum(line.amount_minor for line in paid.lines)
    assert counted == takings == {"EUR": 26_120, "GBP": 9_999}


def test_the_sample_has_the_skus_visitors_and_slots_of_its_entities() -> None:
    """List names are slots; mobile visitors are known by their session."""
    events, _ = decoded_sample()
    skus = {product["id"] for event in sample() for product in event.get(PRODUCT, [])}
    seen = {sku for event in events for sku in event.skus} | {
        line.sku for event in events for line in event.lines
    }
    assert seen == skus
    lists = {event.get(ACTION, {}).get("name") for event in sample()}
    assert (
        {event.slot for event in events}
        == lists
        == {None, "recommended", "shop the look", "snowplowProducts"}
    )
    assert "a16349a5-b57e-4afe-9737-87cd074b9edd" in {event.visitor_id for event in events}
    assert {event.extra for event in events} == {("web",), ("mob",)}


@pytest.mark.parametrize("model", ["1", "2", "14"])
def test_any_model_of_an_entity_is_read(model: str) -> None:
    """The number behind the key is the schema's model; fields we need have been there since the first."""
    event = decode(
        "transaction",
        **{
            f"{PRODUCT[:-1]}{model}": [{"id": "a", "price": 1, "currency": "EUR"}],
            f"{TRANSACTION[:-1]}{model}": [{"transaction_id": "O1"}],
        },
    )
    assert (event.order_id, event.currency, event.lines[0].amount_minor) == ("O1", "EUR", 100)


def test_a_key_that_only_begins_like_an_entity_is_none() -> None:
    """``..._product_review_1`` is no product."""
    other = PRODUCT.replace("_product_1", "_product_review_1")
    assert decode("product_view", **{other: [{"id": 5.5}]}).skus == ()


def test_the_slot_of_a_promotion_goes_before_the_name_of_the_list() -> None:
    """Both are places on a page; the entity says it outright."""
    promotion = {"id": "D11", "slot": "home_top_1"}
    assert decode("promo_view", "main", **{PROMOTION: [promotion]}).slot == "home_top_1"
    assert decode("promo_view", "main", **{PROMOTION: [{"id": "D11"}]}).slot == "main"
    assert decode("promo_view", **{PROMOTION: [promotion]}).banner == "D11"
    assert decode("promo_view", **{PROMOTION: [promotion | {"creative_id": "hero"}]}).banner == "hero"


def test_promotions_that_disagree_leave_no_slot() -> None:
    """One event cannot stand in two."""
    both = [{"id": "a", "slot": "x", "product_ids": ["S1"]}, {"id": "a", "slot": "y", "product_ids": ["S2"]}]
    event = decode("promo_view", **{PROMOTION: both})
    assert (event.slot, event.banner, event.skus) == (None, "a", ("S1", "S2"))


def test_the_currency_is_that_of_the_prices() -> None:
    """The transaction's stands in only if no product has one."""
    product = {"id": "a", "price": "9.99"}
    transaction = [{"transaction_id": "O1", "currency": "USD"}]
    own = decode("transaction", **{PRODUCT: [product | {"currency": "GBP"}], TRANSACTION: transaction})
    other = decode("transaction", **{PRODUCT: [product], TRANSACTION: transaction})
    assert (own.currency, other.currency) == ("GBP", "USD")


def test_currencies_matter_only_where_money_moves() -> None:
    """A list may show prices in several."""
    mixed = [{"id": "a", "price": 1, "currency": "EUR"}, {"id": "b", "price": "?", "currency": "GBP"}]
    assert decode("list_view", "search", **{PRODUCT: mixed}).skus == ("a", "b")


@pytest.mark.parametrize(
    ("written", "time_ms"),
    [
        ("2025-11-09T12:00:00.123Z", 1_762_689_600_123),
        ("2025-11-09 12:00:00.123", 1_762_689_600_123),
        ("2025-11-09 12:00:00", 1_762_689_600_000),
        ("2025-11-09 12:00:00.123000+00:00", 1_762_689_600_123),
        ("2025-11-09T12:00:00.123456", 1_762_689_600_123),
    ],
)
def test_a_time_without_an_offset_is_utc(written: str, time_ms: int) -> None:
    """All of Snowplow's times are; warehouses drop the Z."""
    assert decode("product_view", derived_tstamp=written).time_ms == time_ms


def test_the_visitor_is_the_best_known_of_four() -> None:
    """User, browser, mobile session, network."""
    session = {"contexts_com_snowplowanalytics_snowplow_client_session_1": [{"userId": "s1"}]}
    assert decode("product_view", user_id="u1", network_userid="n1").visitor_id == "u1"
    assert decode("product_view", network_userid="n1", **session).visitor_id == "d1"
    assert decode("product_view", domain_userid=None, network_userid="n1", **session).visitor_id == "s1"
    assert decode("product_view", domain_userid=None, network_userid="n1").visitor_id == "n1"


def test_events_of_other_kinds_go_by_their_name() -> None:
    """Unmapped, unless the configuration wants them."""
    with pytest.raises(RejectedRecord) as caught:
        decode(None, event_name="page_view", derived_tstamp=None)
    assert caught.value.outcome is Outcome.UNMAPPED
    form = SnowplowFormat(funnel=Funnel(), events={"page_view": "view"})
    event = {
        "event_id": "e",
        "event_name": "page_view",
        "domain_userid": "d",
        "derived_tstamp": 1_762_689_600_000,
    }
    assert form.decode(Record(0, 0, json.dumps(event).encode()))[0].node == "view"


def test_an_enriched_tsv_line_is_not_json() -> None:
    """It has to go through an analytics SDK first."""
    with pytest.raises(RejectedRecord, match="not_json"):
        FORMAT.decode(Record(0, 0, b"shop\tweb\t2025-11-09 12:00:00.123\tunstruct\te1"))


def test_the_adapter_turns_a_warehouse_row_into_the_json_of_the_sdks(tmp_path: Path) -> None:
    """Model numbers stay, lesser versions, nulls, empty lists and the person go."""
    table = tmp_path / "events.csv"
    columns = {
        "event_id": "e1",
        "user_id": "",
        "user_ipaddress": "203.0.113.9",
        f"{ACTION}_0_2": '{"type": "product_view", "name": null}',
        f"{PRODUCT}_0_0": '[{"id": "1236", "price": "12.0", "name": null}]',
        f"{TRANSACTION}_0_0": "[]",
        "contexts_com_snowplowanalytics_snowplow_ecommerce_user_1_0_0": '[{"id": "U1", "email": "a@example.org"}]',
    }
    with table.open("w", newline="") as lines:
        csv.writer(lines).writerows([columns.keys(), columns.values()])
    assert list(enriched_events(table)) == [
        {"event_id": "e1", ACTION: {"type": "product_view"}, PRODUCT: [{"id": "1236", "price": "12.0"}]}
    ]
