"""Counts that come late: taken from the bucket they belong to, told with a later one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import BUCKET_MS, Cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    LateCounts = tuple[tuple[int, Mapping[str, Cells]], ...]

SHARE: Final = 0.02
_MINUTES: Final = (1, 11)
_KEY_BITS: Final = 40
_COLUMN_BITS: Final = 5


class Waiting:
    """What will come late, by the bucket it comes in.

    ``disjoint`` promises that no cell is held twice for one bucket and coming.
    """

    def __init__(self, *, disjoint: bool = False) -> None:
        self._join = _strung if disjoint else merged
        self._rows: dict[int, list[tuple[int, str, I64, I64]]] = {}

    def hold(self, due_ms: int, own_ms: int, dimension: str, cells: I64, counts: I64) -> None:
        """Cells are ``key << 5 | column``."""
        self._rows.setdefault(due_ms, []).append((own_ms, dimension, cells, counts))

    def come(self, start_ms: int) -> LateCounts:
        """What comes with one bucket; it waits no more."""
        gathered: dict[int, dict[str, list[tuple[I64, I64]]]] = {}
        for own, dimension, cells, counts in self._rows.pop(start_ms, []):
            gathered.setdefault(own, {}).setdefault(dimension, []).append((cells, counts))
        return tuple(
            (own, {dimension: self._join(parts) for dimension, parts in gathered[own].items()})
            for own in sorted(gathered)
        )

    def thin(self, rng: np.random.Generator, start_ms: int, counts: I64, column: int) -> I64:
        """Hold back the late share of counts by (bucket, slot); what is left of them.

        ``column`` is the stage: events and visitors are held back alike, of ``slot`` and ``all``.
        """
        late = rng.binomial(counts, SHARE)
        ticks, keys = np.nonzero(late)
        times = late[ticks, keys]
        ticks, keys = np.repeat(ticks, times), np.repeat(keys, times)
        due = ticks + 6 * rng.integers(*_MINUTES, ticks.size)
        packed, times = np.unique((due << _KEY_BITS) + (ticks << 20) + keys, return_counts=True)
        groups, firsts = np.unique(packed >> 20, return_index=True)
        for group, part, much in zip(
            groups.tolist(), np.split(packed, firsts[1:]), np.split(times, firsts[1:]), strict=True
        ):
            self._hold_slots(start_ms, group, part & (1 << 20) - 1, much, column)
        return counts - late

    def _hold_slots(self, start_ms: int, group: int, keys: I64, counts: I64, column: int) -> None:
        own = start_ms + (group & (1 << 20) - 1) * BUCKET_MS
        due = start_ms + (group >> 20) * BUCKET_MS
        columns = (column, column + 16)
        cells = np.concatenate([keys << _COLUMN_BITS | each for each in columns])
        self.hold(due, own, "slot", cells, np.concatenate([counts, counts]))
        total = np.full(2, counts.sum(), np.int64)
        self.hold(due, own, "all", np.array(columns, np.int64), total)


def _strung(parts: list[tuple[I64, I64]]) -> Cells:
    cells = np.concatenate([cells for cells, _ in parts])
    counts = np.concatenate([counts for _, counts in parts])
    return Cells(cells >> _COLUMN_BITS, cells & (1 << _COLUMN_BITS) - 1, counts)


def merged(parts: list[tuple[I64, I64]]) -> Cells:
    """Cells and counts, added up by cell."""
    cells = np.concatenate([cells for cells, _ in parts])
    counts = np.concatenate([counts for _, counts in parts])
    distinct, places = np.unique(cells, return_inverse=True)
    sums = np.bincount(places, counts).astype(np.int64)
    return Cells(distinct >> _COLUMN_BITS, distinct & (1 << _COLUMN_BITS) - 1, sums)
