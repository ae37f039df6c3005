"""Reading that is held back, and how far it is, on Apache Kafka."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from streams.worker.batching import Position
from tests.support.batch_reader import BatchReader, create, fill, load
from tests.support.workers import until

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka

UNKNOWN = Position(None, None, None)


async def test_throttled_partitions_lose_nothing(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Throttling stops one partition and not the other; taken up again, no record is missing."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic, 2)
    held = {TP(topic, 0)}
    async with BatchReader(kafka.bootstrap_servers, topic_names("g"), topic, buffered=2) as reader:
        async with load(kafka.bootstrap_servers, topic, 2) as written:
            for _ in range(30):
                reader.consumer.throttle(held)
                # What is on its way when throttling begins still arrives.
                await asyncio.sleep(0.02)
                reader.consumer.unthrottle(held)
                await asyncio.sleep(0.01)
            reader.consumer.throttle(held)
            await until(
                lambda: reader.consumer.read_position(topic, 0).next_offset is not None,
                seconds=10,
                what="calm",
            )
            stands_at = reader.offsets()[topic, 0][-1]
            other = reader.offsets()[topic, 1][-1]
            await until(lambda: reader.offsets()[topic, 1][-1] > other + 400, seconds=20, what="the other")
            assert reader.offsets()[topic, 0][-1] == stands_at
            reader.consumer.unthrottle(held)
        await reader.takes(sum(written))
    assert [reader.offsets()[topic, number] for number in (0, 1)] == [list(range(count)) for count in written]


async def test_a_position_not_known_is_no_reason_to_crash(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """Faust's watch over stuck partitions finds none while Kafka is asked, and of partitions that have gone."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    async with BatchReader(kafka.bootstrap_servers, topic_names("g"), topic) as reader:
        await reader.takes(10)
        thread: Any = reader.consumer._thread  # noqa: SLF001  # aiokafka has no public way
        assignment = thread.aiokafka_consumer._subscription.subscription.assignment  # noqa: SLF001  # likewise
        state = assignment.state_value(TopicPartition(topic, 0))

        async def look() -> None:
            # At once, in the consumer's own loop: its fetcher would not bear a position that it lost.
            position, state._position = state._position, None  # noqa: SLF001  # likewise
            for partition in (0, 9):
                reader.consumer.verify_event_path(time.monotonic(), TP(topic, partition))
            state._position = position  # noqa: SLF001  # likewise

        await thread.call_thread(look)


async def test_an_agent_that_catches_up_does_not_end_throttling(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """A partition held back for a full queue and by throttling is read again when both are over."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x" * 1_000] * 100, max_batch_size=1_000)
    reader = BatchReader(
        kafka.bootstrap_servers,
        topic_names("g"),
        topic,
        buffered=2,
        settings={"consumer_max_fetch_size": 2_000},
    )
    held = {TP(topic, 0)}
    reader.may_take.clear()
    async with reader:
        await until(lambda: held == reader.consumer._buffered_partitions, seconds=20, what="a full queue")  # noqa: SLF001  # nowhere else
        reader.consumer.throttle(held)
        reader.may_take.set()
        await until(
            lambda: reader.consumer.read_position(topic, 0).handed_out == reader.count(),
            seconds=20,
            what="calm",
        )
        assert not reader.consumer._buffered_partitions  # noqa: SLF001  # as above
        caught_up_at = reader.count()
        await asyncio.sleep(0.5)  # nothing to wait for: it must not go on
        assert reader.count() == caught_up_at < 100
        reader.consumer.unthrottle(held)
        await reader.takes(100)
        assert reader.offsets() == {(topic, 0): list(range(100))}


async def test_a_busy_agent_stops_the_reading(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """No more than the buffered batches and one per partition wait for an agent, however much there is."""
    topic, buffered, partitions = topic_names("clicks"), 4, 3
    await create(kafka.bootstrap_servers, topic, partitions)
    for partition in range(partitions):
        await fill(kafka.bootstrap_servers, topic, [b"x" * 1_000] * 500, partition, max_batch_size=1_000)
    settings = {"consumer_max_fetch_size": 10_000}
    reader = BatchReader(
        kafka.bootstrap_servers, topic_names("g"), topic, acks=False, buffered=buffered, settings=settings
    )
    reader.may_take.clear()
    async with reader:
        await until(lambda: reader.waits == 1, seconds=20, what="the agent to hold a batch")

        def waiting() -> int:
            return sum(len(spans) for spans in reader.consumer._spans.values())  # noqa: SLF001  # nowhere else

        await until(lambda: waiting() >= buffered, seconds=20, what="the buffer to fill")
        await asyncio.sleep(1)  # nothing to wait for: it must not grow
        # In the queue, in the agent's hands, and one that waits at the queue's door.
        assert buffered <= waiting() <= buffered + 2
        reader.may_take.set()
        await reader.takes(500 * partitions)
        assert reader.offsets() == {(topic, number): list(range(500)) for number in range(partitions)}


async def test_the_position_tells_the_truth(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Unknown before anything is read and for partitions of others; then what is left, then that nothing is."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic, 2)
    await fill(kafka.bootstrap_servers, topic, [b"x" * 1_000] * 200, max_batch_size=1_000)
    reader = BatchReader(
        kafka.bootstrap_servers,
        topic_names("g"),
        topic,
        buffered=2,
        settings={"consumer_max_fetch_size": 10_000},
    )
    reader.may_take.clear()
    assert reader.consumer.read_position(topic, 0) == UNKNOWN
    async with reader:
        position = reader.consumer.read_position
        assert position(topic, 7) == UNKNOWN
        await until(
            lambda: position(topic, 0).handed_out is not None and position(topic, 0).next_offset is not None,
            seconds=20,
            what="the first batch",
        )
        assert position(topic, 0).handed_out
        left = position(topic, 0)
        assert left.end_offset == 200
        assert left.next_offset == left.handed_out
        assert 0 < (left.next_offset or 0) < 100
        await until(lambda: position(topic, 1) == Position(0, 0, None), seconds=10, what="an empty partition")
        reader.may_take.set()
        await until(lambda: position(topic, 0) == Position(200, 200, 200), seconds=20, what="the end")
        assert reader.count() <= 200
