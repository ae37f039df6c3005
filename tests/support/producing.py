"""Writing single records to Kafka, whatever their size or shape, and learning where they came to lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_REQUEST_BYTES = 16 << 20


class Message(NamedTuple):
    """One record to write; Kafka chooses the partition by the key, and stamps it with now."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    timestamp_ms: int | None = None


class Place(NamedTuple):
    """Where a record lies in Kafka."""

    topic: str
    partition: int
    offset: int


async def produce(bootstrap_servers: str, messages: Iterable[Message]) -> list[Place]:
    """Write records in order; the place of each."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, enable_idempotence=True, max_request_size=_MAX_REQUEST_BYTES
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                message.topic,
                message.value,
                message.key,
                partition=message.partition,
                timestamp_ms=message.timestamp_ms,
            )
            for message in messages
        ]
        await producer.flush()
        return [Place(at.topic, at.partition, at.offset) for at in [await future for future in sent]]
    finally:
        await producer.stop()
