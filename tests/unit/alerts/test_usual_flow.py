"""What an hour of the week usually brings."""

from __future__ import annotations

import pytest

from alerts.usual_flow import UsualFlow

HOUR = 3_600_000
WEEK = 168 * HOUR


def week(*hours: int, start_ms: int = 0) -> UsualFlow:
    """These counts per bucket in the first hours, once an hour over at the end."""
    usual = UsualFlow()
    add(usual, hours, start_ms)
    return usual


def add(usual: UsualFlow, hours: tuple[int, ...], start_ms: int) -> None:
    """One call per ten minutes."""
    for number, count in enumerate((*hours, 0)):
        for part in range(6):
            usual.add(count * 60, 60.0, start_ms + number * HOUR + part * HOUR // 6)


def test_a_shop_that_closes_is_no_outage() -> None:
    """What is usually left of the hour before is at most all of it."""
    usual = week(100, 10, 0, 50)
    assert usual.fall(0, HOUR) == pytest.approx(0.1)
    assert usual.fall(HOUR, 2 * HOUR) == 0.0
    assert usual.fall(HOUR, 3 * HOUR) == 1.0
    assert usual.fall(WEEK, WEEK + HOUR) == pytest.approx(0.1)


def test_what_is_not_known_falls_not() -> None:
    """Nor within an hour, nor from nothing."""
    usual = week(100, 0, 50)
    assert usual.fall(0, 100 * HOUR) == 1.0
    assert usual.fall(100 * HOUR, 0) == 1.0
    assert usual.fall(0, HOUR - 1) == 1.0
    assert usual.fall(HOUR, 2 * HOUR) == 1.0


def test_weeks_are_halved_in() -> None:
    """This week weighs as much as all before."""
    usual = week(100, 10)
    add(usual, (100, 30), WEEK)
    assert usual.fall(0, HOUR) == pytest.approx(0.2)


def test_half_an_hour_at_least() -> None:
    """Of an hour that was hardly seen nothing is learned."""
    usual = UsualFlow()
    usual.add(5, 10.0, 0)
    usual.add(5, 10.0, HOUR)
    assert usual.means == [None] * 168
