"""A position never says "nothing is left" while something may be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from streams.worker.positions import UNKNOWN, Position, Positions

TP = TopicPartition("clicks", 0)


class Read:
    """A consumer thread with one partition, as far as a position looks at it."""

    def __init__(self) -> None:
        assignment = Assignment([TP])
        self.state = assignment.state_value(TP)
        subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self.taken: set[TopicPartition] = set()
        self.fetched_results: dict[TopicPartition, object] = {}
        self.leader: int | None = 1
        self.aiokafka_consumer: Any = SimpleNamespace(
            _subscription=subscription,
            _fetch_max_wait_ms=0,
            _fetcher=SimpleNamespace(_records=self.fetched_results),
            _client=SimpleNamespace(cluster=SimpleNamespace(leader_for_partition=lambda _: self.leader)),
        )

    def fetched(self, position: int, end: int, heard_at: float = 0.0) -> None:
        """A fetch response has come."""
        self.state.seek(position)
        self.state.lso, self.state.highwater, self.state.heard_at = end, end + 100, heard_at


def positions_of(read: Any) -> Positions:
    """The positions of a thread."""
    return Positions(read, lambda: 0.0)


async def test_nothing_is_known_at_first() -> None:
    """Before the thread has started, of partitions of others, and before the first response."""
    read = Read()
    positions = positions_of(read)
    assert positions.of("clicks", 0) == UNKNOWN
    assert positions.of("clicks", 1) == UNKNOWN
    assert positions.of("orders", 0) == UNKNOWN
    read.aiokafka_consumer = None
    assert positions.of("clicks", 0) == UNKNOWN


async def test_what_is_left_and_that_nothing_is() -> None:
    """The end is that of what may be read, not that of transactions still open."""
    read = Read()
    positions = positions_of(read)
    read.fetched(3, 10)
    assert positions.of("clicks", 0) == Position(3, 10, None)
    positions.hand_out(TP, 10)
    read.fetched(10, 10)
    assert positions.of("clicks", 0) == Position(10, 10, 10)


async def test_what_is_on_its_way_is_not_read() -> None:
    """What the thread has taken moves the position before the agent gets it: nobody knows then."""
    read = Read()
    positions = positions_of(read)
    positions.hand_out(TP, 3)
    read.taken.add(TP)
    read.fetched(10, 10)
    assert positions.of("clicks", 0) == Position(None, 10, 3)
    read.taken.clear()
    assert positions.of("clicks", 0) == Position(10, 10, 3)


async def test_a_broker_that_is_not_heard() -> None:
    """All read, and then no response for a while: nobody knows; what is known to be left stays known.

    However often, and however late, somebody asks: what counts is when the broker answered.
    """
    now = 0.9
    read: Any = Read()
    positions = Positions(read, lambda: now)
    read.fetched(10, 10)
    assert positions.of("clicks", 0) == Position(10, 10, None)
    assert positions.of("clicks", 0).age_ms == 900
    now = 1.1
    assert positions.of("clicks", 0) == Position(None, 10, None)
    read.fetched(10, 10, heard_at=1.0)
    assert positions.of("clicks", 0) == Position(10, 10, None)
    now = 5.0
    assert positions.of("clicks", 0) == Position(None, 10, None)
    read.fetched(9, 10, heard_at=1.0)
    assert positions.of("clicks", 0) == Position(9, 10, None)
    assert positions.of("clicks", 0).age_ms == 4_000
    positions.forget()
    assert positions.of("clicks", 0) == Position(9, 10, None)


async def test_what_was_heard_before_a_break_is_forgotten() -> None:
    """Where the log does not go on as it was read, its end is not known before the broker answers again."""
    read: Any = Read()
    positions = Positions(read, lambda: 0.0)
    read.fetched(10, 10)
    read.state.seek(50)
    read.state.lso = read.state.heard_at = None
    assert positions.of("clicks", 0) == UNKNOWN


@pytest.mark.parametrize(
    ("position", "asked_at", "heard_at", "left"),
    [
        (9, 99.0, 99.0, True),
        (10, 99.0, 99.0, False),
        (9, 99.0, 93.0, False),
        (9, 99.0, None, False),
        (10, 94.0, 94.0, True),
        (10, None, None, True),
    ],
    ids=["something", "nothing", "not answered lately", "never answered", "not asked lately", "never asked"],
)
async def test_whether_anything_is_left_for_us_to_do(
    position: int, asked_at: float | None, heard_at: float | None, *, left: bool
) -> None:
    """A broker that is not asked has records for all we know; one that does not answer is none of our business."""
    read: Any = Read()
    read.fetched(position, 10)
    read.state.asked_at, read.state.heard_at = asked_at, heard_at
    positions = Positions(read, lambda: 100.0)
    assert positions.left(TP)[0] is left
    if left and position == 10:
        read.leader = None
        assert not positions.left(TP)[0]


async def test_a_refusal_is_nothing_left() -> None:
    """What was fetched is left; an offset that the broker refuses is looked into, which is no stall."""
    read: Any = Read()
    read.fetched(9, 10)
    positions = Positions(read, lambda: 0.0)
    read.fetched_results[TP] = FetchError(error=OffsetOutOfRangeError(), backoff=0)
    assert not positions.left(TP)[0]
    read.fetched_results[TP] = FetchResult(TP, assignment=None, partition_records=None, backoff=0)
    assert positions.left(TP)[0]
