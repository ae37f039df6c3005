"""Any format as columns: a record counts whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from streams.core.hashing import fingerprint
from streams.core.rows import Detail, Line, Rejected
from streams.core.vocabulary import Vocabulary
from streams.events import Event, OrderLine, Outcome, Reason, Record
from streams.formats.event_columns import EventColumns, row_keys
from streams.formats.keys import key_objection
from tests.support.builders import T0
from tests.unit.streams.formats.decoding import FUNNEL, NATIVE, decode, names


class Words:
    """A format of words: each record lists slots, an event for each; ``bad`` is rejected."""

    name = "words"

    def decode(self, record: Record) -> tuple[Event, ...]:
        """One event per word."""
        words = (record.value or b"").decode().split(",")
        if "bad" in words:
            raise_rejected()
        return tuple(
            Event(f"{record.offset}#{n}", T0 + n, "click", "v1", slot=word, extra=(None,))
            for n, word in enumerate(words)
        )


def raise_rejected() -> None:
    """Turn a record away as a format does."""
    NATIVE.decode(Record(0, 0, b"["))


@pytest.fixture
def vocabulary() -> Vocabulary:
    """A vocabulary without keys."""
    return Vocabulary(FUNNEL, key_objection)


def test_a_record_may_hold_several_events(vocabulary: Vocabulary) -> None:
    """A row for each; the first stands for the record."""
    decoded = decode(EventColumns(Words(), vocabulary), b"a,b,c", b"d")
    assert decoded.rows.record.tolist() == [0, 0, 0, 1]
    assert decoded.rows.first.tolist() == [True, False, False, True]
    assert decoded.rows.time.tolist() == [T0, T0 + 1, T0 + 2, T0]
    assert [names(decoded, vocabulary, row)[0] for row in range(4)] == list("abcd")


def test_a_record_is_taken_whole_or_not_at_all(vocabulary: Vocabulary) -> None:
    """One event with a key that may not stand rejects its record, and none of its events count."""
    decoded = decode(EventColumns(Words(), vocabulary), b"a,,c", b"d", b"e,bad")
    assert decoded.rows.record.tolist() == [1]
    assert decoded.rejected == [
        Rejected(0, Outcome.INVALID, Reason.EMPTY_FIELD, "slot"),
        Rejected(2, Outcome.INVALID, Reason.WRONG_TYPE, ""),
    ]


def test_row_keys_of_an_event_with_lines() -> None:
    """Lines carry slot, banner and SKU; the row keeps slot, banner and the extras."""
    known = Vocabulary(FUNNEL, key_objection)
    order_line = OrderLine("A", 1, 5, slot="list")
    some: dict[str, Any] = {"slot": "home", "extra": ("app",), "lines": (order_line,), "currency": "CNY"}
    keys, detail = row_keys(Event("e", T0, "paid", "v", order_id="O", **some), known)
    assert keys == (2, 0, 0, 2)
    assert detail == Detail((Line(2, 3, 0, 5),), True, fingerprint("O"), "CNY")
