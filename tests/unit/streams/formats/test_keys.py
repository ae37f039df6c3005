"""Keys: what may name a line in a chart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import RejectedRecord
from streams.events import MAX_FIELD_BYTES, Reason
from streams.formats.keys import check_key, check_text, key_objection, text_objection
from streams.funnel import NONE, OTHER

FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    "text",
    [
        "home.top.1",
        "首页焦点图",
        "new arrivals",
        "a\u3000b",  # ideographic space
        "a\u00a0b",  # no-break space
        "🛒",
        "Größe 42½",
        "\u0378",  # not assigned
        "\ue000",  # private use
        "(none) ",
        "x" * MAX_FIELD_BYTES,
        "页" * 85,
    ],
)
def test_a_key_may_be_any_text_that_shows(text: str) -> None:
    """Scripts, spaces, emoji, and characters younger than our Unicode tables."""
    assert check_key(text, "slot") == text
    assert key_objection(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY_FIELD),
        ("x" * (MAX_FIELD_BYTES + 1), Reason.FIELD_TOO_LONG),
        ("页" * 86, Reason.FIELD_TOO_LONG),
        ("🛒" * 65, Reason.FIELD_TOO_LONG),
        ("a\nb", Reason.CONTROL_CHARACTER),
        ("a\x7fb", Reason.CONTROL_CHARACTER),
        ("a\u00adb", Reason.CONTROL_CHARACTER),  # soft hyphen
        ("a\u202eb", Reason.CONTROL_CHARACTER),
        ("a\u2029b", Reason.CONTROL_CHARACTER),
        ("a\ud800b", Reason.CONTROL_CHARACTER),
        (NONE, Reason.RESERVED_KEY),
        (OTHER, Reason.RESERVED_KEY),
    ],
)
def test_a_key_that_would_deceive_or_break_is_rejected(text: str, reason: Reason) -> None:
    """Each for its own reason, in the field it stands in."""
    with pytest.raises(RejectedRecord) as caught:
        check_key(text, "items[0].sku")
    assert (caught.value.reason, caught.value.field) == (reason, "items[0].sku")
    assert key_objection(text) is reason


def test_an_id_is_held_to_length_alone() -> None:
    """Ids are compared, never shown: odd characters are none of our business, nor are reserved words."""
    assert check_text("a\u202eb\n", "event_id") == "a\u202eb\n"
    assert check_text(NONE, "event_id") == NONE
    assert text_objection("") is Reason.EMPTY_FIELD
    assert text_objection("页" * 86) is Reason.FIELD_TOO_LONG


def test_the_quick_look_and_the_slow_look_agree() -> None:
    """For every character of the two planes in use, and for the tags in the last one."""
    wrong = [
        hex(point)
        for point in (*range(0x20000), *range(0xE0000, 0xE0200))
        if (unicodedata.category(chr(point)) in FORBIDDEN) != (key_objection(chr(point)) is not None)
    ]
    assert wrong == []


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=300))
def test_length_is_counted_in_utf8(text: str) -> None:
    """The short cut for short texts agrees with the count."""
    long = len(text.encode()) > MAX_FIELD_BYTES
    assert (text_objection(text) is Reason.FIELD_TOO_LONG) == long
