"""The rollup: what COUNT tells MERGE, and the contract everything downstream stands on.

A rollup carries, for one part of one ten-second bucket of one source partition and for the keys
of one shard, the *cumulative* value of every number that changed, and its value at the flush
before. Values of one part only grow, so applying a rollup twice, or after a later one, changes
nothing; whoever takes a shard over in mid-part counts from the value before; parts add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streams.core.buckets import COLUMN_BITS, COLUMN_MASK
from streams.core.vocabulary import shard_of
from streams.funnel import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from streams.core.buckets import BucketChange
    from streams.core.vocabulary import Vocabulary

VERSION = 1


class KeyCounts(msgspec.Struct, array_like=True, gc=False):
    """Counts of one dimension as columns of equal length n.

    ``index`` (little-endian u32) points into ``keys``, ``column`` (u8) is the stage, or 16 + node
    for visitors, ``value`` and ``previous`` are little-endian u64.
    """

    dimension: str
    keys: list[str]
    index: bytes
    column: bytes
    value: bytes
    previous: bytes

    def cells(
        self,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint64]]:
        """Index, column, value and previous as arrays."""
        return (
            np.frombuffer(self.index, dtype="<u4"),
            np.frombuffer(self.column, dtype=np.uint8),
            np.frombuffer(self.value, dtype="<u8"),
            np.frombuffer(self.previous, dtype="<u8"),
        )


class MoneyCounts(msgspec.Struct, array_like=True, gc=False):
    """Orders and their amount in minor units under one key."""

    dimension: str
    key: str
    currency: str
    kind: str
    orders: int
    amount_minor: int
    previous_orders: int
    previous_amount_minor: int


class OutcomeCounts(msgspec.Struct, array_like=True, gc=False):
    """Records of one topic (0 clickstream, 1 orders) with one outcome."""

    topic: int
    outcome: str
    records: int
    previous: int


class Rollup(msgspec.Struct, array_like=True, gc=False):
    """See the module. Times are ms since the epoch.

    Attributes:
        version: of this layout.
        partition: source partition.
        generation: life of the source partition's counting state; a higher one replaces it.
        shard: key shard of everything in here.
        bucket_ms: start of the bucket, event time.
        part: number of the bucket part, growing within a generation.
        open_from: parts below this number will not change any more.
        counted_until_ms: newest event time this source partition has counted.
        stages: names behind the stage numbers; nodes first.
        nodes: how many of the stages are nodes.
        counts: one per dimension with changes.
        money: orders and amounts that changed.
        outcomes: records by outcome that changed.
    """

    version: int
    partition: int
    generation: int
    shard: int
    bucket_ms: int
    part: int
    open_from: int
    counted_until_ms: int
    stages: tuple[str, ...]
    nodes: int
    counts: list[KeyCounts] = []
    money: list[MoneyCounts] = []
    outcomes: list[OutcomeCounts] = []


class RollupSource(msgspec.Struct, frozen=True):
    """Where rollups come from, the same for a whole flush."""

    partition: int
    generation: int
    open_from: int
    counted_until_ms: int


def build_rollups(
    changes: Sequence[BucketChange], vocabulary: Vocabulary, source: RollupSource
) -> Iterator[Rollup]:
    """Rollups of a flush: one per changed bucket and shard with anything in it."""
    for change in changes:
        shards: dict[int, Rollup] = {}
        _add_counts(shards, change, vocabulary, source)
        _add_money(shards, change, vocabulary, source)
        _add_outcomes(shards, change, vocabulary, source)
        yield from shards.values()


def _rollup(
    shards: dict[int, Rollup],
    shard: int,
    change: BucketChange,
    vocabulary: Vocabulary,
    source: RollupSource,
) -> Rollup:
    rollup = shards.get(shard)
    if rollup is None:
        rollup = shards[shard] = Rollup(
            VERSION,
            source.partition,
            source.generation,
            shard,
            change.bucket_ms,
            change.part,
            source.open_from,
            source.counted_until_ms,
            vocabulary.stages.names,
            vocabulary.stages.nodes,
            [],
            [],
            [],
        )
    return rollup


def _add_counts(
    shards: dict[int, Rollup], change: BucketChange, vocabulary: Vocabulary, source: RollupSource
) -> None:
    for dimension, columns in enumerate(change.cells):
        cells = columns[0]
        if not cells.size:
            continue
        codes = cells >> COLUMN_BITS
        owners = _owners(dimension, codes, vocabulary)
        for shard in np.unique(owners).tolist():
            mine = owners == shard
            rollup = _rollup(shards, shard, change, vocabulary, source)
            rollup.counts.append(_key_counts(dimension, [c[mine] for c in columns], vocabulary))


def _owners(dimension: int, codes: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[np.uint16]:
    if dimension == 0:
        return np.full(codes.size, vocabulary.all_shard, dtype=np.uint16)
    return vocabulary.tables[dimension - 1].shards[codes]


def _key_counts(dimension: int, columns: Sequence[NDArray[np.int64]], vocabulary: Vocabulary) -> KeyCounts:
    cells, values, previous = columns
    codes, index = np.unique(cells >> COLUMN_BITS, return_inverse=True)
    return KeyCounts(
        vocabulary.funnel.dimensions[dimension],
        [_key_name(dimension, code, vocabulary) for code in codes.tolist()],
        index.astype("<u4").tobytes(),
        (cells & COLUMN_MASK).astype(np.uint8).tobytes(),
        values.astype("<u8").tobytes(),
        previous.astype("<u8").tobytes(),
    )


def _key_name(dimension: int, code: int, vocabulary: Vocabulary) -> str:
    return ALL if dimension == 0 else vocabulary.tables[dimension - 1].names[code]


def _add_money(
    shards: dict[int, Rollup], change: BucketChange, vocabulary: Vocabulary, source: RollupSource
) -> None:
    for (dimension, code, currency, kind), *amounts in change.money:
        shard = vocabulary.all_shard if dimension == 0 else int(vocabulary.tables[dimension - 1].shards[code])
        _rollup(shards, shard, change, vocabulary, source).money.append(
            MoneyCounts(
                vocabulary.funnel.dimensions[dimension],
                _key_name(dimension, code, vocabulary),
                currency,
                kind,
                *amounts,
            )
        )


def _add_outcomes(
    shards: dict[int, Rollup], change: BucketChange, vocabulary: Vocabulary, source: RollupSource
) -> None:
    for (topic, outcome), records, previous in change.outcomes:
        shard = shard_of("records", str(topic), vocabulary.shards)
        _rollup(shards, shard, change, vocabulary, source).outcomes.append(
            OutcomeCounts(topic, outcome, records, previous)
        )
