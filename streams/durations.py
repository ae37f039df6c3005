"""Spans of time as people write them: ``250ms``, ``5s``, ``10m``, ``1h``, ``3d``, ``1h30m``.

Inside Funnelwatch a span is an integer of milliseconds; this is where text becomes one.
"""

from __future__ import annotations

import re
from typing import Final

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_UNITS: Final = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1}
_PART = re.compile(r"(\d{1,15})(ms|[dhms])")
_WHOLE = re.compile(r"(?:\d{1,15}(?:ms|[dhms]))+")


def parse_duration_ms(value: object) -> int:
    """Milliseconds of a duration; a whole number is taken as milliseconds.

    Raises:
        ValueError: it is neither a whole number nor parts of number and unit.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.replace(" ", "") if isinstance(value, str) else ""
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    if not text.isascii() or not _WHOLE.fullmatch(text):
        raise ValueError("not a duration")
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def format_duration(span_ms: int) -> str:
    """The shortest text that :func:`parse_duration_ms` reads back as ``span_ms`` (0 or more)."""
    parts: list[str] = []
    rest = span_ms
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
