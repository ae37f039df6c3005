"""When keys are chosen: after they were measured, once a day, and every ten minutes at most."""

from __future__ import annotations

from datetime import UTC

from streams.metrics.labels import local_day
from streams.metrics.measuring import EXCHANGE_MS, Measuring
from tests.unit.streams.metrics.scrapes import DAY_MS, NOON_MS

WARMUP_MS = 60_000


def measuring() -> Measuring:
    """Keys are seen from noon on."""
    found = Measuring(WARMUP_MS, UTC)
    found.advance(NOON_MS)
    found.see()
    assert found.turn_day(NOON_MS) is None
    return found


def test_time_stands_still_while_the_clock_is_set_back() -> None:
    """And goes on from there: an hour back is not an hour that has to pass again."""
    time = Measuring(WARMUP_MS, UTC)
    assert [time.advance(NOON_MS + at) for at in (0, 5, -3_600_000, -3_599_990)] == [0, 5, 5, 15]


def test_nothing_is_warm_before_there_are_keys() -> None:
    """The first key begins the warm-up, the ones behind it do not begin it again."""
    time = Measuring(WARMUP_MS, UTC)
    time.advance(NOON_MS)
    time.advance(NOON_MS + WARMUP_MS)
    assert time.warming
    time.see()
    time.advance(NOON_MS + 2 * WARMUP_MS - 1)
    time.see()
    assert time.warming
    time.advance(NOON_MS + 2 * WARMUP_MS)
    assert not time.warming


def test_a_day_begins_once() -> None:
    """At midnight, and not again when the clock is set back across it."""
    time, midnight = measuring(), NOON_MS + DAY_MS // 2
    found = []
    for now_ms in (midnight - 1, midnight, midnight + 1, midnight - 1, midnight, midnight + DAY_MS):
        time.advance(now_ms)
        found.append(time.turn_day(now_ms))
    tomorrow = local_day(midnight, UTC)
    assert found == [None, tomorrow, None, None, None, tomorrow + 1]


def test_a_day_waits_until_its_keys_are_measured() -> None:
    """Shards that came just before midnight are measured first."""
    time, midnight = measuring(), NOON_MS + DAY_MS // 2
    time.advance(midnight - 1)
    time.restart()
    time.see()
    time.advance(midnight)
    assert time.turn_day(midnight) is None
    time.advance(midnight - 1 + WARMUP_MS)
    assert time.turn_day(midnight - 1 + WARMUP_MS) == local_day(midnight, UTC)


def test_places_change_hands_ten_minutes_after_the_last_comparison() -> None:
    """A comparison is: shards that came, a day that began, places that changed hands."""
    time = measuring()
    found = []
    for at in (EXCHANGE_MS - 1, EXCHANGE_MS, EXCHANGE_MS + 1, 2 * EXCHANGE_MS):
        time.advance(NOON_MS + at)
        found.append(time.turn_places())
    assert found == [False, True, False, True]
    time.restart()
    time.see()
    time.advance(NOON_MS + 3 * EXCHANGE_MS - 1)
    assert not time.turn_places()
    midnight = NOON_MS + DAY_MS // 2
    time.advance(midnight)
    assert time.turn_day(midnight) is not None
    assert not time.turn_places()
    time.advance(midnight + EXCHANGE_MS)
    assert time.turn_places()
