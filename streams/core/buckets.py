"""Counts per ten-second bucket since the last flush.

A *cell* is one number: ``code << 5 | column`` where code is the key's number and the column is a
stage (events) or ``VISITORS + node``. A flush takes everything counted since the one before and
leaves nothing: what is counted later in the same bucket, however late, is one more thing to add.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.settings import BUCKET_MS
from streams.core.sorting import distinct, summed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

COLUMN_BITS = 5
COLUMN_MASK = (1 << COLUMN_BITS) - 1
VISITORS = 16
MAX_STAGES = VISITORS

# A tally counts what it has once it holds this many cells; memory stays bounded without a flush.
_BULK_CELLS = 1 << 18
MoneyKey = tuple[int, int, str, str]  # dimension, key code, currency, kind
OutcomeKey = tuple[int, str]  # topic, outcome


class BucketChange(NamedTuple):
    """What was counted in one bucket since the last flush.

    Per dimension (cells, counts), cells ascending and distinct; (key, orders, amount) and
    (key, records).
    """

    bucket_ms: int
    cells: list[tuple[I64, I64]]
    money: list[tuple[MoneyKey, int, int]]
    outcomes: list[tuple[OutcomeKey, int]]


def bucket_of(time_ms: int) -> int:
    """Start of the bucket that a time lies in."""
    return time_ms // BUCKET_MS * BUCKET_MS


class Tally:
    """How often each cell was named.

    Cells are kept as they come and counted in bulk: counting them one by one was a tenth of all
    the work there is.
    """

    __slots__ = ("_cells", "_size", "_times")

    def __init__(self) -> None:
        self._cells: list[I64] = []
        self._times: list[I64 | None] = []
        self._size = 0

    def add(self, cells: I64, times: I64 | None = None) -> None:
        """Name cells once each, or as often as stands beside them."""
        self._cells.append(cells)
        self._times.append(times)
        self._size += cells.size
        if self._size > _BULK_CELLS:
            cells, times = self.counts()
            self._cells, self._times, self._size = [cells], [times], 0

    def counts(self) -> tuple[I64, I64]:
        """Distinct cells, ascending, and how often each was named."""
        if not self._cells:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        cells = np.concatenate(self._cells)
        if all(times is None for times in self._times):
            return distinct(cells)
        times = np.concatenate(
            [
                np.ones(part.size, dtype=np.int64) if beside is None else beside
                for part, beside in zip(self._cells, self._times, strict=True)
            ]
        )
        return summed(cells, times)


class _Bucket:
    __slots__ = ("cells", "money", "outcomes")

    def __init__(self, dimensions: int) -> None:
        self.cells = [Tally() for _ in range(dimensions)]
        self.money: dict[MoneyKey, tuple[int, int]] = {}
        self.outcomes: Counter[OutcomeKey] = Counter()

    def change(self, start: int) -> BucketChange:
        return BucketChange(
            start,
            [tally.counts() for tally in self.cells],
            [(key, *sums) for key, sums in self.money.items()],
            list(self.outcomes.items()),
        )


class BucketCounts:
    """What one source partition has counted since the last flush.

    Args:
        dimensions: how many, ``all`` included.
    """

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._buckets: dict[int, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def _bucket(self, bucket_ms: int) -> _Bucket:
        bucket = self._buckets.get(bucket_ms)
        if bucket is None:
            bucket = self._buckets[bucket_ms] = _Bucket(self._dimensions)
        return bucket

    def count(self, dimension: int, buckets: I64, cells: I64) -> None:
        """Add one to each cell named, in the bucket (start, ms) beside it."""
        for start, members in _by_bucket(buckets, cells):
            self._bucket(start).cells[dimension].add(members)

    def add_money(self, bucket_ms: int, key: MoneyKey, amount_minor: int) -> None:
        """Add one order and its amount in minor units."""
        money = self._bucket(bucket_ms).money
        orders, amount = money.get(key, (0, 0))
        money[key] = (orders + 1, amount + amount_minor)

    def add_outcome(self, bucket_ms: int, key: OutcomeKey, records: int) -> None:
        """Add records with one outcome."""
        self._bucket(bucket_ms).outcomes[key] += records

    def clear(self) -> None:
        """Forget what was counted since the last flush."""
        self._buckets = {}

    def flush(self) -> Iterator[BucketChange]:
        """Take everything counted since the last flush, bucket by bucket in the order of time."""
        taken, self._buckets = self._buckets, {}
        return (taken[start].change(start) for start in sorted(taken))


def _by_bucket(buckets: I64, cells: I64) -> Iterator[tuple[int, I64]]:
    if not buckets.size:
        return
    first = int(buckets[0])
    if (buckets == first).all():
        yield first, cells
        return
    for number in distinct(buckets // BUCKET_MS)[0].tolist():
        start = number * BUCKET_MS
        yield start, cells[buckets == start]
