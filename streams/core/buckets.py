"""Counts per ten-second bucket: cumulative, and what changed since the last flush.

A *cell* is one number: ``code << 5 | column`` where code is the key's number and the column is a
stage (events) or ``VISITORS + node``. A bucket that is closed and touched again later opens a
new *part*; parts of a bucket add up, so closing early is never wrong.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.settings import BUCKET_MS

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
# bincount runs over all cells up to the largest: worth it while those are not many more than named.
_DENSE = 4
MoneyKey = tuple[int, int, str, str]  # dimension, key code, currency, kind
OutcomeKey = tuple[int, str]  # topic, outcome


class BucketChange(NamedTuple):
    """Everything in one part of a bucket that changed since the last flush.

    Values are cumulative and come with what they were at the last flush: (cells, values,
    previous) arrays per dimension, (key, orders, amount, previous orders, previous amount), and
    (key, records, previous).
    """

    bucket_ms: int
    part: int
    cells: list[tuple[I64, I64, I64]]
    money: list[tuple[MoneyKey, int, int, int, int]]
    outcomes: list[tuple[OutcomeKey, int, int]]


def bucket_of(time_ms: int) -> int:
    """Start of the bucket that a time lies in."""
    return time_ms // BUCKET_MS * BUCKET_MS


class _Tally:
    """How often each cell was named since the last flush.

    Cells are kept as they come and counted in bulk: counting them one by one was a tenth of all
    the work there is.
    """

    __slots__ = ("_counted", "_named", "_size")

    def __init__(self) -> None:
        self._named: list[I64] = []
        self._size = 0
        self._counted: dict[int, int] = {}

    def add(self, cells: I64) -> None:
        """Name cells once each."""
        self._named.append(cells)
        self._size += cells.size
        if self._size > _BULK_CELLS:
            self._count()

    def take(self) -> dict[int, int]:
        """Cells and how often they were named; begins anew."""
        self._count()
        counted, self._counted = self._counted, {}
        return counted

    def _count(self) -> None:
        if not self._size:
            return
        cells, times = _distinct(np.concatenate(self._named))
        self._named, self._size = [], 0
        counted = self._counted
        if not counted:
            self._counted = dict(zip(cells.tolist(), times.tolist(), strict=True))
            return
        for cell, count in zip(cells.tolist(), times.tolist(), strict=True):
            counted[cell] = counted.get(cell, 0) + count


def _distinct(cells: I64) -> tuple[I64, I64]:
    """Distinct cells and how often each occurs."""
    if int(cells.max()) > _DENSE * cells.size:
        return np.unique(cells, return_counts=True)
    times = np.bincount(cells)
    present = np.flatnonzero(times)
    return present, times[present]


class _Bucket:
    __slots__ = ("changed", "money", "money_before", "outcomes", "outcomes_before", "part", "totals")

    def __init__(self, part: int, dimensions: int) -> None:
        self.part = part
        self.totals: list[dict[int, int]] = [{} for _ in range(dimensions)]
        self.changed = [_Tally() for _ in range(dimensions)]
        self.money: dict[MoneyKey, tuple[int, int]] = {}
        self.money_before: dict[MoneyKey, tuple[int, int]] = {}
        self.outcomes: Counter[OutcomeKey] = Counter()
        self.outcomes_before: dict[OutcomeKey, int] = {}


class OpenBuckets:
    """The buckets of one source partition that are still being counted.

    Args:
        dimensions: how many, ``all`` included.
        first_part: part number to start from; later parts count up.
    """

    def __init__(self, dimensions: int, first_part: int = 0) -> None:
        self._dimensions = dimensions
        self._parts = first_part
        self._open: dict[int, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def open_from(self) -> int:
        """Number of the oldest part that may still change."""
        return min((bucket.part for bucket in self._open.values()), default=self._parts)

    def _bucket(self, bucket_ms: int) -> _Bucket:
        bucket = self._open.get(bucket_ms)
        if bucket is None:
            bucket = self._open[bucket_ms] = _Bucket(self._parts, self._dimensions)
            self._parts += 1
        return bucket

    def count(self, dimension: int, buckets: I64, cells: I64) -> None:
        """Add one to each cell named, in the bucket (start, ms) beside it."""
        for start, members in _by_bucket(buckets, cells):
            self._bucket(start).changed[dimension].add(members)

    def add_money(self, bucket_ms: int, key: MoneyKey, amount_minor: int) -> None:
        """Add one order and its amount in minor units."""
        bucket = self._bucket(bucket_ms)
        held = bucket.money.get(key, (0, 0))
        bucket.money_before.setdefault(key, held)
        bucket.money[key] = (held[0] + 1, held[1] + amount_minor)

    def add_outcome(self, bucket_ms: int, key: OutcomeKey, records: int) -> None:
        """Add records with one outcome."""
        bucket = self._bucket(bucket_ms)
        bucket.outcomes_before.setdefault(key, bucket.outcomes[key])
        bucket.outcomes[key] += records

    def flush(self, close_before_ms: int) -> list[BucketChange]:
        """Changes since the last flush; buckets that end by ``close_before_ms`` are closed."""
        changes = []
        for start in sorted(self._open):
            change = _change(start, self._open[start])
            if change is not None:
                changes.append(change)
            if start + BUCKET_MS <= close_before_ms:
                del self._open[start]
        return changes


def _change(start: int, bucket: _Bucket) -> BucketChange | None:
    cells = [
        _accumulate(total, tally.take()) for total, tally in zip(bucket.totals, bucket.changed, strict=True)
    ]
    money = [(key, *bucket.money[key], *before) for key, before in bucket.money_before.items()]
    outcomes = [(key, bucket.outcomes[key], before) for key, before in bucket.outcomes_before.items()]
    if not (money or outcomes or any(part[0].size for part in cells)):
        return None
    bucket.money_before.clear()
    bucket.outcomes_before.clear()
    return BucketChange(start, bucket.part, cells, money, outcomes)


def _by_bucket(buckets: I64, cells: I64) -> Iterator[tuple[int, I64]]:
    if not buckets.size:
        return
    first = int(buckets[0])
    if (buckets == first).all():
        yield first, cells
        return
    for start in np.unique(buckets).tolist():
        yield start, cells[buckets == start]


def _accumulate(total: dict[int, int], changed: dict[int, int]) -> tuple[I64, I64, I64]:
    """Move changes into the totals; the cells that changed, their new totals and their old ones."""
    before = [total.get(cell, 0) for cell in changed]
    cells = np.array(list(changed), dtype=np.int64)
    previous = np.array(before, dtype=np.int64)
    values = previous + np.array(list(changed.values()), dtype=np.int64)
    total.update(zip(changed, values.tolist(), strict=True))
    return cells, values, previous
