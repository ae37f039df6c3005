"""No vendor is sent more than it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alerts.notify.base import Rate, Traits
from alerts.pace import Pace

HOUR = 3_600_000
T0 = 490_000 * HOUR + 60_000


def paced(*rates: Rate, **more: bool) -> Pace:
    """Of a vendor with these."""
    return Pace(Traits(1_000, rates, **more))


def test_all_rates_hold() -> None:
    """Two in a second, and three in a minute."""
    pace, now_ms, sent = paced(Rate(2, 1_000), Rate(3, 60_000)), T0, []
    for _ in range(5):
        now_ms += pace.wait_ms(now_ms)
        pace.sent(now_ms)
        sent.append(now_ms - T0)
    assert sent == [0, 0, 1_000, 60_000, 60_000]


@given(st.lists(st.integers(0, 3_000), max_size=60))
def test_in_no_span_are_more(pauses: list[int]) -> None:
    """Whenever somebody wants to send."""
    rates = (Rate(2, 1_000), Rate(5, 10_000))
    pace, now_ms, sent = paced(*rates), T0, []
    for pause_ms in pauses:
        now_ms += pause_ms
        now_ms += pace.wait_ms(now_ms)
        pace.sent(now_ms)
        sent.append(now_ms)
    for rate in rates:
        assert all(late - early >= rate.span_ms for early, late in zip(sent, sent[rate.messages :]))  # noqa: B905 - shorter


def test_what_the_vendor_asks_for_is_kept() -> None:
    """Though its rates would allow more; at most an hour."""
    pace = paced(Rate(100, 1_000))
    pace.close(T0 + 30_000)
    pace.close(T0 + 20_000)
    assert pace.wait_ms(T0) == 30_000
    pace.close(T0 + 48 * HOUR)
    assert pace.wait_ms(T0) == HOUR


def test_round_times_are_left_to_others() -> None:
    """What is urgent goes at any time."""
    pace = paced(Rate(9, 1_000), avoids_round_times=True)
    full = 490_000 * HOUR
    assert [pace.wait_ms(full + ms, urgent=False) for ms in (0, 4_000, 10_000, HOUR // 2)] == [
        10_000,
        6_000,
        0,
        10_000,
    ]
    assert pace.wait_ms(full) == 0


def test_a_clock_that_is_set_back_stops_nobody() -> None:
    """A span is the longest wait."""
    pace = paced(Rate(1, 1_000))
    pace.sent(T0)
    assert pace.wait_ms(T0 - HOUR) == 1_000
