"""Rollups of many source partitions into exact totals, idempotently.

Rollups say what was added and are numbered per source partition, life and shard. A rollup counts if
its number was not seen yet, so one that comes twice or out of order changes nothing, and merging is
associative and commutative. Whoever takes a shard over begins with the first number it sees.

A new life of a source partition begins with a fence. From there on only what it sends counts: its
own rollups, and before them the last ones of older lives, which it sends once more because it cannot
know whether they came.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.buckets import COLUMN_BITS, COLUMN_MASK, VISITORS, Tally
from streams.core.vocabulary import INNER_DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from streams.results import Fence, KeyCounts, Rollup

# So many runs are told apart; with more of them the oldest gap is given up. Kafka keeps rollups in
# order, so there is one run but after a loss.
_MAX_RUNS = 1_000


class Applied(StrEnum):
    """What became of a rollup."""

    APPLIED = "applied"
    REPEATED = "repeated"
    STALE = "stale"


class PartitionState(NamedTuple):
    """What is known of a source partition: who may write, what was counted, the runs of numbers seen."""

    writer: int
    generation: int
    starts: list[int]
    ends: list[int]


class MoneyKey(NamedTuple):
    """One sum of money."""

    dimension: str
    key: str
    currency: str
    kind: str


class SeenNumbers:
    """A set of whole numbers that nearly always is one run."""

    def __init__(self, starts: Sequence[int] = (), ends: Sequence[int] = ()) -> None:
        # Runs of numbers seen, ascending and apart: from ``_starts[i]`` up to below ``_ends[i]``.
        self._starts: list[int] = [*starts]
        self._ends: list[int] = [*ends]

    @property
    def runs(self) -> tuple[list[int], list[int]]:
        """Where each run starts, and where it ends; a copy."""
        return self._starts.copy(), self._ends.copy()

    @property
    def missing(self) -> int:
        """Numbers between the lowest and the highest seen that were not."""
        return sum(start - end for start, end in zip(self._starts[1:], self._ends, strict=False))

    def add(self, number: int) -> bool:
        """Take in a number; False if it was there."""
        at = bisect_right(self._starts, number)
        if at and number < self._ends[at - 1]:
            return False
        joins_before = at > 0 and self._ends[at - 1] == number
        joins_behind = at < len(self._starts) and self._starts[at] == number + 1
        if joins_before and joins_behind:
            self._close_gap(at)
        elif joins_before:
            self._ends[at - 1] = number + 1
        elif joins_behind:
            self._starts[at] = number
        else:
            self._starts.insert(at, number)
            self._ends.insert(at, number + 1)
            if len(self._starts) > _MAX_RUNS:
                self._close_gap(1)
        return True

    def _close_gap(self, at: int) -> None:
        del self._starts[at], self._ends[at - 1]


class PartitionMerge:
    """Rollups of one source partition for one shard."""

    def __init__(self) -> None:
        # The life that may write, and the newest of which something was counted.
        self._writer = -1
        self._generation = -1
        self._seen = SeenNumbers()

    @property
    def missing(self) -> int:
        """Rollups of the present life that others came after, and that have not come."""
        return self._seen.missing

    def fence(self, generation: int) -> None:
        """A life begins: nothing that an older one sends counts any more."""
        self._writer = max(self._writer, generation)

    def apply(self, rollup: Rollup) -> Applied:
        """Whether a rollup is to be added to the totals."""
        if rollup.written_by < self._writer:
            return Applied.STALE
        # Its fence may be gone, kept too long ago.
        self._writer = rollup.written_by
        if rollup.generation < self._generation:
            return Applied.STALE
        if rollup.generation > self._generation:
            # What the older life has counted stays in the totals; it cannot change any more.
            self._generation, self._seen = rollup.generation, SeenNumbers()
        return Applied.APPLIED if self._seen.add(rollup.sequence) else Applied.REPEATED

    def snapshot(self) -> PartitionState:
        """All that is known, as plain data."""
        return PartitionState(self._writer, self._generation, *self._seen.runs)

    @classmethod
    def restore(cls, state: PartitionState) -> PartitionMerge:
        """From a snapshot. Raises ValueError if it is none."""
        borders = [border for run in zip(state.starts, state.ends, strict=True) for border in run]
        if any(after <= before for before, after in pairwise(borders)):
            raise ValueError("numbers seen twice")
        merge = cls()
        merge._writer, merge._generation = state.writer, state.generation
        merge._seen = SeenNumbers(state.starts, state.ends)
        return merge


class ShardMerge:
    """All source partitions' rollups for one shard."""

    def __init__(self) -> None:
        self._partitions: dict[int, PartitionMerge] = {}

    def apply(self, rollup: Rollup) -> Applied:
        """Whether a rollup is to be added to the totals."""
        return self._partition(rollup.partition).apply(rollup)

    def fence(self, fence: Fence) -> None:
        """A life of a source partition begins: nothing that an older one sends counts any more."""
        self._partition(fence.partition).fence(fence.generation)

    def missing(self, partition: int) -> int:
        """Rollups of a source partition that others came after, and that have not come."""
        return self._partitions[partition].missing if partition in self._partitions else 0

    def snapshot(self) -> dict[int, PartitionState]:
        """All that is known, by source partition, as plain data."""
        return {number: merge.snapshot() for number, merge in self._partitions.items()}

    @classmethod
    def restore(cls, states: Mapping[int, PartitionState]) -> ShardMerge:
        """From a snapshot. Raises ValueError if it is none."""
        merge = cls()
        merge._partitions = {number: PartitionMerge.restore(state) for number, state in states.items()}
        return merge

    def _partition(self, number: int) -> PartitionMerge:
        merge = self._partitions.get(number)
        if merge is None:
            merge = self._partitions[number] = PartitionMerge()
        return merge


