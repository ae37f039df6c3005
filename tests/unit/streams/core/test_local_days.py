"""Days of a time zone, those on which clocks change included."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from streams.core.local_days import LocalDays

HOUR = 3_600_000


def at(text: str, zone: str, fold: int = 0) -> int:
    """Milliseconds of a time on the wall."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Asia/Shanghai", "2025-11-11T12:00", 24),
        ("America/New_York", "2025-03-09T12:00", 23),
        ("America/New_York", "2025-11-02T12:00", 25),
        # Midnight is skipped, and shown twice.
        ("Africa/Cairo", "2025-04-25T12:00", 23),
        ("Africa/Cairo", "2025-10-30T12:00", 25),
        ("Australia/Lord_Howe", "2025-04-06T12:00", 24.5),
    ],
)
def test_a_day_is_as_long_as_clocks_say(zone: str, noon: str, hours: float) -> None:
    """From its first moment to the next day's first, which both ends know of each other."""
    days = LocalDays(zone)
    day = days.day(at(noon, zone))
    assert day.end_ms - day.start_ms == hours * HOUR
    assert days.day(day.start_ms) == days.day(day.end_ms - 1) == day
    assert days.day(day.end_ms).start_ms == day.end_ms


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2025-11-11T20:00", "2025-11-10T20:00"),
        # An hour is lost, and won, between.
        ("2025-03-09T20:00", "2025-03-08T20:00"),
        ("2025-11-02T20:00", "2025-11-01T20:00"),
        # It was not shown the day before: an hour later, as if clocks had not changed.
        ("2025-03-10T02:30", "2025-03-09T03:30"),
        # It was shown twice the day before: the first one.
        ("2025-11-03T01:30", "2025-11-02T01:30"),
    ],
)
def test_the_same_time_the_day_before(now: str, then: str) -> None:
    """Goes by the wall, not by 24 hours."""
    zone = "America/New_York"
    assert LocalDays(zone).earlier(at(now, zone), 1) == at(then, zone)


def test_the_same_time_the_week_before() -> None:
    """Seven days on the wall; milliseconds are kept."""
    zone = "America/New_York"
    now, then = at("2025-11-05T08:00", zone) + 123, at("2025-10-29T08:00", zone) + 123
    assert LocalDays(zone).earlier(now, 7) == then
    assert now - then == 7 * 24 * HOUR + HOUR
