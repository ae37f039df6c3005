"""Single fields: the same mistake has the same reason in every format."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import RejectedRecord
from streams.events import MAX_TIME_MS, MIN_TIME_MS, Reason
from streams.formats.fields import (
    derived_id,
    event_time,
    exact_number,
    key,
    price_minor,
    quantity,
    required_text,
    text,
)

T = 1_762_689_603_125  # 2025-11-09T12:00:03.125Z


@pytest.mark.parametrize(
    ("value", "time_ms"),
    [
        (T, T),
        (MIN_TIME_MS, MIN_TIME_MS),
        (MAX_TIME_MS, MAX_TIME_MS),
        ("2025-11-09T12:00:03.125Z", T),
        ("2025-11-09t12:00:03.125z", T),
        ("2025-11-09 12:00:03.125+00:00", T),
        ("2025-11-09T20:00:03.125+08:00", T),
        ("2025-11-08T23:30:03.125-12:30", T),
        ("2025-11-09T12:00:03Z", T - 125),
        ("2025-11-09T12:00:03.1259999999999Z", T),
        ("2025-11-09T12:00:03.1Z", T - 25),
    ],
)
def test_a_time_is_milliseconds_or_rfc_3339(value: object, time_ms: int) -> None:
    """Parts of a millisecond are cut off."""
    assert event_time(value) == time_ms


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.MISSING_FIELD),
        (MIN_TIME_MS - 1, Reason.TIME_IN_SECONDS),
        (MAX_TIME_MS + 1, Reason.TIME_IN_MICROSECONDS),
        (float(T), Reason.WRONG_TYPE),
        (Decimal(T), Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        ([], Reason.WRONG_TYPE),
        ("", Reason.EMPTY_FIELD),
        ("2025-11-09T12:00:03", Reason.BAD_TIME),
        ("2025-11-09", Reason.BAD_TIME),
        ("2025-11-09T12:00:60Z", Reason.BAD_TIME),
        ("2025-11-09T24:00:00Z", Reason.BAD_TIME),
        ("2025-11-09T12:00:03.Z", Reason.BAD_TIME),
        ("2025-11-09T12:00:03,125Z", Reason.BAD_TIME),
        ("2025-11-09T12:00:03+0800", Reason.BAD_TIME),
        ("0001-01-01T00:00:00+23:59", Reason.BAD_TIME),
        ("9999-12-31T23:59:59Z", Reason.BAD_TIME),
        ("2025-11-09T12:00:03Z\n", Reason.BAD_TIME),
        ("2025-11-09T12:00:03.5" + "0" * 300 + "Z", Reason.FIELD_TOO_LONG),
    ],
)
def test_a_time_that_can_be_misread_is_rejected(value: object, reason: Reason) -> None:
    """No guessing of units or zones."""
    with pytest.raises(RejectedRecord) as caught:
        event_time(value, "ts")
    assert (caught.value.reason, caught.value.field) == (reason, "ts")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(time_ms=st.integers(MIN_TIME_MS, MAX_TIME_MS), offset=st.integers(-23 * 60, 23 * 60))
def test_every_time_reads_back_from_its_text(time_ms: int, offset: int) -> None:
    """In any zone."""
    shifted = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms, minutes=offset)
    sign, minutes = ("-", -offset) if offset < 0 else ("+", offset)
    written = f"{shifted:%Y-%m-%dT%H:%M:%S}.{shifted.microsecond // 1000:03}{sign}{minutes // 60:02}:{minutes % 60:02}"
    assert event_time(written) == time_ms


def test_a_whole_number_is_an_id() -> None:
    """SensorsData's manual has ``"product_id": 12345``; the number and its text are one SKU."""
    assert text(12345, "f") == required_text("12345", "f") == key(12345, "f") == "12345"
    assert text(None, "f") is None
    assert key(None, "f") is None


@pytest.mark.parametrize("value", [True, 1.5, Decimal("1.5"), [], {}])
def test_nothing_else_is_an_id(value: object) -> None:
    """``true`` and ``1.0`` are mistakes, not names."""
    for read in (text, key, required_text):
        with pytest.raises(RejectedRecord) as caught:
            read(value, "f")
        assert caught.value.reason is Reason.WRONG_TYPE


def test_a_required_field_must_be_there() -> None:
    """Null is absent."""
    with pytest.raises(RejectedRecord) as caught:
        required_text(None, "messageId")
    assert (caught.value.reason, caught.value.field) == (Reason.MISSING_FIELD, "messageId")


@pytest.mark.parametrize("value", ["39.90", 39.9, Decimal("39.90"), "39.9"])
def test_a_price_may_be_text_or_number(value: object) -> None:
    """Vendors send both."""
    assert price_minor(value, 2, "p") == 3990


@pytest.mark.parametrize(
    ("value", "count"), [(None, 1), (2, 2), (2.0, 2), (Decimal("2.00"), 2), ("2", 2), ("007", 7)]
)
def test_a_quantity_may_be_text_or_number(value: object, count: int) -> None:
    """Absent, it is one."""
    assert quantity(value, "q") == count


@pytest.mark.parametrize(
    "value", [0, -1, 1.5, "1.5", "-1", "", " 2", "2e3", "1" * 500, float("inf"), Decimal("1E+400")]
)
def test_a_quantity_counts_pieces(value: object) -> None:
    """Whole and positive, a million at most."""
    with pytest.raises(RejectedRecord) as caught:
        quantity(value, "q")
    assert (caught.value.reason, caught.value.field) == (Reason.BAD_QUANTITY, "q")


def test_an_exact_number_is_the_text_it_was() -> None:
    """0.1 is a tenth, and an absurd exponent is no crash."""
    assert exact_number("0.1") == Decimal("0.1")
    assert exact_number("1e400") == Decimal("1E+400")
    assert exact_number("1e99999999999999999999").is_infinite()


def test_a_derived_id_tells_parts_apart() -> None:
    """Moving a character from one part to the next makes another id; the id itself must never change."""
    assert derived_id("ab", "c") != derived_id("a", "bc")
    assert derived_id("a", "b") == "d8f141e4ef8a533b1994f88d4ca33b0f"
