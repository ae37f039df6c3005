"""Reading a range of a topic once, without a group: for replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import TopicError
from streams.events import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAIT_MS = 250


async def _consumer(options: dict[str, Any]) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, fetch_max_wait_ms=100)
    try:
        await consumer.start()
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise TopicError(f"kafka unreachable: {options['bootstrap_servers']}") from error
    return consumer


async def partitions_of(options: dict[str, Any], topics: Sequence[str]) -> list[int]:
    """Partition numbers that the topics have.

    Raises:
        TopicError: a topic is missing, or Kafka is out of reach.
    """
    consumer = await _consumer(options)
    try:
        await consumer.topics()
        found: set[int] = set()
        for topic in topics:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise TopicError(f"{topic}: no such topic")
            found |= numbers
        return sorted(found)
    finally:
        await consumer.stop()


async def read_range(
    options: dict[str, Any], topic: str, partition: int, from_ms: int, to_ms: int | None
) -> list[Record]:
    """Records of a topic-partition with timestamps from ``from_ms`` on, before the first at ``to_ms``.

    Reads up to the end that the topic has when it is reached.
    """
    tp = TopicPartition(topic, partition)
    consumer = await _consumer(options)
    try:
        consumer.assign([tp])
        start = (await consumer.offsets_for_times({tp: from_ms}))[tp] if from_ms > 0 else None
        if start is not None:
            consumer.seek(tp, start.offset)
        elif from_ms > 0:
            return []
        else:
            await consumer.seek_to_beginning(tp)
        return await _read(consumer, tp, to_ms)
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, tp: TopicPartition, to_ms: int | None) -> list[Record]:
    records: list[Record] = []
    while True:
        fetched = await consumer.getmany(tp, timeout_ms=_WAIT_MS)
        for record in fetched.get(tp, ()):
            if to_ms is not None and record.timestamp >= to_ms:
                return records
            records.append(
                Record(record.offset, record.timestamp, record.value, record.key, tuple(record.headers))
            )
        end = consumer.highwater(tp)
        if end is not None and await consumer.position(tp) >= end:
            return records
