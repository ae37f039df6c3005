"""Days as people have them: from midnight to midnight in a time zone, 23 to 25 hours long.

The same time on another day is the same time on the wall. What the wall skips that day is taken at the
offset before the change, and of what it shows twice the first; so a moment always has one counterpart.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Day(NamedTuple):
    """A local day, half-open, in ms since the epoch."""

    start_ms: int
    end_ms: int


class LocalDays:
    """Days in one time zone.

    Args:
        zone: name in the IANA time zone database.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: there is no such zone.
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def day(self, at_ms: int) -> Day:
        """The day in which a moment lies."""
        date = self._local(at_ms).date()
        midnights = (datetime.combine(date + timedelta(days=days), time(), self._zone) for days in (0, 1))
        return Day(*map(_ms, midnights))

    def earlier(self, at_ms: int, days: int) -> int:
        """The moment at which the wall showed the same time so many days before."""
        return _ms(self._local(at_ms) - timedelta(days=days))

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms // 1000, self._zone) + timedelta(milliseconds=at_ms % 1000)


def _ms(moment: datetime) -> int:
    utc = moment.astimezone(UTC)
    return round(utc.timestamp() * 1000)
