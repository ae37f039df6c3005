"""Recorded records into the rollups that workers would have sent, by the clock of the records.

Promises: what a worker that was never behind would have counted, held back and said of itself at each
flush, topics that stall and come back included. Every source partition has one; they share names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import Progress
from streams.core.buckets import bucket_of
from streams.core.ordering import UNREAD, Patience, release_limit
from streams.core.pipeline import SourcePartition
from streams.core.vocabulary import Vocabulary
from streams.durations import DAY
from streams.events import RecordBatch
from streams.formats.columns import BatchDecoder, create_columns
from streams.formats.keys import key_objection
from streams.results import TELL_EVERY_MS, RollupWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.backtest.arrivals import Arrival
    from streams.core.settings import CountingSettings
    from streams.events import Record
    from streams.formats.base import Format
    from streams.funnel import Funnel
    from streams.results import Rollup

# Nobody recorded anything for so long: then there was no worker either.
_SILENCE_MS: Final = DAY


@dataclass(slots=True)
class _Partition:
    """One source partition; times are those of the clock of the records."""

    counts: SourcePartition
    writer: RollupWriter
    taken_at_ms: list[int]
    limit_ms: int = UNREAD
    waiting: tuple[list[Record], list[Record]] = field(default_factory=lambda: ([], []))


class Recount:
    """See the module.

    Args:
        settings: the contract's numbers.
        funnel: nodes and dimensions.
        forms: format of each topic.
        patience: with topics that have nothing left to read.
        flush_ms: how often is counted what is due.
    """

    def __init__(
        self,
        settings: CountingSettings,
        funnel: Funnel,
        forms: tuple[Format, Format],
        patience: Patience = Patience(),  # noqa: B008  # it is frozen in effect
        flush_ms: int = 1_000,
    ) -> None:
        self._settings = settings
        self._patience = patience
        self._flush_ms = flush_ms
        self._vocabulary = Vocabulary(funnel, key_objection, max_keys=settings.max_tracked_keys, shards=1)
        self._decoders: tuple[BatchDecoder, ...] = tuple(
            create_columns(form, self._vocabulary) for form in forms
        )
        self._partitions: dict[int, _Partition] = {}
        self._now_ms = UNREAD

    def rollups(self, arrivals: Iterable[Arrival]) -> Iterator[Rollup]:
        """All rollups, in the order in which they would have been sent; arrivals are in order of time."""
        for arrival in arrivals:
            yield from self._until(arrival.at_ms)
            self._put(arrival)
        for partition in self._partitions.values():
            self._ingest(partition)
            partition.counts.drain()
        yield from self._tell(idle=False)

    def _until(self, at_ms: int) -> Iterator[Rollup]:
        """Every flush up to a time."""
        if self._now_ms == UNREAD or at_ms - self._now_ms > _SILENCE_MS:
            yield from self._flush() if self._now_ms != UNREAD else ()
            self._now_ms = at_ms // self._flush_ms * self._flush_ms
        while at_ms - self._now_ms >= self._flush_ms:
            self._now_ms += self._step(at_ms)
            yield from self._flush()

    def _step(self, at_ms: int) -> int:
        """Until the next flush at which anything happens."""
        settled = self._patience.silence_ms + 2 * self._flush_ms
        awake = any(
            any(partition.waiting) or self._now_ms - max(partition.taken_at_ms) < settled
            for partition in self._partitions.values()
        )
        if awake or at_ms - self._now_ms < TELL_EVERY_MS + self._flush_ms:
            return self._flush_ms
        return TELL_EVERY_MS // self._flush_ms * self._flush_ms or self._flush_ms

    def _put(self, arrival: Arrival) -> None:
        partition = self._partitions.get(arrival.partition)
        if partition is None:
            partition = self._partitions[arrival.partition] = self._begin(arrival.partition)
        partition.waiting[arrival.topic].append(arrival.record)

    def _begin(self, number: int) -> _Partition:
        counts = SourcePartition(self._vocabulary, self._settings)
        return _Partition(counts, RollupWriter(self._vocabulary, number, 0), [self._now_ms, self._now_ms])

    def _flush(self) -> Iterator[Rollup]:
        for partition in self._partitions.values():
            self._ingest(partition)
            self._process(partition)
        yield from self._tell(idle=True)

    def _ingest(self, partition: _Partition) -> None:
        for topic, records in enumerate(partition.waiting):
            if not records:
                continue
            batch = RecordBatch.of(records)
            decoded = self._decoders[topic].decode(batch)
            partition.counts.ingest(topic, decoded, np.array(batch.timestamps, dtype=np.int64))
            partition.taken_at_ms[topic] = self._now_ms
        partition.waiting = ([], [])

    def _process(self, partition: _Partition) -> None:
        newest = partition.counts.newest
        if newest == (UNREAD, UNREAD):
            return
        first, second = (self._now_ms - taken for taken in partition.taken_at_ms)
        bound_ms = self._settings.max_out_of_orderness_ms
        limit_ms = release_limit(newest, (first, second), bound_ms, self._patience)
        partition.limit_ms = max(partition.limit_ms, limit_ms)
        # Nobody learns of what is counted before the end of a bucket.
        quiet = min(first, second) >= self._patience.idle_ms
        if quiet or bucket_of(partition.limit_ms) > bucket_of(partition.counts.limit_ms):
            partition.counts.process(partition.limit_ms)

    def _tell(self, *, idle: bool) -> Iterator[Rollup]:
        for partition in self._partitions.values():
            counts = partition.counts
            quiet = self._now_ms - max(partition.taken_at_ms) >= self._patience.idle_ms
            progress = Progress(counts.limit_ms, self._now_ms, idle and quiet and not counts.waiting)
            # What is told between two ends of buckets falls to the same end: one rollup says it all.
            if idle and not partition.writer.due(progress):
                continue
            yield from partition.writer.rollups(counts.flush(), counts.counted_until, progress)
