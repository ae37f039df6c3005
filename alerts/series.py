"""The series that are watched: a row per dimension and key, a column per step of the funnel.

Closed buckets name keys by number within their dimension; here every key that may be watched has a
row of its own, so that all detectors work on whole arrays. Rows only grow, up to a limit; a key
beyond it is counted in ``unwatched`` and judged only within what contains it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.model import Place, Step
from streams.closed import VISITORS
from streams.funnel import ALL, RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.closed import Cells, ClosedBucket

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

_COLUMNS = 2 * VISITORS
_UNWATCHED, _NEVER = -1, -2


class LateEntries(NamedTuple):
    """Upstream counts of buckets that were closed before: start, row, step and count, shape (k,) each."""

    bucket_ms: I64
    rows: I64
    steps: I64
    counts: F64


class StepCounts(NamedTuple):
    """Counts of one closed bucket by row and step, shape (rows, steps).

    ``reached`` also has what came late: an arrival counts when it is heard of. What came late of
    ``entered`` belongs to its own bucket, for arrivals are still expected of it.
    """

    entered: F64
    reached: F64
    late: LateEntries


class SeriesTable:
    """See the module.

    Args:
        dimensions: that are watched, ``all`` first.
        steps: how many the funnel has.
        max_rows: so many keys are watched.
    """

    def __init__(self, dimensions: Sequence[str], steps: int, max_rows: int = 30_000) -> None:
        self.dimensions = tuple(dimensions)
        self.steps = steps
        self._max_rows = max_rows
        self._rows: list[tuple[str, int, str]] = []
        self._of_key = {dimension: np.zeros(0, dtype=np.int64) for dimension in dimensions}
        self._row_of: dict[tuple[str, str], int] = {}
        self._levels: list[int] = []
        self._level_of = np.zeros(0, dtype=np.int16)
        self.unwatched = 0
        entered, reached = columns_of_steps(steps)
        self._entered = _positions(entered)
        self._reached = _positions(reached)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def levels(self) -> NDArray[np.int16]:
        """Number of each row's dimension, shape (rows,); not to be written to."""
        if self._level_of.size != len(self._levels):
            self._level_of = np.array(self._levels, dtype=np.int16)
        return self._level_of

    def place(self, row: int) -> Place:
        """Which series a row is."""
        dimension, _, key = self._rows[row]
        return Place(dimension, key)

    def row(self, place: Place) -> int | None:
        """The row of a series; None if it is not watched."""
        return self._row_of.get((place.dimension, place.key))

    def rows_of(self, dimension: str) -> I64:
        """Rows of a dimension."""
        level = self.dimensions.index(dimension)
        return np.flatnonzero(self.levels == level)

    def rows_by_number(self, dimension: str) -> I64:
        """Row of each key of a dimension by its number in the buckets; below 0 of those not watched."""
        return self._of_key[dimension]

    def take(self, closed: ClosedBucket) -> StepCounts:
        """Give new keys their rows, and sort a closed bucket's counts into rows and steps."""
        known = [(level, *closed.everything(dimension)) for level, dimension in enumerate(self.dimensions)]
        self._admit(known, closed)
        rows = np.concatenate(self._rows_of(known))
        columns, counts, starts = (
            np.concatenate(column)
            for column in zip(
                *((cells.columns, cells.counts, starts) for _, cells, starts in known), strict=True
            )
        )
        watched = rows >= 0
        reached = self._spread(rows, self._reached.take(columns), counts, watched)
        step = self._entered.take(columns)
        late = starts != closed.start_ms
        entered = self._spread(rows, step, counts, watched & ~late)
        mine = np.flatnonzero(watched & late & (step >= 0))
        found = LateEntries(
            starts.take(mine), rows.take(mine), step.take(mine), counts.take(mine).astype(np.float64)
        )
        return StepCounts(entered, reached, found)

    def _rows_of(self, known: Iterable[tuple[int, Cells, I64]]) -> list[I64]:
        """The row of each cell, below 0 of those not watched."""
        return [self._of_key[self.dimensions[level]].take(cells.keys) for level, cells, _ in known]

    def _spread(self, rows: I64, step: I64, counts: I64, which: NDArray[np.bool_]) -> F64:
        """Sums by row and step."""
        mine = np.flatnonzero(which & (step >= 0))
        size = len(self._rows) * self.steps
        places = rows.take(mine)
        places *= self.steps
        places += step.take(mine)
        found = np.bincount(places, counts.take(mine), minlength=size)
        return found.astype(np.float64, copy=False).reshape(-1, self.steps)

    def _admit(self, known: Sequence[tuple[int, Cells, I64]], closed: ClosedBucket) -> None:
        """Give new keys their rows: the bucket's own first, then late ones from the oldest on."""
        for level, _, _ in known:
            dimension = self.dimensions[level]
            self._make_room(dimension, len(closed.names.get(dimension, ())))
        new: set[tuple[bool, int, int, int]] = set()
        for (level, cells, starts), rows in zip(known, self._rows_of(known), strict=True):
            unknown = np.flatnonzero(rows == _UNWATCHED)
            for start, number in zip(starts[unknown].tolist(), cells.keys[unknown].tolist(), strict=True):
                new.add((start != closed.start_ms, start, level, number))
        for _, _, level, number in sorted(new):
            dimension = self.dimensions[level]
            if self._of_key[dimension][number] == _UNWATCHED:
                self._add(level, number, closed.names[dimension][number])

    def _make_room(self, dimension: str, size: int) -> None:
        known = self._of_key[dimension]
        if known.size < size:
            missing = np.full(size - known.size, _UNWATCHED, dtype=np.int64)
            self._of_key[dimension] = np.concatenate((known, missing))

    def _add(self, level: int, number: int, key: str) -> None:
        # What is in (other) changes with the keys that are told apart, and who enters (none) is not who
        # leaves it, for events lose and find their keys: their ratios say nothing.
        dimension = self.dimensions[level]
        if key in RESERVED_KEYS:
            self._of_key[dimension][number] = _NEVER
            return
        if len(self._rows) >= self._max_rows:
            self.unwatched += 1
            return
        self._of_key[dimension][number] = self._row_of[dimension, key] = len(self._rows)
        self._rows.append((dimension, number, key))
        self._levels.append(level)

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data: (dimension, key number, key) of each row."""
        return {"rows": list(self._rows), "unwatched": self.unwatched}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot; key numbers must be those of the buckets to come."""
        self._rows = [(dimension, number, key) for dimension, number, key in state["rows"]]
        self._row_of = {(dimension, key): row for row, (dimension, _, key) in enumerate(self._rows)}
        self.unwatched = state["unwatched"]
        self._levels = [self.dimensions.index(dimension) for dimension, _, _ in self._rows]
        for dimension in self.dimensions:
            mine = [(number, row) for row, (name, number, _) in enumerate(self._rows) if name == dimension]
            size = max((number for number, _ in mine), default=-1) + 1
            known = self._of_key[dimension] = np.full(size, _UNWATCHED, dtype=np.int64)
            for number, row in mine:
                known[number] = row


def columns_of_steps(steps: int) -> tuple[I64, I64]:
    """Upstream and downstream column of each step, shape (steps,).

    The first step compares events with events, for exposures have no visitors; the others visitors
    with visitors.
    """
    entered = np.arange(steps) + VISITORS
    reached = entered + 1
    entered[0], reached[0] = 0, 1
    return entered, reached


def steps_of(closed: ClosedBucket) -> tuple[Step, ...]:
    """The steps of the funnel that a closed bucket is of."""
    nodes = closed.stages[: closed.nodes]
    return tuple(Step(*pair) for pair in itertools.pairwise(nodes))


def is_total(place: Place) -> bool:
    """Whether a series is the whole shop."""
    return place.dimension == ALL


def _positions(columns: I64) -> I64:
    """Step by column, -1 for columns of no step; shape (columns there can be,)."""
    steps = np.full(_COLUMNS, -1, dtype=np.int64)
    steps[columns] = np.arange(columns.size)
    return steps
