"""The last half hour of upstream entries, and how many of them would arrive now.

One ring for all series; pushing a bucket writes one contiguous row per step, and arrivals are a small
matrix product per step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.expectation.lags import TAPS
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

# Rows are made room for in so large steps: a product's rounding may depend on its shape.
_ROOM = 256


class Arrivals:
    """See the module.

    Args:
        steps: of the funnel.
        taps: so many buckets are remembered, the present one included.
    """

    def __init__(self, steps: int, taps: int = TAPS) -> None:
        self._steps, self._taps = steps, taps
        self._rows = 0
        self._newest = 0
        self._ring = np.zeros((steps, taps, 0), dtype=np.float32)

    def __len__(self) -> int:
        return self._rows

    def resize(self, rows: int) -> None:
        """Make room for more rows; nothing entered them so far."""
        self._rows = rows
        have = self._ring.shape[2]
        if rows > have:
            grown = np.zeros((self._steps, self._taps, self._room(rows, have)), dtype=np.float32)
            grown[:, :, :have] = self._ring
            self._ring = grown

    def push(self, entered: F64) -> F64:
        """A bucket's entries, shape (rows, steps); returns those that are remembered no more."""
        self._newest = (self._newest + 1) % self._taps
        place = self._ring[:, self._newest, : self._rows]
        left = place.T.astype(np.float64)
        place[:] = entered.T
        return left

    def correct(self, ages: I64 | int, rows: I64, steps: I64, counts: F64) -> None:
        """More entries of so many buckets ago, each array of shape (k,); ages are below the taps."""
        places = steps * self._taps + (self._newest - np.asarray(ages)) % self._taps
        places = places * self._ring.shape[2] + rows
        # One index is many times faster than three.
        np.add.at(self._ring.reshape(-1), places, counts.astype(np.float32))

    def entered(self, row: int) -> F64:
        """Entries of a row by age in buckets, shape (taps, steps)."""
        return self._ring[:, self._by_age(), row].T.astype(np.float64)

    def convolved(self, kernels: F64, several: Bools) -> F64:
        """Arrivals now under laws, given by age: (laws, steps, taps) to (laws, rows, steps).

        Where not ``several``, shape (steps,), a step's laws are all the same.
        """
        by_place = np.empty(kernels.shape, dtype=np.float32)
        by_place[:, :, self._by_age()] = kernels
        found = np.empty((kernels.shape[0], self._rows, self._steps))
        for step, ring in enumerate(self._ring):
            laws = by_place[:, step] if several[step] else by_place[:1, step]
            found[:, :, step] = (laws @ ring)[:, : self._rows]
        return found

    def weighed(self, step: int, weights: F64) -> F64:
        """Entries of a step, weighed by age: (sums, taps) to (sums, rows)."""
        by_place = np.empty(weights.shape, dtype=np.float32)
        by_place[:, self._by_age()] = weights
        return np.asarray((by_place @ self._ring[step])[:, : self._rows], dtype=np.float64)

    def _by_age(self) -> I64:
        return (self._newest - np.arange(self._taps)) % self._taps

    @staticmethod
    def _room(rows: int, have: int) -> int:
        return -(-max(rows, have + have // 4) // _ROOM) * _ROOM

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {"rows": self._rows, "newest": self._newest, "ring": pack(self._ring)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._rows, self._newest, self._ring = state["rows"], state["newest"], unpack(state["ring"])
