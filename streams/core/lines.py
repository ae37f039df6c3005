"""Rows opened up into lines: one line per SKU of an event or per line of an order.

Distinct keys are counted per row, attribution is answered per line; both work on these columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.core.sorting import stable_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from streams.core.rows import Detail, Rows

    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    Bools = NDArray[np.bool_]

_LINE_COLUMNS = 4


@dataclass(slots=True)
class Lines:
    """``row`` ascending, ``keys`` of shape (3, n): slot, banner, sku codes.

    ``several`` marks lines of rows that have more than one.
    """

    row: I64
    keys: I32
    several: Bools

    def pairs(self, dimension: int, keep: Bools) -> tuple[I64, I32]:
        """Distinct (row, key) pairs of a dimension (0 slot, 1 banner, 2 sku), rows ascending.

        Args:
            dimension: row of ``keys``.
            keep: mask over the rows (not the lines).
        """
        chosen = keep[self.row]
        single = chosen & ~self.several
        row, key = self.row[single], self.keys[dimension, single]
        many = np.flatnonzero(chosen & self.several)
        if not many.size:
            return row, key
        composite = np.unique((self.row[many] << 32) | self.keys[dimension, many].astype(np.int64))
        rows = np.concatenate((row, composite >> 32))
        keys = np.concatenate((key, (composite & 0xFFFFFFFF).astype(np.int32)))
        order = stable_order(rows)
        return rows[order], keys[order]


def open_lines(rows: Rows, details: Mapping[int, Detail]) -> Lines:
    """The lines of rows; ``details`` has those of the rows that name one."""
    count = len(rows)
    row = np.arange(count, dtype=np.int64)
    keys = rows.keys[:3].copy()
    named = np.flatnonzero(rows.detail >= 0)
    if not named.size:
        return Lines(row, keys, np.zeros(count, dtype=np.bool_))
    sizes = np.ones(count, dtype=np.int64)
    flat: list[int] = []
    for place, serial in zip(named.tolist(), rows.detail[named].tolist(), strict=True):
        lines = details[serial].lines
        sizes[place] = len(lines)
        for line in lines:
            flat += line
    opened = np.array(flat, dtype=np.int64).reshape(-1, _LINE_COLUMNS)
    row = np.repeat(row, sizes)
    keys = np.repeat(keys, sizes, axis=1)
    is_opened = (rows.detail >= 0)[row]
    keys[0, is_opened] = opened[:, 1]
    keys[1, is_opened] = opened[:, 2]
    keys[2, is_opened] = opened[:, 0]
    return Lines(row, keys, (sizes > 1)[row])
