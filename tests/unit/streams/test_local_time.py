"""Local times become one moment each, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from streams.local_time import parse_local_time_ms

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def utc_ms(*parts: int) -> int:
    """Milliseconds of a time in UTC."""
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]  # parts are of a date


@pytest.mark.parametrize(
    ("text", "zone", "wanted"),
    [
        ("2026-11-11 00:00", SHANGHAI, utc_ms(2026, 11, 10, 16)),
        ("2026-11-11T00:00:30", SHANGHAI, utc_ms(2026, 11, 10, 16, 0, 30)),
        ("2026-11-11", SHANGHAI, utc_ms(2026, 11, 10, 16)),
        ("2026-11-11 00:00:00.250", SHANGHAI, utc_ms(2026, 11, 10, 16) + 250),
        ("2026-11-11T00:00:00Z", SHANGHAI, utc_ms(2026, 11, 11)),
        ("2026-11-11T00:00-05:00", SHANGHAI, utc_ms(2026, 11, 11, 5)),
        ("2026-07-01 12:00", BERLIN, utc_ms(2026, 7, 1, 10)),
        ("2026-12-01 12:00", BERLIN, utc_ms(2026, 12, 1, 11)),
        ("2026-10-25T02:30:00+01:00", BERLIN, utc_ms(2026, 10, 25, 1, 30)),
        ("2026-10-25T02:30:00+02:00", BERLIN, utc_ms(2026, 10, 25, 0, 30)),
        ("2026-10-25 03:00", BERLIN, utc_ms(2026, 10, 25, 2)),
        ("2026-03-29 03:00", BERLIN, utc_ms(2026, 3, 29, 1)),
    ],
)
def test_a_time_is_one_moment(text: str, zone: ZoneInfo, wanted: int) -> None:
    """In the zone that is given, in summer and in winter; an offset of its own goes before."""
    assert parse_local_time_ms(text, zone) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-03-29 02:30", "is a time that the clocks of Europe/Berlin skip"),
        (
            "2026-10-25 02:30",
            "comes twice in Europe/Berlin: write it with its offset, such as 2026-10-25T02:30:00",
        ),
        ("2026-02-30 10:00", "must be a day of the calendar"),
        ("2026-11-11 24:30", "must be a day of the calendar"),
        ("20261111", "must be a time such as"),
        ("2026-W46-3", "must be a time such as"),
        ("11.11.2026", "must be a time such as"),
        ("2026-11-11 8:00", "must be a time such as"),
        ("٢٠٢٦-11-11", "must be a time such as"),
        ("", "must be a time such as"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, why: str) -> None:
    """Skipped and repeated hours are not settled by guessing, nor are other ways to write a date."""
    with pytest.raises(ValueError, match="^" + why.replace("(", r"\(")):
        parse_local_time_ms(text, BERLIN)
