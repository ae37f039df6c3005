"""A position never says "nothing is left" while something may be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.consumer.subscription_state import Assignment
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
        self.aiokafka_consumer: Any = SimpleNamespace(_subscription=subscription, _fetch_max_wait_ms=0)

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
