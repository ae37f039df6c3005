"""Reading a range of a topic once, without a group: for replays."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import KafkaUnreachable, TopicError
from streams.events import Record
from streams.worker.kafka import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Client = TypeVar("Client", AIOKafkaConsumer, AIOKafkaAdminClient)

_WAIT_MS = 250
# The broker's own timestamps, which never fall.
_LOG_APPEND_TIME = 1


@asynccontextmanager
async def _started(client: Client, servers: str | Sequence[str]) -> AsyncIterator[Client]:
    """A client of Kafka for once; its errors are ours."""
    try:
        await start(client)
        yield client
    except (KafkaError, OSError) as error:
        named = servers if isinstance(servers, str) else ",".join(servers)
        raise KafkaUnreachable(f"kafka unreachable: {named}: {type(error).__name__}") from error
    finally:
        await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())


async def partitions_of(options: dict[str, Any], topics: Sequence[str]) -> list[int]:
    """Partition numbers that any of the topics has.

    Raises:
        TopicError: a topic is missing, or Kafka is out of reach.
    """
    # A consumer would not do: it knows no partitions of a topic that it is not on, and waits for a missing one.
    async with _started(AIOKafkaAdminClient(**options), options["bootstrap_servers"]) as admin:
        described = await admin.describe_topics()
    found = {
        topic["topic"]: {partition["partition"] for partition in topic["partitions"]} for topic in described
    }
    for topic in topics:
        if not found.get(topic):
            raise TopicError(f"{topic}: no such topic")
    return sorted(set().union(*(found[topic] for topic in topics)))


async def read_range(
    options: dict[str, Any], topic: str, partition: int, from_ms: int, to_ms: int | None
) -> list[Record]:
    """Records of a topic-partition with timestamps in ``[from_ms, to_ms)``, in offset order.

    Producers' timestamps are in no order, so all is read up to the end that the topic has when it
    is reached, but for what lies before the first record in the range.

    Raises:
        TopicError: the topic is missing, or Kafka is out of reach.
    """
    if partition not in await partitions_of(options, [topic]):
        return []
    tp = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        **options,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        # As the worker reads: what was rolled back was never there.
        isolation_level="read_committed",
        fetch_max_wait_ms=100,
    )
    async with _started(consumer, options["bootstrap_servers"]):
        consumer.assign([tp])
        if from_ms > 0:
            start = (await consumer.offsets_for_times({tp: from_ms}))[tp]
            if start is None:
                return []
            consumer.seek(tp, start.offset)
        return await _read(consumer, tp, from_ms, to_ms)


async def _read(
    consumer: AIOKafkaConsumer, tp: TopicPartition, from_ms: int, to_ms: int | None
) -> list[Record]:
    records: list[Record] = []
    while True:
        fetched = await consumer.getmany(tp, timeout_ms=_WAIT_MS)
        for record in fetched.get(tp, ()):
            behind = to_ms is not None and record.timestamp >= to_ms
            if behind and record.timestamp_type == _LOG_APPEND_TIME:
                return records
            if not behind and record.timestamp >= from_ms:
                records.append(
                    Record(record.offset, record.timestamp, record.value, record.key, tuple(record.headers))
                )
        # Behind the last stable offset stands what may still be rolled back.
        end = consumer.last_stable_offset(tp)
        if end is not None and await consumer.position(tp) >= end:
            return records
