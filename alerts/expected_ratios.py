"""Expected conversion of the last minutes up to an hour, by key: what stands beside a ratio that is shown.

Refuses SKUs: the last hour is kept of the other dimensions only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from alerts.expectation.readiness import Code

if TYPE_CHECKING:
    from alerts.expectation.series import Expected
    from alerts.recent import RecentCounts
    from alerts.series import SeriesTable


def expected_ratios(
    table: SeriesTable, recent: RecentCounts, expected: Expected | None, window_ms: int
) -> dict[tuple[str, int], dict[str, float]]:
    """Expected conversion in the window up to now, by (dimension, step) and key, of what is monitored."""
    found = defaultdict[tuple[str, int], dict[str, float]](dict)
    if expected is None or not recent.rows.size:
        return found
    sums = recent.since(recent.newest_ms - window_ms)
    known = (sums.entered > 0) & (expected.readiness == Code.MONITORED)[recent.rows]
    ratios = sums.expected / np.where(known, sums.entered, 1.0)
    levels = table.levels[recent.rows]
    for level, dimension in enumerate(table.dimensions):
        mine = np.flatnonzero(levels == level)
        keys = [table.place(row).key for row in recent.rows[mine].tolist()]
        for step in range(known.shape[1] if keys else 0):
            each = zip(keys, known[mine, step].tolist(), ratios[mine, step].tolist(), strict=True)
            found[dimension, step] = {key: ratio for key, is_known, ratio in each if is_known}
    return found
