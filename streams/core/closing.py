"""Rollups of all shards, closed bucket by bucket, in the order of event time.

Promises: each rollup that counts (:class:`streams.core.merge.ShardMerge`) stands in one closed bucket,
in ``counts`` if it is of that bucket, else in ``late``; what is of a later bucket waits for it. Which
one is decided by each shard's log (:mod:`streams.core.shard_progress`), never by how logs are mixed.
Buckets follow each other without a gap, empty ones too; only a span of over an hour of which no source
partition said anything (all were away, or event time jumped) has none.

Refuses nothing: rollups of a life that is over, and repeated ones, change nothing.

A log that is read far ahead of the others is kept in memory: whoever feeds this should read evenly
(:meth:`Closing.waiting`).
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from streams.closed import BUCKET_MS, ClosedBucket, Progress
from streams.codec import decode_rollup, encode_rollup
from streams.core.closing_cells import Late, LateMoney, Numbering
from streams.core.merge import Applied, PartitionState, ShardMerge
from streams.core.shard_progress import ClosingSettings, ShardProgress, ShardState
from streams.results import Fence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.results import Rollup


class ClosingState(msgspec.Struct, array_like=True):
    """All that is known, as plain data; rollups as their bytes."""

    merges: list[dict[int, PartitionState]]
    shards: list[ShardState]
    fallen: dict[int, list[bytes]]
    future: dict[int, list[bytes]]
    names: dict[str, list[str]]
    records: list[tuple[int, int, str, int]]
    progress: dict[int, tuple[int, int, bool]]
    stages: tuple[int, tuple[str, ...], int]
    next_ms: int | None
    closed_at_ms: int


class Closing:
    """See the module.

    Args:
        shards: how many.
        patience_ms: how long a source partition that is behind is waited for.
        partitions: source partitions known from the start: the first bucket waits for them.
        settings: all of the settings; then ``patience_ms`` is not looked at.
    """

    def __init__(
        self,
        shards: int,
        patience_ms: int = 15_000,
        *,
        partitions: Iterable[int] = (),
        settings: ClosingSettings | None = None,
    ) -> None:
        self._settings = settings or ClosingSettings(patience_ms=patience_ms)
        expected = frozenset(partitions)
        self._merges = [ShardMerge() for _ in range(shards)]
        self._shards = [ShardProgress(self._settings, expected) for _ in range(shards)]
        # By the end of the bucket that they fall to; then, of later buckets, by their own.
        self._fallen: dict[int, list[Rollup]] = {}
        self._future: dict[int, list[Rollup]] = {}
        self._numbering = Numbering(self._settings.max_keys)
        self._records: Counter[tuple[int, int, str]] = Counter()
        self._progress: dict[int, Progress] = {}
        self._stages: tuple[int, tuple[str, ...], int] = (0, (), 0)
        self._next_ms: int | None = None
        self._closed_at_ms = 0

    @property
    def next_ms(self) -> int | None:
        """Start of the bucket that is closed next; None before the first."""
        return self._next_ms

    def waiting(self, shard: int) -> int:
        """By how much the log of a shard was read ahead of the slowest, in ms of event time."""
        return self._shards[shard].done_ms - self._done_ms

    def take(self, shard: int, message: Rollup | Fence) -> Applied | None:
        """Take in the next message of a shard's log; what became of a rollup."""
        merge = self._merges[shard]
        if isinstance(message, Fence):
            merge.fence(message)
            return None
        applied = merge.apply(message)
        if applied is Applied.APPLIED:
            end_ms = self._shards[shard].take(message.partition, message.progress)
            self._fallen.setdefault(end_ms, []).append(message)
        return applied

    def tick(self, now_ms: int) -> None:
        """What time it is, for when nobody tells anything any more.

        Not to be called while there is anything to be read: who reads old rollups takes the time
        from them.
        """
        for shard in self._shards:
            shard.tick(now_ms)

    def closed(self) -> Iterator[ClosedBucket]:
        """The buckets that can be closed now, in the order of time."""
        while self._skip_to_next():
            yield self._close()

    def snapshot(self) -> ClosingState:
        """All that is known. To go on from it, read each shard from behind the last message taken."""
        return ClosingState(
            [merge.snapshot() for merge in self._merges],
            [shard.snapshot() for shard in self._shards],
            {end: [*map(encode_rollup, rollups)] for end, rollups in self._fallen.items()},
            {start: [*map(encode_rollup, rollups)] for start, rollups in self._future.items()},
            {dimension: [*names] for dimension, names in self._numbering.names.items()},
            [(*key, records) for key, records in self._records.items()],
            {p: (it.complete_until_ms, it.told_at_ms, it.idle) for p, it in self._progress.items()},
            self._stages,
            self._next_ms,
            self._closed_at_ms,
        )

    def restore(self, state: ClosingState) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of another number of shards, or damaged.
        """
        if not len(state.merges) == len(state.shards) == len(self._shards):
            raise ValueError("another number of shards")
        self._merges = [ShardMerge.restore(merge) for merge in state.merges]
        for shard, known in zip(self._shards, state.shards, strict=True):
            shard.restore(known)
        self._fallen = {end: [*map(decode_rollup, data)] for end, data in state.fallen.items()}
        self._future = {start: [*map(decode_rollup, data)] for start, data in state.future.items()}
        self._numbering = Numbering(self._settings.max_keys, state.names)
        self._records = Counter({(p, topic, outcome): n for p, topic, outcome, n in state.records})
        self._progress = {p: Progress(*told) for p, told in state.progress.items()}
        self._stages = state.stages
        self._next_ms, self._closed_at_ms = state.next_ms, state.closed_at_ms

    @property
    def _done_ms(self) -> int:
        return min([shard.done_ms for shard in self._shards])

    def _skip_to_next(self) -> bool:
        """Whether the next bucket can be closed; spans that have none lie behind us then."""
        done_ms = self._done_ms
        if self._next_ms is None:
            if done_ms < BUCKET_MS:
                return False
            # What was said until everybody had something to say: the first bucket is among it.
            self._absorb(BUCKET_MS)
            self._next_ms = self._quiet_until()
        if done_ms < self._next_ms + BUCKET_MS:
            return False
        self._absorb(self._next_ms + BUCKET_MS)
        quiet_ms = self._quiet_until()
        if quiet_ms - self._next_ms > self._settings.skip_after_ms:
            self._next_ms = quiet_ms
        return done_ms >= self._next_ms + BUCKET_MS

    def _quiet_until(self) -> int:
        """Start of the first bucket of which anything was said that is not closed yet."""
        said = [end - BUCKET_MS for end in self._fallen]
        return min(chain([self._done_ms], said, self._future))

    def _absorb(self, end_ms: int) -> None:
        """Take up the rollups that fall to this end or before."""
        for end in [end for end in self._fallen if end <= end_ms]:
            for rollup in self._fallen.pop(end):
                self._note(rollup)
                if rollup.counts or rollup.money:
                    self._future.setdefault(rollup.bucket_ms, []).append(rollup)

    def _note(self, rollup: Rollup) -> None:
        for item in rollup.outcomes:
            self._records[rollup.partition, item.topic, item.outcome] += item.records
        told = rollup.progress
        newest = max(told, self._progress.get(rollup.partition, told), key=_in_time)
        self._progress[rollup.partition] = newest
        self._stages = max(self._stages, (rollup.told_at_ms, rollup.stages, rollup.nodes))
        self._closed_at_ms = max(self._closed_at_ms, rollup.told_at_ms)

    def _close(self) -> ClosedBucket:
        start_ms = self._next_ms or 0
        end_ms = start_ms + BUCKET_MS
        self._absorb(end_ms)
        given_up = [at for shard in self._shards if (at := shard.gave_up_at(end_ms)) is not None]
        self._closed_at_ms = max(self._closed_at_ms, *given_up, 0)
        rollups = {start: self._future.pop(start) for start in sorted(self._future) if start <= start_ms}
        records, self._records = self._records, Counter()
        for shard in self._shards:
            shard.forget(end_ms)
        self._next_ms = end_ms
        starts = [start for start in rollups if start < start_ms]
        money = {start: [rollup.money for rollup in each if rollup.money] for start, each in rollups.items()}
        late_money = [(start, money[start]) for start in starts if money[start]]
        counted = self._numbering.cells([rollups.get(start_ms, ()), *(rollups[start] for start in starts)])
        return ClosedBucket(
            start_ms,
            self._closed_at_ms,
            not given_up,
            self._stages[1],
            self._stages[2],
            self._numbering.names,
            counted.group(0),
            Late(counted, starts),
            self._numbering.money(chain.from_iterable(money.values())),
            dict(sorted(records.items())),
            dict(sorted(self._progress.items())),
            counted.whole([start_ms, *starts]),
            LateMoney(self._numbering, late_money),
        )


def _in_time(progress: Progress) -> tuple[int, int, bool]:
    return progress.told_at_ms, progress.complete_until_ms, progress.idle
