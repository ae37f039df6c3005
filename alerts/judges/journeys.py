"""How long journeys took, as closed buckets tell it: counts by bin of delays. Late ones count when heard of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.expectation.lags import BINS, EDGES_S
from streams.closed import LAG, VISITORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.closed import ClosedBucket

    F64 = NDArray[np.float64]

_BIN_OF = {str(edge): number for number, edge in enumerate(EDGES_S)}
_RESULTS = ("paid", "payment_failed")


def journey_lags(closed: ClosedBucket, steps: int) -> F64:
    """Visitors of the total by the time since the node before, shape (19, steps).

    The first step has none: exposures have no visitors.
    """
    by_column = _lags(closed)
    found = np.zeros((BINS, steps))
    found[:, 1:] = by_column[:, VISITORS + 2 : VISITORS + 1 + steps]
    return found


def result_lags(closed: ClosedBucket) -> F64:
    """Results of payment attempts by the time since the attempt, shape (19,)."""
    columns = [closed.stages.index(stage) for stage in _RESULTS if stage in closed.stages]
    found: F64 = _lags(closed)[:, columns].sum(axis=1)
    return found


def _lags(closed: ClosedBucket) -> F64:
    """By bin of delays and column, shape (19, columns)."""
    cells, _ = closed.everything(LAG)
    names = closed.names.get(LAG, ())
    bin_of = np.array([_BIN_OF[name] for name in names], dtype=np.int64)
    columns = 2 * VISITORS
    places = bin_of[cells.keys] * columns + cells.columns
    return (
        np.bincount(places, cells.counts, minlength=BINS * columns).reshape(BINS, columns).astype(np.float64)
    )
