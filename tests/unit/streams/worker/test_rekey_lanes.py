"""Lanes of republished records: in order, one batch at a time, and again what did not arrive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from streams.errors import TopicError
from streams.worker.batch_producer import KeyedRecord
from streams.worker.rekey_lanes import Lane, LaneSender

if TYPE_CHECKING:
    from collections.abc import Sequence

TOPICS = ("keyed", "keyed.orders")
BATCH = 2


class Log:
    """Keyed topics that take two records at once; ``fate`` is what happens to the next batches."""

    def __init__(self, *fate: Exception | None) -> None:
        self.fate = list(fate)
        self.arrived: dict[tuple[str, int], list[int]] = {}
        self.under_way: list[tuple[str, int]] = []
        self.given_up = 0

    async def partitions_of(self, topic: str) -> int:
        """One each."""
        return len(topic[:1])

    async def deliver(self, topic: str, partition: int, records: Sequence[KeyedRecord]) -> int:
        """Append the first records, after others had their turn."""
        assert (topic, partition) not in self.under_way
        self.under_way.append((topic, partition))
        await asyncio.sleep(0)
        self.under_way.remove((topic, partition))
        error = self.fate.pop(0) if self.fate else None
        if error is not None:
            raise error
        batch = [record.timestamp_ms for record in records[:BATCH]]
        self.arrived.setdefault((topic, partition), []).extend(batch)
        return len(batch)

    async def discard(self) -> None:
        """Noted."""
        self.given_up += 1


def lane(topic: int, size: int, partition: int = 0) -> Lane:
    """Records that are told apart by their times."""
    return Lane(TOPICS[topic], partition, [KeyedRecord(number, None, b"", []) for number in range(size)])


async def test_all_lanes_are_written_in_their_order() -> None:
    """Side by side, each with one batch under way; what arrived is counted by topic."""
    log = Log()
    sender = LaneSender(TOPICS, log)
    assert await sender.send([lane(0, 5), lane(0, 1, partition=1), lane(1, 4)])
    assert log.arrived == {
        ("keyed", 0): [0, 1, 2, 3, 4],
        ("keyed", 1): [0],
        ("keyed.orders", 0): [0, 1, 2, 3],
    }
    assert sender.published == [6, 4]


async def test_what_did_not_arrive_is_sent_again_behind_what_did() -> None:
    """With another connection: what is under way is given up."""
    log = Log(None, KafkaConnectionError("gone"))
    sender, lanes = LaneSender(TOPICS, log), [lane(0, 5)]
    assert not await sender.send(lanes)
    assert (sender.failing, log.given_up) == (True, 1)
    assert await sender.send(lanes)
    assert log.arrived == {("keyed", 0): [0, 1, 2, 3, 4]}
    assert (sender.failing, sender.published) == (False, [5, 0])


async def test_what_kafka_refuses_for_good_is_an_error() -> None:
    """To send it again would not help."""
    with pytest.raises(TopicError, match="keyed: kafka refuses records: MessageSizeTooLargeError"):
        await LaneSender(TOPICS, Log(MessageSizeTooLargeError())).send([lane(0, 1)])


async def test_who_is_stopped_sends_no_further_batch() -> None:
    """What is under way ends; the rest is left."""
    log = Log()
    sender = LaneSender(TOPICS, log)
    sending = asyncio.ensure_future(sender.send([lane(0, 5)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sender.stopped = True
    assert not await sending
    assert log.arrived == {("keyed", 0): [0, 1]}
    assert not sender.failing
