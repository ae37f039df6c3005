"""Numbers as people read them: counts, money by currency, ratios, durations, times of a place.

What is not finite, or no time of a calendar, is None: a message leaves it out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from streams.closed import EXPONENTS

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from alerts.content.words import Words

_HUGE: Final = 1e15
_FEW: Final = 10
_USUAL_EXPONENT: Final = 2
_YEAR_S: Final = 31_557_600
_UNITS_S: Final = (_YEAR_S, 86_400, 3_600, 60, 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def count(value: float | None) -> str | None:
    """With thousands; a decimal only of few."""
    if value is None or not math.isfinite(value):
        return None
    if abs(value) >= _HUGE:
        return f"{value:.2e}"
    whole = abs(value) >= _FEW or value == round(value)
    return _signless_zero(f"{value:,.0f}" if whole else f"{value:,.1f}")


def percent(ratio: float | None) -> str | None:
    """Of a ratio; a decimal under ten percent, none above."""
    if ratio is None or not math.isfinite(ratio):
        return None
    value = 100 * ratio
    if abs(value) >= _HUGE:
        return f"{value:.2e} %"
    few = value != 0 and abs(round(value, 1)) < _FEW
    return f"{_signless_zero(f'{value:,.1f}' if few else f'{value:,.0f}')} %"


def money(minor: float | None, currency: str | None) -> str | None:
    """An amount with the decimals of its currency, which stands before it; 2 where that is not known."""
    if minor is None or currency is None or not math.isfinite(minor):
        return None
    digits = EXPONENTS.get(currency, _USUAL_EXPONENT)
    whole = round(minor)
    if abs(whole) >= _HUGE:
        return f"{currency} {float(whole) / 10**digits:.2e}"
    sign, units = "-" if whole < 0 else "", abs(whole)
    major, rest = divmod(units, 10**digits)
    return f"{currency} {sign}{major:,}" + (f".{rest:0{digits}d}" if digits else "")


def duration(ms: float | None, words: Words) -> str | None:
    """In its two largest units; of a second at least."""
    if ms is None or not math.isfinite(ms):
        return None
    seconds = max(ms / 1000, 1)
    if seconds >= _UNITS_S[0] * 10:
        return f"{count(min(seconds / _YEAR_S, _HUGE / 10))} {words.units[0]}"
    rest, parts = int(seconds), list[str]()
    for size, unit in zip(_UNITS_S, words.units, strict=True):
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(part for part in parts[:2] if part)


def clock(at_ms: int | None, zone: ZoneInfo) -> str | None:
    """``11-11 20:00:05 CST``."""
    if at_ms is None:
        return None
    try:
        local = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)
    except (OverflowError, ValueError):
        return None
    return f"{local:%m-%d %H:%M:%S} {local.tzname() or zone.key}"


def _signless_zero(text: str) -> str:
    return text.removeprefix("-") if not text.strip("-0.,") else text
