"""Which time a window is compared with."""

from __future__ import annotations

import pytest

from streams.core.local_days import LocalDays
from streams.core.window_earlier import Comparison, Span, earlier
from streams.core.window_settings import DAY, Sale

DAYS = LocalDays("UTC")
T0 = 1_762_819_200_000  # midnight
MINUTE, HOUR, A_DAY = 60_000, 3_600_000, 86_400_000
NOW = T0 + 20 * HOUR
MAY = Sale("may", T0 - 60 * A_DAY, T0 - 59 * A_DAY)
JUNE = Sale("june", T0 - 30 * A_DAY, T0 - 28 * A_DAY)
TODAY = Sale("today", T0 + 18 * HOUR, T0 + 40 * HOUR)
SALES = [TODAY, MAY, JUNE]


def then(window: str, now: Span, with_: Comparison, sales: list[Sale] | None = None) -> Span | None:
    """The other time."""
    return earlier(window, now, with_, DAYS, SALES if sales is None else sales)


@pytest.mark.parametrize(
    ("with_", "back"),
    [
        (Comparison.PREVIOUS, 15 * MINUTE),
        (Comparison.YESTERDAY, A_DAY),
        (Comparison.LAST_WEEK, 7 * A_DAY),
        (Comparison.LAST_PROMOTION, TODAY.start_ms - JUNE.start_ms),
    ],
)
def test_a_sliding_window(with_: Comparison, back: int) -> None:
    """As long as it is, so much earlier; in a promotion, as long after the last one's start."""
    now = Span(NOW - 15 * MINUTE, NOW)
    assert then("15m", now, with_) == Span(now.start_ms - back, now.end_ms - back)


def test_the_day() -> None:
    """Up to the same time of the other day; the day before is the whole of it."""
    now = Span(T0, NOW)
    assert then(DAY, now, Comparison.YESTERDAY) == Span(T0 - A_DAY, NOW - A_DAY)
    assert then(DAY, now, Comparison.LAST_WEEK) == Span(T0 - 7 * A_DAY, NOW - 7 * A_DAY)
    assert then(DAY, now, Comparison.PREVIOUS) == Span(T0 - A_DAY, T0)


def test_the_whole_day_is_compared_with_the_whole_day() -> None:
    """At midnight, when the day that ends is shown for the last time."""
    assert then(DAY, Span(T0, T0 + A_DAY), Comparison.YESTERDAY) == Span(T0 - A_DAY, T0)


def test_days_of_23_hours() -> None:
    """Yesterday was shorter: same time on the wall, an hour less in between."""
    days = LocalDays("America/New_York")
    noon = 1_741_622_400_000  # 10 March 2025, 12:00 in New York
    day = days.day(noon)
    found = earlier(DAY, Span(day.start_ms, noon), Comparison.YESTERDAY, days, [])
    assert found == Span(day.start_ms - 23 * HOUR, noon - A_DAY)
    assert found.size_ms == 11 * HOUR


def test_a_promotion() -> None:
    """The last one to the same time after its start, no longer than it was; or the time just before."""
    now = Span(TODAY.start_ms, NOW)
    assert then(TODAY.window, now, Comparison.LAST_PROMOTION) == Span(JUNE.start_ms, JUNE.start_ms + 2 * HOUR)
    assert then(TODAY.window, now, Comparison.PREVIOUS) == Span(TODAY.start_ms - 2 * HOUR, TODAY.start_ms)
    assert then(TODAY.window, now, Comparison.YESTERDAY) == Span(TODAY.start_ms - A_DAY, NOW - A_DAY)
    late = Span(TODAY.start_ms, TODAY.start_ms + 30 * HOUR)
    assert then(TODAY.window, late, Comparison.LAST_PROMOTION, [TODAY, MAY]) == Span(MAY.start_ms, MAY.end_ms)


def test_no_promotion_to_compare_with() -> None:
    """None runs, none was before, or the last one was over by then."""
    now = Span(NOW - HOUR, NOW)
    assert then("1h", now, Comparison.LAST_PROMOTION, [MAY, JUNE]) is None
    assert then("1h", now, Comparison.LAST_PROMOTION, [TODAY]) is None
    late = Span(TODAY.start_ms + 30 * HOUR, TODAY.start_ms + 31 * HOUR)
    assert then("1h", late, Comparison.LAST_PROMOTION, [TODAY._replace(end_ms=T0 + 3 * A_DAY), MAY]) is None
