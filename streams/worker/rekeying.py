"""Sources that are not keyed by visitor, republished keyed: every record once, in step, or not yet acked.

**At least once.** A raw batch is acknowledged to Kafka when all of its records are acknowledged in the
keyed topics. So below the offset that the group has committed for a raw partition every record is in
the keyed topics, and whoever reads on from there publishes all that follow.

**Counted once.** A record republished carries where it stands in the raw topic; counting drops what is
not above the highest raw offset it has seen of that raw partition in that keyed partition
(:mod:`streams.core.republished`). This loses nothing if, whenever a record with raw offset *o* is
appended to a keyed partition K, all records of the same raw partition that belong to K and lie below
*o* are in K already. Every writer keeps to that by himself, whoever else writes:

- What lies below the offset where he began is in K: it was committed, so it was acknowledged.
- What lies between there and *o* was acknowledged to him before he handed over the batch with *o*: of
  each keyed partition only one batch is under way, and the next is not even made before its
  acknowledgement. Within a batch records are in order, and Kafka appends it whole or not at all.

So it does not matter who sends or when it lands: a retry, a batch given up and sent again through a
new producer while the old request is still under way, a paused worker who wakes up after his
partitions went, two at the same time. What lands late finds all below it there, as it did when it was
sent; if it was there before, it is dropped, and if not, it is the first of its kind. Neither sequence
numbers nor transactions are needed for it: with several batches under way they would be, for Kafka
accepts any first sequence number of a producer it does not know, so a batch that is refused could be
followed by one that is taken. A transactional id per raw partition would hold as well, at the price of
a producer and two more round trips per raw partition, and of readers that wait for commits.

It rests on: where a record belongs depends on the record and the number of keyed partitions only, so
keyed topics do not get more partitions and formats do not change their visitors while a killed
worker's unacknowledged records wait to be sent again (after a clean stop there are none); and Kafka
keeps what it has acknowledged.

**In step.** See :mod:`streams.core.interleaving` within a worker, :mod:`streams.core.pace` between them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.interleaving import FOREVER, Interleaving
from streams.core.keying import EVERY_PARTITION, keyed_partitions, spread
from streams.core.ordering import UNREAD
from streams.core.republished import HEADER, headers_of
from streams.core.sorting import stable_order
from streams.errors import TopicError
from streams.heartbeats import heartbeats_in
from streams.worker.batch_producer import KeyedRecord
from streams.worker.rekey_lanes import Lane, LaneSender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from faust.types import TP
    from numpy.typing import NDArray

    from streams.clock import Clock
    from streams.core.interleaving import Due
    from streams.core.pace import Pace
    from streams.events import RecordBatch
    from streams.formats.visitors import VisitorReader
    from streams.worker.positions import Position
    from streams.worker.rekey_lanes import Deliverer

    Positions = Callable[[str, int], Position]

# Few enough that the event loop has its turn.
_ROUND_RECORDS = 8192
# What waits, over all raw partitions and of one of them at least: a fetch, unpacked.
_MOST_BYTES = 128 << 20
_LEAST_BYTES = 8 << 20
# Counting looks into no record this large; a dead letter has less of it.
MAX_VALUE_BYTES = 256 * 1024


class RawPartition(NamedTuple):
    """A partition of one of the shop's topics (0 clickstream, 1 orders)."""

    topic: int
    partition: int


@dataclass(frozen=True, slots=True)
class RekeyTopics:
    """Names: of the shop's topics and of those keyed by visitor, each clickstream and orders."""

    raw: tuple[str, str]
    keyed: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Taken:
    """A raw batch, and the keyed partition of each of its records."""

    batch: RecordBatch
    keyed: NDArray[np.int32]
    ack: Callable[[], object]


@dataclass(slots=True)
class _Round:
    """Records that leave together: the next ones are not looked at before these have arrived."""

    due: Due[RawPartition, _Taken]
    lanes: list[Lane] = field(default_factory=list)


