"""Segment: which call counts, and what ``position`` means. Samples are in ``fixtures/formats/segment.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import RejectedRecord
from streams.events import Event, Outcome, Record
from streams.formats.segment import EVENT_NODES, SegmentFormat
from streams.funnel import Funnel


def decode(
    event: str, properties: object = None, events: dict[str, str | None] | None = None, **fields: Any
) -> Event:
    """The event of a track call."""
    message: dict[str, Any] = {"type": "track", "event": event, "messageId": "m1", "anonymousId": "a1"}
    message |= {"timestamp": "2025-11-09T12:00:00Z", "properties": properties} | fields
    (decoded,) = SegmentFormat(funnel=Funnel(), events=events).decode(
        Record(0, 0, json.dumps(message).encode())
    )
    return decoded


@pytest.mark.parametrize(
    "name", ["Promotion Viewed", "Promotion Clicked", "Viewed Promotion", "Clicked Promotion"]
)
def test_position_is_the_slot_of_a_promotion(name: str) -> None:
    """In spec v2 and v1."""
    assert decode(name, {"position": "home_top_1"}).slot == "home_top_1"


@pytest.mark.parametrize("name", ["Product Clicked", "Product Viewed", "Product Added"])
def test_position_is_a_rank_in_any_other_event(name: str) -> None:
    """A chart of slots named 1, 2 and 3 would mean nothing."""
    assert decode(name, {"position": 3}).slot is None


def test_a_promotion_event_of_ones_own_has_a_slot_too() -> None:
    """It says promotion in its name."""
    seen = decode("Seasonal promotion seen", {"position": "top"}, {"Seasonal promotion seen": "exposure"})
    assert (seen.node, seen.slot) == ("exposure", "top")


@pytest.mark.parametrize("kind", ["page", "screen", "identify", "group", "alias"])
def test_other_calls_are_unmapped_whatever_they_carry(kind: str) -> None:
    """They are no bad input."""
    with pytest.raises(RejectedRecord) as caught:
        decode("Order Completed", 5, type=kind, timestamp=None, anonymousId=None)
    assert (caught.value.outcome, caught.value.field) == (Outcome.UNMAPPED, "type")


def test_an_unmapped_event_may_have_properties_of_any_shape() -> None:
    """Its name is looked at first."""
    with pytest.raises(RejectedRecord) as caught:
        decode("Cart Viewed", {"products": "none"}, timestamp=5)
    assert (caught.value.outcome, caught.value.field) == (Outcome.UNMAPPED, "event")


def test_events_without_properties_are_fine_where_none_are_needed() -> None:
    """Null or nothing."""
    assert decode("Checkout Started").node == "checkout"


def test_a_known_user_is_the_visitor() -> None:
    """Else the anonymous one."""
    assert decode("Product Viewed", userId="u1").visitor_id == "u1"
    assert decode("Product Viewed", userId=None).visitor_id == "a1"


def test_the_corrected_time_goes_before_the_original() -> None:
    """Segment's timestamp has the client's clock skew taken out."""
    event = decode("Product Viewed", originalTimestamp="2031-01-01T00:00:00Z")
    assert event.time_ms == 1_762_689_600_000


def test_the_sku_goes_before_the_product_id_and_a_product_may_have_neither() -> None:
    """The order counts all the same."""
    products = [{"sku": "S", "product_id": "P", "price": 1}, {"product_id": "P", "price": 1}, {"price": 1}]
    event = decode("Order Completed", {"order_id": "O", "currency": "EUR", "products": products})
    assert [line.sku for line in event.lines] == ["S", "P", None]


def test_old_names_mean_what_the_new_ones_mean() -> None:
    """The aliases that Segment keeps."""
    assert EVENT_NODES["Viewed Promotion"] == EVENT_NODES["Promotion Viewed"]
    assert EVENT_NODES["Completed Order"] == EVENT_NODES["Order Completed"]
    assert EVENT_NODES["Viewed Product Category"] == EVENT_NODES["Product List Viewed"]
