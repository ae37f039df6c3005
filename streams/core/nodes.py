"""Events and visitors per node: what every conversion is made of.

Exposures and orders' outcomes have no visitors; a visitor counts once per node and key within the
attribution window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.buckets import COLUMN_BITS, VISITORS
from streams.core.hashing import combine
from streams.core.recent import RecentKeys
from streams.core.settings import BUCKET_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.core.buckets import BucketCounts
    from streams.core.lines import Lines
    from streams.core.rows import Rows
    from streams.core.vocabulary import Vocabulary

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    I16 = NDArray[np.int16]
    Bools = NDArray[np.bool_]


class _Marks(NamedTuple):
    """Candidates for visitors of one dimension: row, key code, and fingerprint of key and node."""

    row: I64
    key: I32
    prints: U64


class NodeCounts:
    """Counts events and visitors into buckets.

    Args:
        vocabulary: stages and key numbers.
        buckets: where the counts go.
        window_ms: a visitor is counted again only if more than this after the last time.
    """

    def __init__(self, vocabulary: Vocabulary, buckets: BucketCounts, window_ms: int) -> None:
        self._vocabulary = vocabulary
        self._stages = vocabulary.stages
        self._buckets = buckets
        self.visitors = RecentKeys(window_ms, both_ways=False)

    def count(self, rows: Rows, lines: Lines, cutoff_ms: int) -> None:
        """Count rows in processing order; visitors marked before the cutoff may be forgotten."""
        bucket = rows.time // BUCKET_MS * BUCKET_MS
        counted = rows.node < self._stages.first_reversal
        visited = (rows.node >= self._stages.click) & (rows.node < self._stages.nodes)
        marks = []
        for dimension in range(len(self._vocabulary.funnel.dimensions)):
            row, key = _pairs(dimension, rows, lines, counted)
            self._buckets.count(dimension, bucket[row], _cells(key, rows.node[row]))
            seen = visited[row]
            row, key = row[seen], key[seen]
            marks.append(_Marks(row, key, self._prints(dimension, key, rows.node[row])))
        self._count_visitors(rows, bucket, marks, cutoff_ms)

    def _prints(self, dimension: int, key: I32, node: I16) -> U64:
        if dimension == 0:
            return node.astype(np.uint64)
        return combine(self._vocabulary.tables[dimension - 1].prints[key], node.astype(np.uint64))

    def _count_visitors(self, rows: Rows, bucket: I64, marks: list[_Marks], cutoff_ms: int) -> None:
        row = np.concatenate([mark.row for mark in marks])
        prints = np.concatenate([mark.prints for mark in marks])
        admitted = self.visitors.admit(combine(rows.visitor[row], prints), rows.time[row], cutoff_ms)
        start = 0
        for dimension, mark in enumerate(marks):
            new = admitted[start : start + mark.row.size]
            start += mark.row.size
            at = mark.row[new]
            self._buckets.count(dimension, bucket[at], _cells(mark.key[new], rows.node[at] + VISITORS))


def _pairs(dimension: int, rows: Rows, lines: Lines, keep: Bools) -> tuple[I64, I32]:
    """Distinct (row, key code) pairs of one dimension, rows ascending."""
    if 1 <= dimension <= 3:  # slot, banner, sku
        return lines.pairs(dimension - 1, keep)
    row = np.flatnonzero(keep)
    if dimension == 0:
        return row, np.zeros(row.size, dtype=np.int32)
    return row, rows.keys[dimension - 1, row]


def _cells(key: I32, column: I16) -> I64:
    return (key.astype(np.int64) << COLUMN_BITS) | column
