"""What rollups say of the dimensions that nobody is shown, by names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.buckets import VISITORS
from streams.core.vocabulary import INNER_DIMENSIONS

if TYPE_CHECKING:
    from streams.results import KeyCounts, Rollup


class InnerCounts:
    """Adds up rollups.

    Attributes:
        cells: (dimension, key, stage, bucket_ms) -> (events, visitors).
    """

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str, str, int], tuple[int, int]] = {}

    def take(self, rollup: Rollup) -> None:
        """Add a rollup that is to be counted."""
        for counts in rollup.counts:
            if counts.dimension in INNER_DIMENSIONS:
                self._add(rollup, counts)

    def _add(self, rollup: Rollup, counts: KeyCounts) -> None:
        for at, column, count in zip(*(part.tolist() for part in counts.cells()), strict=True):
            stage = rollup.stages[column % VISITORS]
            cell = (counts.dimension, counts.keys[at], stage, rollup.bucket_ms)
            events, visitors = self.cells.get(cell, (0, 0))
            more = (0, count) if column >= VISITORS else (count, 0)
            self.cells[cell] = (events + more[0], visitors + more[1])
