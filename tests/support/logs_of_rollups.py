"""Logs of rollups as source partitions write them, for whoever closes buckets; times are ms after T0."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.rollups import T0, rollup

if TYPE_CHECKING:
    from streams.closed import ClosedBucket
    from streams.results import Rollup
    from tests.support.rollups import Counts

BUCKET = 10_000


@dataclass
class Speaker:
    """One source partition: what it says to one shard, in order."""

    partition: int = 0
    shard: int = 0
    sequence: int = 0

    def says(
        self,
        complete: int,
        counts: Counts | None = None,
        *,
        bucket: int = 0,
        told_at: int | None = None,
        idle: bool = False,
    ) -> Rollup:
        """That all before ``complete`` is counted, and what was in a bucket."""
        number, self.sequence = self.sequence, self.sequence + 1
        return rollup(
            counts,
            {("all", "all", "CNY", "paid"): (1, 100)} if counts else None,
            {(0, "accepted"): 1},
            partition=self.partition,
            shard=self.shard,
            sequence=number,
            bucket_ms=T0 + bucket * BUCKET,
            complete=complete,
            told_at=complete + 5_000 if told_at is None else told_at,
            idle=idle,
        )


@dataclass
class Sums:
    """All that closed buckets hold: counts by (bucket, dimension, key, column), the rest in one sum."""

    counts: Counter[tuple[int, str, str, int]] = field(default_factory=Counter)
    late: Counter[tuple[int, str, str, int]] = field(default_factory=Counter)
    orders: int = 0
    amount: int = 0
    records: int = 0

    def add(self, closed: ClosedBucket) -> None:
        """One more closed bucket."""
        parts = [(closed.start_ms, closed.counts, self.counts)]
        parts += [(start_ms, counts, self.late) for start_ms, counts in closed.late]
        for start_ms, counts, into in parts:
            for dimension, cells in counts.items():
                names = closed.names[dimension]
                for key, column, count in zip(*(part.tolist() for part in cells), strict=True):
                    into[start_ms, dimension, names[key], column] += count
        self.orders += sum(orders for orders, _ in closed.money.values())
        self.amount += sum(amount for _, amount in closed.money.values())
        self.records += sum(closed.records.values())


def plain(closed: ClosedBucket) -> tuple[object, ...]:
    """A closed bucket in values that can be compared."""

    def cells(counts: object) -> object:
        assert isinstance(counts, dict)
        return {dimension: [part.tolist() for part in it] for dimension, it in counts.items()}

    return (
        closed.start_ms,
        closed.closed_at_ms,
        closed.complete,
        closed.stages,
        closed.nodes,
        closed.names,
        cells(closed.counts),
        [(start_ms, cells(counts)) for start_ms, counts in closed.late],
        closed.money,
        closed.records,
        closed.progress,
    )
