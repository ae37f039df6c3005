"""The rollup: what COUNT tells MERGE, and the contract everything downstream stands on.

A rollup carries what one flush of one source partition has added to one ten-second bucket, for the
keys of one shard. Rollups of a source partition's life and a shard are numbered without a gap. So
whoever adds up the rollups with each number once has the exact counts: applying one twice or after a
later one changes nothing, a lost one is seen to be missing, and whoever takes a shard over goes on
with the next number, knowing nothing of the values before.

A life that takes a source partition over first sends a :class:`Fence` to every shard, then the last
rollups of the life before once more, under their own numbers. What an older life still sends behind
the fence counts nowhere, so it does not matter what became of it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from streams.core.buckets import COLUMN_BITS, COLUMN_MASK
from streams.core.vocabulary import shard_of
from streams.funnel import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from streams.core.buckets import BucketChange
    from streams.core.vocabulary import Vocabulary

VERSION = 3


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
    """Orders added under one key, and their amount in minor units."""

    dimension: str
    key: str
    currency: str
    kind: str
    orders: int
    amount_minor: int


class OutcomeCounts(msgspec.Struct, array_like=True, gc=False):
    """Records of one topic (0 clickstream, 1 orders) with one outcome that were added."""

    topic: int
    outcome: str
    records: int


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
        bucket_ms: start of the bucket, event time.
        counted_until_ms: newest event time this source partition has counted.
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
    stages: tuple[str, ...]
    nodes: int
    counts: list[KeyCounts] = []
    money: list[MoneyCounts] = []
    outcomes: list[OutcomeCounts] = []


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
    """

    def __init__(self, vocabulary: Vocabulary, partition: int, generation: int) -> None:
        self._vocabulary = vocabulary
        self._partition = partition
        self.generation = generation
        self._sequences: Counter[int] = Counter()

    def rollups(self, changes: Iterable[BucketChange], counted_until_ms: int) -> Iterator[Rollup]:
        """Rollups of a flush: one per bucket and shard in which anything was counted."""
        for change in changes:
            shards = _Shards()
            _add_counts(shards, change, self._vocabulary)
            _add_money(shards, change, self._vocabulary)
            _add_outcomes(shards, change, self._vocabulary)
            for shard, (counts, money, outcomes) in shards.items():
                sequence = self._sequences[shard]
                self._sequences[shard] += 1
                yield Rollup(
                    VERSION,
                    self._partition,
                    self.generation,
                    self.generation,
                    shard,
                    sequence,
                    change.bucket_ms,
                    counted_until_ms,
                    self._vocabulary.stages.names,
                    self._vocabulary.stages.nodes,
                    counts,
                    money,
                    outcomes,
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
    return vocabulary.tables[dimension - 1].shards[codes]


def _key_counts(
    dimension: int, cells: NDArray[np.int64], counts: NDArray[np.int64], vocabulary: Vocabulary
) -> KeyCounts:
    codes = cells >> COLUMN_BITS
    # Cells ascend, so those of a key stand together.
    begins = np.ones(codes.size, dtype=np.bool_)
    begins[1:] = codes[1:] != codes[:-1]
    return KeyCounts(
        vocabulary.funnel.dimensions[dimension],
        [_key_name(dimension, code, vocabulary) for code in codes[begins].tolist()],
        (np.cumsum(begins) - 1).astype("<u4").tobytes(),
        (cells & COLUMN_MASK).astype(np.uint8).tobytes(),
        counts.astype("<u8").tobytes(),
    )


def _key_name(dimension: int, code: int, vocabulary: Vocabulary) -> str:
    return ALL if dimension == 0 else vocabulary.tables[dimension - 1].names[code]


def _add_money(shards: _Shards, change: BucketChange, vocabulary: Vocabulary) -> None:
    for (dimension, code, currency, kind), orders, amount in change.money:
        shard = vocabulary.all_shard if dimension == 0 else int(vocabulary.tables[dimension - 1].shards[code])
        name, key = vocabulary.funnel.dimensions[dimension], _key_name(dimension, code, vocabulary)
        shards[shard].money.append(MoneyCounts(name, key, currency, kind, orders, amount))


def _add_outcomes(shards: _Shards, change: BucketChange, vocabulary: Vocabulary) -> None:
    for (topic, outcome), records in change.outcomes:
        shard = shard_of("records", str(topic), vocabulary.shards)
        shards[shard].outcomes.append(OutcomeCounts(topic, outcome, records))
