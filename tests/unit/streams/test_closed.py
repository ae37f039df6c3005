"""The closed bucket, and what it says of itself."""

from __future__ import annotations

import numpy as np

from streams.closed import Cells, ClosedBucket


def test_everything_is_what_came_late_too() -> None:
    """With the start of the bucket that each count is of."""
    own, late = (
        Cells(np.array([0]), np.array([1]), np.array([2])),
        Cells(np.array([3]), np.array([4]), np.array([5])),
    )
    closed = ClosedBucket(20_000, 0, True, (), 0, {}, {"sku": own}, ((10_000, {"sku": late}),))
    cells, starts = closed.everything("sku")
    assert [column.tolist() for column in (*cells, starts)] == [[0, 3], [1, 4], [2, 5], [20_000, 10_000]]
    assert closed.everything("slot")[0].keys.size == 0
