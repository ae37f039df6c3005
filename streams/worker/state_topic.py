"""Reading the state topic: many partitions at once, each from its own place to its end.

The end is what the broker's answers to fetches say, not what it said when it was asked for offsets:
that may be older. Whoever reads is told how far it has come and how long it will take.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import CodecError, KafkaUnreachable, TopicError
from streams.worker.kafka import kafka_options, open_consumer
from streams.worker.log_entries import Life, Marker, decode_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Self

    from aiokafka import ConsumerRecord

    from streams.config import Kafka
    from streams.worker.log_entries import Entry

_READ_MS = 250
# Without any record coming in.
_PATIENCE_SECONDS = 30.0
# The newest marker is looked for among so many of the last entries, then among more.
_TAIL = 16
_MORE = 8
_FETCH_BYTES = 16 << 20
# After so many bytes others have their turn on the event loop.
_BYTES_AT_ONCE = 1 << 20
_SAY_SECONDS = 1.0


class Reached(NamedTuple):
    """How far reading has come: entries read, of how many, at how many a second, and the seconds left."""

    entries: int
    total: int
    rate: float
    seconds_left: float


class EntryReader(Protocol):
    """Takes the entries of one partition, in order."""

    offset: int

    def take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Read one entry."""


class StateTopic:
    """A consumer of the state topic; a context manager.

    Args:
        kafka: how to reach it.
        topic: its name.
        reached: is told how far reading has come, now and then.
    """

    def __init__(self, kafka: Kafka, topic: str, reached: Callable[[Reached], object]) -> None:
        self._consumer = AIOKafkaConsumer(
            **kafka_options(kafka),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=4 * _FETCH_BYTES,
        )
        self._topic = topic
        self._reached = reached

    async def __aenter__(self) -> Self:
        await open_consumer(self._consumer, self._topic)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def newest(self, numbers: Sequence[int]) -> dict[int, Marker | None]:
        """The newest marker of each partition, which says where reading begins; None if there is none.

        Raises:
            TopicError: the end of a partition cannot be read.
        """
        tps = [TopicPartition(self._topic, number) for number in numbers]
        if not tps:
            return {}
        starts, ends = await self._bounds(tps)
        found: dict[int, Marker | None] = {}
        last = _TAIL
        while tps:
            searches = {tp.partition: _Newest(max(ends[tp] - last, starts[tp])) for tp in tps}
            since = {number: search.offset for number, search in searches.items()}
            await self.read(searches)
            for tp in tps:
                marker = searches[tp.partition].marker
                if marker is not None or since[tp.partition] <= starts[tp]:
                    found[tp.partition] = marker
            tps = [tp for tp in tps if tp.partition not in found]
            last *= _MORE
        return found

    async def _bounds(
        self, tps: Sequence[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        with self._errors():
            return await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)

    async def lives(self, number: int, offsets: range) -> list[Life]:
        """The lives among the entries of a part of a partition's log.

        Raises:
            TopicError: it cannot be read.
        """
        search = _Lives(offsets)
        await self.read({number: search})
        return search.found

    async def read(
        self, readers: Mapping[int, EntryReader], behind: Mapping[int, int] = MappingProxyType({})
    ) -> None:
        """Give each reader the entries from its offset to the end of its partition.

        Args:
            readers: by partition.
            behind: offsets that are known to be there, by partition: a broker that has just become
                the leader may not know yet, and would name an end before them.

        Raises:
            TopicError: a partition cannot be read to its end.
        """
        left = {TopicPartition(self._topic, number): reader for number, reader in readers.items()}
        if not left:
            return
        self._consumer.assign(list(left))
        for tp, reader in left.items():
            self._consumer.seek(tp, reader.offset)
        progress = _Progress(self._topic, {tp: reader.offset for tp, reader in left.items()})
        while left:
            with self._errors():
                fetched = await self._consumer.getmany(*left, timeout_ms=_READ_MS)
            for tp, records in fetched.items():
                await _give(left[tp], records)
            for tp in list(left):
                end, position = self._consumer.highwater(tp), await self._position(tp)
                left[tp].offset = max(left[tp].offset, position)
                progress.note(tp, position, end)
                if end is not None and position >= end and position > behind.get(tp.partition, -1):
                    del left[tp]
            progress.tell(self._reached)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            raise KafkaUnreachable(f"{self._topic}: cannot be read: {type(error).__name__}") from error

    async def _position(self, tp: TopicPartition) -> int:
        try:
            with self._errors():
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return int(await self._consumer.position(tp))
        except TimeoutError:
            raise TopicError(f"{self._topic}: partition {tp.partition} cannot be read") from None


async def _give(reader: EntryReader, records: Sequence[ConsumerRecord]) -> None:
    given = 0
    for record in records:
        reader.take(record.offset, record.key, record.value)
        given += len(record.value or b"")
        if given > _BYTES_AT_ONCE:
            given = 0
            await asyncio.sleep(0)


class _Progress:
    """How far reading has come, and when it last came further."""

    def __init__(self, topic: str, begins: Mapping[TopicPartition, int]) -> None:
        self._topic = topic
        self._begins = dict(begins)
        self._places = dict(begins)
        self._ends: dict[TopicPartition, int] = {}
        self._began = self._moved = self._said = time.monotonic()

    def note(self, tp: TopicPartition, position: int, end: int | None) -> None:
        """Where reading of a partition stands.

        Raises:
            TopicError: nothing has moved for long.
        """
        now = time.monotonic()
        if position != self._places[tp] or (end is not None and tp not in self._ends):
            self._moved = now
        self._places[tp] = position
        if end is not None:
            self._ends[tp] = end
        if now - self._moved > _PATIENCE_SECONDS:
            raise TopicError(f"{self._topic}: partition {tp.partition} cannot be read to its end")

    def tell(self, reached: Callable[[Reached], object]) -> None:
        """Tell, now and then, what is read, how fast, and how long the rest will take."""
        now = time.monotonic()
        if now - self._said < _SAY_SECONDS or len(self._ends) < len(self._begins):
            return
        self._said = now
        done = sum(max(self._places[tp] - begin, 0) for tp, begin in self._begins.items())
        total = sum(max(self._ends[tp] - begin, 0) for tp, begin in self._begins.items())
        rate = done / (now - self._began)
        reached(Reached(done, total, rate, (total - done) / rate if rate else float("inf")))


class _Newest:
    """Looks for the newest marker."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.marker: Marker | None = None

    def take(self, offset: int, key: bytes | None, value: bytes | None) -> None:  # noqa: ARG002  # a protocol
        """Read one entry."""
        self.offset = offset + 1
        entry = _entry(value)
        if isinstance(entry, Marker) and (self.marker is None or _age(entry) > _age(self.marker)):
            self.marker = entry


class _Lives:
    """Looks for lives."""

    def __init__(self, offsets: range) -> None:
        self.offset = offsets.start
        self._stop = offsets.stop
        self.found: list[Life] = []

    def take(self, offset: int, key: bytes | None, value: bytes | None) -> None:  # noqa: ARG002  # a protocol
        """Read one entry."""
        self.offset = offset + 1
        entry = _entry(value)
        if offset < self._stop and isinstance(entry, Life):
            self.found.append(entry)


def _entry(value: bytes | None) -> Entry | None:
    """An entry, None where none can be read: what that means is for who reads all of the log."""
    try:
        return None if value is None else decode_entry(value)
    except CodecError:
        return None


def _age(marker: Marker) -> tuple[int, int]:
    return marker.generation, marker.flush
