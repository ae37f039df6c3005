"""The rollup: what COUNT tells MERGE, and the contract everything downstream stands on.

A rollup carries what one flush of one source partition has added to one ten-second bucket, for the
keys of one shard. Rollups of a source partition's life and a shard are numbered without a gap. So
whoever adds up the rollups with each number once has the exact counts: applying one twice or after a
later one changes nothing, a lost one is seen to be missing, and whoever takes a shard over goes on
with the next number, knowing nothing of the values before.

A life that takes a source partition over first sends a :class:`Fence` to every shard, then the last
rollups of the life before once more, under their own numbers. What an older life still sends behind
the fence counts nowhere, so it does not matter what became of it.

Every rollup says how far its source partition has come, and that is true of its shard: all that was
counted for the shard before ``complete_until_ms`` is in it or in a rollup before it. Of several
rollups of one flush only the last one for a shard says what is new. From time to time
(:meth:`RollupWriter.due`) every shard is told, with an empty rollup if nothing was counted for it: so
whoever reads one shard knows of all source partitions how far they are.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np

from streams.closed import Progress
from streams.core.buckets import COLUMN_BITS, COLUMN_MASK, bucket_of
from streams.core.ordering import UNREAD
from streams.core.vocabulary import shard_of
from streams.funnel import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from streams.core.buckets import BucketChange
    from streams.core.vocabulary import Vocabulary

VERSION = 4
# Every shard is told how far a source partition is at least so often, by its worker's clock.
TELL_EVERY_MS = 10_000
# Looked at where a rollup is decoded.
_NOT_BELOW_0 = msgspec.Meta(ge=0)


class KeyCounts(msgspec.Struct, array_like=True, gc=False):
    """Counts of one dimension as columns of equal length n.

    ``index`` (little-endian u32) points into ``keys``, ``column`` (u8) is the stage, or 16 + node
    for visitors, ``count`` (little-endian u64) is what was added.
    """

    dimension: str
    keys: list[str]
    index: bytes
    column: bytes
    count: bytes

    def cells(self) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint64]]:
        """Index, column and count as arrays."""
        return (
            np.frombuffer(self.index, dtype="<u4"),
            np.frombuffer(self.column, dtype=np.uint8),
            np.frombuffer(self.count, dtype="<u8"),
        )


class MoneyCounts(msgspec.Struct, array_like=True, gc=False):
    """Orders added under one key, and their amount in minor units; neither goes down."""

    dimension: str
    key: str
    currency: str
    kind: str
    orders: Annotated[int, _NOT_BELOW_0]
    amount_minor: Annotated[int, _NOT_BELOW_0]


class OutcomeCounts(msgspec.Struct, array_like=True, gc=False):
    """Records of one topic (0 clickstream, 1 orders) with one outcome that were added."""

    topic: Annotated[int, msgspec.Meta(ge=0, le=1)]
    outcome: str
    records: Annotated[int, _NOT_BELOW_0]


class Rollup(msgspec.Struct, array_like=True, gc=False):
    """See the module. Times are ms since the epoch.

    Attributes:
        version: of this layout.
        partition: source partition.
        generation: life of the source partition's counting state in which this was counted; a
            higher one follows it.
        written_by: generation of the life that sent it: a later one, if that sent it once more.
        shard: key shard of everything in here.
        sequence: number of the rollup in its life and shard, from 0.
        bucket_ms: start of the bucket, event time; of an empty rollup the one that counting has come to.
        counted_until_ms: newest event time this source partition has counted.
        complete_until_ms: whatever is ordered before this event time is counted, here or in a rollup
            before; ``ordering.UNREAD`` before anything was read. What still comes of it comes late.
        told_at_ms: when this source partition said so, by its worker's clock; 0 if it has not yet.
        idle: its worker had read all there was in both topics, for as long as it waits for more, and
            nothing waits to be counted.
        stages: names behind the stage numbers; nodes first.
        nodes: how many of the stages are nodes.
        counts: one per dimension in which something was counted.
        money: orders and amounts.
        outcomes: records by outcome.
    """

    version: int
    partition: int
    generation: int
    written_by: int
    shard: int
    sequence: int
    bucket_ms: int
    counted_until_ms: int
    complete_until_ms: int
    told_at_ms: int
    idle: bool
    stages: tuple[str, ...]
    nodes: int
    counts: list[KeyCounts] = []
    money: list[MoneyCounts] = []
    outcomes: list[OutcomeCounts] = []

    @property
    def progress(self) -> Progress:
        """How far its source partition had come."""
        return Progress(self.complete_until_ms, self.told_at_ms, self.idle)


class Fence(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A life of a source partition begins: what older ones send to this shard from here on is void.

    Attributes:
        version: of this layout.
        partition: source partition.
        generation: the life that begins.
        shard: key shard to which this says it.
    """

    version: int
    partition: int
    generation: int
    shard: int


