"""SensorsData: every shop has its own tracking plan. Samples are in ``fixtures/formats/sensorsdata.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import RejectedRecord
from streams.events import Event, Outcome, Reason, Record
from streams.formats.sensorsdata import SensorsDataFormat, SensorsFields
from streams.funnel import Funnel

T = 1_762_689_603_125


def message(event: str, properties: object = None, **fields: Any) -> bytes:
    """A track message."""
    track = {
        "type": "track",
        "event": event,
        "distinct_id": "u1",
        "time": T,
        "_track_id": 1,
        "properties": properties,
    }
    return json.dumps(track | fields).encode()


def decode(
    value: bytes, fields: SensorsFields | None = None, events: dict[str, str | None] | None = None
) -> Event:
    """Its event."""
    (event,) = SensorsDataFormat(funnel=Funnel(), fields=fields, events=events).decode(Record(0, 0, value))
    return event


@pytest.mark.parametrize("kind", ["profile_set", "profile_increment", "track_signup", "item_set"])
def test_only_track_messages_are_events(kind: str) -> None:
    """The others tell of users and items, in shapes of their own."""
    with pytest.raises(RejectedRecord) as caught:
        decode(message("$SignUp", 5, type=kind, time=None))
    assert (caught.value.outcome, caught.value.field) == (Outcome.UNMAPPED, "type")


def test_a_track_id_does_not_stand_alone() -> None:
    """Nine digits repeat within the hour: two visitors with one track id are two events, a message sent twice is one."""
    first = decode(message("ViewProduct"))
    assert first.event_id == decode(message("ViewProduct")).event_id
    others: list[dict[str, Any]] = [
        {"distinct_id": "u2"},
        {"time": T + 1},
        {"_track_id": 2},
        {"_track_id": None},
        {"properties": {"a": 1}},
    ]
    ids = {first.event_id} | {decode(message("ViewProduct", **other)).event_id for other in others}
    assert len(ids) == 1 + len(others)


def test_the_names_of_properties_are_the_shops() -> None:
    """All of them, also inside a list of products."""
    plan = SensorsFields(
        slot="resource_position",
        banner="material_id",
        sku="SkuId",
        order_id="OrderNo",
        currency="Ccy",
        items="Details",
        price="Price",
        quantity="Num",
        payment_method="PayWay",
    )
    line = {"SkuId": 12345, "Price": "1.250", "Num": 2, "resource_position": "p1", "material_id": "m1"}
    event = decode(message("PayOrder", {"OrderNo": 9, "Ccy": "KWD", "Details": [line]}), plan)
    assert (event.order_id, event.currency) == ("9", "KWD")
    assert [(x.sku, x.quantity, x.amount_minor, x.slot, x.banner) for x in event.lines] == [
        ("12345", 2, 2500, "p1", "m1")
    ]
    assert decode(message("BannerShow", {"resource_position": "p1", "product_id": "x"}), plan).skus == ()


def test_the_names_of_events_are_the_shops() -> None:
    """The preset is common practice, no more."""
    assert decode(message("ExposeBanner"), events={"ExposeBanner": "exposure"}).node == "exposure"


@pytest.mark.parametrize(
    ("properties", "amounts"),
    [
        (
            {"products": [{"product_price": 1}, {"product_price": 2}], "product_price": 9, "order_amount": 9},
            [100, 200],
        ),
        ({"product_price": 1.5, "product_quantity": 2, "order_amount": 9}, [300]),
        ({"order_amount": 9.99}, [999]),
    ],
)
def test_the_lines_are_the_most_that_the_message_says(properties: dict[str, Any], amounts: list[int]) -> None:
    """The products, else the one product, else the order's amount."""
    event = decode(message("PayOrder", properties | {"order_id": "O1"}))
    assert [line.amount_minor for line in event.lines] == amounts
    assert event.currency == "CNY"


def test_without_a_default_the_currency_must_be_there() -> None:
    """For shops that sell in several."""
    plan = SensorsFields(default_currency=None)
    with pytest.raises(RejectedRecord) as caught:
        decode(message("PayOrder", {"order_id": "O1", "order_amount": 1}), plan)
    assert (caught.value.reason, caught.value.field) == (Reason.MISSING_FIELD, "properties.currency")


def test_prices_are_read_as_they_are_written() -> None:
    """Not as the nearest binary float: 1.005 is halfway, and rounds to even."""
    raw = message("PayOrder", {"order_id": "O1", "order_amount": "@"}).replace(
        b'"@"', b"1.00500000000000000000000001"
    )
    assert decode(raw).lines[0].amount_minor == 101


def test_the_visitor_may_stand_in_newer_fields() -> None:
    """Newer versions send login_id and anonymous_id."""
    assert (
        decode(message("ViewProduct", distinct_id=None, login_id="l1", anonymous_id="a1")).visitor_id == "l1"
    )
    assert decode(message("ViewProduct", distinct_id=None, anonymous_id="a1")).visitor_id == "a1"
