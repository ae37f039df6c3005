"""Writing single records to Kafka, whatever their size or shape, and learning where they came to lie.

By librdkafka: other than aiokafka it also writes records with neither key nor value, as other shops' clients do.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaException, Producer

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_MESSAGE_BYTES = 12 << 20
_FLUSH_S = 60
# Words of librdkafka's.
_ANY_PARTITION = -1
_NOW = 0


class Message(NamedTuple):
    """One record to write; without a partition the key chooses it, without a time it is now."""

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
    """Write records in order; the place of each. Raises KafkaException for one that Kafka does not take."""
    return await asyncio.to_thread(_produce, bootstrap_servers, list(messages))


def _produce(bootstrap_servers: str, messages: list[Message]) -> list[Place]:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "message.max.bytes": _MAX_MESSAGE_BYTES,
            "queue.buffering.max.messages": len(messages) + 1,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
        }
    )
    places: dict[int, Place] = {}

    def note(number: int, error: Any, written: Any) -> None:
        if error is not None:
            raise KafkaException(error)
        places[number] = Place(written.topic(), written.partition(), written.offset())

    for number, message in enumerate(messages):
        producer.produce(
            message.topic,
            message.value,
            message.key,
            partition=_ANY_PARTITION if message.partition is None else message.partition,
            timestamp=message.timestamp_ms or _NOW,
            on_delivery=partial(note, number),
        )
        producer.poll(0)
    producer.flush(_FLUSH_S)
    return [places[number] for number in range(len(messages))]
