"""Events and visitors per node: what every conversion is made of.

Exposures and orders' outcomes have no visitors; a visitor counts once per node and key within the
attribution window. Of combinations of slot, banner and SKU only visitors are counted, and only of
clicks, orders and payments. Visitors' lags are counted besides (:mod:`streams.core.lags`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.buckets import COLUMN_BITS, VISITORS
from streams.core.hashing import combine
from streams.core.lags import NodeLags, Visits, lag_bins
from streams.core.recent import RecentKeys
from streams.core.settings import BUCKET_MS
from streams.core.vocabulary import FIRST_CODE

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

    dimension: int
    row: I64
    key: I32
    prints: U64


class NodeCounts:
    """Counts events and visitors into buckets.

    Args:
        vocabulary: stages and key numbers.
        buckets: where the counts go.
        window_ms: a visitor is counted again only if more than this after the last time.
        combinations: whether these are counted.
    """

    def __init__(
        self, vocabulary: Vocabulary, buckets: BucketCounts, window_ms: int, *, combinations: bool = True
    ) -> None:
        self._vocabulary = vocabulary
        stages = self._stages = vocabulary.stages
        self._buckets = buckets
        self._window = window_ms
        self._lags = vocabulary.number(vocabulary.lags)
        self._combinations = vocabulary.number(vocabulary.combinations)
        combined = {stages.names[stages.click], "order", "paid"} if combinations else set()
        self._is_combined = np.array([name in combined for name in stages.names])
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
            marks.append(_Marks(dimension, row, key, self._prints(dimension, key, rows.node[row])))
        marks.append(self._combined(rows, lines))
        self._count_visitors(rows, bucket, marks, cutoff_ms)

    def _combined(self, rows: Rows, lines: Lines) -> _Marks:
        row, key = lines.combinations(self._is_combined[rows.node], self._vocabulary.combinations)
        return _Marks(self._combinations, row, key, self._prints(self._combinations, key, rows.node[row]))

    def _prints(self, dimension: int, key: I32, node: I16) -> U64:
        if dimension == 0:
            return node.astype(np.uint64)
        return combine(self._vocabulary.keyed[dimension - 1].prints[key], node.astype(np.uint64))

    def _count_visitors(self, rows: Rows, bucket: I64, marks: list[_Marks], cutoff_ms: int) -> None:
        lags = self._lags_of(rows, marks[0].row)
        row = np.concatenate([mark.row for mark in marks])
        prints = np.concatenate([mark.prints for mark in marks])
        admitted = self.visitors.admit(combine(rows.visitor[row], prints), rows.time[row], cutoff_ms)
        self._count_lags(bucket, *lags.counted(admitted[: marks[0].row.size]))
        start = 0
        for mark in marks:
            new = admitted[start : start + mark.row.size]
            start += mark.row.size
            at = mark.row[new]
            self._buckets.count(mark.dimension, bucket[at], _cells(mark.key[new], rows.node[at] + VISITORS))

    def _lags_of(self, rows: Rows, row: I64) -> NodeLags:
        """Of the visits in ``all``; before they are marked."""
        visits = Visits(row, rows.visitor[row], rows.node[row].astype(np.int64), rows.time[row])
        return NodeLags(self.visitors.slots, visits, self._stages.click + 1, self._window)

    def _count_lags(self, bucket: I64, visits: Visits, lags_ms: I64) -> None:
        cells = _cells(FIRST_CODE + lag_bins(lags_ms), visits.node + VISITORS)
        self._buckets.count(self._lags, bucket[visits.row], cells)


def _pairs(dimension: int, rows: Rows, lines: Lines, keep: Bools) -> tuple[I64, I32]:
    """Distinct (row, key code) pairs of one dimension, rows ascending."""
    if 1 <= dimension <= 3:  # slot, banner, sku
        return lines.pairs(dimension - 1, keep)
    row = np.flatnonzero(keep)
    if dimension == 0:
        return row, np.zeros(row.size, dtype=np.int32)
    return row, rows.keys[dimension - 1, row]


def _cells(key: I32, column: I16 | I64) -> I64:
    return (key.astype(np.int64) << COLUMN_BITS) | column
