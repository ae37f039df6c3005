"""GA4: what one payload of several events means. Its samples are in ``fixtures/formats/ga4.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import RejectedRecord
from streams.events import Event, Outcome, Reason, Record
from streams.formats.ga4 import MAX_EVENTS, Ga4Format
from streams.funnel import Funnel

MICROS = 1_762_689_603_125_999


def payload(*events: dict[str, Any], **fields: Any) -> bytes:
    """A payload of some events."""
    return json.dumps({"client_id": "1.2", "timestamp_micros": MICROS, "events": events} | fields).encode()


def decode(
    value: bytes, events: dict[str, str | None] | None = None, timestamp_ms: int = 0
) -> tuple[Event, ...]:
    """The events of a payload."""
    return Ga4Format(funnel=Funnel(), events=events).decode(Record(0, timestamp_ms, value))


def test_the_same_payload_has_the_same_ids() -> None:
    """A resent payload is a duplicate; GA4 gives events no ids, so they are derived."""
    value = payload({"name": "view_item"}, {"name": "view_item", "params": {"items": [{"item_id": "a"}]}})
    first, second = decode(value)
    assert (first, second) == decode(value)
    assert first.event_id != second.event_id
    assert [event.event_id.rpartition("#")[2] for event in (first, second)] == ["0", "1"]


@pytest.mark.parametrize(
    "other",
    [
        payload({"name": "add_to_cart", "params": {"items": [{"item_id": "a"}]}}),
        payload({"name": "view_item", "params": {"items": [{"item_id": "b"}]}}),
        payload({"name": "view_item", "params": {"items": [{"item_id": "a"}]}}, user_id="u"),
        payload({"name": "view_item", "params": {"items": [{"item_id": "a"}]}}, timestamp_micros=MICROS + 1),
    ],
)
def test_another_event_has_another_id(other: bytes) -> None:
    """Another name, item, visitor or microsecond; a page may send several events within one."""
    (event,) = decode(payload({"name": "view_item", "params": {"items": [{"item_id": "a"}]}}))
    assert decode(other)[0].event_id != event.event_id


def test_an_id_of_ones_own_is_kept() -> None:
    """On the event or in its params, with the event's place behind it."""
    value = payload({"name": "view_item", "event_id": "a"}, {"name": "view_item", "params": {"event_id": 7}})
    assert [event.event_id for event in decode(value)] == ["a#0", "7#1"]


def test_microseconds_are_cut_to_milliseconds() -> None:
    """Never rounded into the next bucket; digits in a text are fine too."""
    assert decode(payload({"name": "view_item"}))[0].time_ms == 1_762_689_603_125
    assert (
        decode(payload({"name": "view_item"}, timestamp_micros=str(MICROS)))[0].time_ms == 1_762_689_603_125
    )


def test_without_a_timestamp_the_event_happened_when_it_was_sent() -> None:
    """As GA4 has it; the record's own time stays the same on a replay."""
    value = payload({"name": "view_item"}, timestamp_micros=None)
    assert decode(value, timestamp_ms=1_762_689_604_000)[0].time_ms == 1_762_689_604_000
    with pytest.raises(RejectedRecord) as caught:
        decode(value, timestamp_ms=-1)
    assert (caught.value.reason, caught.value.field) == (Reason.MISSING_FIELD, "timestamp_micros")


def test_an_unmapped_event_is_passed_over_whatever_it_carries() -> None:
    """Its params may be of any shape; the mapped events beside it count."""
    value = payload({"name": "scroll", "params": 5, "timestamp_micros": 1}, {"name": "view_item"})
    (event,) = decode(value)
    assert event.event_id.endswith("#1")


def test_a_payload_of_unmapped_events_is_unmapped() -> None:
    """And so is one whose events are ignored on purpose."""
    with pytest.raises(RejectedRecord) as caught:
        decode(payload({"name": "view_item"}, {"name": "scroll"}), {"view_item": None})
    assert caught.value.outcome is Outcome.UNMAPPED


def test_events_of_ones_own_can_be_mapped() -> None:
    """The configuration is laid over the preset."""
    (event,) = decode(
        payload({"name": "order_placed", "params": {"transaction_id": "O"}}), {"order_placed": "cancelled"}
    )
    assert (event.node, event.order_id) == ("cancelled", "O")


def test_twenty_five_events_fit() -> None:
    """The limit is Google's, and inclusive."""
    assert len(decode(payload(*[{"name": "view_item"}] * MAX_EVENTS))) == MAX_EVENTS


def test_nulls_are_absent() -> None:
    """Everywhere but in what is needed."""
    value = payload({"name": "view_item", "params": None}, {"name": "view_item", "params": {"items": None}})
    assert [event.skus for event in decode(value)] == [(), ()]
