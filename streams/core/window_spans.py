"""Sums over a span of time that slides, or that begins at a moment; and the buckets of the last hour.

Counts that come late belong to their own bucket: they are added to every sum that has it, and will be
taken away from it with the bucket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from streams.core.packed_cells import COLUMNS, CellSums, PackedCells, PackedState, rows_of, total, unpack
from streams.core.window_history import SLOT_MS
from streams.core.window_settings import SLIDING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

_NEVER = 1 << 62
# Start, end and sums.
SpanState: TypeAlias = tuple[int, int, dict[str, PackedState]]


class RecentBuckets:
    """Counts of every key, bucket by bucket, of so much time that late ones still find their bucket."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[str, PackedCells]] = {}
        # What came late, added up when a bucket is looked at: most of them get something at each closing.
        self._late: dict[int, dict[str, list[PackedCells]]] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the counts."""
        self._settle([*self._late])
        return sum(packed.nbytes for bucket in self._buckets.values() for packed in bucket.values())

    @property
    def oldest_ms(self) -> int:
        """Start of the oldest bucket; far in the future if there is none."""
        return min(self._buckets, default=_NEVER)

    def add(self, start_ms: int, dimension: str, packed: PackedCells) -> None:
        """Add to a bucket."""
        bucket = self._buckets.setdefault(start_ms, {})
        if dimension in bucket:
            self._late.setdefault(start_ms, {}).setdefault(dimension, []).append(packed)
        else:
            bucket[dimension] = packed

    def _settle(self, starts: Iterable[int]) -> None:
        """Add what came late to its buckets."""
        for start_ms in [start for start in starts if start in self._late]:
            bucket = self._buckets[start_ms]
            for dimension, late in self._late.pop(start_ms).items():
                bucket[dimension] = total([bucket[dimension], *late])

    def between(self, start_ms: int, end_ms: int) -> Iterator[Mapping[str, PackedCells]]:
        """Counts of the buckets that start in a span."""
        self._settle([start for start in self._late if start_ms <= start < end_ms])
        return (bucket for start, bucket in self._buckets.items() if start_ms <= start < end_ms)

    def row(self, dimension: str, key: int, start_ms: int, end_ms: int) -> I64:
        """Counts of one key in a span, shape (32,)."""
        row = np.zeros(COLUMNS, dtype=np.int64)
        for bucket in self.between(start_ms, end_ms):
            if dimension in bucket:
                row += bucket[dimension].row(key)
        return row

    def rows(self, dimension: str, keys: I64, start_ms: int, end_ms: int) -> I64:
        """Counts of some keys in a span, shape (keys, 32)."""
        buckets = self.between(start_ms, end_ms)
        return rows_of((bucket[dimension] for bucket in buckets if dimension in bucket), keys)

    def pop_slots(self, end_ms: int) -> Iterator[tuple[int, dict[str, PackedCells]]]:
        """Take out the buckets before a moment, in order, five minutes at a time."""
        self._settle([*self._late])
        for slot_ms in sorted({start // SLOT_MS * SLOT_MS for start in self._buckets if start < end_ms}):
            mine = [start for start in self._buckets if slot_ms <= start < slot_ms + SLOT_MS]
            parts: dict[str, list[PackedCells]] = {}
            for start in mine:
                for dimension, packed in self._buckets.pop(start).items():
                    parts.setdefault(dimension, []).append(packed)
            yield slot_ms, {dimension: total(some) for dimension, some in parts.items()}

    def state(self) -> dict[int, dict[str, PackedState]]:
        """As plain data."""
        self._settle([*self._late])
        return {start: {d: p.state() for d, p in bucket.items()} for start, bucket in self._buckets.items()}

    def restore(self, state: Mapping[int, Mapping[str, PackedState]]) -> None:
        """From plain data. Raises ValueError if it is damaged."""
        self._late = {}
        self._buckets = {start: {d: unpack(p) for d, p in it.items()} for start, it in state.items()}


class SpanSums:
    """Sums of all buckets that start in ``[start_ms, end_ms)``."""

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.sums = CellSums()

    def add(self, start_ms: int, dimension: str, packed: PackedCells) -> None:
        """Add counts of a bucket, if it is in the span."""
        if self.start_ms <= start_ms < self.end_ms:
            self.sums.add(dimension, packed)

    def fill(self, recent: RecentBuckets) -> None:
        """Add all buckets of the span that are there."""
        for bucket in recent.between(self.start_ms, self.end_ms):
            for dimension, packed in bucket.items():
                self.sums.add(dimension, packed)

    def end_at(self, end_ms: int, recent: RecentBuckets) -> None:
        """Let it end at another moment; what that changes is looked up in the buckets that are there."""
        change = self.sums.add if end_ms > self.end_ms else self.sums.subtract
        for bucket in recent.between(min(end_ms, self.end_ms), max(end_ms, self.end_ms)):
            for dimension, packed in bucket.items():
                change(dimension, packed)
        self.end_ms = end_ms

    def slide(self, end_ms: int, recent: RecentBuckets) -> None:
        """Move on to a later end; the buckets that are left behind must still be there."""
        start_ms = end_ms - (self.end_ms - self.start_ms)
        for bucket in recent.between(self.start_ms, min(start_ms, self.end_ms)):
            for dimension, packed in bucket.items():
                self.sums.subtract(dimension, packed)
        self.start_ms, self.end_ms = start_ms, end_ms


class AllSpans:
    """Every window's sums: those that slide, and by name those that begin at a moment."""

    def __init__(self, recent: RecentBuckets, end_ms: int = 0) -> None:
        self._recent = recent
        self._sliding = {window: SpanSums(end_ms - size, end_ms) for window, size in SLIDING.items()}
        self._to_date: dict[str, SpanSums] = {}
        for span in self._sliding.values():
            span.fill(recent)

    def __getitem__(self, window: str) -> SpanSums:
        return self._sliding[window] if window in self._sliding else self._to_date[window]

    def __iter__(self) -> Iterator[str]:
        yield from self._sliding
        yield from self._to_date

    @property
    def nbytes(self) -> int:
        """Memory of all sums."""
        return sum(self[window].sums.nbytes for window in self)

    def move_to(self, end_ms: int, to_date: Mapping[str, tuple[int, int]]) -> None:
        """Slide to a later end; of those that begin at a moment, have these.

        A new one is filled with the buckets that are there.
        """
        for span in self._sliding.values():
            span.slide(end_ms, self._recent)
        self._to_date = {window: self._begun(window, *span) for window, span in to_date.items()}

    def add(self, start_ms: int, dimension: str, packed: PackedCells) -> None:
        """Add counts of a bucket to every window that has it."""
        for window in self:
            self[window].add(start_ms, dimension, packed)

    def state(self) -> dict[str, SpanState]:
        """Those that begin at a moment, as plain data: the others are in the recent buckets."""
        return {name: (it.start_ms, it.end_ms, it.sums.state()) for name, it in self._to_date.items()}

    def restore(self, state: Mapping[str, SpanState]) -> None:
        """From plain data. Raises ValueError if it is damaged."""
        for name, (start_ms, end_ms, sums) in state.items():
            span = self._to_date[name] = SpanSums(start_ms, end_ms)
            span.sums = CellSums.restore(sums)

    def _begun(self, window: str, start_ms: int, end_ms: int) -> SpanSums:
        span = self._to_date.get(window)
        if span is None or span.start_ms != start_ms:
            span = SpanSums(start_ms, end_ms)
            span.fill(self._recent)
        span.end_at(end_ms, self._recent)
        return span
