"""Reading a range of a topic once, without a group: for replays and reports.

Either all of it at once, or (:func:`ranges_of_topic`) partition by partition as somebody asks for it, who
is no coroutine and need not have room for a day of it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import KafkaUnreachable, TopicError
from streams.events import Record
from streams.worker.kafka import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    ReadRange = Callable[[int, int | None], list[Iterator[Record]]]

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
        raise _unreachable(servers, error) from error
    finally:
        await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())


def _unreachable(servers: str | Sequence[str], error: Exception) -> KafkaUnreachable:
    named = servers if isinstance(servers, str) else ",".join(servers)
    return KafkaUnreachable(f"kafka unreachable: {named}: {type(error).__name__}")


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
    consumer = _consumer(options)
    async with _started(consumer, options["bootstrap_servers"]):
        consumer.assign([tp])
        return [record async for batch in _batches(consumer, tp, from_ms, to_ms) for record in batch]


@contextmanager
def ranges_of_topic(options: dict[str, Any], topic: str) -> Iterator[ReadRange]:
    """A function that gives the records of a range, as :func:`read_range`, of each partition in turn.

    They are fetched as they are asked for, and only the newest range is to be read on. For callers
    without a running loop.

    Raises:
        TopicError: the topic is missing, or Kafka is or gets out of reach.
    """
    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        consumer, tps = runner.run(stack.enter_async_context(_assigned(options, topic)))

        def records(tp: TopicPartition, from_ms: int, to_ms: int | None) -> Iterator[Record]:
            batches = _batches(consumer, tp, from_ms, to_ms)
            while batch := runner.run(_next(batches, options["bootstrap_servers"])):
                yield from batch

        try:
            yield lambda from_ms, to_ms: [records(tp, from_ms, to_ms) for tp in tps]
        finally:
            runner.run(stack.aclose())


@asynccontextmanager
async def _assigned(
    options: dict[str, Any], topic: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """A consumer of all partitions of a topic."""
    tps = [TopicPartition(topic, number) for number in await partitions_of(options, [topic])]
    consumer = _consumer(options)
    async with _started(consumer, options["bootstrap_servers"]):
        consumer.assign(tps)
        yield consumer, tps


def _consumer(options: dict[str, Any]) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **options,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        # As the worker reads: what was rolled back was never there.
        isolation_level="read_committed",
        fetch_max_wait_ms=100,
    )


async def _next(batches: AsyncIterator[list[Record]], servers: str | Sequence[str]) -> list[Record]:
    """The next batch that has anything in it; none at the end."""
    try:
        async for batch in batches:
            if batch:
                return batch
    except (KafkaError, OSError) as error:
        raise _unreachable(servers, error) from error
    return []


async def _batches(
    consumer: AIOKafkaConsumer, tp: TopicPartition, from_ms: int, to_ms: int | None
) -> AsyncIterator[list[Record]]:
    """Records of the range, in offset order."""
    if from_ms > 0:
        start = (await consumer.offsets_for_times({tp: from_ms}))[tp]
        if start is None:
            return
        consumer.seek(tp, start.offset)
    while True:
        fetched = (await consumer.getmany(tp, timeout_ms=_WAIT_MS)).get(tp, ())
        wanted = [record for record in fetched if from_ms <= record.timestamp < _end(to_ms, record)]
        yield [
            Record(record.offset, record.timestamp, record.value, record.key, tuple(record.headers))
            for record in wanted
        ]
        behind = to_ms is not None and any(
            record.timestamp >= to_ms and record.timestamp_type == _LOG_APPEND_TIME for record in fetched
        )
        # Behind the last stable offset stands what may still be rolled back.
        end = consumer.last_stable_offset(tp)
        if behind or (end is not None and await consumer.position(tp) >= end):
            return


def _end(to_ms: int | None, record: Any) -> int:  # noqa: ANN401 - aiokafka has no types
    return record.timestamp + 1 if to_ms is None else to_ms
