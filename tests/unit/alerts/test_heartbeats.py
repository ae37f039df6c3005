"""Heartbeats as the closed buckets' records tell of them."""

from __future__ import annotations

from alerts.heartbeats import Heartbeats
from alerts.witness import Witness
from streams.closed import ClosedBucket
from tests.support.record_feed import closed_bucket

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


def test_a_quiet_shop_is_no_outage_and_a_dead_topic_is_one() -> None:
    """Events stop: with heartbeats it is the shop. They stop as well: then it is the data, and it says so."""
    witness, heard, found = Witness(), Heartbeats(), []
    for number in range(160):
        events = {(0, topic, "accepted"): 300 for topic in (0, 1)} if number < 100 else {}
        beats = {(0, topic, "heartbeat"): 1 for topic in (0, 1)} if number < 140 else {}
        closed = closed_bucket(number, events | beats)
        found.append(witness.observe(closed, heard.take(closed)).findings)
    assert found[:145] == [()] * 145
    assert {finding.detail for finding in found[150]} == {"heartbeat"}


def test_heartbeats_are_nobodys_records() -> None:
    """A topic of which nothing comes but rubbish and heartbeats is as bad as without them."""
    witness, found = Witness(), []
    for number in range(12):
        records = {(0, 1, "invalid"): 20, (0, 1, "heartbeat"): 500, (0, 0, "accepted"): 50}
        found.append(witness.observe(closed_bucket(number, records), {}).findings)
    assert any(finding.kind == "bad_input" for finding in found[-1])
