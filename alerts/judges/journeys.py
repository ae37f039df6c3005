"""How long journeys took, as closed buckets tell it: counts by bin of delays. Late ones count when heard of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.expectation.lags import BINS, EDGES_S
from streams.closed import LAG, VISITORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from streams.closed import ClosedBucket

    F64 = NDArray[np.float64]

_BIN_OF = {str(edge): number for number, edge in enumerate(EDGES_S)}
_RESULTS = ("paid", "payment_failed")


def journey_lags(closed: ClosedBucket, steps: int) -> F64:
    """Visitors of the total by the time since the node before, shape (19, steps).

    The first step has none: exposures have no visitors.
    """
    found = np.zeros((BINS, steps))
    for step in range(1, steps):
        found[:, step] = _lags(closed, (VISITORS + step + 1,))
    return found


def result_lags(closed: ClosedBucket) -> F64:
    """Results of payment attempts by the time since the attempt, shape (19,)."""
    return _lags(closed, [closed.stages.index(stage) for stage in _RESULTS if stage in closed.stages])


def _lags(closed: ClosedBucket, columns: Iterable[int]) -> F64:
    names = closed.names.get(LAG, ())
    counts = np.zeros(len(names), dtype=np.int64)
    for part in (closed.counts, *(late for _, late in closed.late)):
        cells = part.get(LAG)
        if cells is not None:
            for column in columns:
                counts += cells.column(column, len(names))
    bins = np.zeros(BINS)
    for number in np.flatnonzero(counts).tolist():
        bins[_BIN_OF[names[number]]] += counts[number]
    return bins
