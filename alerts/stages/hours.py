"""Parts of a week on the clocks of a place: when a route holds, when it is quiet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from streams.errors import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY_MINUTES: Final = 24 * 60
EVERY_DAY: Final = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Hours:
    """From ``start_minute`` of a day to before ``end_minute``, of the next day if that is not later.

    Attributes:
        start_minute: minutes after local midnight.
        end_minute: likewise; equal to the start for a whole day.
        zone: whose clocks.
        days: on which it begins, Monday being 0.

    Raises:
        ConfigError: no such minute or day.
    """

    start_minute: int
    end_minute: int
    zone: ZoneInfo
    days: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        for name in ("start_minute", "end_minute"):
            if not 0 <= getattr(self, name) < _DAY_MINUTES:
                raise ConfigError(name, "a minute of the day, 0 to 1439")
        if not self.days <= EVERY_DAY:
            raise ConfigError("days", "0 (Monday) to 6")

    def covers(self, at_ms: int) -> bool:
        """Whether a moment lies within."""
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start_minute < self.end_minute:
            return day in self.days and self.start_minute <= minute < self.end_minute
        if minute >= self.start_minute:
            return day in self.days
        return minute < self.end_minute and (day - 1) % 7 in self.days
