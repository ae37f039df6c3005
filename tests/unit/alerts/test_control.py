"""The control topic's records."""

from __future__ import annotations

import json

import pytest

from alerts.control import (
    Ack,
    Control,
    ScopeMatch,
    Silence,
    Stock,
    Unsilence,
    Watches,
    control_key,
    decode_control,
    encode_control,
)
from alerts.model import Kind, Severity
from streams.errors import CodecError

RECORDS = [
    Ack("0a", "li", 5),
    Silence(
        id="s1",
        by="li",
        ends_ms=9,
        kinds=(Kind.NODE_BREAK,),
        scope=(ScopeMatch("slot", "a"),),
        steps=("order>paid",),
        severities=(Severity.INFO,),
    ),
    Unsilence("s1", "li", 5),
    Stock("SKU_1", in_stock=False, at_ms=5),
    Watches("worker-1", "http://worker-1:8080/", 5),
]


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_written_is_read_back(record: Control) -> None:
    """Each says by ``type`` what it is."""
    assert decode_control(encode_control(record)) == record
    assert json.loads(encode_control(record))["type"] == type(record).__name__.lower()


def test_a_silence_by_hand_needs_little() -> None:
    """Who, until when, under which id; fields that we do not know are skipped."""
    text = b'{"type": "silence", "id": "s", "by": "li", "ends_ms": 9, "mood": "calm"}'
    assert decode_control(text) == Silence(id="s", by="li", ends_ms=9)


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"[]",
        b'{"type": "odd"}',
        b'{"type": "ack"}',
        b'{"type": "stock", "sku": "a", "in_stock": 1, "at_ms": 5}',
        b'{"type": "unsilence", "id": "' + b"x" * 70_000 + b'", "by": "li", "at_ms": 5}',
    ],
)
def test_anything_else_is_refused(data: bytes | None) -> None:
    """Unknown, incomplete, of the wrong type, or larger than anybody writes."""
    with pytest.raises(CodecError):
        decode_control(data)


def test_the_newest_word_about_a_thing_stands() -> None:
    """What ends a silence takes its place in the compacted topic; an acknowledgement takes no silence's."""
    silence, end = Silence(id="a", by="li", ends_ms=9), Unsilence("a", "li", 5)
    assert control_key(silence) == control_key(end) == b"silence/a"
    assert control_key(Ack("a", "li", 5)) == b"ack/a"
    assert control_key(Stock("a", in_stock=True, at_ms=5)) == b"stock/a"
    assert (
        control_key(Watches("a", "http://a:1/", 5))
        == control_key(Watches("b", "http://b:1/", 6))
        == b"watches"
    )
