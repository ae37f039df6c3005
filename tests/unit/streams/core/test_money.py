"""Money: exact minor units, or a reason."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.money import (
    EXPONENTS,
    MAX_MINOR,
    MAX_QUANTITY,
    exponent,
    float_to_minor,
    line_amount,
    to_minor,
)
from streams.errors import RejectedRecord
from streams.events import Outcome, Reason

QUICK = settings(max_examples=100, deadline=None, derandomize=True)
DIGITS = st.sampled_from([0, 2, 3, 4])


def reason(caught: pytest.ExceptionInfo[RejectedRecord]) -> Reason:
    """Why; money is never merely unmapped."""
    assert caught.value.outcome is Outcome.INVALID
    return caught.value.reason


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("CNY", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("EUR", 2), ("XCG", 2), ("ZWG", 2)],
)
def test_a_currency_has_the_exponent_of_iso_4217(currency: str, digits: int) -> None:
    """Two decimals are the rule, not the law."""
    assert exponent(currency) == digits


@pytest.mark.parametrize(
    "currency", ["", "ABC", "cny", "CNY ", "156", "¥", "XAU", "XDR", "XXX", "XTS", "HRK", "BGN"]
)
def test_what_is_no_active_currency_with_a_minor_unit_is_unknown(currency: str) -> None:
    """Wrong case, symbols, numbers, metals, test codes and withdrawn codes."""
    with pytest.raises(RejectedRecord) as caught:
        exponent(currency, "params.currency")
    assert (reason(caught), caught.value.field) == (Reason.UNKNOWN_CURRENCY, "params.currency")


def test_the_table_is_iso_4217_list_one() -> None:
    """178 codes in list one as of 2026-01-01, of which 13 have no minor unit; each stands once."""
    assert len(EXPONENTS) == 165
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)


@pytest.mark.parametrize(
    ("price", "digits", "minor"),
    [
        ("39.90", 2, 3990),
        ("39.9", 2, 3990),
        ("39", 2, 3900),
        ("0", 2, 0),
        ("-0.00", 2, 0),
        ("0.01", 2, 1),
        ("007.50", 2, 750),
        ("39.9000000", 2, 3990),
        ("1200", 0, 1200),
        ("1200.00", 0, 1200),
        ("1.250", 3, 1250),
        ("10000000000000.00", 2, MAX_MINOR),
    ],
)
def test_a_decimal_text_is_read_exactly(price: str, digits: int, minor: int) -> None:
    """Digit by digit, without a float in between; zeros beyond the currency's decimals are harmless."""
    assert to_minor(price, digits) == minor


@pytest.mark.parametrize(
    ("price", "why"),
    [
        ("-0.01", Reason.NEGATIVE_PRICE),
        ("-5", Reason.NEGATIVE_PRICE),
        ("39.905", Reason.PRICE_PRECISION),
        ("0.001", Reason.PRICE_PRECISION),
        ("10000000000000.01", Reason.PRICE_TOO_LARGE),
        ("9" * 17, Reason.PRICE_TOO_LARGE),
        *(
            (text, Reason.BAD_PRICE)
            for text in ("", "-", ".", "5.", ".5", "+5", "1e3", "1E3", "0x10", "1_000")
        ),
        *(
            (text, Reason.BAD_PRICE)
            for text in ("1,5", " 1", "1 ", "1\n", "NaN", "Infinity", "-inf", "¥5", "--5")
        ),
        *((text, Reason.BAD_PRICE) for text in ("\uff15", "\u0665", "5\u00a0", "\u00b2")),
    ],
)
def test_what_is_not_plainly_a_price_is_rejected(price: str, why: Reason) -> None:
    """Python's own parsers would take half of these."""
    with pytest.raises(RejectedRecord) as caught:
        to_minor(price, 2, "items[0].price")
    assert (reason(caught), caught.value.field) == (why, "items[0].price")


