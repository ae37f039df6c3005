"""Where simulated records go: files of JSON lines, or Kafka; at once or in real time.

Promises: records of a topic keep their order of arrival per partition; one visitor's records stand
under the same partition number in both topics; what was written is written when ``async with`` ends
without an error. Refuses to read the time of day: real time takes a clock and a sleep.

Typical use::

    async with KafkaSink("127.0.0.1:9092", stamp=clock) as sink:
        await deliver(in_real_time(simulate(settings), clock), sink)
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import ExitStack
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from streams.errors import ConfigError, TopicError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from streams.clock import Clock
    from streams.demo.simulator import SimulatedRecord

CLICKSTREAM, ORDERS = "clickstream", "orders"
TOPICS = {CLICKSTREAM: CLICKSTREAM, ORDERS: ORDERS}
CHUNK_RECORDS = 2_000
BATCH_BYTES = 128 * 1024
MAX_UNCONFIRMED = 64
TICK_MS = 20


class Sink(Protocol):
    """Takes records in order of arrival."""

    async def write(self, records: Sequence[SimulatedRecord]) -> None:
        """Accept these records; waits while the sink cannot keep up."""
        ...


async def deliver(chunks: AsyncIterator[Sequence[SimulatedRecord]], sink: Sink) -> Counter[str]:
    """Write all chunks and return how many records went to each topic."""
    written: Counter[str] = Counter()
    async for chunk in chunks:
        await sink.write(chunk)
        written.update(record.topic for record in chunk)
    return written


async def at_once(
    records: Iterator[SimulatedRecord], size: int = CHUNK_RECORDS
) -> AsyncIterator[list[SimulatedRecord]]:
    """As fast as the sink takes them, in chunks of at most ``size``."""
    while chunk := list(islice(records, size)):
        yield chunk
        # A sink that never waits must not starve the rest of the process.
        await asyncio.sleep(0)


async def in_real_time(
    records: Iterator[SimulatedRecord],
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    speed: float = 1.0,
    origin_ms: int | None = None,
    size: int = CHUNK_RECORDS,
) -> AsyncIterator[list[SimulatedRecord]]:
    """Each record when its arrival is due; ``speed`` 2 is twice as fast.

    ``origin_ms`` is the arrival that is due now, by default the first record's. After a stall, what is overdue comes at once, in chunks of at most ``size``.
    """
    if not speed > 0:
        raise ConfigError("simulate.speed", "a number above 0")
    # Before the first record is asked for: a simulation takes a moment to begin.
    begin_ms = clock.now_ms()
    pending = next(records, None)
    if pending is None:
        return
    zero_ms = pending.arrival_ms if origin_ms is None else origin_ms
    while pending is not None:
        now_ms = clock.now_ms()
        due_ms = zero_ms + (now_ms - begin_ms) * speed
        chunk: list[SimulatedRecord] = []
        while pending is not None and pending.arrival_ms <= due_ms and len(chunk) < size:
            chunk.append(pending)
            pending = next(records, None)
        if chunk:
            yield chunk
        if pending is not None and len(chunk) < size:
            # A tick gathers neighbours into one batch; a broker is not served record by record.
            next_ms = max(now_ms + TICK_MS, begin_ms + (pending.arrival_ms - zero_ms) / speed)
            await sleep(max(0.0, next_ms - clock.now_ms()) / 1_000)


class JsonLinesSink:
    """Writes each topic to its own file, one value a line, with ``kafka_timestamp`` added.

    With several ``partitions`` also ``kafka_partition``, the one that Kafka would have chosen.
    """

    def __init__(self, clickstream: Path, orders: Path, partitions: int = 1) -> None:
        self._paths = {CLICKSTREAM: clickstream, ORDERS: orders}
        self._partitions = partitions
        self._open = ExitStack()
        self._files: dict[str, BinaryIO] = {}

    async def __aenter__(self) -> Self:
        """Create the files; raises OSError."""
        with ExitStack() as opening:
            for topic, path in self._paths.items():
                self._files[topic] = opening.enter_context(path.open("wb"))
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush and close both files."""
        self._open.close()

    async def write(self, records: Sequence[SimulatedRecord]) -> None:
        """Append to the files; blocks for as long as the disk does."""
        for topic, file in self._files.items():
            lines = [
                json_line(r.value, r.arrival_ms, self._partition(r.key)) for r in records if r.topic == topic
            ]
            file.write(b"".join(lines))

    def _partition(self, key: bytes) -> int | None:
        return None if self._partitions == 1 else partition_of(key, self._partitions)


