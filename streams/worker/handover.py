"""Counting state from one owner of a source partition to the next, through the state topic.

When partitions go, their state is written as numbered chunks and then a marker that names them;
whoever gets a partition reads its newest marker and the chunks it names. Keys repeat, so
compaction keeps one state per partition. Chunks that the marker does not name are not looked at;
a state of which anything is missing or changed is an error, for counting on without it would be
wrong and nobody would see it. Each new owner first writes down the generation of its life, so that
the next one exceeds it even if it crashes and whatever the clocks say.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.core.pipeline import SourcePartition
from streams.errors import CodecError, TopicError
from streams.worker.kafka import kafka_options
from streams.worker.publishing import Outgoing
from streams.worker.ranges import partitions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiokafka import ConsumerRecord

    from streams.config import Settings
    from streams.worker.counting import AssignedPartition, Counting
    from streams.worker.publishing import Outbox

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 768 * 1024
# So many messages are made and sent at a time.
_AT_ONCE = 16
_READ_MS = 250
# Without any record coming in.
_PATIENCE_SECONDS = 30.0
_REMEDY = "delete the records of that partition to count on from nothing"


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


class Life(msgspec.Struct, array_like=True):
    """A life of a partition's counting state has begun, or is about to."""

    generation: int


_encode = msgspec.msgpack.encode
_read_life = msgspec.msgpack.Decoder(Life).decode
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
            await self._counting.put_rollups(assigned)
            for message in self._messages(assigned):
                self._outbox.put(message)
                if len(self._outbox) >= _AT_ONCE:
                    await self._send()
        await self._send()
        for assigned in held:
            for taken in chain(*assigned.unacknowledged):
                taken.ack()
            for waiting in assigned.unacknowledged:
                waiting.clear()
            _LOG.info("state handed over", extra={"partition": assigned.number})

    async def _send(self) -> None:
        if not await self._outbox.send():
            raise TopicError(f"{self._topic}: kafka does not take the state")

    def _messages(self, assigned: AssignedPartition) -> Iterator[Outgoing]:
        """A state in pieces, made as they are sent: a copy of a large state is enough."""
        data = assigned.counts.snapshot()
        number, generation, starts = (
            assigned.number,
            assigned.rollups.generation,
            range(0, len(data), _CHUNK_BYTES),
        )
        for index, start in enumerate(starts):
            piece = Chunk(generation, data[start : start + _CHUNK_BYTES])
            yield Outgoing(self._topic, number, _chunk_key(number, index), _encode(piece))
        offsets = (assigned.next_offset[0], assigned.next_offset[1])
        marker = Marker(generation, len(starts), zlib.crc32(data), offsets)
        yield Outgoing(self._topic, number, _marker_key(number), _encode(marker))

    async def take(self, numbers: Sequence[int]) -> None:
        """Begin to count partitions from the state handed over, or from nothing where there is none.

        Raises:
            CodecError: a state is there but cannot be read.
            TopicError: the state topic lacks a partition, cannot be read to its end, or takes nothing.
        """
        if not numbers:
            return
        await self._be_there(numbers)
        consumer = AIOKafkaConsumer(
            **kafka_options(self._kafka), enable_auto_commit=False, fetch_max_wait_ms=50
        )
        try:
            await consumer.start()
            for number in numbers:
                self._adopt(number, await self._newest(consumer, number))
        finally:
            await consumer.stop()
        # Before anything is counted: rollups of these lives follow.
        await self._send()

    async def _be_there(self, numbers: Sequence[int]) -> None:
        missing = set(numbers) - set(await partitions_of(kafka_options(self._kafka), [self._topic]))
        if missing:
            raise TopicError(f"{self._topic}: no partition {min(missing)}: it needs as many as the sources")

    def _adopt(self, number: int, newest: dict[bytes, bytes]) -> None:
        try:
            found = _newest_state(number, newest)
            before = _newest_life(number, newest)
            counts = SourcePartition(self._counting.vocabulary, self._counting.settings)
            if found is not None:
                counts.restore(found[1])
        except CodecError as error:
            raise CodecError(f"{self._topic}: state of partition {number}: {error}; {_REMEDY}") from error
        after = max(before, found[0].generation if found is not None else -1)
        assigned = self._counting.assign(number, counts, after=after)
        life = _encode(Life(assigned.rollups.generation))
        self._outbox.put(Outgoing(self._topic, number, _life_key(number), life))
        if found is not None:
            assigned.next_offset[:] = found[0].next_offset
            _LOG.info("state taken over", extra={"partition": number, "bytes": len(found[1])})

    async def _newest(self, consumer: AIOKafkaConsumer, number: int) -> dict[bytes, bytes]:
        """The newest value per key of one partition of the state topic."""
        tp = TopicPartition(self._topic, number)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        newest: dict[bytes, bytes] = {}
        try:
            # The end as the fetch response names it: known only once one has come.
            while (end := consumer.highwater(tp)) is None or await consumer.position(tp) < end:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    _keep_newest(newest, await _next_records(consumer, tp))
        except TimeoutError:
            raise TopicError(f"{self._topic}: partition {number} cannot be read to its end") from None
        return newest


async def _next_records(consumer: AIOKafkaConsumer, tp: TopicPartition) -> Sequence[ConsumerRecord]:
    """Records, or none once it is known that there are none."""
    records: Sequence[ConsumerRecord] = ()
    while not records:
        records = (await consumer.getmany(tp, timeout_ms=_READ_MS)).get(tp, ())
        end = consumer.highwater(tp)
        if end is not None and await consumer.position(tp) >= end:
            break
    return records


def _keep_newest(newest: dict[bytes, bytes], records: Sequence[ConsumerRecord]) -> None:
    for record in records:
        if record.value is None:
            newest.pop(record.key, None)
        else:
            newest[record.key] = record.value


def _chunk_key(number: int, index: int) -> bytes:
    return f"chunk/{number}/{index}".encode()


def _marker_key(number: int) -> bytes:
    return f"marker/{number}".encode()


def _life_key(number: int) -> bytes:
    return f"life/{number}".encode()


def _newest_life(number: int, newest: dict[bytes, bytes]) -> int:
    raw = newest.get(_life_key(number))
    try:
        return -1 if raw is None else _read_life(raw).generation
    except msgspec.MsgspecError as error:
        raise CodecError(f"its life is of another version or damaged ({error})") from error


def _newest_state(number: int, newest: dict[bytes, bytes]) -> tuple[Marker, bytes] | None:
    raw = newest.get(_marker_key(number))
    if raw is None:
        return None
    try:
        marker = _read_marker(raw)
        data = b"".join(_piece(newest, number, index, marker) for index in range(marker.chunks))
    except msgspec.MsgspecError as error:
        raise CodecError(f"of another version or damaged ({error})") from error
    if zlib.crc32(data) != marker.checksum:
        raise CodecError("damaged: its checksum is wrong")
    return marker, data


def _piece(newest: dict[bytes, bytes], number: int, index: int, marker: Marker) -> bytes:
    raw = newest.get(_chunk_key(number, index))
    if raw is None:
        raise CodecError(f"incomplete: chunk {index + 1} of {marker.chunks} is missing")
    chunk = _read_chunk(raw)
    if chunk.generation != marker.generation:
        raise CodecError(f"incomplete: chunk {index + 1} of {marker.chunks} is of another state")
    return chunk.data