class RollupWriter:
    """Makes the rollups of one life of a source partition.

    Args:
        vocabulary: names behind the codes.
        partition: the source partition.
        generation: which life.
        complete_until_ms: how far the lives before it had come.
    """

    def __init__(
        self, vocabulary: Vocabulary, partition: int, generation: int, complete_until_ms: int = UNREAD
    ) -> None:
        self._vocabulary = vocabulary
        self._partition = partition
        self.generation = generation
        self._sequences: Counter[int] = Counter()
        # As of the last flush, and what all shards were last told.
        self._progress = Progress(complete_until_ms, 0, idle=False)
        self._told: Progress | None = None

    def due(self, progress: Progress) -> bool:
        """Whether every shard is to be told.

        So it is at first, when another bucket is complete, when idleness begins or ends, and if all
        were told last ``TELL_EVERY_MS`` ago (or in the future: somebody has set the clock).
        """
        told = self._told
        return (
            told is None
            or progress.idle != told.idle
            or bucket_of(progress.complete_until_ms) > bucket_of(told.complete_until_ms)
            or not 0 <= progress.told_at_ms - told.told_at_ms < TELL_EVERY_MS
        )

    def rollups(
        self, changes: Iterable[BucketChange], counted_until_ms: int, progress: Progress
    ) -> Iterator[Rollup]:
        """Rollups of a flush: one per bucket and shard in which anything was counted.

        If it is :meth:`due`, one more to every shard that would get none.

        Args:
            changes: by bucket.
            counted_until_ms: newest event time counted.
            progress: how far the source partition is with these.
        """
        before, self._progress = self._progress, progress
        # Per shard the last one so far: the first of a flush may be of any bucket, and what it says
        # of progress must be true without those behind it.
        last: dict[int, Rollup] = {}
        for change in changes:
            for shard, content in self._contents(change).items():
                if shard in last:
                    yield last.pop(shard)
                last[shard] = self._rollup(shard, change.bucket_ms, counted_until_ms, before, content)
        if self.due(progress):
            self._told = progress
            bucket_ms = bucket_of(max(progress.complete_until_ms, 0))
            for shard in set(range(self._vocabulary.shards)) - last.keys():
                last[shard] = self._rollup(shard, bucket_ms, counted_until_ms, before, _Content([], [], []))
        for rollup in last.values():
            rollup.complete_until_ms = progress.complete_until_ms
            rollup.told_at_ms, rollup.idle = progress.told_at_ms, progress.idle
            yield rollup

    def _contents(self, change: BucketChange) -> _Shards:
        shards = _Shards()
        _add_counts(shards, change, self._vocabulary)
        _add_money(shards, change, self._vocabulary)
        _add_outcomes(shards, change, self._vocabulary)
        return shards

    def _rollup(
        self, shard: int, bucket_ms: int, counted_until_ms: int, progress: Progress, content: _Content
    ) -> Rollup:
        sequence = self._sequences[shard]
        self._sequences[shard] += 1
        return Rollup(
            VERSION,
            self._partition,
            self.generation,
            self.generation,
            shard,
            sequence,
            bucket_ms,
            counted_until_ms,
            progress.complete_until_ms,
            progress.told_at_ms,
            progress.idle,
            self._vocabulary.stages.names,
            self._vocabulary.stages.nodes,
            *content,
        )


class _Content(NamedTuple):
    counts: list[KeyCounts]
    money: list[MoneyCounts]
    outcomes: list[OutcomeCounts]


class _Shards(dict[int, _Content]):
    """What goes into the rollup of each shard."""

    def __missing__(self, shard: int) -> _Content:
        content = self[shard] = _Content([], [], [])
        return content


def _add_counts(shards: _Shards, change: BucketChange, vocabulary: Vocabulary) -> None:
    for dimension, (cells, counts) in enumerate(change.cells):
        if not cells.size:
            continue
        owners = _owners(dimension, cells >> COLUMN_BITS, vocabulary)
        present = np.flatnonzero(np.bincount(owners)).tolist()
        for shard in present:
            mine: NDArray[np.bool_] | slice = owners == shard if len(present) > 1 else slice(None)
            shards[shard].counts.append(_key_counts(dimension, cells[mine], counts[mine], vocabulary))


def _owners(dimension: int, codes: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[np.uint16]:
    if dimension == 0:
        return np.full(codes.size, vocabulary.all_shard, dtype=np.uint16)
    return vocabulary.keyed[dimension - 1].shards[codes]


def _key_counts(
    dimension: int, cells: NDArray[np.int64], counts: NDArray[np.int64], vocabulary: Vocabulary
) -> KeyCounts:
    codes = cells >> COLUMN_BITS
    # Cells ascend, so those of a key stand together.
    begins = np.ones(codes.size, dtype=np.bool_)
    begins[1:] = codes[1:] != codes[:-1]
    return KeyCounts(
        vocabulary.dimensions[dimension],
        [_key_name(dimension, code, vocabulary) for code in codes[begins].tolist()],
        (np.cumsum(begins) - 1).astype("<u4").tobytes(),
        (cells & COLUMN_MASK).astype(np.uint8).tobytes(),
        counts.astype("<u8").tobytes(),
    )


def _key_name(dimension: int, code: int, vocabulary: Vocabulary) -> str:
    return ALL if dimension == 0 else vocabulary.keyed[dimension - 1].names[code]


def _add_money(shards: _Shards, change: BucketChange, vocabulary: Vocabulary) -> None:
    for (dimension, code, currency, kind), orders, amount in change.money:
        shard = vocabulary.all_shard if dimension == 0 else int(vocabulary.tables[dimension - 1].shards[code])
        name, key = vocabulary.funnel.dimensions[dimension], _key_name(dimension, code, vocabulary)
        shards[shard].money.append(MoneyCounts(name, key, currency, kind, orders, amount))


def _add_outcomes(shards: _Shards, change: BucketChange, vocabulary: Vocabulary) -> None:
    for (topic, outcome), records in change.outcomes:
        shard = shard_of("records", str(topic), vocabulary.shards)
        shards[shard].outcomes.append(OutcomeCounts(topic, outcome, records))
