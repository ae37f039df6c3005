"""One source partition on its whole way: records, columns, counts, rollups, totals.

It promises the worker's path without Kafka and without a clock; the test says what is read, how
far counting may go on, and when the partition changes hands.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.closed import Progress
from streams.codec import decode_rollup, encode_rollup, sent_again
from streams.core.merge import Applied, MoneyKey, ShardMerge, Totals
from streams.core.reading import Reading
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.events import Outcome, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.results import VERSION, Fence, RollupWriter
from tests.support.inner import InnerCounts
from tests.support.state_log import MemoryLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.core.rows import Decoded, Rejected
    from streams.events import Record

DEFAULTS = CountingSettings()
_READ_AGAIN = 7


class Tables(NamedTuple):
    """Everything counted, ready to be compared."""

    cells: dict[tuple[int, str, str], dict[int, int]]
    money: dict[tuple[int, MoneyKey], tuple[int, int]]
    outcomes: dict[tuple[int, str], int]
    inner: Mapping[tuple[str, str, str, int], tuple[int, int]] = MappingProxyType({})


class CountedPartition:
    """A source partition and the totals that its rollups make.

    Args:
        settings: the contract's numbers.
        funnel: nodes and dimensions.
        first_keys: SKUs, slots and banners the vocabulary has met before, in this order.
        first_skus: SKUs that it has met after these.

    Attributes:
        log: its state log.
    """

    def __init__(
        self,
        settings: CountingSettings = DEFAULTS,
        *,
        funnel: Funnel | None = None,
        first_keys: Sequence[str] = (),
        first_skus: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.funnel = funnel or Funnel()
        self.vocabulary = Vocabulary(self.funnel, key_objection, max_keys=settings.max_tracked_keys, shards=1)
        for table in self.vocabulary.tables:
            for key in first_keys:
                table[key]
        for sku in first_skus:
            self.vocabulary.sku[sku]
        form = NativeFormat(funnel=self.funnel, extra_fields=self.funnel.extra_dimensions)
        self._decoder = create_columns(form, self.vocabulary)
        self._merge = ShardMerge()
        self._totals = Totals()
        self._inner = InnerCounts()
        self._source: tuple[list[Record], list[Record]] = ([], [])
        self.log = MemoryLog()
        self._begin()

    def _begin(self, meanwhile: Callable[[int], object] = lambda _: None) -> None:
        """A life behind everything in the log."""
        self.counts, self.state_log = self.log.begin(self.vocabulary, self.settings, meanwhile)
        sources = self.state_log.sources
        self._readings = Reading(sources[0]), Reading(sources[1])
        self.counts.rewind((sources[0].newest_ms, sources[1].newest_ms))
        self._writer = RollupWriter(self.vocabulary, 0, self.state_log.generation)

    def read(self, topic: int, records: Sequence[Record]) -> list[Rejected]:
        """Take in one batch of a topic."""
        known = self._source[topic][-1].offset if self._source[topic] else -1
        self._source[topic].extend(record for record in records if record.offset > known)
        reading = self._readings[topic]
        batch = reading.fresh(RecordBatch.of(records))
        if batch is None:
            return []
        rejected = self.counts.ingest(topic, *self.decode(batch), reading.known(batch))
        reading.take(batch, self.counts.newest[topic], list[int]().clear)
        return rejected

    def read_on(self, topic: int, records: Sequence[Record]) -> list[Rejected]:
        """Take in records that come behind all that were read, whatever their offsets say."""
        begin = self._readings[topic].next_offset or 0
        return self.read(topic, [one._replace(offset=at) for at, one in enumerate(records, begin)])

    def decode(self, batch: RecordBatch) -> tuple[Decoded, NDArray[np.int64]]:
        """What a batch says, and its timestamps."""
        return self._decoder.decode(batch), np.array(batch.timestamps, dtype=np.int64)

    def process(self) -> int:
        """Count what both topics are past, as a replay does."""
        return self.counts.process(min(self.counts.newest) - self.settings.max_out_of_orderness_ms)

    def flush(self) -> None:
        """Bring what was counted into the log, and into the totals, over the wire formats.

        Every rollup must be a new one, with none missing before it.
        """
        for sent in self.write_ahead():
            applied = self._apply(sent)
            if applied is not Applied.APPLIED or self._merge.missing(0):
                raise AssertionError(f"a rollup of life {self._writer.generation}: {applied}")

    def haunt(self) -> None:
        """A flush of an owner that does not know that it is over: none of its rollups counts."""
        self.send_late(self.write_ahead())

    def send_late(self, rollups: Sequence[bytes]) -> None:
        """Send rollups behind the fence of a newer life."""
        for sent in rollups:
            applied = self._apply(sent)
            if applied is not Applied.STALE:
                raise AssertionError(f"a rollup of life {self._writer.generation}: {applied}")

    @property
    def places(self) -> tuple[int, int]:
        """Offsets from where the topics are read on."""
        return self._readings[0].next_offset or 0, self._readings[1].next_offset or 0

    def write_ahead(self) -> list[bytes]:
        """The part of a flush that goes to the log; the rollups that are to follow."""
        self.counts.process(self.counts.limit_ms)
        progress = Progress(self.counts.limit_ms, 0, idle=False)
        rollups = list(self._writer.rollups(self.counts.flush(), self.counts.counted_until, progress))
        for reading in self._readings:
            reading.counted(self.counts.limit_ms)
        captured = self.state_log.capture((self._readings[0].offsets(), self._readings[1].offsets()))
        data = [(rollup.shard, encode_rollup(rollup)) for rollup in rollups]
        self.log.append(self.state_log.messages(captured, data))
        return [sent for _, sent in data]

    def _apply(self, data: bytes) -> Applied:
        read = decode_rollup(data)
        applied = self._merge.apply(read)
        if applied is Applied.APPLIED:
            self._totals.add(read)
            self._inner.take(read)
        return applied

    def hand_over(
        self, first_keys: Sequence[str] = (), first_skus: Sequence[str] = (), *, flushed: bool = True
    ) -> CountedPartition:
        """The next owner: another process, whose vocabulary met these keys first.

        It reads the log, and again what was read and not counted. Without a flush it is as if this
        process was killed: what it did since the last one is done again.
        """
        if flushed:
            self.flush()
        owner, lost = self.succeed(first_keys, first_skus)
        if lost:
            raise AssertionError("a rollup that had come counts again")
        for topic, records in enumerate(self._source):
            again = [record for record in records if record.offset >= owner.places[topic]]
            for start in range(0, len(again), _READ_AGAIN):
                owner.read(topic, again[start : start + _READ_AGAIN])
        return owner

    def succeed(
        self,
        first_keys: Sequence[str] = (),
        first_skus: Sequence[str] = (),
        before_fence: Callable[[], object] = lambda: None,
        behind_fence: Callable[[], object] = lambda: None,
    ) -> tuple[CountedPartition, int]:
        """The next owner, which has read nothing again yet; how many rollups came only through it.

        Args:
            first_keys: what its vocabulary has met.
            first_skus: the same.
            before_fence: happens between its claim and its fence.
            behind_fence: happens between its fence and its beginning.
        """
        owner = CountedPartition(
            self.settings, funnel=self.funnel, first_keys=first_keys, first_skus=first_skus
        )
        owner._merge, owner._totals, owner.log = self._merge, self._totals, self.log
        owner._inner = self._inner

        def fence(generation: int) -> None:
            before_fence()
            self._merge.fence(Fence(VERSION, 0, generation, 0))
            behind_fence()

        owner._begin(fence)
        for records, before, place in zip(owner._source, self._source, owner.places, strict=True):
            records.extend(record for record in before if record.offset < place)
        again = [owner._apply(sent_again(data, owner._writer.generation)) for data in self.log.unsent]
        return owner, again.count(Applied.APPLIED)

    def finish(self) -> Tables:
        """Count all that waits, and everything counted so far by all owners."""
        self.counts.drain()
        self.flush()
        return Tables(
            {key: {cell: n for cell, n in cells.items() if n} for key, cells in self._totals.cells.items()},
            self._totals.money,
            {(topic, Outcome(word)): n for (topic, word), n in self._totals.outcomes.items()},
            self._inner.cells,
        )
