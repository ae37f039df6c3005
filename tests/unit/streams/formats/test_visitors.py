"""Visitors and times, as the whole decoders find them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streams.core.hashing import fingerprints
from streams.core.ordering import UNREAD
from streams.errors import RejectedRecord
from streams.events import RecordBatch
from streams.formats.native import NativeFormat
from streams.formats.registry import create_format
from streams.formats.visitors import FormatVisitors, NativeVisitors, create_visitor_reader
from streams.funnel import Funnel
from tests.support.builders import at, body, click, order, stream
from tests.support.oracle import OracleSettings
from tests.support.traffic import traffic

if TYPE_CHECKING:
    from streams.events import Record

FUNNEL = Funnel()


def batch(*values: bytes | None) -> RecordBatch:
    """Records of these values."""
    return RecordBatch.of(stream(values))


@pytest.mark.parametrize("seed", range(5))
def test_the_fast_reader_finds_what_the_decoder_finds(seed: int) -> None:
    """Of every record that the native decoder accepts, visitor and time are the event's."""
    part = traffic(seed, 400, OracleSettings())
    records: list[Record] = [*part.clickstream, *part.orders]
    form = NativeFormat(funnel=FUNNEL)
    visits = NativeVisitors().read(RecordBatch.of(records))
    accepted = 0
    for index, record in enumerate(records):
        try:
            (event,) = form.decode(record)
        except RejectedRecord:
            continue
        accepted += 1
        assert visits.known[index]
        assert visits.visitors[index] == fingerprints([event.visitor_id])[0]
        assert visits.times[index] == event.time_ms
    assert accepted > 200


def test_what_cannot_be_read_has_nobody() -> None:
    """Tombstones, garbage and records without visitor are nobody's; the good ones beside them stay."""
    bad = [None, b"", b"{", b"[1]", b"\xff", b"[" * 60_000, click(""), b'{"visitor_id": 7, "event_time": 1}']
    visits = NativeVisitors().read(batch(click("v"), *bad, click("w", 5), order("paid", "v", 6)))
    assert visits.known.tolist() == [True, *[False] * len(bad), True, True]
    assert visits.visitors[[0, -1]].tolist() == fingerprints(["v", "v"]).tolist()
    assert visits.times[[0, -2, -1]].tolist() == [at(0), at(5), at(6)]


@pytest.mark.parametrize("time", [12, 10**15, 2**70, "yesterday", "2025-11-09T12:00:00"])
def test_a_time_that_is_none_tells_nothing(time: object) -> None:
    """A record's visitor is found whatever its time; a wrong time moves nothing."""
    value = json.dumps(body("click", "v") | {"event_time": time}).encode()
    visits = NativeVisitors().read(batch(value, click("w")))
    assert visits.times.tolist() == [UNREAD, at(0)]


def test_other_formats_by_their_decoder() -> None:
    """A GA4 record has its first event's visitor and its latest time; what is not mapped is nobody's."""
    form = create_format("ga4", funnel=FUNNEL)
    reader = create_visitor_reader(form)
    assert isinstance(reader, FormatVisitors)
    document = {
        "client_id": "c1",
        "timestamp_micros": at(0) * 1000,
        "events": [
            {"name": "view_item", "params": {"items": [{"item_id": "A"}], "event_id": "e1"}},
            {"name": "add_to_cart", "params": {"items": [{"item_id": "A"}], "event_id": "e2"}},
        ],
    }
    records = batch(json.dumps(document).encode(), b"{}", None)
    events = form.decode(records.record(0))
    visits = reader.read(records)
    assert visits.known.tolist() == [True, False, False]
    assert visits.visitors[0] == fingerprints([events[0].visitor_id])[0]
    assert visits.times.tolist() == [max(one.time_ms for one in events), UNREAD, UNREAD]


def test_the_native_format_has_the_fast_reader() -> None:
    """Two fields instead of all."""
    assert isinstance(create_visitor_reader(NativeFormat(funnel=FUNNEL)), NativeVisitors)