@pytest.mark.parametrize(
    ("number", "digits", "minor"),
    [
        (39.9, 2, 3990),
        (3999.0, 2, 399900),
        (3999, 2, 399900),
        (0.1 + 0.2, 2, 30),
        (1.005, 2, 100),
        (1.015, 2, 102),
        (0.125, 2, 12),
        (0.135, 2, 14),
        (2.5, 0, 2),
        (3.5, 0, 4),
        (-0.0, 2, 0),
        (1e-300, 2, 0),
        (1.2345, 3, 1234),
        (Decimal("0.005000000000000000000000000000000000000001"), 2, 1),
        (Decimal("1E-999999"), 2, 0),
        (1e13, 2, MAX_MINOR),
    ],
)
def test_a_json_number_is_rounded_half_to_even(number: float | Decimal, digits: int, minor: int) -> None:
    """A float stands for its shortest text, and is rounded once."""
    assert float_to_minor(number, digits) == minor


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (-0.01, Reason.NEGATIVE_PRICE),
        (-1, Reason.NEGATIVE_PRICE),
        (float("nan"), Reason.BAD_PRICE),
        (float("inf"), Reason.BAD_PRICE),
        (Decimal("NaN"), Reason.BAD_PRICE),
        (Decimal("-Infinity"), Reason.BAD_PRICE),
        (1e300, Reason.PRICE_TOO_LARGE),
        (Decimal("1E+999999"), Reason.PRICE_TOO_LARGE),
        (10_000_000_000_000.01, Reason.PRICE_TOO_LARGE),
    ],
)
def test_a_number_that_is_no_price_is_rejected(number: float | Decimal, why: Reason) -> None:
    """Without spelling out a number of a million digits."""
    with pytest.raises(RejectedRecord) as caught:
        float_to_minor(number, 2, "price")
    assert (reason(caught), caught.value.field) == (why, "price")


@pytest.mark.parametrize("digits", [5_000, 20_000])
def test_a_digit_bomb_is_compared_and_not_converted(digits: int) -> None:
    """Python refuses to turn more than 4,300 digits into a number or back; we never ask it to."""
    with pytest.raises(RejectedRecord) as text:
        to_minor("9" * digits, 2)
    with pytest.raises(RejectedRecord) as number:
        float_to_minor(10**digits, 2)
    assert reason(text) is reason(number) is Reason.PRICE_TOO_LARGE
    assert to_minor("0" * digits + "1", 2) == 100


def test_a_line_is_price_times_quantity() -> None:
    """In minor units, so nothing is rounded."""
    assert line_amount(3990, 3) == 11970
    assert line_amount(1, MAX_QUANTITY) == MAX_QUANTITY
    assert line_amount(MAX_MINOR, 1) == MAX_MINOR


@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1])
def test_a_quantity_is_one_to_a_million(quantity: int) -> None:
    """Nothing is sold zero times."""
    with pytest.raises(RejectedRecord) as caught:
        line_amount(100, quantity)
    assert reason(caught) is Reason.BAD_QUANTITY


def test_a_line_cannot_outgrow_what_a_price_may_be() -> None:
    """Sums of lines stay far inside 64 bits."""
    with pytest.raises(RejectedRecord) as caught:
        line_amount(MAX_MINOR // 2, 3)
    assert reason(caught) is Reason.PRICE_TOO_LARGE


@QUICK
@given(minor=st.integers(0, MAX_MINOR), digits=DIGITS, zeros=st.integers(0, 5))
def test_every_amount_survives_being_written(minor: int, digits: int, zeros: int) -> None:
    """Text of an amount reads back as the amount, whatever zeros stand behind it."""
    text = str(Decimal(minor).scaleb(-digits).quantize(Decimal(1).scaleb(-digits))) if digits else str(minor)
    text += "0" * zeros if "." in text else ""
    assert to_minor(text, digits) == minor


@QUICK
@given(number=st.floats(0, 1e10) | st.decimals(0, 10**10, places=6), digits=DIGITS)
def test_rounding_is_never_off_by_more_than_half_a_unit(number: float | Decimal, digits: int) -> None:
    """Against exact fractions of the number's own text."""
    exact = Fraction(str(number)) * 10**digits
    minor = float_to_minor(number, digits)
    assert abs(minor - exact) <= Fraction(1, 2)
    assert abs(minor - exact) < Fraction(1, 2) or minor % 2 == 0
