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
        if rollup.part < self._floor:
            return Applied.REPEATED, increment
        part = self._parts.setdefault(rollup.part, _Part())
        for counts in rollup.counts:
            _apply_counts(part, counts, increment)
        _apply_money(part, rollup, increment)
        _apply_outcomes(part, rollup, increment)
        self._forget(rollup)
        grown = increment.counts or increment.money or increment.outcomes
        return (Applied.APPLIED if grown else Applied.REPEATED), increment

    def _forget(self, rollup: Rollup) -> None:
        now = rollup.counted_until_ms
        for number, part in self._parts.items():
            if number < rollup.open_from and part.closed_at_ms is None:
                part.closed_at_ms = now
        # Only from the front: below the floor everything is closed, so the floor tells repetitions.
        while self._parts:
            oldest = min(self._parts)
            closed = self._parts[oldest].closed_at_ms
            if closed is None or closed + REMEMBER_MS > now:
                return
            del self._parts[oldest]
            self._floor = oldest + 1


def _wider(seen: _Seen | None, previous: int, value: int) -> tuple[_Seen, int]:
    """What has been seen with one more step, and by how much that is more."""
    if seen is None:
        return (previous, value), value - previous
    wider = (min(seen[0], previous), max(seen[1], value))
    return wider, wider[1] - wider[0] - seen[1] + seen[0]


def _apply_counts(part: _Part, counts: KeyCounts, increment: Increment) -> None:
    columns = [array.tolist() for array in counts.cells()]
    keys, dimension = counts.keys, counts.dimension
    for at, cell, value, previous in zip(*columns, strict=True):
        key = (dimension, keys[at])
        known = part.cells.get(key)
        if known is None:
            known = part.cells[key] = {}
        known[cell], grown = _wider(known.get(cell), previous, value)
        if grown:
            increment.counts.setdefault(key, []).append((cell, grown))


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
class Totals:
    """Merged counts per bucket and key.

    ``cells`` maps (bucket_ms, dimension, key) to a counter by column: the stage number for
    events, ``VISITORS`` + node for visitors.
    """

    cells: dict[tuple[int, str, str], Counter[int]] = field(default_factory=dict)
    money: dict[tuple[int, MoneyKey], tuple[int, int]] = field(default_factory=dict)
    outcomes: Counter[tuple[int, str]] = field(default_factory=Counter)

    def add(self, increment: Increment) -> None:
        """Take in an increment."""
        for (dimension, key), grown in increment.counts.items():
            cells = self.cells.setdefault((increment.bucket_ms, dimension, key), Counter())
            for cell, count in grown:
                cells[cell] += count
        for money, orders, amount in increment.money:
            held = self.money.get((increment.bucket_ms, money), (0, 0))
            self.money[increment.bucket_ms, money] = (held[0] + orders, held[1] + amount)
        for topic, outcome, records in increment.outcomes:
            self.outcomes[topic, outcome] += records

    def forget_before(self, bucket_ms: int) -> None:
        """Drop buckets that start before the given time; outcomes are kept."""
        self.cells = {key: value for key, value in self.cells.items() if key[0] >= bucket_ms}
        self.money = {key: value for key, value in self.money.items() if key[0] >= bucket_ms}


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