class Rekeying:
    """See the module.

    Args:
        topics: names.
        readers: of visitors, per topic.
        producer: where batches leave; nobody else uses it.
        clock: wall clock, for times that lie in the future.
        pace: with other workers.
        max_future_ms: an event further ahead of its record or of now tells nothing of how far a stream is.
        patience_ms: how long a raw partition of which nothing is heard is waited for.
        monotonic: seconds of a clock that does not jump.
    """

    def __init__(
        self,
        *,
        topics: RekeyTopics,
        readers: Sequence[VisitorReader],
        producer: Deliverer,
        clock: Clock,
        pace: Pace[RawPartition],
        max_future_ms: int,
        patience_ms: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topics = topics
        self._readers = readers
        self._producer = producer
        self._clock = clock
        self._pace = pace
        self._max_future = max_future_ms
        self._patience_ms = patience_ms
        self._monotonic = monotonic
        self._partitions = 0
        self._waiting: Interleaving[RawPartition, _Taken] = Interleaving()
        self._behind: dict[RawPartition, int] = {}
        self._known_at: dict[RawPartition, int] = {}
        self._holding: dict[RawPartition, bool] = {}
        self._round: _Round | None = None
        self._turn = asyncio.Lock()
        self._progress: dict[RawPartition, int] = {}
        self._sender = LaneSender(topics.keyed, producer)

    @property
    def published(self) -> Sequence[int]:
        """Records acknowledged so far, per topic."""
        return self._sender.published

    @property
    def failing(self) -> bool:
        """Whether the last attempt to publish did not get through."""
        return self._sender.failing

    # ------------------------------------------------------------------ coming and going

    async def assigned(self, tps: Iterable[TP]) -> None:
        """Begin anew with the raw partitions among these.

        Raises:
            TopicError: a topic is missing, or the two keyed ones differ in partitions.
            KafkaError: Kafka does not say how many they have.
        """
        self._sender.stopped = True
        raw = self.topics.raw
        mine = {RawPartition(raw.index(tp.topic), tp.partition) for tp in tps if tp.topic in raw}
        clicks, orders = [await self._producer.partitions_of(topic) for topic in self.topics.keyed]
        if clicks != orders:
            raise TopicError(
                f"{self.topics.keyed[1]}: {orders} partitions, {self.topics.keyed[0]} has {clicks}"
            )
        every = {
            RawPartition(which, number)
            for which, topic in enumerate(raw)
            for number in range(await self._producer.partitions_of(topic))
        }
        async with self._turn:
            self._forget()
            self._partitions = clicks
            self._waiting.begin(sorted(mine))
            self._known_at = dict.fromkeys(mine, self._now_ms())
            self._pace.begin(every - mine, self._now_ms())
            self._sender.stopped = False

    async def revoked(self) -> None:
        """Stop publishing: what is under way ends, what waits is left to whoever reads it next."""
        self._sender.stopped = True
        async with self._turn:
            self._forget()

    def _forget(self) -> None:
        self._round = None
        self._waiting.begin(())
        self._behind.clear()
        self._holding.clear()
        self._progress.clear()

    def _now_ms(self) -> int:
        return int(self._monotonic() * 1000)

    # ------------------------------------------------------------------ taking in

    def take(self, topic: str, partition: int, batch: RecordBatch, ack: Callable[[], object]) -> None:
        """Take in one batch of a raw topic; of a partition that went, nothing."""
        stream = RawPartition(self.topics.raw.index(topic), partition)
        if stream not in self._waiting:
            return
        visits = self._readers[stream.topic].read(batch)
        keyed = keyed_partitions(visits.visitors, visits.known, partition, batch.offsets, self._partitions)
        keyed[heartbeats_in(batch.values)] = EVERY_PARTITION
        stamps = np.minimum(np.array(batch.timestamps, dtype=np.int64), self._clock.now_ms())
        moves = (visits.times <= stamps + self._max_future) & (keyed != EVERY_PARTITION)
        times = np.where(moves, visits.times, UNREAD)
        weight = sum(map(len, filter(None, batch.values))) + 100 * len(batch.values)
        self._waiting.add(stream, _Taken(batch, keyed, ack), times, weight)
        self._behind[stream] = batch.offsets[-1] + 1

    def ahead(self) -> set[tuple[str, int]]:
        """Raw topic-partitions that have run so far ahead that they must wait to be read on."""
        streams = self._waiting.streams
        limit = max(_MOST_BYTES // max(len(streams), 1), _LEAST_BYTES)
        return {
            (self.topics.raw[stream.topic], stream.partition)
            for stream in streams
            if self._waiting.nbytes(stream) > limit
        }

    # ------------------------------------------------------------------ in step

    def hear(self, progress: Mapping[RawPartition, int]) -> None:
        """Take note of how far other workers are."""
        self._pace.hear(progress, self._waiting.newest, self._now_ms())

    @property
    def progress(self) -> Mapping[RawPartition, int]:
        """How far this worker was when it last published: what others have to :meth:`hear`.

        Per raw partition the event time below which nothing of it will come any more. Empty while
        nobody else has to know.
        """
        return self._progress

    def _measured(self) -> dict[RawPartition, int]:
        if self._pace.alone:
            return {}
        return {
            stream: min(self._waiting.next_progress(stream), self._will_come(stream))
            for stream in self._waiting.streams
        }

    def _will_come(self, stream: RawPartition) -> int:
        return self._waiting.reached([stream]) if self._holding.get(stream, True) else FOREVER

    def _look(self, position: Positions) -> None:
        """Find out which streams may still bring something that belongs before what waits."""
        now = self._now_ms()
        for stream in self._waiting.streams:
            left = self._is_left(stream, position(self.topics.raw[stream.topic], stream.partition))
            if left is not None:
                self._known_at[stream] = now
            patient = now - self._known_at[stream] <= self._patience_ms
            self._holding[stream] = patient if left is None else left

    def _is_left(self, stream: RawPartition, position: Position) -> bool | None:
        """Whether anything is left to read; None if nobody knows."""
        if (position.handed_out or 0) > self._behind.get(stream, 0):
            return True
        if position.next_offset is None or position.end_offset is None:
            return None
        return position.next_offset < position.end_offset

    # ------------------------------------------------------------------ publishing

    async def publish(self, position: Positions) -> bool:
        """Republish all that is due; False if Kafka did not take it (yet), and it still waits.

        Args:
            position: where reading of a raw topic-partition stands.

        Raises:
            TopicError: Kafka refuses a record, and would do so again.
        """
        async with self._turn:
            while not self._sender.stopped:
                if self._round is None:
                    self._round = self._next_round(position)
                if self._round is None:
                    # At once: a stream that has just sent all it had holds nobody back.
                    self._progress = self._measured()
                    return True
                if not await self._sender.send(self._round.lanes):
                    return False
                for taken in self._waiting.release(self._round.due):
                    taken.ack()
                self._round = None
            return False

    def _next_round(self, position: Positions) -> _Round | None:
        self._look(position)
        reached = self._waiting.reached(stream for stream, holds in self._holding.items() if holds)
        due = self._waiting.due(min(reached, self._pace.limit(self._now_ms())), _ROUND_RECORDS)
        return None if due is None else _Round(due, list(self._lanes(due)))

    def _lanes(self, due: Due[RawPartition, _Taken]) -> Iterable[Lane]:
        count = self._partitions
        keyed = np.concatenate([piece.content.keyed[piece.begin : piece.end] for piece in due.pieces])
        topics = np.repeat(
            [piece.stream.topic for piece in due.pieces], [piece.end - piece.begin for piece in due.pieces]
        )
        order, number = spread(keyed[due.order], topics[due.order], due.order, count)
        records = [record for piece in due.pieces for record in _records(*piece[:4])]
        by_lane = order[stable_order(number)]
        sizes = np.bincount(number)
        ends = np.cumsum(sizes)
        for lane in np.flatnonzero(sizes).tolist():
            topic, partition = divmod(lane, count)
            mine = by_lane[ends[lane] - sizes[lane] : ends[lane]].tolist()
            yield Lane(self.topics.keyed[topic], partition, [records[at] for at in mine])


def _records(stream: RawPartition, taken: _Taken, begin: int, end: int) -> Iterable[KeyedRecord]:
    batch = taken.batch
    part = slice(begin, end)
    origins = headers_of(stream.partition, batch.offsets[part], batch.timestamps[part])
    for timestamp, value, raw, origin in zip(
        batch.timestamps[part], batch.values[part], batch.raw[part], origins, strict=True
    ):
        kept = value if value is None or len(value) <= MAX_VALUE_BYTES else value[:MAX_VALUE_BYTES]
        yield KeyedRecord(timestamp, raw.key, kept, [*raw.headers, (HEADER, origin)])
