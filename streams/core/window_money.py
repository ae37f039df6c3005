"""Orders and amounts as counts: each sum of money has a number, as a key has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.core.buckets import COLUMN_BITS
from streams.core.packed_cells import CellSums, PackedCells, pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.core.merge import MoneyKey

MONEY = "(money)"
_ORDERS, _AMOUNT = 0, 1
# Columns of both.
ORDERS_AND_AMOUNT = slice(_ORDERS, _AMOUNT + 1)


class MoneyNumbers:
    """What is summed up under which number.

    Args:
        limit: how many sums; further ones are left out.
        keys: known ones, by number.
    """

    def __init__(self, limit: int, keys: Iterable[MoneyKey] = ()) -> None:
        self._limit = limit
        self.keys: list[MoneyKey] = []
        self._numbers: dict[MoneyKey, int] = {}
        self._places: dict[tuple[str, str], list[int]] = {}
        self._columns: dict[tuple[str, str, str], list[int]] = {}
        for key in keys:
            self._learn(key)

    def pack(self, money: Mapping[MoneyKey, tuple[int, int]]) -> PackedCells:
        """Orders and amounts as cells."""
        for key in money:
            if key not in self._numbers and len(self.keys) < self._limit:
                self._learn(key)
        known = sorted((self._numbers[key], *sums) for key, sums in money.items() if key in self._numbers)
        columns = np.array(known, dtype=np.int64).reshape(-1, 3)
        cells = (columns[:, :1] << COLUMN_BITS) + np.array([_ORDERS, _AMOUNT])
        return pack(cells.ravel(), columns[:, 1:].ravel())

    def of(self, sums: CellSums, dimension: str, key: str) -> dict[tuple[str, str], tuple[int, int]]:
        """Orders and amounts of one key, by (currency, kind); without those that are 0."""
        found = {}
        for number in self._places.get((dimension, key), ()):
            row = sums.row(MONEY, number)
            if row.any():
                name = self.keys[number]
                found[name.currency, name.kind] = (int(row[_ORDERS]), int(row[_AMOUNT]))
        return found

    @property
    def currencies(self) -> tuple[str, ...]:
        """In which anything was paid, in alphabetical order."""
        return tuple(sorted({currency for _, currency, kind in self._columns if kind == "paid"}))

    def column(self, dimension: str, currency: str, kind: str) -> Sequence[int]:
        """Numbers of the sums of one kind and currency, of all keys of a dimension."""
        return self._columns.get((dimension, currency, kind), ())

    def _learn(self, key: MoneyKey) -> None:
        self._numbers[key] = len(self.keys)
        self._places.setdefault((key.dimension, key.key), []).append(len(self.keys))
        self._columns.setdefault((key.dimension, key.currency, key.kind), []).append(len(self.keys))
        self.keys.append(key)
