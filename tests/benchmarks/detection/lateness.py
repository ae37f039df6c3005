"""Counts that come late: taken from the bucket they belong to, told with a later one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import BUCKET_MS, Cells
from streams.core.sorting import summed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    # Starts of the own buckets, dimension, cells and their counts; numbers that stand for all are broadcast.
    Held = tuple[I64 | int, str, I64, I64 | int]
    Whole = Mapping[str, tuple[Cells, I64]]
    LateCounts = tuple[tuple[int, Mapping[str, Cells]], ...]

SHARE: Final = 0.02
_MINUTES: Final = (1, 11)
_KEY_BITS: Final = 40
_COLUMN_BITS: Final = 5


class Waiting:
    """What will come late, by the bucket it comes in."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Held]] = {}

    def hold(self, due_ms: int, own_ms: I64 | int, dimension: str, cells: I64, counts: I64 | int = 1) -> None:
        """Cells are ``key << 5 | column``, shape (n,); a cell may be there several times."""
        self._rows.setdefault(due_ms, []).append((own_ms, dimension, cells, counts))

    def come(self, start_ms: int, counts: Mapping[str, Cells]) -> tuple[LateCounts, Whole]:
        """What comes late with a bucket of these counts, and both together; it waits no more."""
        late: dict[int, dict[str, Cells]] = {}
        every = {
            dimension: [(cells, np.full(cells.keys.size, start_ms))] for dimension, cells in counts.items()
        }
        for dimension, cells, starts in _merged(self._rows.pop(start_ms, [])):
            every.setdefault(dimension, []).append((cells, starts))
            owns, firsts = np.unique(starts, return_index=True)
            for own, (first, end) in zip(
                owns.tolist(), pairwise((*firsts.tolist(), starts.size)), strict=True
            ):
                late.setdefault(own, {})[dimension] = Cells(*(column[first:end] for column in cells))
        return tuple(sorted(late.items())), {dimension: _joined(parts) for dimension, parts in every.items()}

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


def _merged(rows: Sequence[Held]) -> Iterator[tuple[str, Cells, I64]]:
    """By dimension: added up by bucket and cell, and the buckets' starts beside it, ascending."""
    by_dimension: dict[str, list[Held]] = {}
    for row in rows:
        by_dimension.setdefault(row[1], []).append(row)
    for dimension, mine in by_dimension.items():
        cells = np.concatenate([cells for _, _, cells, _ in mine])
        counts = np.concatenate([np.broadcast_to(counts, each.size) for _, _, each, counts in mine])
        ticks = np.concatenate([np.broadcast_to(own, each.size) for own, _, each, _ in mine]) // BUCKET_MS
        first = int(ticks.min())
        # All at once, for there are many and most are small.
        distinct, sums = summed(ticks - first << _KEY_BITS | cells, counts)
        starts = ((distinct >> _KEY_BITS) + first) * BUCKET_MS
        distinct &= (1 << _KEY_BITS) - 1
        yield dimension, Cells(distinct >> _COLUMN_BITS, distinct & (1 << _COLUMN_BITS) - 1, sums), starts


def _joined(parts: Sequence[tuple[Cells, I64]]) -> tuple[Cells, I64]:
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(cells for cells, _ in parts), strict=True)
    return Cells(*map(np.concatenate, columns)), np.concatenate([starts for _, starts in parts])
