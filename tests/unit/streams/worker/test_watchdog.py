"""A watchdog ends who stands still, and nobody else; times are handed in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)
from faust.types import TP

from streams.metrics.pipeline import STALL_REASONS
from streams.worker.watchdog import Excuse, LastResort, Reading, Seen, Stall, Watchdog, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.errors import Stalled

CLICKS, ORDERS = TP("clicks", 0), TP("orders", 0)
NOTHING = Reading(left=False, read=0, untaken=0, taken=0)
WAITS = Reading(left=True, read=7, untaken=0, taken=3)
TIMEOUT = 120


def watch(*looks: Seen, every: float = 1.0, start: float = 1_000.0) -> Iterator[Stalled | None]:
    """What a watchdog says of each look; the reading thread beats unless a look says otherwise."""
    dog = Watchdog(TIMEOUT)
    for number, seen in enumerate(looks):
        yield dog.look(start + number * every, seen)


def still(seconds: int, seen: Seen, *, beating: bool = True) -> list[Seen]:
    """The same for so many seconds."""
    return [replace(seen, beats=number if beating else 0) for number in range(seconds)]


def last(looks: list[Seen]) -> Stalled | None:
    """What it says in the end; before the end it has said nothing."""
    *before, end = watch(*looks)
    assert before == [None] * len(before)
    return end


STANDING = {
    Stall.FETCHING: Seen(partitions={CLICKS: WAITS, ORDERS: NOTHING}),
    Stall.AGENT: Seen(partitions={CLICKS: Reading(left=True, read=7, untaken=2, taken=3)}),
    Stall.FLUSH: Seen(unflushed=True, flushes=4),
    Stall.BROKER: Seen(unflushed=True, flushes=4, refused=True),
}


@pytest.mark.parametrize("reason", STANDING)
def test_what_stands_still_for_the_timeout_is_told(reason: Stall) -> None:
    """To the second: not before, and with the reason, the time and the place."""
    stalled = last(still(TIMEOUT + 1, STANDING[reason]))
    assert stalled is not None
    assert (stalled.reason, stalled.seconds) == (reason, TIMEOUT)
    assert stalled.place == ("clicks/0" if reason in {Stall.FETCHING, Stall.AGENT} else "")
    assert last(still(TIMEOUT, STANDING[reason])) is None


def test_a_dead_thread_is_told() -> None:
    """A reading thread that beats no more, also when there is nothing to read for all anybody knows."""
    stalled = last(still(TIMEOUT + 1, Seen(), beating=False))
    assert stalled is not None
    assert stalled.reason == Stall.READER


@pytest.mark.parametrize(
    "moves",
    [
        Seen(partitions={CLICKS: replace(WAITS, read=8)}),
        Seen(partitions={CLICKS: replace(WAITS, left=False)}),
        Seen(partitions={}),
    ],
    ids=["something is read", "nothing is left", "the partition has gone"],
)
def test_whatever_moves_begins_it_anew(moves: Seen) -> None:
    """Reading a little every two minutes is slow, not dead."""
    stands = Seen(partitions={CLICKS: WAITS})
    looks = [*still(TIMEOUT - 1, stands), moves, *still(TIMEOUT - 1, stands)]
    assert last([replace(seen, beats=number) for number, seen in enumerate(looks)]) is None


def test_a_partition_that_stands_still_while_others_go_on() -> None:
    """Each is watched on its own."""
    looks = [
        Seen(beats=number, partitions={CLICKS: replace(WAITS, read=number), ORDERS: WAITS})
        for number in range(TIMEOUT + 1)
    ]
    stalled = last(looks)
    assert stalled is not None
    assert (stalled.reason, stalled.place) == (Stall.FETCHING, "orders/0")


def test_the_innermost_is_to_blame() -> None:
    """A flush that stands holds up the agent, which holds up the reading: it is told, and not they."""
    held = {CLICKS: Reading(left=True, read=7, untaken=2, taken=3), ORDERS: WAITS}
    stalled = last(still(TIMEOUT + 1, Seen(unflushed=True, flushes=4, partitions=held)))
    assert stalled is not None
    assert stalled.reason == Stall.FLUSH


def test_an_idle_worker_may_stand_still() -> None:
    """Nothing to read, nothing to count: a day of it."""
    assert last(still(86_400, Seen(partitions={CLICKS: NOTHING, ORDERS: NOTHING}))) is None


@pytest.mark.parametrize("excuse", Excuse)
def test_what_is_not_ours_is_no_stall(excuse: Excuse) -> None:
    """Kafka out of reach for an hour, or a recovery that goes on; afterwards it begins anew."""
    stands = Seen(partitions={CLICKS: WAITS})
    excused = [replace(stands, excuse=excuse, progress=number // 60) for number in range(3_600)]
    looks = [*still(TIMEOUT - 1, stands), *excused, *still(TIMEOUT, stands)]
    assert last([replace(seen, beats=number) for number, seen in enumerate(looks)]) is None


@pytest.mark.parametrize("excuse", [Excuse.REBALANCING, Excuse.RECOVERING])
def test_a_rebalance_does_not_last_for_ever(excuse: Excuse) -> None:
    """Without progress it may take ten times as long as anything else."""
    stalled = last([Seen(excuse=excuse, progress="epoch 3")] * (10 * TIMEOUT + 1))
    assert stalled is not None
    assert stalled.reason == Stall.REBALANCE


def test_nobody_looked() -> None:
    """A process that was suspended for an hour has not stood still for that hour."""
    dog = Watchdog(TIMEOUT)
    stands = Seen(partitions={CLICKS: WAITS})
    said = [dog.look(float(now), replace(stands, beats=now)) for now in range(100)]
    said += [dog.look(float(now), replace(stands, beats=now)) for now in range(3_700, 3_719)]
    assert said == [None] * len(said)
    assert dog.seconds(3_718.0)[Stall.FETCHING] == 117
    assert dog.look(3_721.0, stands) is not None


def test_how_long_is_shown() -> None:
    """For every reason, the longest; nothing for what moves."""
    dog = Watchdog(TIMEOUT)
    dog.look(0.0, Seen(partitions={CLICKS: WAITS}))
    dog.look(5.0, Seen(beats=1, partitions={CLICKS: WAITS, ORDERS: WAITS}))
    assert dog.seconds(7.0) == dict.fromkeys(Stall, 0.0) | {Stall.FETCHING: 7.0, Stall.READER: 2.0}
    assert tuple(dog.seconds(7.0)) == STALL_REASONS


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (TopicAuthorizationFailedError(), True),
        (MessageSizeTooLargeError(), True),
        (KafkaConnectionError(), False),
        (KafkaTimeoutError(), False),
        (NotLeaderForPartitionError(), False),
        (NotEnoughReplicasError(), False),
        (OSError(), False),
    ],
)
def test_a_refusal_is_an_answer(error: Exception, *, refused: bool) -> None:
    """A broker that is away, or not ready, refuses nothing."""
    assert refuses(error) is refused


def test_a_loop_that_hangs_is_ended_from_outside() -> None:
    """After five ticks in a row beyond the limit; one that has its turn meanwhile goes on."""
    age = 0.0
    guard = LastResort(lambda: age, 60.0)
    said = []
    for now, age in enumerate([0, 59, 60, 61, 62, 63, 0, 60, 61, 62, 63, 64]):  # noqa: B007  # read by the guard
        said.append(guard.verdict(float(now)))
    assert said == [""] * 11 + ["the event loop hangs"]


def test_an_end_that_hangs_is_ended_from_outside() -> None:
    """A worker that ends may take so long and no longer."""
    ended: list[str] = []
    guard = LastResort(lambda: 0.0, 60.0, ended.append)
    guard.end_within(0.0)
    guard.start()
    guard._thread.join(20)  # noqa: SLF001  # to see it end
    assert ended == ["the worker did not end in time"]
