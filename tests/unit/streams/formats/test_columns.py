"""Batches of records as columns: any format, and the native one straight and exactly alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.core.hashing import fingerprint
from streams.core.lines import open_lines
from streams.core.rows import Rejected
from streams.core.vocabulary import Vocabulary
from streams.events import Outcome, Reason
from streams.formats.columns import create_columns
from streams.formats.event_columns import EventColumns
from streams.formats.ga4 import Ga4Format
from streams.formats.keys import key_objection
from streams.formats.native_columns import NativeColumns
from tests.support.bad_records import valid
from tests.support.builders import T0, click, event, line, paid, refunded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.formats.columns import BatchDecoder

from tests.unit.streams.formats.decoding import FUNNEL, NATIVE, decode, lines, lists_of, names


@pytest.fixture
def vocabulary() -> Vocabulary:
    """A vocabulary without keys."""
    return Vocabulary(FUNNEL, key_objection)


@pytest.fixture(params=["fast", "exact"])
def native(request: pytest.FixtureRequest, vocabulary: Vocabulary) -> BatchDecoder:
    """Both ways of reading the native format."""
    return NativeColumns(NATIVE, vocabulary) if request.param == "fast" else EventColumns(NATIVE, vocabulary)


# --- one event -----------------------------------------------------------------------------------


def test_an_event_is_a_row(native: BatchDecoder, vocabulary: Vocabulary) -> None:
    """Time, stage, fingerprints of its ids, and its keys."""
    value = click("v7", t=5, event_id="e9", slot="home", banner="B1", sku="A", channel="app")
    decoded = decode(native, value)
    rows = decoded.rows
    assert (rows.record.tolist(), rows.time.tolist(), rows.first.tolist()) == ([0], [T0 + 5], [True])
    assert vocabulary.stages.names[rows.node[0]] == "click"
    assert (int(rows.event[0]), int(rows.visitor[0])) == (fingerprint("e9"), fingerprint("v7"))
    assert names(decoded, vocabulary) == ["home", "B1", "A", "app"]
    assert (decoded.details, decoded.rejected, rows.detail.tolist()) == ({}, [], [-1])


def test_absent_keys_are_none(native: BatchDecoder, vocabulary: Vocabulary) -> None:
    """A field that is not there, and one that is null."""
    decoded = decode(native, click(), event("click")[:-1] + b', "slot": null, "sku": null}')
    assert [names(decoded, vocabulary, row) for row in (0, 1)] == [["(none)"] * 4] * 2


def test_a_list_of_skus_is_several_lines(native: BatchDecoder, vocabulary: Vocabulary) -> None:
    """Each under the slot and banner of the event, without an amount."""
    decoded = decode(native, click(slot="home", sku=["A", "B", "A"], channel="app"))
    assert lines(decoded, vocabulary) == [(sku, "home", "(none)", 0) for sku in "ABA"]
    assert names(decoded, vocabulary) == ["home", "(none)", "(none)", "app"]
    assert decoded.details == {}


def test_an_empty_list_of_skus_is_none(native: BatchDecoder, vocabulary: Vocabulary) -> None:
    """As if the field were absent."""
    decoded = decode(native, click(sku=[]))
    assert names(decoded, vocabulary)[2] == "(none)"


def test_an_order_is_its_lines(native: BatchDecoder, vocabulary: Vocabulary) -> None:
    """With their own slot and banner where they have one, else the event's; amounts are price x quantity."""
    items = [line("A", "1.50", quantity=2, slot="list"), line("B", "1.00", banner="B2"), line(None, "0.01")]
    decoded = decode(native, paid("v1", 0, *items, slot="home", banner="B1", order_id="O7"))
    assert lines(decoded, vocabulary) == [
        ("A", "list", "B1", 300),
        ("B", "home", "B2", 100),
        ("(none)", "home", "B1", 1),
    ]
    detail = decoded.details[0]
    assert (detail.priced, detail.order, detail.currency) == (True, fingerprint("O7"), "CNY")


def test_a_reversal_without_lines_names_its_order(native: BatchDecoder, vocabulary: Vocabulary) -> None:
    """Under the event's SKUs, or under one line without any; not priced."""
    decoded = decode(native, refunded(order_id="O7"), refunded(order_id="O8", sku="A"))
    assert [lines(decoded, vocabulary, row) for row in (0, 1)] == [
        [("(none)", "(none)", "(none)", 0)],
        [("A", "(none)", "(none)", 0)],
    ]
    assert [(d.priced, d.order, d.currency) for d in decoded.details.values()] == [
        (False, fingerprint("O7"), None),
        (False, fingerprint("O8"), None),
    ]


