"""How long things took: bins of lags, and the time since a visitor was counted at the node before.

The rule, in the order in which events are processed: when a visitor is counted in ``all`` at a node
from the third on, at event time t, the mark is looked up that the events before this one have left
for the same visitor in ``all`` at the node before. If it lies in ``[t - window, t]``, t less the mark
is a lag. So an event that is counted at a node before but is processed later plays no part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.clicks import NEVER, newest_before
from streams.core.hashing import combine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.core.slots import TimedSlots

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    Bools = NDArray[np.bool_]

# Where bins begin, in seconds; the last one has no end.
LAG_EDGES_S = (0, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800)
_EDGES_MS = np.array(LAG_EDGES_S, dtype=np.int64) * 1000


def lag_bins(lags_ms: I64) -> I32:
    """Number of the bin of each lag (not negative), shape (n,)."""
    return (np.searchsorted(_EDGES_MS, lags_ms, side="right") - 1).astype(np.int32)


class Visits(NamedTuple):
    """Visits of nodes in processing order: row, visitor, node and event time."""

    row: I64
    visitor: U64
    node: I64
    time: I64

    def take(self, where: Bools) -> Visits:
        """Some of them."""
        return Visits(self.row[where], self.visitor[where], self.node[where], self.time[where])


class NodeLags:
    """Lags of one batch: made before its visitors are marked, asked after.

    Args:
        marks: visitors' marks; keys are :func:`mark_keys` in ``all``.
        visits: the batch's candidates in ``all``, rows ascending.
        first: the first node that has a lag.
        window_ms: how old a mark may be, inclusive.
    """

    def __init__(self, marks: TimedSlots, visits: Visits, first: int, window_ms: int) -> None:
        self._visits = visits
        self._window = window_ms
        self._asks = visits.node >= first
        self._asking = visits.take(self._asks)
        self._keys = mark_keys(self._asking.visitor, self._asking.node - 1)
        slots = marks.find(self._keys)
        times, fresh = marks.times(np.maximum(slots, 0))
        self._known = np.where((slots < 0) | fresh, NEVER, times)

    def counted(self, admitted: Bools) -> tuple[Visits, I64]:
        """The visits that were counted and have a lag, and their lags, ms.

        Args:
            admitted: which of all visits were counted.
        """
        mine = admitted[self._asks]
        later = self._asking.take(mine)
        if not later.row.size:
            return later, later.time
        keys, mark = self._keys[mine], self._known[mine]
        earlier = self._visits.take(admitted)
        found = newest_before(
            (mark_keys(earlier.visitor, earlier.node), earlier.row, earlier.time), keys, later.row
        )
        mark = np.where(found >= 0, earlier.time[found], mark)
        lag = later.time - mark
        inside = (lag >= 0) & (lag <= self._window)
        return later.take(inside), lag[inside]


def mark_keys(visitor: U64, node: I64) -> U64:
    """Fingerprints of visitors' marks in ``all``."""
    return combine(visitor, node.astype(np.uint64))
