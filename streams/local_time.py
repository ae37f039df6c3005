"""Local times as people write them in a calendar, and the moment that each of them is.

Promises one moment or a refusal: a time that the clocks skip, or that comes twice when they are set
back, is never settled by guessing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_SHAPE: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?)?", re.ASCII
)


def parse_local_time_ms(text: str, zone: ZoneInfo) -> int:
    """Milliseconds since the epoch of ``2026-11-11 00:00`` in ``zone``, or of RFC 3339 with its own offset.

    A date alone is its midnight.

    Raises:
        ValueError: what is wrong with it, for a human.
    """
    if not _SHAPE.fullmatch(text):
        raise ValueError("must be a time such as 2026-11-11 20:00 or 2026-11-11T20:00:00+08:00")
    try:
        written = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day of the calendar and a time of the day") from None
    return _ms(written if written.tzinfo else _placed(written, zone))


def _placed(written: datetime, zone: ZoneInfo) -> datetime:
    """The local time with its offset from UTC."""
    local = written.replace(tzinfo=zone)
    if local.utcoffset() == local.replace(fold=1).utcoffset():
        return local
    # Only of a time that comes twice does the way to UTC and back lead to itself.
    if _there_and_back(local) == written:
        example = local.isoformat()
        raise ValueError(f"comes twice in {zone.key}: write it with its offset, such as {example}")
    raise ValueError(f"is a time that the clocks of {zone.key} skip")


def _there_and_back(local: datetime) -> datetime:
    return local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None, fold=0)


def _ms(moment: datetime) -> int:
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
