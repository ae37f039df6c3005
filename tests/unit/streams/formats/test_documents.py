"""From bytes to JSON: which bytes a parser is let loose on, and what its complaints mean."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest

from streams.errors import RejectedRecord
from streams.events import MAX_RECORD_BYTES, Outcome, Reason
from streams.formats.documents import (
    MAX_NESTING,
    ExtraFields,
    check_document,
    check_nesting,
    check_size,
    read_json,
    unmapped,
)


class Inner(msgspec.Struct):
    """One entry."""

    price: int | float | None = None
    quantity: int = 1


class Outer(msgspec.Struct):
    """A document."""

    name: str
    entries: list[Inner] = []


OUTER = msgspec.json.Decoder(Outer)
FREE = msgspec.json.Decoder(dict[str, Inner])


def rejection(
    document: bytes, decoder: msgspec.json.Decoder[Any] = OUTER, under: str = ""
) -> tuple[str, str]:
    """Reason and field."""
    with pytest.raises(RejectedRecord) as caught:
        read_json(decoder, document, under)
    return caught.value.reason, caught.value.field


def test_64_kib_are_a_record_and_a_byte_more_is_not() -> None:
    """The limit is inclusive; a tombstone is not an empty record."""
    assert check_size(b"x" * MAX_RECORD_BYTES)
    assert check_size(b"") == b""
    for value, reason in ((b"x" * (MAX_RECORD_BYTES + 1), Reason.RECORD_TOO_LARGE), (None, Reason.TOMBSTONE)):
        with pytest.raises(RejectedRecord) as caught:
            check_size(value)
        assert caught.value.reason is reason


@pytest.mark.parametrize(
    "document",
    [
        b"[" * MAX_NESTING + b"]" * MAX_NESTING,
        b'{"a":' * MAX_NESTING + b"1" + b"}" * MAX_NESTING,
        b"[" + b"[]," * 1000 + b"[]]",
        b'{"a":"' + b"[" * 1000 + b'"}',
        b'{"a":"\\"' + b"[" * 1000 + b'"}',
        b'{"a":"\\\\","b":"' + b"{" * 1000 + b'"}',
        b'{"a":"' + b"[" * 1000,  # never closed: malformed, not deep
    ],
)
def test_what_is_not_deep_passes(document: bytes) -> None:
    """Siblings and brackets inside strings are no nesting."""
    check_nesting(document)


@pytest.mark.parametrize(
    "document",
    [
        b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1),
        b'{"a":' * (MAX_NESTING + 1) + b"1" + b"}" * (MAX_NESTING + 1),
        b"[" * MAX_RECORD_BYTES,
        b'["\\\\",' * (MAX_NESTING + 1),
        b'{"a":"\\"","b":' * (MAX_NESTING + 1),
    ],
)
def test_nesting_has_a_fixed_depth(document: bytes) -> None:
    """Also when the document never ends."""
    with pytest.raises(RejectedRecord) as caught:
        check_nesting(document)
    assert caught.value.reason is Reason.NESTING_TOO_DEEP


def test_the_depth_that_passes_is_one_the_parser_can_take() -> None:
    """Even for a caller halfway down the interpreter's stack."""

    def deeper(levels: int) -> object:
        if levels:
            return deeper(levels - 1)
        return read_json(OUTER, check_document(b'{"name":"a","zzz":' + b"[" * 127 + b"]" * 127 + b"}"))

    assert deeper(sys.getrecursionlimit() // 2) == Outer("a")


def test_utf8_is_checked_where_no_one_reads() -> None:
    """The parser skips unknown fields without looking; the record may still be written on elsewhere."""
    with pytest.raises(RejectedRecord) as caught:
        check_document(b'{"name":"a","zzz":"\xff"}')
    assert caught.value.reason is Reason.NOT_UTF8
    assert check_document('{"zzz":"页"}'.encode())


@pytest.mark.parametrize(
    ("document", "reason", "field"),
    [
        (b"", Reason.NOT_JSON, ""),
        (b"{", Reason.NOT_JSON, ""),
        (b'{"name":NaN}', Reason.NOT_JSON, ""),
        (b"[]", Reason.WRONG_TYPE, ""),
        (b"{}", Reason.MISSING_FIELD, "name"),
        (b'{"name":1}', Reason.WRONG_TYPE, "name"),
        (b'{"name":"a","entries":{}}', Reason.WRONG_TYPE, "entries"),
        (b'{"name":"a","entries":[{},3]}', Reason.WRONG_TYPE, "entries[1]"),
        (b'{"name":"a","entries":[{},{"price":"x"}]}', Reason.WRONG_TYPE, "entries[1].price"),
        (b'{"name":"a","entries":[{"price":1e400}]}', Reason.PRICE_TOO_LARGE, "entries[0].price"),
        (
            b'{"name":"a","entries":[{"quantity":' + b"9" * 5000 + b"}]}",
            Reason.BAD_QUANTITY,
            "entries[0].quantity",
        ),
        (b'{"name":' + b"9" * 5000 + b"}", Reason.WRONG_TYPE, "name"),
    ],
)
def test_a_complaint_of_the_parser_becomes_reason_and_field(
    document: bytes, reason: Reason, field: str
) -> None:
    """The paths are msgspec's; if it words them differently one day, this test says so."""
    assert rejection(document) == (reason, field)


def test_a_piece_of_a_document_is_blamed_where_it_stands() -> None:
    """Pieces are decoded on their own."""
    assert rejection(b"{}", under="events[2].params") == (Reason.MISSING_FIELD, "events[2].params.name")
    assert rejection(b"[]", under="events[2].params") == (Reason.WRONG_TYPE, "events[2].params")
    assert rejection(b"!", under="data") == (Reason.NOT_JSON, "data")


def test_keys_of_a_free_form_object_are_not_in_the_path() -> None:
    """They are payload."""
    assert rejection(b'{"s3cret":{"price":"x"}}', FREE, "properties") == (Reason.WRONG_TYPE, "properties")


def test_unmapped_is_no_invalid() -> None:
    """An event for someone else is not bad input."""
    assert unmapped("event").outcome is Outcome.UNMAPPED
    assert unmapped("event").reason is Reason.UNKNOWN_EVENT


def test_extra_fields_are_read_by_path_from_the_first_place_that_has_them() -> None:
    """One value per path, None where no place has it; numbers become text."""
    extra = ExtraFields(("channel", "context.campaign.source", "tier", "nowhere.at.all"))
    properties = b'{"channel":"app","tier":null,"nowhere":null}'
    message = b'{"channel":"web","tier":3,"context":{"campaign":{"source":"wechat"}}}'
    assert extra.read((properties, "properties"), (message, "")) == ("app", "wechat", "3", None)
    assert extra.read(
        (b"null", "properties"),
    ) == (None, None, None, None)
    assert ExtraFields(()).read((b"not even json", "")) == ()


@pytest.mark.parametrize(
    ("document", "reason", "field"),
    [
        (b'{"context":{"page":1.5}}', Reason.WRONG_TYPE, "properties.context.page"),
        (b'{"context":"home"}', Reason.WRONG_TYPE, "properties.context"),
        (b'{"context":{"page":""}}', Reason.EMPTY_FIELD, "properties.context.page"),
        (b'{"context":{"page":"(none)"}}', Reason.RESERVED_KEY, "properties.context.page"),
        (b'{"context":{"page":"a\\u202e"}}', Reason.CONTROL_CHARACTER, "properties.context.page"),
    ],
)
def test_an_extra_field_is_a_key_like_any_other(document: bytes, reason: Reason, field: str) -> None:
    """Wrong is wrong, in any dimension."""
    with pytest.raises(RejectedRecord) as caught:
        ExtraFields(("context.page",)).read((document, "properties"))
    assert (caught.value.reason, caught.value.field) == (reason, field)
