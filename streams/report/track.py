"""Counts and money of some keys together, by time.

Promises: exact sums; what came late stands in its own time. Bounded by the number of edges: one row of
columns for each piece of time between two of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.closed import ClosedBucket
    from streams.core.merge import MoneyKey

    I64 = NDArray[np.int64]

# Columns of stages, and behind them of visitors.
COLUMNS: Final = 32


def money_by_start(closed: ClosedBucket) -> Iterator[tuple[int, MoneyKey, int, int]]:
    """Start of the bucket, what, orders and amount: all that a closed bucket brings, late or not."""
    late: Counter[MoneyKey] = Counter()
    late_orders: Counter[MoneyKey] = Counter()
    for start_ms, sums in closed.late_money:
        for key, (orders, amount) in sums.items():
            late_orders[key] += orders
            late[key] += amount
            yield start_ms, key, orders, amount
    for key, (orders, amount) in closed.money.items():
        own = orders - late_orders[key], amount - late[key]
        if any(own):
            yield closed.start_ms, key, *own


class Track:
    """See the module.

    Args:
        edges: ascending; a piece of time lies between two neighbours.
        keys: the keys that are summed up, by dimension.
    """

    def __init__(self, edges: Sequence[int], keys: Mapping[str, frozenset[str]]) -> None:
        self.edges = [*edges]
        self.keys = keys
        pieces = max(len(self.edges) - 1, 0)
        self._counts = {dimension: np.zeros((pieces, COLUMNS), dtype=np.int64) for dimension in keys}
        self._money: dict[tuple[int, str, str, str], list[int]] = {}
        self._buckets = np.zeros(pieces, dtype=np.int64)
        self._mine: dict[str, NDArray[np.bool_]] = {}

    def piece(self, at_ms: int) -> int | None:
        """Number of the piece of time in which a moment lies; None outside of all."""
        number = bisect_right(self.edges, at_ms) - 1
        return number if 0 <= number < len(self._buckets) else None

    def take(self, closed: ClosedBucket) -> None:
        """Take in the counts of a closed bucket."""
        number = self.piece(closed.start_ms)
        if number is not None:
            self._buckets[number] += 1
        for dimension, counts in self._counts.items():
            cells, starts = closed.everything(dimension)
            pieces = np.searchsorted(self.edges, starts, side="right") - 1
            mine = self._covered(dimension, closed.names.get(dimension, ()))[cells.keys]
            mine &= (pieces >= 0) & (pieces < len(counts))
            np.add.at(counts, (pieces[mine], cells.columns[mine]), cells.counts[mine])

    def pay(self, start_ms: int, key: MoneyKey, orders: int, amount: int) -> None:
        """Take in money."""
        number = self.piece(start_ms)
        if number is not None and key.key in self.keys.get(key.dimension, ()):
            sums = self._money.setdefault((number, key.dimension, key.currency, key.kind), [0, 0])
            sums[0] += orders
            sums[1] += amount

    def counts(self, dimension: str, start_ms: int, end_ms: int) -> I64:
        """Sums by column between two edges, shape (32,)."""
        first, last = self._between(start_ms, end_ms)
        sums: I64 = self._counts[dimension][first:last].sum(axis=0)
        return sums

    def money(self, dimension: str, start_ms: int, end_ms: int) -> dict[tuple[str, str], tuple[int, int]]:
        """Orders and amount in minor units by (currency, kind) between two edges."""
        first, last = self._between(start_ms, end_ms)
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for (number, of, currency, kind), (orders, amount) in sorted(self._money.items()):
            if of == dimension and first <= number < last:
                before = found.get((currency, kind), (0, 0))
                found[currency, kind] = (before[0] + orders, before[1] + amount)
        return found

    def seen(self, start_ms: int, end_ms: int) -> float:
        """Share of the time between two edges of which there are closed buckets."""
        first, last = self._between(start_ms, end_ms)
        return min(int(self._buckets[first:last].sum()) * BUCKET_MS / max(end_ms - start_ms, 1), 1.0)

    def _between(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        return self.edges.index(start_ms), self.edges.index(end_ms)

    def _covered(self, dimension: str, names: Sequence[str]) -> NDArray[np.bool_]:
        """By key number, whether it is one of ours; names only grow."""
        known = self._mine.get(dimension)
        size = 0 if known is None else known.size
        if known is None or size < len(names):
            more = np.array([name in self.keys[dimension] for name in names[size:]], dtype=np.bool_)
            known = more if known is None else np.concatenate([known, more])
            self._mine[dimension] = known
        return known
