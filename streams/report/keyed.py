"""Counts and money of every key in one time.

Promises: exact sums, late ones included in the time that they are of. Bounded: one row per key, of which
closed buckets tell apart so many per dimension (:class:`streams.core.shard_progress.ClosingSettings`),
and what was paid in so many currencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from streams.funnel import CORE_DIMENSIONS
from streams.report.track import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from streams.closed import ClosedBucket
    from streams.core.merge import MoneyKey
    from streams.report.outline import Times

    I64 = NDArray[np.int64]

_PAID: Final = "paid"
# What shops sell in; an event that names another currency each time fills no memory.
MAX_CURRENCIES: Final = 8


class KeyedSums:
    """See the module.

    Args:
        times: which is summed up.
        scope: keys by dimension that count; without one all do.
    """

    def __init__(self, times: Times, scope: Mapping[str, frozenset[str]]) -> None:
        self._times = times
        self._scope = scope
        self._counts: dict[str, I64] = {}
        self._names: Mapping[str, Sequence[str]] = {}
        self._paid: dict[str, dict[tuple[str, str], list[int]]] = {}

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Dimensions of which anything was counted, in the order of the funnel."""
        first = [name for name in CORE_DIMENSIONS if name in self._counts]
        return (*first, *(name for name in self._counts if name not in first))

    def take(self, closed: ClosedBucket) -> None:
        """Take in the counts of a closed bucket."""
        self._names = closed.names
        for dimension, names in closed.names.items():
            if self._is_shown(dimension):
                self._add(dimension, len(names), closed)

    def _is_shown(self, dimension: str) -> bool:
        return (
            dimension != "all" and not dimension.startswith("(") and dimension in (self._scope or {dimension})
        )

    def _add(self, dimension: str, keys: int, closed: ClosedBucket) -> None:
        cells, starts = closed.everything(dimension)
        counts = self._counts.get(dimension)
        if counts is None or len(counts) < keys:
            counts = self._counts[dimension] = _grown(counts, keys)
        inside = (starts >= self._times.start_ms) & (starts < self._times.end_ms)
        np.add.at(counts, (cells.keys[inside], cells.columns[inside]), cells.counts[inside])

    def pay(self, start_ms: int, key: MoneyKey, orders: int, amount: int) -> None:
        """Take in money; only what was paid is known of every key."""
        if key.kind != _PAID or not self._times.start_ms <= start_ms < self._times.end_ms:
            return
        if not self._is_shown(key.dimension):
            return
        if key.currency not in self._paid and len(self._paid) >= MAX_CURRENCIES:
            return
        sums = self._paid.setdefault(key.currency, {}).setdefault((key.dimension, key.key), [0, 0])
        sums[0] += orders
        sums[1] += amount

    def names(self, dimension: str) -> list[str]:
        """Keys that count, in the order of their rows."""
        return [name for _, name in self._rows(dimension)]

    def counts(self, dimension: str) -> I64:
        """Counts by key and column, shape (keys, 32)."""
        rows = [number for number, _ in self._rows(dimension)]
        counts: I64 = self._counts[dimension][rows]
        return counts

    def paid(self, dimension: str, currency: str | None) -> I64:
        """What was paid in a currency, in minor units by key, shape (keys,)."""
        sums = self._paid.get(currency or "", {})
        return np.array([sums.get((dimension, name), (0, 0))[1] for name in self.names(dimension)], np.int64)

    def _rows(self, dimension: str) -> list[tuple[int, str]]:
        wanted, known = self._scope.get(dimension), len(self._counts[dimension])
        names = list(self._names.get(dimension, ()))[:known]
        return [(number, name) for number, name in enumerate(names) if wanted is None or name in wanted]


def _grown(counts: I64 | None, keys: int) -> I64:
    """With room for so many keys, and for as many again when it had to grow."""
    if counts is None:
        return np.zeros((max(keys, 64), COLUMNS), dtype=np.int64)
    return np.concatenate([counts, np.zeros((max(keys - len(counts), len(counts)), COLUMNS), np.int64)])
