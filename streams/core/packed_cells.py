"""Counts kept in little memory: cells ascending, and beside them counts as narrow as they allow.

A cell is one number, ``key << 5 | column``: so it is also the place of its count in a table of keys by
32 columns, read as one row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from streams.core.buckets import COLUMN_BITS, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

COLUMNS = 1 << COLUMN_BITS
# Type of the counts, and both columns as bytes.
PackedState: TypeAlias = tuple[str, bytes, bytes]
_WIDTHS = (("<u1", 1 << 8), ("<u2", 1 << 16), ("<u4", 1 << 32), ("<i8", 1 << 63))


class PackedCells(NamedTuple):
    """Distinct cells, ascending, as u32, and their counts; shape (n,) each."""

    cells: NDArray[np.uint32]
    counts: NDArray[Any]

    @property
    def nbytes(self) -> int:
        """Memory of both columns."""
        return self.cells.nbytes + self.counts.nbytes

    def row(self, key: int) -> I64:
        """Counts of one key, shape (32,)."""
        edges = np.array([key << COLUMN_BITS, (key + 1) << COLUMN_BITS], dtype=np.uint32)
        start, end = np.searchsorted(self.cells, edges)
        row = np.zeros(COLUMNS, dtype=np.int64)
        row[self.cells[start:end] & (COLUMNS - 1)] = self.counts[start:end]
        return row

    def of_keys(self, kept: NDArray[np.bool_]) -> PackedCells:
        """Cells of the keys that a mask over key numbers names."""
        mine = kept[self.cells >> COLUMN_BITS]
        return PackedCells(self.cells[mine], self.counts[mine])

    def state(self) -> PackedState:
        """As plain data."""
        return self.counts.dtype.str, self.cells.astype("<u4").tobytes(), self.counts.tobytes()


def pack(cells: I64, counts: I64) -> PackedCells:
    """Cells that are distinct and ascending."""
    largest = int(counts.max()) if counts.size else 0
    kind = next(kind for kind, limit in _WIDTHS if largest < limit)
    return PackedCells(cells.astype("<u4"), counts.astype(kind))


def unpack(state: PackedState) -> PackedCells:
    """From plain data.

    Raises:
        ValueError: it is something else.
    """
    kind, cells, counts = state
    if kind not in {np.dtype(name).str for name, _ in _WIDTHS}:
        raise ValueError("no such type")
    packed = PackedCells(np.frombuffer(cells, dtype="<u4"), np.frombuffer(counts, dtype=kind))
    if packed.cells.size != packed.counts.size:
        raise ValueError("columns differ in length")
    return packed


def total(parts: Iterable[PackedCells]) -> PackedCells:
    """All of them, added up."""
    tally = Tally()
    for part in parts:
        tally.add(part.cells.astype(np.int64), part.counts.astype(np.int64))
    return pack(*tally.counts())


def rows_of(parts: Iterable[PackedCells], keys: I64) -> I64:
    """Counts of some keys, distinct, by number, in all parts together: shape (keys, 32)."""
    # The last place is that of all keys beyond, which nobody wants.
    place = np.full(int(keys.max(initial=-1)) + 2, -1, dtype=np.int64)
    place[keys] = np.arange(keys.size)
    table = np.zeros(keys.size << COLUMN_BITS, dtype=np.int64)
    for part in parts:
        at = place.take(part.cells >> COLUMN_BITS, mode="clip")
        mine = at >= 0
        table[at[mine] << COLUMN_BITS | part.cells[mine] & (COLUMNS - 1)] += part.counts[mine]
    return table.reshape(-1, COLUMNS)


class CellSums:
    """Sums of cells by dimension, as tables that grow with the keys."""

    def __init__(self) -> None:
        self._tables: dict[str, I64] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the tables."""
        return sum(table.nbytes for table in self._tables.values())

    def add(self, dimension: str, packed: PackedCells) -> None:
        """Add counts."""
        self._table(dimension, packed)[packed.cells] += packed.counts.astype(np.int64)

    def subtract(self, dimension: str, packed: PackedCells) -> None:
        """Take away what was added."""
        self._table(dimension, packed)[packed.cells] -= packed.counts.astype(np.int64)

    def rows(self, dimension: str, keys: I64) -> I64:
        """Counts of some keys, by their number, and column: shape (keys, 32); a copy."""
        table = self._tables.get(dimension, np.zeros(0, dtype=np.int64)).reshape(-1, COLUMNS)
        rows = np.zeros((keys.size, COLUMNS), dtype=np.int64)
        counted = keys < len(table)
        rows[counted] = table[keys[counted]]
        return rows

    def row(self, dimension: str, key: int) -> I64:
        """Counts of one key, shape (32,); a copy."""
        row = np.zeros(COLUMNS, dtype=np.int64)
        table = self._tables.get(dimension, row[:0])[key << COLUMN_BITS : (key + 1) << COLUMN_BITS]
        row[: table.size] = table
        return row

    def state(self) -> dict[str, PackedState]:
        """As plain data."""
        found = {}
        for dimension, table in self._tables.items():
            cells = np.flatnonzero(table)
            found[dimension] = pack(cells, table[cells]).state()
        return found

    @classmethod
    def restore(cls, state: dict[str, PackedState]) -> CellSums:
        """From plain data. Raises ValueError if it is something else."""
        sums = cls()
        for dimension, packed in state.items():
            sums.add(dimension, unpack(packed))
        return sums

    def _table(self, dimension: str, packed: PackedCells) -> I64:
        table = self._tables.get(dimension, np.zeros(0, dtype=np.int64))
        size = int(packed.cells[-1]) + 1 if packed.cells.size else 0
        if size > table.size:
            # Whole rows, and an eighth more than is needed now.
            grown = np.zeros((size + size // 8 + COLUMNS) & -COLUMNS, dtype=np.int64)
            grown[: table.size] = table
            table = self._tables[dimension] = grown
        return table
