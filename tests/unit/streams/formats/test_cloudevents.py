"""CloudEvents: what the envelope gives and what the data keeps. Samples are in ``fixtures/formats/cloudevents.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import RejectedRecord
from streams.events import Event, Reason, Record
from streams.formats.cloudevents import DATA_FIELDS, CloudEventsFormat
from streams.formats.mapping import MappingPaths
from streams.formats.registry import FORMAT_NAMES, create_format
from streams.funnel import Funnel
from tests.support.bad_records import VALID

T = 1_762_689_603_125
ENVELOPE = {
    "specversion": "1.0",
    "id": "1",
    "source": "/s",
    "type": "click",
    "time": "2025-11-09T12:00:03.125Z",
}
BINARY = tuple((f"ce_{name}", value.encode()) for name, value in ENVELOPE.items())


def decode(
    data: Any, inner: str = "native", headers: tuple[tuple[str, bytes], ...] = (), **attributes: Any
) -> Event:
    """The one event of a structured envelope."""
    form = CloudEventsFormat(create_format(inner, funnel=Funnel()))
    value = json.dumps(ENVELOPE | {"data": data} | attributes).encode()
    (event,) = form.decode(Record(0, 0, value, None, headers))
    return event


def test_both_modes_mean_the_same() -> None:
    """A header or a member of the envelope."""
    data = {"visitor_id": "v1", "slot": "home"}
    form = CloudEventsFormat(create_format("native", funnel=Funnel()))
    (binary,) = form.decode(Record(0, 0, json.dumps(data).encode(), None, BINARY))
    assert binary == decode(data)


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=UTF-8", b"application/json"],
)
def test_structured_json_is_known_by_its_content_type_or_none(content_type: bytes) -> None:
    """Producers are lax about it."""
    assert decode({"visitor_id": "v1"}, headers=(("content-type", content_type),)).time_ms == T


def test_the_id_is_source_and_id_of_the_envelope() -> None:
    """Unique together by the specification; the data's own id, which may repeat across sources, does not count."""
    data = {"visitor_id": "v1", "event_id": "own"}
    ids = [
        decode(data, source=source, id=own).event_id
        for source, own in [("/a", "1"), ("/b", "1"), ("/a", "2")]
    ]
    assert ids == ["/a 1", "/b 1", "/a 2"]


def test_a_long_source_and_id_still_make_an_id() -> None:
    """Each may have 256 bytes; together they are shortened to one that tells them apart."""
    first = decode({"visitor_id": "v1"}, source="/" + "s" * 200, id="a" * 200).event_id
    assert len(first) == 32
    assert first != decode({"visitor_id": "v1"}, source="/" + "s" * 200, id="b" * 200).event_id


def test_time_and_name_of_the_data_go_before_the_envelopes() -> None:
    """The envelope may have been made much later."""
    event = decode({"visitor_id": "v1", "event": "view", "event_time": T - 1}, time="2030-01-01T00:00:00Z")
    assert (event.node, event.time_ms) == ("view", T - 1)


def test_a_null_in_the_data_is_absent() -> None:
    """Mapped data reads null as absent, and the envelope fills in."""
    assert decode({"visitor_id": "v1", "event": None, "event_time": None}, inner="mapping").time_ms == T


@pytest.mark.parametrize(
    "of", [of for of in VALID if of.endswith(".click") and not of.startswith("cloudevents")]
)
def test_the_envelope_stands_in_for_every_inner_format(of: str) -> None:
    """Without a time of its own, the data takes the envelope's, wherever its format keeps times."""
    name = of.partition(".")[0]
    data = dict(VALID[of])
    for own in (
        "event_time",
        "timestamp",
        "derived_tstamp",
        "time",
        "timestamp_micros",
        "event_id",
        "messageId",
    ):
        data.pop(own, None)
    event = decode(data, inner=name, time="2025-11-10T00:00:00Z")
    assert (event.time_ms, event.event_id, event.node) == (1_762_732_800_000, "/s 1", "click")


def test_a_mapped_format_is_filled_at_the_top_only() -> None:
    """A nested path is the producer's to fill."""
    top = create_format("mapping", funnel=Funnel(), mapping=MappingPaths(event="what", event_time="when"))
    nested = create_format("mapping", funnel=Funnel(), mapping=MappingPaths(event_time="meta.when"))
    value = json.dumps(ENVELOPE | {"data": {"visitor_id": "v1"}}).encode()
    assert CloudEventsFormat(top).decode(Record(0, 0, value))[0].time_ms == T
    with pytest.raises(RejectedRecord) as caught:
        CloudEventsFormat(nested).decode(Record(0, 0, value))
    assert (caught.value.reason, caught.value.field) == (Reason.MISSING_FIELD, "data.meta.when")


def test_filling_in_leaves_the_rest_of_the_data_as_it_is() -> None:
    """Numbers too big for a double among it."""
    data = {"visitor_id": "v1", "zzz": 1}
    form = CloudEventsFormat(create_format("native", funnel=Funnel()))
    value = json.dumps(ENVELOPE | {"data": data}).encode().replace(b'"zzz": 1', b'"zzz": 1e400')
    assert form.decode(Record(0, 0, value))[0].visitor_id == "v1"


def test_the_data_is_held_to_the_size_of_a_record() -> None:
    """Also when it comes as base64, which is no way around it."""
    with pytest.raises(RejectedRecord) as caught:
        decode({"visitor_id": "v1", "zzz": "x" * 65_000, "slot": "y" * 600})
    assert caught.value.reason is Reason.RECORD_TOO_LARGE


def test_headers_are_text() -> None:
    """Invalid UTF-8 in a header is blamed on the header."""
    form = CloudEventsFormat(create_format("native", funnel=Funnel()))
    with pytest.raises(RejectedRecord) as caught:
        form.decode(Record(0, 0, b"{}", None, (*BINARY, ("ce_type", b"\xff"))))
    assert (caught.value.reason, caught.value.field) == (Reason.NOT_UTF8, "ce_type")


def test_every_format_can_be_inside() -> None:
    """Or says why not: a mapping names its own fields, an envelope goes into no envelope."""
    assert set(DATA_FIELDS) == set(FORMAT_NAMES) - {"mapping", "cloudevents"}
