"""Parts of a week: on local clocks, over midnight, over a change of the clocks."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from alerts.stages.hours import Hours
from streams.errors import ConfigError

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NIGHT = Hours(22 * 60, 8 * 60, SHANGHAI, frozenset({4}))


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    """Milliseconds of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-20 21:59", False),
        ("2026-11-20 22:00", True),
        ("2026-11-21 07:59", True),
        ("2026-11-21 08:00", False),
        ("2026-11-21 22:00", False),
        ("2026-11-20 07:00", False),
    ],
)
def test_a_friday_night_ends_on_saturday(time: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """The day is that on which it begins."""
    assert NIGHT.covers(at(time)) is expected


def test_a_day_and_a_whole_day() -> None:
    """From start to before end; equal ends are all of it."""
    office = Hours(9 * 60, 18 * 60, SHANGHAI)
    assert [office.covers(at(f"2026-11-20 {time}")) for time in ("08:59", "09:00", "18:00")] == [
        False,
        True,
        False,
    ]
    assert Hours(0, 0, SHANGHAI).covers(at("2026-11-20 00:00"))


def test_clocks_that_change() -> None:
    """It is the local time that counts."""
    night = Hours(22 * 60, 8 * 60, BERLIN)
    for day in ("2026-03-29", "2026-10-25"):
        assert night.covers(at(f"{day} 07:59", BERLIN))
        assert not night.covers(at(f"{day} 08:00", BERLIN))


@pytest.mark.parametrize("wrong", [(-1, 0), (0, 1440)])
def test_no_such_minute(wrong: tuple[int, int]) -> None:
    """Is refused."""
    with pytest.raises(ConfigError):
        Hours(*wrong, SHANGHAI)
    with pytest.raises(ConfigError, match="days"):
        Hours(0, 1, SHANGHAI, frozenset({7}))
