"""Expected conversions in windows that the engine itself does not look at: for showing, never for deciding.

Of the local day and of promotions to date all rows are summed up from the window's first bucket on; if
that was missed (a start, a promotion that was added while it ran) nothing is known until the next such
window. Of the sliding windows single rows are kept that somebody asked for, which is how SKUs get in:
from then on, and known once a whole window was seen. While a series learns nothing of it is summed up.

Bounded: ``MOST_ROWS`` rows asked for, those of an hour; of to-date windows what there is at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation.readiness import Code
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.expectation.series import Expected

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

MOST_ROWS: Final = 512
_HOUR_BUCKETS: Final = 360
_NOT_ASKED: Final = -(1 << 30)


class _ToDate(NamedTuple):
    """Entered and expected since the window's start, shape (2, rows, steps)."""

    start_ms: int
    sums: F64


class ExpectedWindows:
    """See the module.

    Args:
        steps: of the funnel.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._to_date: dict[str, _ToDate] = {}
        self._bucket = 0
        # By place: the row, the bucket since which it is kept, and the one at which it was last asked for.
        self._rows = np.full(MOST_ROWS, -1, dtype=np.int64)
        self._since = np.zeros(MOST_ROWS, dtype=np.int64)
        self._asked = np.full(MOST_ROWS, _NOT_ASKED, dtype=np.int64)
        self._ring = np.zeros((_HOUR_BUCKETS, 2, MOST_ROWS, steps), dtype=np.float32)
        self._sums: dict[int, F64] = {}

    def add(self, start_ms: int, entered: F64, expected: Expected, to_date: Mapping[str, int]) -> None:
        """Take in a bucket as it was judged.

        Args:
            start_ms: of the bucket.
            entered: upstream counts, shape (rows, steps).
            expected: of the same rows.
            to_date: start of each window that begins at a moment, by name.
        """
        self._bucket += 1
        self._sums.clear()
        known = expected.readiness != Code.LEARNING
        counts = np.where(known, np.stack((entered, expected.mean)), 0.0)
        places = np.flatnonzero(self._rows >= 0)
        slot = self._ring[self._bucket % _HOUR_BUCKETS]
        slot[:, places] = counts[:, self._rows[places]]
        self._to_date = {name: it for name, it in self._to_date.items() if it.start_ms == to_date.get(name)}
        for name, begin_ms in to_date.items():
            if name in self._to_date:
                self._to_date[name] = _ToDate(begin_ms, _added(self._to_date[name].sums, counts))
            elif begin_ms <= start_ms < begin_ms + BUCKET_MS:
                self._to_date[name] = _ToDate(begin_ms, counts)

    def to_date(self, window: str, rows: I64, step: int) -> F64 | None:
        """Expected conversion of some rows, NaN where it is not known; None if nothing is known of the window."""
        if window not in self._to_date:
            return None
        sums = self._to_date[window].sums
        return _shares(sums[:, np.minimum(rows, sums.shape[1] - 1), step], rows < sums.shape[1])

    def sliding(self, window_ms: int, rows: I64, step: int) -> F64:
        """The same of a sliding window of at most an hour; rows asked for are kept from now on."""
        places = self._places(rows)
        buckets = window_ms // BUCKET_MS
        if buckets not in self._sums:
            behind = (self._bucket - np.arange(buckets)) % _HOUR_BUCKETS
            self._sums[buckets] = self._ring[behind].sum(axis=0, dtype=np.float64)
        whole = (places >= 0) & (self._bucket - self._since[places] >= buckets)
        return _shares(self._sums[buckets][:, places, step], whole)

    def _places(self, rows: I64) -> I64:
        """Where rows are kept; -1 of those for which there is no room."""
        known = {row: place for place, row in enumerate(self._rows.tolist()) if row >= 0}
        new = [row for row in rows.tolist() if row not in known]
        # Who was not asked for in an hour makes room.
        free = np.flatnonzero(self._bucket - self._asked > _HOUR_BUCKETS).tolist() if new else []
        for row, place in zip(new, free, strict=False):
            known.pop(int(self._rows[place]), None)
            self._rows[place], self._since[place], known[row] = row, self._bucket, place
            self._ring[:, :, place] = 0.0
        places = np.array([known.get(row, -1) for row in rows.tolist()], dtype=np.int64)
        self._asked[places[places >= 0]] = self._bucket
        return places

    def snapshot(self) -> dict[str, Any]:
        """The windows to date as plain data; rows asked for are asked for again."""
        return {name: [it.start_ms, pack(it.sums.astype(np.float32))] for name, it in self._to_date.items()}

    def restore(self, state: Mapping[str, Sequence[Any]]) -> None:
        """Go on from a snapshot."""
        self._to_date = {
            name: _ToDate(start_ms, unpack(packed).astype(np.float64))
            for name, (start_ms, packed) in state.items()
        }


def _added(sums: F64, counts: F64) -> F64:
    """Rows only grow."""
    more = counts.shape[1] - sums.shape[1]
    return (np.pad(sums, ((0, 0), (0, more), (0, 0))) if more > 0 else sums) + counts


def _shares(counts: F64, known: NDArray[np.bool_]) -> F64:
    entered, due = counts
    found: F64 = np.divide(due, entered, out=np.full(due.shape, np.nan), where=known & (entered > 0))
    return found
