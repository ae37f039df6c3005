"""Rows opened up into lines: one line per SKU of an event or per line of an order.

Distinct keys are counted per row, attribution is answered per line; both work on these columns.
Where attribution splits a line between several clicks, each share is a line of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.core.sku_lists import SkuLists, is_list, list_sizes
from streams.core.sorting import sorted_once
from streams.core.vocabulary import counted_codes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from streams.core.rows import Detail, Rows
    from streams.core.vocabulary import Combinations

    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    Bools = NDArray[np.bool_]

_NO_LISTS = SkuLists()


@dataclass(slots=True)
class Lines:
    """``row`` ascending, ``keys`` of shape (3, n): slot, banner, sku codes.

    ``several`` marks lines of rows that have more than one. ``share_of`` is the number of the
    line that each is a share of, ascending; None where no line is split.
    """

    row: I64
    keys: I32
    several: Bools
    share_of: I64 | None = None

    def pairs(self, dimension: int, keep: Bools) -> tuple[I64, I32]:
        """Distinct (row, key) pairs of a dimension (0 slot, 1 banner, 2 sku), rows ascending.

        Keys are those they are counted under: SKUs beyond the bound are one key.

        Args:
            dimension: row of ``keys``.
            keep: mask over the rows (not the lines).
        """
        chosen = keep[self.row]
        row, key = self.row[chosen], counted_codes(self.keys[dimension, chosen])
        if not self.several[chosen].any():
            return row, key
        # Rows ascend already, so there is little to sort.
        pairs = (row << 32) | key
        pairs.sort()
        new = np.ones(pairs.size, dtype=np.bool_)
        new[1:] = pairs[1:] != pairs[:-1]
        pairs = pairs[new]
        return pairs >> 32, (pairs & 0xFFFFFFFF).astype(np.int32)

    def combinations(self, keep: Bools, table: Combinations) -> tuple[I64, I32]:
        """Distinct (row, combination of slot, banner and SKU) pairs, rows ascending.

        Args:
            keep: mask over the rows (not the lines).
            table: numbers combinations.
        """
        chosen = np.flatnonzero(keep[self.row])
        slot, banner, sku = self.keys[:, chosen]
        row, key = self.row[chosen], table.codes(np.stack((slot, banner, counted_codes(sku))))
        if not self.several[chosen].any():
            return row, key
        pairs = sorted_once((row << 32) | key)
        return pairs >> 32, (pairs & 0xFFFFFFFF).astype(np.int32)

    def split(self, parts: I64, some: I64) -> tuple[Lines, I64]:
        """Each line in so many shares, and where the shares of some (ascending) lines are.

        Args:
            parts: how many shares, one at least, per line.
            some: indexes of lines.
        """
        share_of = np.repeat(np.arange(self.row.size), parts)
        several = self.several | (parts > 1)
        named = np.zeros(self.row.size, dtype=np.bool_)
        named[some] = True
        lines = Lines(self.row[share_of], self.keys[:, share_of], several[share_of], share_of)
        return lines, np.flatnonzero(named[share_of])


def open_lines(rows: Rows, details: Mapping[int, Detail], lists: SkuLists = _NO_LISTS) -> Lines:
    """The lines of rows; ``details`` and ``lists`` have those of the rows that name one."""
    count = len(rows)
    row = np.arange(count, dtype=np.int64)
    keys = rows.keys[:3]
    named, listed = np.flatnonzero(rows.detail >= 0), np.flatnonzero(is_list(rows.detail))
    if not (named.size or listed.size):
        return Lines(row, keys.copy(), np.zeros(count, dtype=np.bool_))
    found = [details[serial].lines for serial in rows.detail[named].tolist()]
    sizes = np.ones(count, dtype=np.int64)
    sizes[named] = [len(lines) for lines in found]
    sizes[listed] = list_sizes(rows.detail[listed])
    row = np.repeat(row, sizes)
    keys = np.repeat(keys, sizes, axis=1)
    if listed.size:
        keys[2, is_list(rows.detail)[row]] = lists.codes(rows.detail[listed])
    if named.size:
        opened = np.array([line for lines in found for line in lines], dtype=np.int64)
        is_opened = (rows.detail >= 0)[row]
        keys[0, is_opened] = opened[:, 1]
        keys[1, is_opened] = opened[:, 2]
        keys[2, is_opened] = opened[:, 0]
    return Lines(row, keys, (sizes > 1)[row])
