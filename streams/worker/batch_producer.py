"""A producer of whole Kafka batches, each acknowledged before the call is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import KafkaConnectionError

from streams.errors import TopicError
from streams.worker.kafka import MAX_REQUEST_BYTES, Producer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder

    from streams.config import Kafka

# Room for a batch's own fields within what a keyed topic takes.
_MOST_BYTES = MAX_REQUEST_BYTES - 64 * 1024


class KeyedRecord(NamedTuple):
    """One record on its way into a keyed topic; ``timestamp_ms`` is Kafka's of the raw one."""

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class BatchProducer(Producer):
    """Kafka batches in, acknowledgements out. Connecting, giving up and stopping are the base class's."""

    def __init__(self, kafka: Kafka) -> None:
        super().__init__(kafka)
        self._connecting = asyncio.Lock()

    async def _connected(self) -> AIOKafkaProducer:
        # Several batches may find it given up at once.
        async with self._connecting:
            if self._producer is None:
                try:
                    self._producer = await self._started()
                except OSError as error:
                    raise KafkaConnectionError(str(error)) from error
            return self._producer

    async def send(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> asyncio.Future[Any]:
        """Hand one message over; the future is done when the broker has it.

        Raises:
            KafkaError: it cannot be handed over.
        """
        await self._connected()
        return await super().send(topic, value=value, key=key, partition=partition, headers=headers)

    async def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            KafkaError: Kafka does not say.
            TopicError: there is none.
        """
        partitions = await (await self._connected()).partitions_for(topic)
        if not partitions:
            raise TopicError(f"{topic}: no such topic")
        return len(partitions)

    async def deliver(self, topic: str, partition: int, records: Sequence[KeyedRecord]) -> int:
        """Write the first of these records, as many as fit into one batch; how many have arrived.

        The batch is appended whole or not at all, and the broker has it when this returns.

        Raises:
            KafkaError: nobody knows whether it has.
        """
        producer = await self._connected()
        batch, count = _filled(producer.create_batch(), records)
        if batch.size() > _MOST_BYTES:
            # One record alone: values are cut before, but a shop's key and headers may be of any size.
            first = records[0]
            shorn = first._replace(key=None, headers=first.headers[-1:])
            batch, count = _filled(producer.create_batch(), [shorn])
        acknowledged: Any = await producer.send_batch(batch, topic, partition=partition)
        await acknowledged
        return count


def _filled(batch: BatchBuilder, records: Iterable[KeyedRecord]) -> tuple[BatchBuilder, int]:
    count = 0
    for timestamp_ms, key, value, headers in records:
        if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers) is None:
            break
        count += 1
    batch.close()
    return batch, count