# --- batches -------------------------------------------------------------------------------------


def test_rejected_records_are_named_by_their_place(native: BatchDecoder) -> None:
    """The rows that are left keep the place of their record."""
    decoded = decode(native, b"{", click(), None, event("scroll"), click(slot=""), paid())
    assert decoded.rows.record.tolist() == [1, 5]
    assert decoded.rejected == [
        Rejected(0, Outcome.INVALID, Reason.NOT_JSON, ""),
        Rejected(2, Outcome.INVALID, Reason.TOMBSTONE, ""),
        Rejected(3, Outcome.UNMAPPED, Reason.UNKNOWN_EVENT, "event"),
        Rejected(4, Outcome.INVALID, Reason.EMPTY_FIELD, "slot"),
    ]


def test_details_are_numbered_within_the_batch(native: BatchDecoder, vocabulary: Vocabulary) -> None:
    """Each row finds its own, whichever way it was read."""
    values = [click(sku=["A", "B"]), paid("v1", 0, line("C")), click(sku="D"), click(sku=["E", "F"])]
    decoded = decode(native, *values)
    assert [[sku for sku, *_ in lines(decoded, vocabulary, row)] for row in (0, 1, 3)] == [
        ["A", "B"],
        ["C"],
        ["E", "F"],
    ]
    assert decoded.rows.detail[2] == -1
    assert (len(decoded.details), decoded.skus.size) == (1, 4)


def test_times_may_be_written_out(native: BatchDecoder) -> None:
    """A text among numbers, numbers no machine word holds, and both at once."""
    values = [
        click(),
        click(event_time="2025-11-09T20:00:00.007+08:00"),
        click(event_time=10**30),
        click(event_time=-(10**30)),
        click(event_time="yesterday"),
        click(event_time=T0 // 1000),
    ]
    decoded = decode(native, *values)
    assert decoded.rows.time.tolist() == [T0, T0 + 7]
    assert [item.reason for item in decoded.rejected] == [
        Reason.TIME_IN_MICROSECONDS,
        Reason.TIME_IN_SECONDS,
        Reason.BAD_TIME,
        Reason.TIME_IN_SECONDS,
    ]


def test_columns_have_their_types(native: BatchDecoder) -> None:
    """The types that packing and arithmetic rely on, also when everything was rejected."""
    kinds = ["i4", "i1", "i8", "i8", "i2", "u8", "u8", "i4", "i8", "b1", "b1"]
    for values in ([click(), paid(), click(sku=["A", "B"])], [b"{"]):
        rows = decode(native, *values).rows
        columns: list[NDArray[Any]] = [
            rows.record,
            rows.topic,
            rows.time,
            rows.order_time,
            rows.node,
            rows.event,
            rows.visitor,
        ]
        columns += [rows.keys, rows.detail, rows.first, rows.late]
        assert [column.dtype.str[1:] for column in columns] == kinds
        assert rows.keys.shape == (4, len(rows))


@pytest.mark.parametrize("columns", [NativeColumns, EventColumns])
def test_skus_beyond_the_bound_are_told_apart(columns: type[NativeColumns | EventColumns]) -> None:
    """Alone, in a list and on an order's lines each has the same code of its own, and none is rejected."""
    known = Vocabulary(FUNNEL, key_objection, max_keys=1)
    values = [click(sku="A"), click(sku="B"), click(sku=["C", "A", "B"]), paid("v", 1, line("B"), line("C"))]
    decoded = decode(columns(NATIVE, known), *values)
    assert decoded.rejected == []
    opened = open_lines(decoded.rows, decoded.details, lists_of(decoded))
    codes = [known.sku[name] for name in "ABCABBC"]
    assert opened.keys[2].tolist() == codes
    assert len(set(codes)) == 3
    assert len(known.sku.names) == 3


def test_every_format_has_its_decoder(vocabulary: Vocabulary) -> None:
    """The native one is read straight, all others one event at a time."""
    assert isinstance(create_columns(NATIVE, vocabulary), NativeColumns)
    ga4 = create_columns(Ga4Format(funnel=FUNNEL, extra_fields=("channel",)), vocabulary)
    assert isinstance(ga4, EventColumns)
    assert len(decode(ga4, valid("ga4.click")).rows) == 1