def json_line(value: bytes, timestamp_ms: int, partition: int | None = None) -> bytes:
    """The value as one line: a JSON object gets ``kafka_timestamp``, anything else stays as it is.

    With a ``partition`` also ``kafka_partition``.

    Line feeds and carriage returns become spaces: they would make two lines of one record, and in
    a JSON object they can only stand between its parts.
    """
    line = value.replace(b"\n", b" ").replace(b"\r", b" ")
    if _is_object(line):
        body = line.rstrip()[:-1].rstrip()
        comma = b"" if body.endswith(b"{") else b","
        placed = b"" if partition is None else b',"kafka_partition":%d' % partition
        line = body + comma + b'"kafka_timestamp":%d%b}' % (timestamp_ms, placed)
    return line + b"\n"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def agreed(partitions: Mapping[str, int]) -> int:
    """The number of partitions that all topics have; raises TopicError if they differ."""
    counts = set(partitions.values())
    if len(counts) != 1:
        raise TopicError(f"topics must have the same number of partitions: {dict(partitions)}")
    return counts.pop()


@lru_cache(maxsize=1 << 17)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's own clients choose for a key, by murmur2."""
    return int(murmur2(key) & 0x7FFF_FFFF) % partitions


class KafkaSink:
    """Writes to Kafka in batches that are built per partition.

    Args:
        bootstrap_servers: ``host:port``, comma separated.
        topics: names of the topics for ``clickstream`` and ``orders``.
        stamp: clock that gives records their Kafka timestamp; None takes their arrival.
        options: further options of ``AIOKafkaProducer``, such as those for TLS and SASL.

    Raises aiokafka's ``KafkaError``, and TopicError where both topics differ in partitions.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topics: Mapping[str, str] = TOPICS,
        stamp: Clock | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "max_batch_size": BATCH_BYTES,
            "acks": "all",
            **(options or {}),
        }
        self._topics = topics
        self._stamp = stamp
        self._partitions = 0
        self._producer: Any = None
        self._unconfirmed: deque[asyncio.Future[Any]] = deque()

    async def __aenter__(self) -> Self:
        """Connect, and learn how many partitions there are."""
        self._producer = AIOKafkaProducer(**self._options)
        try:
            await self._producer.start()
            self._partitions = await self._count_partitions()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def _count_partitions(self) -> int:
        partitions = {}
        for topic in self._topics.values():
            partitions[topic] = len(await self._producer.partitions_for(topic))
        return agreed(partitions)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until everything is confirmed, unless an error ends it anyway; disconnect."""
        try:
            if error is None:
                await self._confirm(0)
        finally:
            await self._producer.stop()
            await asyncio.gather(*self._unconfirmed, return_exceptions=True)

    async def write(self, records: Sequence[SimulatedRecord]) -> None:
        """Send the records; waits while the broker is slower."""
        batches: dict[tuple[str, int], Any] = {}
        now_ms = None if self._stamp is None else self._stamp.now_ms()
        for record in records:
            place: tuple[str, int] = (record.topic, partition_of(record.key, self._partitions))
            timestamp_ms = record.arrival_ms if now_ms is None else now_ms
            if place not in batches:
                batches[place] = self._producer.create_batch()
            if not _append(batches[place], record, timestamp_ms):
                await self._send(place, batches[place])
                batches[place] = self._producer.create_batch()
                _append(batches[place], record, timestamp_ms)
        for last, batch in batches.items():
            await self._send(last, batch)
        await self._confirm(MAX_UNCONFIRMED)

    async def _send(self, place: tuple[str, int], batch: Any) -> None:  # noqa: ANN401 - aiokafka has no types
        topic, partition = place
        batch.close()
        sent = await self._producer.send_batch(batch, self._topics[topic], partition=partition)
        self._unconfirmed.append(sent)

    async def _confirm(self, at_most: int) -> None:
        """Wait for the oldest batches until at most so many are left; raises what sending raised."""
        while len(self._unconfirmed) > at_most:
            await self._unconfirmed.popleft()


def _append(batch: Any, record: SimulatedRecord, timestamp_ms: int) -> bool:  # noqa: ANN401 - likewise
    """Whether the record still fitted in; an empty batch takes a record of any size."""
    return batch.append(timestamp=timestamp_ms, key=record.key, value=record.value) is not None
