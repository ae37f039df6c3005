"""Conversions as they were expected in a window that ends now, of any part of the funnel.

What was expected of each step given who entered it, step after step: so a share of several steps is the
product of theirs. Known are series that are judged, and not of SKUs, whose last hour is not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from alerts.expectation.readiness import Code
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.expectation.series import Expected
    from alerts.recent import RecentCounts
    from alerts.series import SeriesTable

    F64 = NDArray[np.float64]

# Windows of which it is known what was expected.
WINDOWS_MS: Final = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000}


class ExpectedShares:
    """See the module; of one bucket, which ``recent`` does not have yet.

    Args:
        table: the rows.
        recent: the last hour up to the bucket before.
        entered: upstream counts of the bucket, shape (rows, steps).
        expected: of the bucket.
    """

    def __init__(self, table: SeriesTable, recent: RecentCounts, entered: F64, expected: Expected) -> None:
        self._table = table
        self._recent = recent
        self._entered = entered
        self._expected = expected
        self._known: dict[str, F64] = {}

    def of(self, dimension: str, steps: range, window: str) -> F64:
        """Expected share of those who entered the first of the steps and pass the last.

        By key number; NaN where it is not known.
        """
        rows = self._table.rows_by_number(dimension)
        places = np.searchsorted(self._recent.rows, rows)
        kept = places < self._recent.rows.size
        kept[kept] = self._recent.rows[places[kept]] == rows[kept]
        found = np.full(rows.size, np.nan)
        if window in WINDOWS_MS and kept.any():
            found[kept] = self._shares(window)[places[kept]][:, steps].prod(axis=1)
        return found

    def _shares(self, window: str) -> F64:
        """By place in ``recent`` and step."""
        if window not in self._known:
            rows = self._recent.rows
            sums = self._recent.since(self._recent.newest_ms + BUCKET_MS - WINDOWS_MS[window])
            entered = sums.entered + self._entered[rows]
            due = sums.expected + self._expected.mean[rows]
            known = (entered > 0) & (self._expected.readiness[rows] == Code.MONITORED)
            self._known[window] = np.divide(due, entered, out=np.full(due.shape, np.nan), where=known)
        return self._known[window]
