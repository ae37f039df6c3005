"""Cumulative rollups of many source partitions into exact totals, idempotently.

Values of a bucket part only grow within a generation, and every value comes with what it was one
flush before. So a cell's merged count is the largest value seen less the smallest one before:
applying a rollup twice or out of order changes nothing, merging is associative and commutative,
and whoever takes a shard over in mid-part counts from there on. Parts that cannot change any
more are forgotten after a while; what arrives for them later is a repetition and is ignored.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from streams.core.buckets import VISITORS

if TYPE_CHECKING:
    from streams.results import KeyCounts, Rollup

# A closed part is kept this much event time longer, for repetitions that are still under way.
REMEMBER_MS = 60_000


class Applied(StrEnum):
    """What became of a rollup."""

    APPLIED = "applied"
    REPEATED = "repeated"
    STALE = "stale"


class MoneyKey(NamedTuple):
    """One sum of money."""

    dimension: str
    key: str
    currency: str
    kind: str


@dataclass(slots=True)
class Increment:
    """By how much totals grew. Topics are 0 clickstream, 1 orders."""

    bucket_ms: int
    counts: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    money: list[tuple[MoneyKey, int, int]] = field(default_factory=list)
    outcomes: list[tuple[int, str, int]] = field(default_factory=list)


_Seen = tuple[int, int]


@dataclass(slots=True)
class _Part:
    """Cumulative values seen of one part, each as (smallest before, largest)."""

    closed_at_ms: int | None = None
    cells: dict[tuple[str, str], dict[int, _Seen]] = field(default_factory=dict)
    money: dict[MoneyKey, tuple[_Seen, _Seen]] = field(default_factory=dict)
    outcomes: dict[tuple[int, str], _Seen] = field(default_factory=dict)


class PartitionMerge:
    """Rollups of one source partition for one shard."""

    def __init__(self) -> None:
        self._generation = -1
        self._floor = 0
        self._parts: dict[int, _Part] = {}
        self._open: set[int] = set()
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._parts)

    def apply(self, rollup: Rollup) -> tuple[Applied, Increment]:
        """Take in a rollup; by how much the totals grow through it."""
        increment = Increment(rollup.bucket_ms)
        if rollup.generation < self._generation:
            return Applied.STALE, increment
        if rollup.generation > self._generation:
            # What the older life has counted stays in the totals; it cannot change any more.
            self._generation, self._floor, self._parts = rollup.generation, 0, {}
            self._open, self._order = set(), []
        if rollup.part < self._floor:
            return Applied.REPEATED, increment
        part = self._parts.get(rollup.part)
        if part is None:
            part = self._parts[rollup.part] = _Part()
            self._open.add(rollup.part)
            heappush(self._order, rollup.part)
        for counts in rollup.counts:
            _apply_counts(part, counts, increment)
        _apply_money(part, rollup, increment)
        _apply_outcomes(part, rollup, increment)
        self._forget(rollup)
        grown = increment.counts or increment.money or increment.outcomes
        return (Applied.APPLIED if grown else Applied.REPEATED), increment

    def _forget(self, rollup: Rollup) -> None:
        now = rollup.counted_until_ms
        # Each part is looked at when it comes and when it closes, not at every rollup: a flush over
        # a sparse history has as many parts as rollups.
        for number in [number for number in self._open if number < rollup.open_from]:
            self._open.remove(number)
            self._parts[number].closed_at_ms = now
        # Only from the front: below the floor everything is closed, so the floor tells repetitions.
        while self._order:
            closed = self._parts[self._order[0]].closed_at_ms
            if closed is None or closed + REMEMBER_MS > now:
                return
            oldest = heappop(self._order)
            del self._parts[oldest]
            self._floor = oldest + 1


def _wider(seen: _Seen | None, previous: int, value: int) -> tuple[_Seen, int]:
    """What has been seen with one more step, and by how much that is more."""
    if seen is None:
        return (previous, value), value - previous
    wider = (min(seen[0], previous), max(seen[1], value))
    return wider, wider[1] - wider[0] - seen[1] + seen[0]


def _apply_counts(part: _Part, counts: KeyCounts, increment: Increment) -> None:
    names = [(counts.dimension, key) for key in counts.keys]
    known_of = [part.cells.setdefault(name, {}) for name in names]
    grown: dict[int, list[tuple[int, int]]] = {}
    for at, cell, value, previous in zip(*(array.tolist() for array in counts.cells()), strict=True):
        known = known_of[at]
        seen = known.get(cell)
        # The first step and the next one are what comes nearly always; the rest is for _wider.
        if seen is None:
            known[cell], more = (previous, value), value - previous
        elif seen[1] == previous:
            known[cell], more = (seen[0], value), value - previous
        else:
            known[cell], more = _wider(seen, previous, value)
        if more:
            grown.setdefault(at, []).append((cell, more))
    for at, cells in grown.items():
        increment.counts.setdefault(names[at], []).extend(cells)


def _apply_money(part: _Part, rollup: Rollup, increment: Increment) -> None:
    for item in rollup.money:
        key = MoneyKey(item.dimension, item.key, item.currency, item.kind)
        seen = part.money.get(key, (None, None))
        orders, more = _wider(seen[0], item.previous_orders, item.orders)
        amount, sum_minor = _wider(seen[1], item.previous_amount_minor, item.amount_minor)
        part.money[key] = (orders, amount)
        if more:
            increment.money.append((key, more, sum_minor))


def _apply_outcomes(part: _Part, rollup: Rollup, increment: Increment) -> None:
    for item in rollup.outcomes:
        key = (item.topic, item.outcome)
        part.outcomes[key], grown = _wider(part.outcomes.get(key), item.previous, item.records)
        if grown:
            increment.outcomes.append((item.topic, item.outcome, grown))


@dataclass(slots=True)
class BucketTotals:
    """Merged counts of one bucket: by (dimension, key) and column, and money as (orders, amount)."""

    cells: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    money: dict[MoneyKey, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Totals:
    """Merged counts per bucket (start, ms), and records by (topic, outcome) over all buckets.

    A column is the stage number for events, ``VISITORS`` + node for visitors.
    """

    buckets: dict[int, BucketTotals] = field(default_factory=dict)
    outcomes: Counter[tuple[int, str]] = field(default_factory=Counter)

    @property
    def cells(self) -> dict[tuple[int, str, str], Counter[int]]:
        """Counts by (bucket, dimension, key) and column; a copy."""
        return {
            (start, *name): Counter(cells)
            for start, bucket in self.buckets.items()
            for name, cells in bucket.cells.items()
        }

    @property
    def money(self) -> dict[tuple[int, MoneyKey], tuple[int, int]]:
        """Orders and amount by (bucket, what); a copy."""
        return {
            (start, key): amounts
            for start, bucket in self.buckets.items()
            for key, amounts in bucket.money.items()
        }

    def add(self, increment: Increment) -> None:
        """Take in an increment."""
        if increment.counts or increment.money:
            self._add(self.buckets.setdefault(increment.bucket_ms, BucketTotals()), increment)
        for topic, outcome, records in increment.outcomes:
            self.outcomes[topic, outcome] += records

    @staticmethod
    def _add(bucket: BucketTotals, increment: Increment) -> None:
        for name, grown in increment.counts.items():
            cells = bucket.cells.get(name)
            if cells is None:
                bucket.cells[name] = dict(grown)
                continue
            for cell, count in grown:
                cells[cell] = cells.get(cell, 0) + count
        for money, orders, amount in increment.money:
            held = bucket.money.get(money, (0, 0))
            bucket.money[money] = (held[0] + orders, held[1] + amount)

    def forget_before(self, bucket_ms: int) -> None:
        """Drop buckets that start before the given time; outcomes are kept."""
        for start in [start for start in self.buckets if start < bucket_ms]:
            del self.buckets[start]


class ShardMerge:
    """All source partitions' rollups for one shard."""

    def __init__(self) -> None:
        self._partitions: dict[int, PartitionMerge] = {}

    def apply(self, rollup: Rollup) -> tuple[Applied, Increment]:
        """Take in a rollup; by how much the totals grow through it."""
        merge = self._partitions.get(rollup.partition)
        if merge is None:
            merge = self._partitions[rollup.partition] = PartitionMerge()
        return merge.apply(rollup)


def column_of(cell: int) -> tuple[int, bool]:
    """Stage number behind a column, and whether the column counts visitors."""
    return (cell - VISITORS, True) if cell >= VISITORS else (cell, False)
