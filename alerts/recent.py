"""The last hour of every series that is not a SKU's, bucket by bucket, and what is usual for it.

What mix against rate, and GMV by factor, are worked out from. SKUs are too many for it; their part is
in the combinations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation.memory import faded
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

HOUR_BUCKETS: Final = 360
_KEPT: Final = 0.5 ** (BUCKET_MS / 86_400_000)


class Sums(NamedTuple):
    """Sums over a span, each of shape (rows, steps)."""

    entered: F64
    reached: F64
    expected: F64


class Lately(NamedTuple):
    """One series, bucket by bucket, the oldest first.

    Attributes:
        reached: shape (buckets,).
        expected: likewise.
        dispersion: variance of counts over their mean.
        uncertainty: standard error of what was expected, relative.
    """

    reached: F64
    expected: F64
    dispersion: float
    uncertainty: float


class RecentCounts:
    """See the module.

    Args:
        steps: of the funnel.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.rows: I64 = np.zeros(0, dtype=np.int64)
        self._ring = np.zeros((HOUR_BUCKETS, 3, 0, steps), dtype=np.float32)
        self._at = 0
        self._buckets = 0
        self.newest_ms = 0
        self._usual = np.zeros((3, 0, steps))
        self._weight = np.zeros((0, steps))
        # Dispersion and relative standard error of what was expected, as of the newest bucket.
        self._scatter = np.zeros((2, 0, steps), dtype=np.float32)
        # Of the bucket added last: by buckets, of some rows for growing numbers of buckets, and what is usual.
        self._sums: dict[int, Sums] = {}
        self._growing: dict[tuple[bytes, int], F64] = {}
        self._mean: F64 | None = None

    def resize(self, rows: I64) -> None:
        """Keep these rows of the table; they only grow."""
        self._sums, self._growing, self._mean = {}, {}, None
        more = rows.size - self.rows.size
        if more > 0:
            self._ring = np.pad(self._ring, ((0, 0), (0, 0), (0, more), (0, 0)))
            self._usual = np.pad(self._usual, ((0, 0), (0, more), (0, 0)))
            self._weight = np.pad(self._weight, ((0, more), (0, 0)))
            self._scatter = np.pad(self._scatter, ((0, 0), (0, more), (0, 0)))
        self.rows = rows

    def add(self, entered: F64, reached: F64, expected: F64, at_ms: int, frozen: NDArray[np.bool_]) -> None:
        """A bucket of all rows of the table, shape (rows, steps); what is frozen is not usual."""
        self._sums, self._growing, self._mean = {}, {}, None
        bucket = np.stack([counts[self.rows] for counts in (entered, reached, expected)])
        self._at = (self._at + 1) % HOUR_BUCKETS
        self._ring[self._at] = bucket
        self._buckets = min(self._buckets + 1, HOUR_BUCKETS)
        self.newest_ms = at_ms
        still = frozen[self.rows]
        self._usual = faded(self._usual, _KEPT, bucket, still)
        self._weight = faded(self._weight, _KEPT, 1.0, still)

    def note_scatter(self, dispersion: F64, uncertainty: F64) -> None:
        """How much counts scatter about what is expected, of all rows of the table, shape (rows, steps)."""
        self._scatter = np.stack([dispersion[self.rows], uncertainty[self.rows]]).astype(np.float32)

    def since(self, since_ms: int) -> Sums:
        """Sums from a moment on, at most of the last hour, by ``rows``."""
        buckets = self._wanted(since_ms)
        found = self._sums.get(buckets)
        if found is None:
            places = (self._at - np.arange(buckets)) % HOUR_BUCKETS
            found = self._sums[buckets] = Sums(*self._ring[places].sum(axis=0, dtype=np.float64))
        return found

    def since_at(self, since_ms: int, rows: I64, step: int) -> Sums:
        """``since`` of some places of ``rows`` and one step only, shape (k,).

        Whoever asks for a moment asks for others as well, so sums are kept of all that lie after it.
        """
        buckets, key = self._wanted(since_ms), (rows.tobytes(), step)
        known = self._growing.get(key)
        if known is None or known.shape[1] < buckets:
            # Twice as far back as asked, or the next one to ask would begin anew.
            places = (self._at - np.arange(min(2 * buckets, max(self._buckets, 1)))) % HOUR_BUCKETS
            _, parts, all_rows, steps = self._ring.shape
            series = (np.arange(parts)[:, None] * all_rows + rows) * steps + step
            # One index is many times faster than three.
            flat = series.reshape(-1, 1) + places * (parts * all_rows * steps)
            counts = self._ring.reshape(-1).take(flat).astype(np.float64)
            # The newest first, one after the other, as ``since`` adds them: sums are the same to the last bit.
            known = self._growing[key] = np.add.accumulate(counts, axis=1)
        return Sums(*known[:, buckets - 1].reshape(3, -1))

    def _wanted(self, since_ms: int) -> int:
        """Buckets since a moment, of those that are known."""
        return min(max((self.newest_ms - since_ms) // BUCKET_MS, 1), max(self._buckets, 1))

    def newest(self, buckets: int) -> NDArray[np.float32]:
        """The newest buckets, oldest first, as they are kept: shape (buckets, 3, rows, steps); a copy."""
        wanted = min(buckets, self._buckets)
        return self._ring[(self._at - np.arange(wanted)[::-1]) % HOUR_BUCKETS]

    def usual(self, buckets: float = 1.0) -> Sums:
        """What so many buckets usually have, by ``rows``."""
        if self._mean is None:
            self._mean = self._usual / np.maximum(self._weight, 1.0)
        return Sums(*(self._mean * buckets))

    def of_row(self, row: int, step: int, buckets: int) -> Lately | None:
        """One row of the table in the newest buckets; None of a row that is not kept."""
        at = int(np.searchsorted(self.rows, row))
        if at >= self.rows.size or self.rows[at] != row:
            return None
        places = (self._at - np.arange(min(buckets, self._buckets))[::-1]) % HOUR_BUCKETS
        counts = self._ring[places, :, at, step].astype(np.float64)
        dispersion, uncertainty = self._scatter[:, at, step].tolist()
        return Lately(counts[:, 1], counts[:, 2], dispersion, uncertainty)

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        arrays: dict[str, NDArray[Any]] = {
            "rows": self.rows,
            "ring": self._ring,
            "usual": self._usual,
            "weight": self._weight,
            "scatter": self._scatter,
        }
        packed = {name: pack(array) for name, array in arrays.items()}
        return {"at": self._at, "buckets": self._buckets, "newest_ms": self.newest_ms, **packed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._sums, self._growing, self._mean = {}, {}, None
        self._at, self._buckets = state["at"], state["buckets"]
        self.newest_ms = state["newest_ms"]
        self.rows, self._ring = unpack(state["rows"]), unpack(state["ring"])
        self._usual, self._weight = unpack(state["usual"]), unpack(state["weight"])
        # Snapshots of before have none; the next bucket brings it.
        known = state.get("scatter")
        self._scatter = unpack(known) if known else np.zeros((2, *self._weight.shape), dtype=np.float32)
