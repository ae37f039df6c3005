"""Counting state from one owner of a source partition to the next, through the state topic.

When partitions go, their state is written as numbered chunks and then a marker that names them;
whoever gets a partition reads its newest marker and the chunks it names. Keys repeat, so
compaction keeps one state per partition. State without its marker does not count.
"""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.core.pipeline import SourcePartition
from streams.errors import CodecError, TopicError
from streams.worker.kafka import kafka_options
from streams.worker.publishing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.config import Settings
    from streams.worker.counting import AssignedPartition, Counting
    from streams.worker.publishing import Outbox

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 768 * 1024
_READ_MS = 250


class Marker(msgspec.Struct, array_like=True):
    """Closes a handed-over state: its number of chunks, checksum, and next offset per topic."""

    generation: int
    chunks: int
    checksum: int
    next_offset: tuple[int | None, int | None]


class Chunk(msgspec.Struct, array_like=True):
    """One piece of a state; ``generation`` ties it to its marker."""

    generation: int
    data: bytes


_encode = msgspec.msgpack.encode
_read_marker = msgspec.msgpack.Decoder(Marker).decode
_read_chunk = msgspec.msgpack.Decoder(Chunk).decode


class Handover:
    """See the module.

    Args:
        settings: topic names and how to reach Kafka.
        counting: whose partitions are handed over.
        outbox: where state leaves.
    """

    def __init__(self, settings: Settings, counting: Counting, outbox: Outbox) -> None:
        self._topic = settings.topics.state
        self._kafka = settings.kafka
        self._counting = counting
        self._outbox = outbox

    async def give(self, held: Sequence[AssignedPartition]) -> None:
        """Write rollups and state of partitions that go, then acknowledge all they took in.

        Raises:
            TopicError: Kafka does not take the state; nothing is acknowledged.
        """
        for assigned in held:
            self._counting.put_rollups(assigned, close_all=True)
            for message in self._messages(assigned):
                self._outbox.put(message)
        if not await self._outbox.send():
            raise TopicError(f"{self._topic}: state could not be handed over")
        for assigned in held:
            for taken in assigned.unacknowledged:
                taken.ack()
            assigned.unacknowledged.clear()
            _LOG.info("state handed over", extra={"partition": assigned.number})

    def _messages(self, assigned: AssignedPartition) -> list[Outgoing]:
        data = assigned.counts.snapshot()
        pieces = [data[at : at + _CHUNK_BYTES] for at in range(0, len(data), _CHUNK_BYTES)]
        number = assigned.number
        messages = [
            Outgoing(
                self._topic,
                number,
                f"chunk/{number}/{index}".encode(),
                _encode(Chunk(assigned.generation, piece)),
            )
            for index, piece in enumerate(pieces)
        ]
        offsets = (assigned.next_offset[0], assigned.next_offset[1])
        marker = Marker(assigned.generation, len(pieces), zlib.crc32(data), offsets)
        return [*messages, Outgoing(self._topic, number, f"marker/{number}".encode(), _encode(marker))]

    async def take(self, numbers: Sequence[int]) -> None:
        """Begin to count partitions from the state handed over, or from nothing where there is none.

        Raises:
            CodecError: a state is there but cannot be read; counting on without it would be wrong.
        """
        if not numbers:
            return
        consumer = AIOKafkaConsumer(
            **kafka_options(self._kafka), enable_auto_commit=False, fetch_max_wait_ms=50
        )
        await consumer.start()
        try:
            for number in numbers:
                found = _newest_state(number, await self._read(consumer, number))
                self._adopt(number, found)
        finally:
            await consumer.stop()

    def _adopt(self, number: int, found: tuple[Marker, bytes] | None) -> None:
        if found is None:
            self._counting.assign(number)
            return
        marker, data = found
        counts = SourcePartition(self._counting.vocabulary, self._counting.settings)
        counts.restore(data)
        assigned = self._counting.assign(number, counts)
        assigned.next_offset[:] = marker.next_offset
        _LOG.info("state taken over", extra={"partition": number, "bytes": len(data)})

    async def _read(self, consumer: AIOKafkaConsumer, number: int) -> dict[bytes, bytes]:
        """The newest value per key of one partition of the state topic."""
        tp = TopicPartition(self._topic, number)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        newest: dict[bytes, bytes] = {}
        while True:
            records = await consumer.getmany(tp, timeout_ms=_READ_MS)
            for record in records.get(tp, ()):
                if record.value is None:
                    newest.pop(record.key, None)
                else:
                    newest[record.key] = record.value
            # The end as the fetch response names it: known only once one has come.
            end = consumer.highwater(tp)
            if end is not None and await consumer.position(tp) >= end:
                return newest


def _newest_state(number: int, newest: dict[bytes, bytes]) -> tuple[Marker, bytes] | None:
    raw = newest.get(f"marker/{number}".encode())
    if raw is None:
        return None
    try:
        marker = _read_marker(raw)
        chunks = [_read_chunk(newest[f"chunk/{number}/{index}".encode()]) for index in range(marker.chunks)]
    except (msgspec.MsgspecError, KeyError) as error:
        raise CodecError(f"state of partition {number} is incomplete or damaged") from error
    data = b"".join(chunk.data for chunk in chunks)
    if any(chunk.generation != marker.generation for chunk in chunks) or zlib.crc32(data) != marker.checksum:
        raise CodecError(f"state of partition {number} is incomplete or damaged")
    return marker, data
