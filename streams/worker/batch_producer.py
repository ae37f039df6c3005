"""A producer of whole Kafka batches, each acknowledged before the call is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.errors import TopicError
from streams.worker.kafka import MAX_REQUEST_BYTES, Producer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiokafka import AIOKafkaProducer

# Fits into a topic of any broker's default, uncompressed.
BATCH_BYTES = 512 * 1024
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

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            try:
                self._producer = await self._started()
            except OSError as error:
                raise KafkaConnectionError(str(error)) from error
        return self._producer

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
        batch, count = _filled(records)
        if batch.size() > _MOST_BYTES:
            # One record alone: values are cut before, but a shop's key and headers may be of any size.
            first = records[0]
            batch, count = _filled([first._replace(key=None, headers=first.headers[-1:])])
        acknowledged: Any = await producer.send_batch(batch, topic, partition=partition)
        await acknowledged
        return count


def _filled(records: Iterable[KeyedRecord]) -> tuple[BatchBuilder, int]:
    batch, count = BatchBuilder(BATCH_BYTES, "zstd"), 0
    for timestamp_ms, key, value, headers in records:
        if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers) is None:
            break
        count += 1
    batch.close()
    return batch, count
