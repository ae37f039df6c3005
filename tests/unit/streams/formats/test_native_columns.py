"""What is unusual in the native format is decided exactly."""

from __future__ import annotations

import pytest

from streams.core.rows import Rejected
from streams.core.vocabulary import Vocabulary
from streams.events import MAX_SKUS, Outcome, Reason
from streams.formats.event_columns import EventColumns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.formats.native_columns import NativeColumns
from streams.funnel import Funnel
from tests.support.builders import click, event, paid
from tests.unit.streams.formats.decoding import FUNNEL, NATIVE, decode


@pytest.fixture
def vocabulary() -> Vocabulary:
    """A vocabulary without keys."""
    return Vocabulary(FUNNEL, key_objection)


@pytest.mark.parametrize(
    "value",
    [
        click(visitor_id="v" * 257),
        click(event_id="坑" * 86),
        click(slot="s" * 257),
        click(channel="c" * 257),
        click(sku=["A", "s" * 257]),
        click(sku=["A", ""]),
        click(sku=["A", "(none)"]),
        click(sku=[f"S{number}" for number in range(MAX_SKUS + 1)]),
        click(event_id=""),
        click(visitor_id=""),
        click(note="x" * 65_536),
        click(note=["[" * 200]),
        click()[:-1] + b', "note": ' + b"[" * 200 + b"]" * 200 + b"}",
        click()[:-1] + b', "note": "\xff"}',
        click(channel="a\u200bb"),
        click(event="c" * 300),
        event("paid"),
        click()[:-1] + b', "items": 7}',
        click(event_time=True),
        click(event_time=1.5),
        b"\xef\xbb\xbf" + click(),
        b"",
        b"null",
        b"{}" * 200,
    ],
    ids=lambda value: ascii(value)[-60:],
)
def test_what_is_unusual_is_decided_exactly(value: bytes) -> None:
    """Alone, and between good records, the fast way gives the exact one's verdict."""
    known = Vocabulary(FUNNEL, key_objection)
    fast, exact = NativeColumns(NATIVE, known), EventColumns(NATIVE, known)
    for batch in ([value], [click(), value, paid()]):
        one, other = decode(fast, *batch), decode(exact, *batch)
        assert one.rejected == other.rejected
        assert one.rows.record.tolist() == other.rows.record.tolist()
        assert one.rows.event.tolist() == other.rows.event.tolist()


def test_names_that_may_not_stand_are_left_to_the_exact_decoder(vocabulary: Vocabulary) -> None:
    """A mapping may name anything; an event name that is empty or too long is invalid all the same."""
    funnel = Funnel(extra_dimensions=("channel",))
    names_ = {"": "click", "c" * 300: "click", "tap": "click"}
    form = NativeFormat(funnel=funnel, events=names_, extra_fields=("channel",))
    decoded = decode(NativeColumns(form, vocabulary), event(""), event("c" * 300), event("tap"))
    assert [item.reason for item in decoded.rejected] == [Reason.EMPTY_FIELD, Reason.FIELD_TOO_LONG]
    assert decoded.rows.record.tolist() == [2]


def test_events_may_be_named_otherwise(vocabulary: Vocabulary) -> None:
    """By a mapping of names to nodes, or passed over on purpose."""
    form = NativeFormat(funnel=FUNNEL, events={"tap": "click", "click": None}, extra_fields=("channel",))
    decoded = decode(NativeColumns(form, vocabulary), event("tap"), event("click"))
    assert vocabulary.stages.names[decoded.rows.node[0]] == "click"
    assert decoded.rejected == [Rejected(1, Outcome.UNMAPPED, Reason.UNKNOWN_EVENT, "event")]
