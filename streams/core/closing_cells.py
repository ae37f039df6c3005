"""Rollups that fall to one closed bucket, as cells of numbered keys.

Keys get their numbers when a bucket closes, new ones in the order of their names: so numbers do not
depend on which shard's rollups came first. They only grow, up to a bound; what comes beyond is counted
as ``(other)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.closed import Cells
from streams.core.buckets import COLUMN_BITS, COLUMN_MASK, Tally
from streams.core.merge import MoneyKey
from streams.funnel import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.results import KeyCounts, Rollup


class KeyNumbers(dict[str, int]):
    """Number of each key of one dimension."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__({name: number for number, name in enumerate(names)})
        self.names = tuple(self)

    def learn(self, keys: Iterable[str], max_keys: int) -> None:
        """Number the keys that have no number yet."""
        new = sorted(set(keys) - self.keys())
        room = max(max_keys - len(self), 0)
        if len(new) > room:
            new = [*new[:room], *({OTHER} - self.keys() - {*new[:room]})]
        if new:
            self.update((key, number) for number, key in enumerate(new, len(self)))
            self.names = tuple(self)

    def of(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of keys, shape (keys,); of those beyond the bound, the number of ``(other)``."""
        other = self.get(OTHER, 0)
        return np.array([self.get(key, other) for key in keys], dtype=np.int64)


class Numbering(dict[str, KeyNumbers]):
    """Keys of all dimensions.

    Args:
        max_keys: of a dimension, beside ``(other)``.
        names: of each dimension, by number.
    """

    def __init__(self, max_keys: int, names: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__({dimension: KeyNumbers(keys) for dimension, keys in (names or {}).items()})
        self._max_keys = max_keys

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Keys of each dimension, by number."""
        return {dimension: numbers.names for dimension, numbers in self.items()}

    def learn(self, rollups: Iterable[Rollup]) -> None:
        """Number all keys in these rollups that have no number yet."""
        new: dict[str, set[str]] = {}
        for rollup in rollups:
            for counts in rollup.counts:
                new.setdefault(counts.dimension, set()).update(counts.keys)
            for money in rollup.money:
                new.setdefault(money.dimension, set()).add(money.key)
        for dimension in sorted(new):
            self.setdefault(dimension, KeyNumbers()).learn(new[dimension], self._max_keys)

    def cells(self, rollups: Iterable[Rollup]) -> dict[str, Cells]:
        """What was counted in rollups whose keys are known, ascending by key and column."""
        parts: dict[str, list[KeyCounts]] = {}
        for rollup in rollups:
            for counts in rollup.counts:
                parts.setdefault(counts.dimension, []).append(counts)
        return {dimension: _cells(self[dimension], parts[dimension]) for dimension in sorted(parts)}

    def money(self, rollups: Iterable[Rollup]) -> dict[MoneyKey, tuple[int, int]]:
        """Orders and amounts in rollups whose keys are known."""
        sums: dict[MoneyKey, tuple[int, int]] = {}
        for rollup in rollups:
            for item in rollup.money:
                key = item.key if item.key in self[item.dimension] else OTHER
                place = MoneyKey(item.dimension, key, item.currency, item.kind)
                orders, amount = sums.get(place, (0, 0))
                sums[place] = (orders + item.orders, amount + item.amount_minor)
        return dict(sorted(sums.items()))


def _cells(numbers: KeyNumbers, parts: Iterable[KeyCounts]) -> Cells:
    tally = Tally()
    for part in parts:
        index, columns, counts = part.cells()
        tally.add(numbers.of(part.keys)[index] << COLUMN_BITS | columns, counts.astype(np.int64))
    cells, counts_of = tally.counts()
    return Cells(cells >> COLUMN_BITS, cells & COLUMN_MASK, counts_of)
