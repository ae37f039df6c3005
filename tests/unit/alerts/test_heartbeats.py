"""Heartbeats as the closed buckets' records tell of them."""

from __future__ import annotations

from alerts.heartbeats import Heartbeats
from streams.closed import ClosedBucket

T0 = 1_762_819_200_000


def bucket(number: int, **records: int) -> ClosedBucket:
    """A closed bucket in which records had these outcomes, of the orders."""
    counted = {(0, 1, outcome): count for outcome, count in records.items()}
    at_ms = T0 + number * 10_000
    return ClosedBucket(at_ms, at_ms + 12_000, True, (), 0, {}, {}, records=counted)


def test_the_newest_of_each_topic() -> None:
    """As of the closing of the last bucket that had one; events are none."""
    heard = Heartbeats()
    assert heard.take(bucket(0, accepted=5)) == {}
    assert heard.take(bucket(1, accepted=5, heartbeat=1)) == {"orders": T0 + 22_000}
    assert heard.take(bucket(2, accepted=5)) == {"orders": T0 + 22_000}


def test_a_restart_changes_nothing() -> None:
    """What was heard is state."""
    heard = Heartbeats()
    heard.take(bucket(1, heartbeat=1))
    assert Heartbeats(heard.snapshot()).take(bucket(9)) == {"orders": T0 + 22_000}
