"""Numbers and times as the page shows them. What is not known is a dash."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

NOTHING: Final = "–"  # noqa: RUF001  # a dash is meant
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def count(number: float | None) -> str:
    """With thousands: ``12,345``."""
    return NOTHING if number is None else f"{number:,.0f}"


def percent(ratio: float | None) -> str:
    """Three significant digits, at most two behind the point: ``3.27 %``."""
    if ratio is None:
        return NOTHING
    return f"{100 * ratio:.{2 if ratio < 0.1 else 1}f} %"


def money(minor: float | None, exponent: int, currency: str) -> str:
    """In whole units: ``12,345 CNY``."""
    return NOTHING if minor is None else f"{minor / 10**exponent:,.0f} {currency}"


def between(low: str, high: str) -> str:
    """From one to the other."""
    return f"{low} {NOTHING} {high}"


def signed(text: str, number: float) -> str:
    """The same with its sign; minus is in the text already."""
    return f"+{text}" if number > 0 else text


def change(now: float | None, before: float | None) -> str:
    """Relative change: ``+12.3 %``."""
    if now is None or not before:
        return NOTHING
    share = now / before - 1
    return f"{100 * share:+.1f} %"


def clock(at_ms: int, zone: ZoneInfo) -> str:
    """Time of day: ``20:15:30``."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%H:%M:%S}"


def instant(at_ms: int, zone: ZoneInfo) -> str:
    """Day and time: ``11-11 20:15``."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%m-%d %H:%M}"


def duration(ms: int, words: Mapping[str, str]) -> str:
    """The two largest units: ``2 h 5 min``."""
    seconds = max(round(ms / 1000), 0)
    days, hours = divmod(seconds, _DAY_S)
    hours, minutes = divmod(hours, _HOUR_S)
    minutes, rest = divmod(minutes, _MINUTE_S)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((at for at, (number, _) in enumerate(parts) if number), len(parts) - 1)
    shown = [f"{number} {words[unit]}" for number, unit in parts[first : first + 2] if number]
    return " ".join(shown) or f"0 {words['s']}"
