"""Attempts that wait for a result: how many should, and what more of them means.

That payments hang shows first in how many attempts are still without a result. Given the attempts, each
waits or not on its own, so their number is a sum of independent coin tosses whose spread stays small
however many attempts pass (a Poisson test of results a minute has to live with a spread that grows). The
tail is Chernoff's bound, exact in the exponent::

    P(waiting >= x) <= exp(-sup_t (t x - sum_a attempts_a log(1 + q_a (exp(t) - 1))))

with ``q_a`` the share that waits still, ``a`` buckets later. The surplus of waiting attempts is what was
due less what came, forgotten over a minute, so that a few that never get a result do not pile up;
forgetting only narrows its spread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

KEPT = math.exp(-1 / 6)  # of the surplus from bucket to bucket: a memory of a minute
TAPS = 90  # buckets that an attempt is followed for; later results are not waited for
_STEEPEST = 10.0
_HALVINGS = 30
_BUCKET_S = 10.0
_PARTS = 40
# An attempt falls anywhere in its bucket: a law is the mean over its place there.
_AGES_S = np.arange(TAPS * _PARTS) * (_BUCKET_S / _PARTS) + _BUCKET_S / _PARTS / 2


def result_law(edges_s: Sequence[float], counts: Sequence[float], resolved_share: float = 1.0) -> F64:
    """Share of attempts that get their result in the same bucket, the next, and so on: (``TAPS``,).

    Args:
        edges_s: lower edges of bins of the time from attempt to result; the first is 0.
        counts: results in each bin; spread evenly within it. The last bin has no upper edge and counts
            as later than all that is followed.
        resolved_share: of attempts that ever get a result.
    """
    known = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)[:-1]])
    known *= resolved_share / max(float(np.sum(counts)), 1e-9)
    by_end = np.interp(_AGES_S, edges_s, known).reshape(TAPS, _PARTS).mean(axis=1)
    law: F64 = np.concatenate([by_end[:1], np.diff(by_end)])
    return law


class Pending:
    """Waiting attempts of some rows."""

    def __init__(self) -> None:
        self._attempts: F64 = np.zeros((0, TAPS))  # the newest bucket first
        self._sums: F64 = np.zeros((2, 0))  # surplus, and results due, both forgotten over a minute

    def resize(self, rows: int) -> None:
        """Make it ``rows`` rows: new ones start empty, surplus ones are dropped from the end."""
        kept = min(rows, len(self._attempts))
        if kept == rows == len(self._attempts):
            return
        attempts, sums = np.zeros((rows, TAPS)), np.zeros((2, rows))
        attempts[:kept], sums[:, :kept] = self._attempts[:kept], self._sums[:, :kept]
        self._attempts, self._sums = attempts, sums

    def update(self, attempts: F64, resolved: F64, law: F64, judged: Bools) -> F64:
        """Take one bucket, arrays of shape (rows,); the results that were due in it, likewise.

        Args:
            attempts: made in the bucket.
            resolved: results in the bucket.
            law: see ``result_law``.
            judged: where not, the surplus begins anew.
        """
        self._attempts = np.concatenate((attempts[:, None], self._attempts[:, :-1]), axis=1)
        due: F64 = self._attempts @ law
        self._sums = np.where(judged, KEPT * self._sums + (due - resolved, due), 0.0)
        return due

    def surplus(self, tolerance: float) -> F64:
        """Attempts that wait and should not, less ``tolerance`` times what was due of late; (rows,)."""
        left: F64 = self._sums[0] - tolerance * self._sums[1]
        return left

    def evidence(self, law: F64, tolerance: float, dispersion: F64 | float) -> F64:
        """Nats, shape (rows,), calibrated in results that are due: looked at once a bucket."""
        waits = 1.0 - np.cumsum(law)
        surplus = np.maximum(self.surplus(tolerance), 0.0)
        waiting = self._attempts @ waits + surplus
        nats = np.zeros(len(surplus))
        over = np.flatnonzero(surplus)
        if over.size:
            a_bucket = np.maximum(self._sums[1, over] * (1 - KEPT), 1e-3)
            spread = np.broadcast_to(dispersion, surplus.shape)[over]
            tail = self._tail(self._attempts[over], waits, waiting[over]) / spread
            nats[over] = tail + np.log(a_bucket)
        return nats

    @staticmethod
    def _tail(attempts: F64, waits: F64, waiting: F64) -> F64:
        low, high = np.zeros(len(waiting)), np.full(len(waiting), _STEEPEST)
        resolved = 1 - waits
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            tilted = np.exp(middle)[:, np.newaxis] * waits
            mean = np.add.reduce(attempts * tilted / (resolved + tilted), axis=1)
            below = mean < waiting
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        grown = np.log1p(waits * np.expm1(low)[:, np.newaxis])
        nats: F64 = np.maximum(low * waiting - (attempts * grown).sum(axis=1), 0.0)
        return nats

    def forget(self, rows: Bools | NDArray[np.intp]) -> None:
        """Begin the surplus of some rows anew."""
        self._sums[:, rows] = 0.0

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"attempts": pack(self._attempts), "sums": pack(self._sums)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of ``snapshot``."""
        self._attempts, self._sums = unpack(state["attempts"]), unpack(state["sums"])
