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
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.closed import Cells, ClosedBucket

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

_COLUMNS = 2 * VISITORS
_UNWATCHED = -1


class LateEntries(NamedTuple):
    """Upstream counts of a bucket that was closed before: rows, steps and counts, each of shape (k,)."""

    bucket_ms: int
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
    late: tuple[LateEntries, ...]


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
        self._levels: list[int] = []
        self.unwatched = 0
        entered, reached = columns_of_steps(steps)
        self._entered = _positions(entered)
        self._reached = _positions(reached)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def levels(self) -> NDArray[np.int16]:
        """Number of each row's dimension, shape (rows,)."""
        return np.array(self._levels, dtype=np.int16)

    def place(self, row: int) -> Place:
        """Which series a row is."""
        dimension, _, key = self._rows[row]
        return Place(dimension, key)

    def row(self, place: Place) -> int | None:
        """The row of a series; None if it is not watched."""
        wanted = (place.dimension, place.key)
        return next((row for row, (name, _, key) in enumerate(self._rows) if (name, key) == wanted), None)

    def rows_of(self, dimension: str) -> I64:
        """Rows of a dimension."""
        level = self.dimensions.index(dimension)
        return np.flatnonzero(self.levels == level)

    def rows_by_number(self, dimension: str) -> I64:
        """Row of each key of a dimension by its number in the buckets; below 0 of those not watched."""
        return self._of_key[dimension]

    def take(self, closed: ClosedBucket) -> StepCounts:
        """Give new keys their rows, and sort a closed bucket's counts into rows and steps."""
        parts = [(closed.start_ms, closed.counts), *closed.late]
        for _, counts in parts:
            self._admit(counts, closed.names)
        size = len(self._rows) * self.steps
        entered, reached = np.zeros(size), np.zeros(size)
        late = []
        for bucket_ms, counts in parts:
            for cells, rows in self._placed(counts):
                reached += _spread(cells, rows, self._reached, self.steps, size)
                if bucket_ms == closed.start_ms:
                    entered += _spread(cells, rows, self._entered, self.steps, size)
                else:
                    late.append(self._late(bucket_ms, cells, rows))
        shape = (len(self._rows), self.steps)
        return StepCounts(entered.reshape(shape), reached.reshape(shape), tuple(late))

    def _late(self, bucket_ms: int, cells: Cells, rows: I64) -> LateEntries:
        step = self._entered[cells.columns]
        mine = (step >= 0) & (rows >= 0)
        return LateEntries(bucket_ms, rows[mine], step[mine], cells.counts[mine].astype(np.float64))

    def _placed(self, counts: Mapping[str, Cells]) -> Iterator[tuple[Cells, I64]]:
        for dimension in self.dimensions:
            cells = counts.get(dimension)
            if cells is not None and cells.keys.size:
                yield cells, self._of_key[dimension][cells.keys]

    def _admit(self, counts: Mapping[str, Cells], names: Mapping[str, Sequence[str]]) -> None:
        for level, dimension in enumerate(self.dimensions):
            cells = counts.get(dimension)
            if cells is None or not cells.keys.size:
                continue
            known = self._of_key[dimension]
            if known.size < len(names[dimension]):
                missing = np.full(len(names[dimension]) - known.size, _UNWATCHED, dtype=np.int64)
                known = self._of_key[dimension] = np.concatenate((known, missing))
            for number in np.unique(cells.keys[known[cells.keys] == _UNWATCHED]).tolist():
                self._add(level, number, names[dimension][number])

    def _add(self, level: int, number: int, key: str) -> None:
        # What is in (other) changes with the keys that are told apart, and who enters (none) is not who
        # leaves it, for events lose and find their keys: their ratios say nothing.
        if key in RESERVED_KEYS:
            return
        if len(self._rows) >= self._max_rows:
            self.unwatched += 1
            return
        dimension = self.dimensions[level]
        self._of_key[dimension][number] = len(self._rows)
        self._rows.append((dimension, number, key))
        self._levels.append(level)

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data: (dimension, key number, key) of each row."""
        return {"rows": list(self._rows), "unwatched": self.unwatched}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot; key numbers must be those of the buckets to come."""
        self._rows = [(dimension, number, key) for dimension, number, key in state["rows"]]
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


def _spread(cells: Cells, rows: I64, step_of: I64, steps: int, size: int) -> F64:
    step = step_of[cells.columns]
    mine = (step >= 0) & (rows >= 0)
    found = np.bincount(rows[mine] * steps + step[mine], cells.counts[mine], minlength=size)
    return found.astype(np.float64, copy=False)
