"""Numbers as people read them."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import pytest

from alerts.content.chinese import CHINESE
from alerts.content.english import ENGLISH
from alerts.content.numbers import clock, count, duration, money, percent
from tests.support.findings import T0

DAY = 86_400_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (3, "3"),
        (3.14, "3.1"),
        (-0.01, "0.0"),
        (12.6, "13"),
        (1234567, "1,234,567"),
        (1e300, "1.00e+300"),
        (math.nan, None),
        (math.inf, None),
        (None, None),
    ],
)
def test_counts(value: float | None, shown: str | None) -> None:
    """A decimal only of few; what is no number is not shown."""
    assert count(value) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"), [(0.0, "0 %"), (0.0312, "3.1 %"), (0.5, "50 %"), (12.0, "1,200 %"), (math.nan, None)]
)
def test_ratios(ratio: float, shown: str | None) -> None:
    """In percent."""
    assert percent(ratio) == shown


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (123_456, "CNY", "CNY 1,234.56"),
        (123_456, "JPY", "JPY 123,456"),
        (123_456, "KWD", "KWD 123.456"),
        (-5, "EUR", "EUR -0.05"),
        (99.6, "EUR", "EUR 1.00"),
        (10**18, "CNY", "CNY 1.00e+16"),
        (1, None, None),
        (None, "CNY", None),
        (math.nan, "CNY", None),
    ],
)
def test_money(minor: float | None, currency: str | None, shown: str | None) -> None:
    """With the decimals of its currency."""
    assert money(minor, currency) == shown


@pytest.mark.parametrize(
    ("ms", "english", "chinese"),
    [
        (0, "1 s", "1 秒"),
        (65_000, "1 min 5 s", "1 分钟 5 秒"),
        (3_600_000, "1 h", "1 小时"),
        (DAY + 3_600_000 + 60_000, "1 d 1 h", "1 天 1 小时"),
        (400 * DAY, "1 y 34 d", "1 年 34 天"),
        (1e14, "3,169 y", "3,169 年"),
    ],
)
def test_durations(ms: float, english: str, chinese: str) -> None:
    """In the two largest units, of a second at least."""
    assert (duration(ms, ENGLISH), duration(ms, CHINESE)) == (english, chinese)


def test_times_are_those_of_a_place() -> None:
    """With the name of its zone; what no calendar has is not shown."""
    assert clock(T0, ZoneInfo("Asia/Shanghai")) == "11-09 20:00:00 CST"
    assert clock(T0, ZoneInfo("UTC")) == "11-09 12:00:00 UTC"
    assert clock(10**18, ZoneInfo("UTC")) is None
    assert clock(None, ZoneInfo("UTC")) is None