class _Numbers(dict[str, int]):
    """Keys of a dimension, numbered as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self.names)
        self.names.append(key)
        return number


@dataclass(slots=True)
class BucketTotals:
    """Merged counts of one bucket: keys and cells per dimension, and money as (orders, amount)."""

    numbers: dict[str, _Numbers] = field(default_factory=dict)
    cells: dict[str, Tally] = field(default_factory=dict)
    money: dict[MoneyKey, tuple[int, int]] = field(default_factory=dict)

    def add_cells(
        self, dimension: str, names: Sequence[str], cells: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> None:
        """Add counts to cells whose keys are numbered by their place in ``names``."""
        numbers = self.numbers.setdefault(dimension, _Numbers())
        keys = np.array([numbers[name] for name in names], dtype=np.int64)
        tally = self.cells.setdefault(dimension, Tally())
        tally.add(keys[cells >> COLUMN_BITS] << COLUMN_BITS | cells & COLUMN_MASK, counts)


@dataclass(slots=True)
class Totals:
    """Merged counts per bucket (start, ms), and records by (topic, outcome) over all buckets.

    Dimensions of our own are left out: they are for who watches, not for who is shown counts.
    A column is the stage number for events, ``VISITORS`` + node for visitors.
    """

    buckets: dict[int, BucketTotals] = field(default_factory=dict)
    outcomes: Counter[tuple[int, str]] = field(default_factory=Counter)
    # Buckets to which something was added since somebody emptied this.
    changed: set[int] = field(default_factory=set, compare=False)

    @property
    def cells(self) -> dict[tuple[int, str, str], Counter[int]]:
        """Counts by (bucket, dimension, key) and column; a copy."""
        found: dict[tuple[int, str, str], Counter[int]] = {}
        for start, bucket in self.buckets.items():
            for dimension, tally in bucket.cells.items():
                names = bucket.numbers[dimension].names
                for cell, count in zip(*(column.tolist() for column in tally.counts()), strict=True):
                    key = (start, dimension, names[cell >> COLUMN_BITS])
                    found.setdefault(key, Counter())[cell & COLUMN_MASK] = count
        return found

    @property
    def money(self) -> dict[tuple[int, MoneyKey], tuple[int, int]]:
        """Orders and amount by (bucket, what); a copy."""
        return {
            (start, key): amounts
            for start, bucket in self.buckets.items()
            for key, amounts in bucket.money.items()
        }

    def add(self, rollup: Rollup) -> None:
        """Take in a rollup that is to be counted."""
        if rollup.counts or rollup.money:
            bucket = self.buckets.setdefault(rollup.bucket_ms, BucketTotals())
            self.changed.add(rollup.bucket_ms)
            for counts in rollup.counts:
                if counts.dimension not in INNER_DIMENSIONS:
                    _add_counts(bucket, counts)
            _add_money(bucket, rollup)
        for item in rollup.outcomes:
            self.outcomes[item.topic, item.outcome] += item.records

    def forget_before(self, bucket_ms: int) -> None:
        """Drop buckets that start before the given time; outcomes are kept."""
        for start in [start for start in self.buckets if start < bucket_ms]:
            del self.buckets[start]
            self.changed.discard(start)


def _add_counts(bucket: BucketTotals, counts: KeyCounts) -> None:
    numbers = bucket.numbers.setdefault(counts.dimension, _Numbers())
    keys = np.array([numbers[key] for key in counts.keys], dtype=np.int64)
    index, column, count = counts.cells()
    tally = bucket.cells.setdefault(counts.dimension, Tally())
    tally.add(keys[index] << COLUMN_BITS | column, count.astype(np.int64))


def _add_money(bucket: BucketTotals, rollup: Rollup) -> None:
    for item in rollup.money:
        key = MoneyKey(item.dimension, item.key, item.currency, item.kind)
        orders, amount = bucket.money.get(key, (0, 0))
        bucket.money[key] = (orders + item.orders, amount + item.amount_minor)


def column_of(cell: int) -> tuple[int, bool]:
    """Stage number behind a column, and whether the column counts visitors."""
    return (cell - VISITORS, True) if cell >= VISITORS else (cell, False)
