"""The fold over closed buckets."""

from __future__ import annotations

from dataclasses import replace

from tests.support.reported import (
    CLICK,
    D9,
    D11,
    DAY,
    HOUR,
    LATENESS,
    MINUTE,
    START,
    bucket,
    gathering_of,
    week,
)
from tests.support.window_oracle import BUCKET, Buckets


def test_everybody_gets_their_own_time() -> None:
    """This promotion, the last one and the evening before, of one stream of buckets."""
    gathering = gathering_of()
    for closed in week():
        gathering.take(closed)
    assert gathering.then is not None
    assert gathering.keyed_then is not None
    assert gathering.now.counts("all", START, D11.end_ms)[CLICK] == 360 * 100
    assert gathering.then.counts("all", D9.start_ms, D9.end_ms)[CLICK] == 240 * 50
    opened = START - DAY, START - DAY + 20 * MINUTE
    assert gathering.earlier[1].counts("all", *opened)[CLICK] == 120 * 40
    assert gathering.earlier[7].seen(*(edge - 6 * DAY for edge in opened)) == 0.0
    assert gathering.keyed.counts("slot")[:, CLICK].tolist()[:2] == [360 * 60, 360 * 40]
    assert gathering.keyed_then.counts("slot")[:, CLICK].tolist()[:2] == [240 * 30, 240 * 20]


def test_a_last_promotion_of_its_own_recording() -> None:
    """Its keys may have other numbers, and what the other recording has of it counts no second time."""
    gathering, other = gathering_of(last_apart=True), Buckets(names={"slot": ["b", "a"]})
    for start_ms in range(D9.start_ms, D9.end_ms, BUCKET):
        gathering.take_last(bucket(other, start_ms, 50, 5))
    for closed in week():
        gathering.take(closed)
    assert gathering.keyed_then is not None
    assert gathering.keyed_then.names("slot") == ["b", "a"]
    assert gathering.keyed_then.counts("slot")[:, CLICK].tolist()[:2] == [240 * 20, 240 * 30]


def test_health_is_of_the_promotion_only() -> None:
    """Records by outcome, buckets that did not wait, and times without any."""
    gathering, written = gathering_of(), Buckets()
    for number in (-60, 0, 1, 8):
        closed = bucket(written, D11.begins_ms + number * BUCKET, 10, 1)
        gathering.take(replace(closed, complete=number != 8))
    health = gathering.health
    odd = {(0, "late"): 12, (0, "duplicate"): 6, (0, "invalid"): 3}
    assert dict(health.records) == {(0, "accepted"): 330, (1, "accepted"): 3} | odd
    assert (health.buckets, health.incomplete) == (3, 1)
    assert health.gaps == [(D11.begins_ms + 2 * BUCKET, D11.begins_ms + 8 * BUCKET)]
    assert health.missing_ms == MINUTE


def test_buckets_are_handed_on_until_nothing_can_come() -> None:
    """Late events and partitions that were away have their time; then nobody need read on."""
    gathering, written = gathering_of(), Buckets()
    times = range(D11.end_ms - BUCKET, D11.end_ms + 3 * HOUR, BUCKET)
    passed = [*gathering.passing(bucket(written, start_ms, 1, 0) for start_ms in times)]
    assert passed[-1].end_ms == D11.end_ms + LATENESS + HOUR
