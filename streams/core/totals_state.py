"""What merging knows of a shard, as bytes and back: the rollups seen, and each bucket's totals.

A bucket is a piece of its own, so that a snapshot need not repeat those in which nothing was
counted since the last one. Whoever reads pieces back has checked that they are whole; what they hold
is checked here, so that damage never becomes a count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streams.core.buckets import COLUMN_BITS
from streams.core.merge import BucketTotals, MoneyKey, PartitionState, ShardMerge, Totals
from streams.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
# Counts are mostly small: the narrowest of these that holds them all.
_WIDTHS = (("<u1", 1 << 8), ("<u2", 1 << 16), ("<u4", 1 << 32), ("<u8", 1 << 63))


class ShardState(msgspec.Struct, array_like=True):
    """What is of no bucket; ``series`` are the bytes of the exported series."""

    partitions: dict[int, PartitionState]
    outcomes: list[tuple[int, str, int]]
    series: bytes


class CellState(msgspec.Struct, array_like=True):
    """Cells of one dimension, ascending, as (type, bytes): steps from one to the next, and counts."""

    dimension: str
    keys: list[str]
    steps: tuple[str, bytes]
    counts: tuple[str, bytes]


class BucketState(msgspec.Struct, array_like=True):
    """Totals of one bucket."""

    bucket_ms: int
    cells: list[CellState]
    money: list[tuple[str, str, str, str, int, int]]


_encode = msgspec.msgpack.encode
_read_shard = msgspec.msgpack.Decoder(ShardState).decode
_read_bucket = msgspec.msgpack.Decoder(BucketState).decode


def encode_shard(merge: ShardMerge, totals: Totals, series: bytes) -> bytes:
    """All of a shard but its buckets."""
    outcomes = [(topic, outcome, records) for (topic, outcome), records in totals.outcomes.items()]
    return _encode(ShardState(merge.snapshot(), outcomes, series))


def decode_shard(data: bytes, totals: Totals) -> tuple[ShardMerge, bytes]:
    """What was merged, and the bytes of the series; records by outcome go to ``totals``.

    Raises:
        CodecError: this is something else.
    """
    try:
        state = _read_shard(data)
        merge = ShardMerge.restore(state.partitions)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise CodecError("damaged: what was merged cannot be read") from error
    for topic, outcome, records in state.outcomes:
        totals.outcomes[topic, outcome] += records
    return merge, state.series


def encode_bucket(bucket_ms: int, bucket: BucketTotals) -> bytes:
    """One bucket."""
    cells = []
    for dimension, tally in bucket.cells.items():
        named, counts = tally.counts()
        steps = np.diff(named, prepend=0)
        cells.append(CellState(dimension, bucket.numbers[dimension].names, _narrow(steps), _narrow(counts)))
    money = [(*key, orders, amount) for key, (orders, amount) in bucket.money.items()]
    return _encode(BucketState(bucket_ms, cells, money))


def decode_bucket(data: bytes, totals: Totals) -> int:
    """Put a bucket into ``totals``; its start.

    Raises:
        CodecError: this is something else.
    """
    try:
        state = _read_bucket(data)
        bucket = BucketTotals()
        for cells in state.cells:
            named, counts = np.cumsum(_wide(cells.steps)), _wide(cells.counts)
            _check(cells, named, counts)
            bucket.add_cells(cells.dimension, cells.keys, named, counts)
        for dimension, key, currency, kind, orders, amount in state.money:
            bucket.money[MoneyKey(dimension, key, currency, kind)] = (orders, amount)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise CodecError("damaged: a bucket cannot be read") from error
    totals.buckets[state.bucket_ms] = bucket
    return state.bucket_ms


def _check(cells: CellState, named: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    if named.size != counts.size:
        raise ValueError("columns differ in length")
    if named.size and int(named[-1]) >> COLUMN_BITS >= len(cells.keys):
        raise ValueError("cells of no key")


def _narrow(numbers: NDArray[np.int64]) -> tuple[str, bytes]:
    largest = int(numbers.max()) if numbers.size else 0
    kind = next(kind for kind, limit in _WIDTHS if largest < limit)
    return kind, numbers.astype(kind).tobytes()


def _wide(column: tuple[str, bytes]) -> NDArray[np.int64]:
    kind, data = column
    if kind not in dict(_WIDTHS):
        raise ValueError("no such type")
    numbers = np.frombuffer(data, dtype=kind).astype(np.int64)
    if numbers.size and int(numbers.min()) < 0:
        raise ValueError("a count below zero")
    return numbers
