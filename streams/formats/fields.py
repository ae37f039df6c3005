"""Single fields of an event: ids, keys, times, prices and quantities, from whatever JSON type vendors send.

Promises the same reason for the same mistake in every format, together with the dotted field. Values arrive as the
JSON parser left them; None means absent, and so does a JSON null. Refuses to mend: a price with a currency sign or a
time without an offset is rejected, never guessed.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from streams.core.money import MAX_QUANTITY, float_to_minor, to_minor
from streams.errors import RejectedRecord
from streams.events import MAX_TIME_MS, MIN_TIME_MS, Outcome, Reason
from streams.formats.keys import check_key, check_text

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_QUANTITY_DIGITS = len(str(MAX_QUANTITY))


def invalid(reason: Reason, field: str = "") -> RejectedRecord:
    """Build the error for a record that is wrong in ``field``."""
    return RejectedRecord(Outcome.INVALID, reason, field)


def text(value: object, field: str) -> str | None:
    """Return an id as text, or None if absent; whole numbers are ids too, as in vendors' own samples."""
    scalar = _scalar(value, field)
    return None if scalar is None else check_text(scalar, field)


def required_text(value: object, field: str) -> str:
    """Return an id as text; absent is ``missing_field``."""
    found = text(value, field)
    if found is None:
        raise invalid(Reason.MISSING_FIELD, field)
    return found


def key(value: object, field: str) -> str | None:
    """Return the key of a dimension, or None if absent."""
    scalar = _scalar(value, field)
    return None if scalar is None else check_key(scalar, field)


def _scalar(value: object, field: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise invalid(Reason.WRONG_TYPE, field)


def event_time(value: object, field: str = "event_time") -> int:
    """Return milliseconds since the epoch from milliseconds or an RFC 3339 text with an offset.

    Fractions of a millisecond are cut off.

    Raises:
        RejectedRecord: ``missing_field``, ``wrong_type``, ``empty_field``, ``field_too_long``, ``bad_time``,
            ``time_in_seconds`` or ``time_in_microseconds``.
    """
    if isinstance(value, str):
        return _parse_time(value, field)
    if value is None:
        raise invalid(Reason.MISSING_FIELD, field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(Reason.WRONG_TYPE, field)
    if value < MIN_TIME_MS:
        raise invalid(Reason.TIME_IN_SECONDS, field)
    if value > MAX_TIME_MS:
        raise invalid(Reason.TIME_IN_MICROSECONDS, field)
    return value


def _parse_time(value: str, field: str) -> int:
    check_text(value, field)
    if not _RFC3339.fullmatch(value):
        raise invalid(Reason.BAD_TIME, field)
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:  # the 31st of February, an offset of 24 hours
        raise invalid(Reason.BAD_TIME, field) from None
    time_ms = (moment - _EPOCH) // _MILLISECOND
    if not MIN_TIME_MS <= time_ms <= MAX_TIME_MS:
        raise invalid(Reason.BAD_TIME, field)
    return time_ms


def price_minor(value: object, digits: int, field: str) -> int:
    """Return a price, a decimal text or a JSON number, in minor units of a currency with ``digits`` decimals."""
    if value is None:
        raise invalid(Reason.MISSING_FIELD, field)
    if isinstance(value, str):
        return to_minor(check_text(value, field), digits, field)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float_to_minor(value, digits, field)
    raise invalid(Reason.WRONG_TYPE, field)


def exact_number(digits: str) -> Decimal:
    """Keep a JSON number with a point or an exponent as it is written; absurd exponents become infinity.

    For ``float_hook`` of a decoder of free-form JSON, where 0.1 is better off as a Decimal.
    """
    try:
        return Decimal(digits)
    except InvalidOperation:
        return Decimal("Infinity")


def quantity(value: object, field: str) -> int:
    """Return a quantity, 1 if absent; vendors also send ``2.0`` and ``"2"``."""
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise invalid(Reason.WRONG_TYPE, field)
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= _MAX_QUANTITY_DIGITS):
            raise invalid(Reason.BAD_QUANTITY, field)
        value = int(value)
    # The comparison comes first: int() would spell out 1E+400.
    if not 1 <= value <= MAX_QUANTITY or value != int(value):
        raise invalid(Reason.BAD_QUANTITY, field)
    return int(value)


def derived_id(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for these parts, for events that come without an id."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()
