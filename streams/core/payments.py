"""Payment outcomes by method, and how long payments took to resolve.

Attempts, failures and payments are counted (events) under the method that they name. A failure or
payment that names none has that of the order's last attempt: the newest by event time of those
processed before, if it lies in ``[t - window, t]``; an attempt that names none has none, and passes
on none. What a failure or payment has found so is also where its lag begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.buckets import COLUMN_BITS
from streams.core.clicks import NEVER, newest_before
from streams.core.lags import lag_bins
from streams.core.settings import BUCKET_MS
from streams.core.slots import TimedSlots
from streams.core.sorting import stable_order
from streams.core.vocabulary import FIRST_CODE, NONE_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from streams.core.buckets import BucketCounts
    from streams.core.rows import Detail, Rows
    from streams.core.vocabulary import Vocabulary

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    Bools = NDArray[np.bool_]


class _Payments(NamedTuple):
    """Events of payments in processing order; ``order`` is 0 where there is none."""

    row: I64
    node: I64
    time: I64
    order: U64
    method: I32

    def take(self, where: I64 | Bools) -> _Payments:
        return _Payments(
            self.row[where], self.node[where], self.time[where], self.order[where], self.method[where]
        )


class Attempts:
    """The newest attempt by event time of each order, and its method."""

    def __init__(self) -> None:
        self.slots = TimedSlots(payload=1)

    def before(self, attempts: _Payments, asking: _Payments) -> tuple[I64, I32]:
        """Time (``NEVER`` if there is none) and method of the last attempt before each that asks.

        ``attempts`` are those of the same batch, not yet taken in by :meth:`remember`.
        """
        slots = self.slots.find(asking.order)
        times, _ = self.slots.times(np.maximum(slots, 0))
        time, method = np.where(slots < 0, NEVER, times), self.slots.payload[0, np.maximum(slots, 0)]
        found = newest_before((attempts.order, attempts.row, attempts.time), asking.order, asking.row)
        newer = np.flatnonzero(found >= 0)
        newer = newer[attempts.time[found[newer]] >= time[newer]]
        time[newer], method[newer] = attempts.time[found[newer]], attempts.method[found[newer]]
        return time, method

    def remember(self, attempts: _Payments, cutoff_ms: int) -> None:
        """Take in a batch's attempts. Those from before the cutoff may be forgotten."""
        if not attempts.row.size:
            return
        slots = self.slots.resolve(attempts.order, cutoff_ms)
        stored, fresh = self.slots.times(slots)
        newer = np.flatnonzero(fresh | (attempts.time >= stored))
        # In order of time and place: where a slot is written twice, what is written last stays.
        order = newer[stable_order(attempts.time[newer])]
        self.slots.payload[0, slots[order]] = attempts.method[order]
        self.slots.write_times(slots[order], attempts.time[order])


class PaymentCounts:
    """Counts payments into buckets.

    Args:
        vocabulary: stages and key numbers.
        buckets: where the counts go.
        window_ms: how old an order's last attempt may be, inclusive.
    """

    def __init__(self, vocabulary: Vocabulary, buckets: BucketCounts, window_ms: int) -> None:
        stages = vocabulary.stages
        self._methods = vocabulary.number(vocabulary.methods)
        self._lags = vocabulary.number(vocabulary.lags)
        self._buckets = buckets
        self._window = window_ms
        self._attempt = stages.codes["payment_attempt"]
        names = ("payment_attempt", "payment_failed", "paid")
        self._is_payment = np.array([name in names for name in stages.names])
        self.attempts = Attempts()

    def count(self, rows: Rows, details: Mapping[int, Detail], cutoff_ms: int) -> None:
        """Count rows in processing order; attempts from before the cutoff may be forgotten."""
        at = np.flatnonzero(self._is_payment[rows.node])
        if not at.size:
            return
        payments = _payments(rows, at, details)
        is_attempt, has_order = payments.node == self._attempt, payments.order != 0
        attempts = payments.take(is_attempt & has_order)
        resolving = np.flatnonzero(~is_attempt & has_order)
        resolved = payments.take(resolving)
        time, method = self.attempts.before(attempts, resolved)
        found = (time <= resolved.time) & (time >= resolved.time - self._window)
        named = resolved.method != NONE_CODE
        payments.method[resolving] = np.where(named | ~found, resolved.method, method)
        self._add(self._methods, payments, payments.method)
        lagged = resolved.take(found)
        self._add(self._lags, lagged, FIRST_CODE + lag_bins(lagged.time - time[found]))
        self.attempts.remember(attempts, cutoff_ms)

    def _add(self, dimension: int, payments: _Payments, key: I32) -> None:
        cells = (key.astype(np.int64) << COLUMN_BITS) | payments.node
        self._buckets.count(dimension, payments.time // BUCKET_MS * BUCKET_MS, cells)


def _payments(rows: Rows, at: I64, details: Mapping[int, Detail]) -> _Payments:
    said = [details.get(serial) for serial in rows.detail[at].tolist()]
    orders = [(one.order or 0) if one is not None else 0 for one in said]
    methods = [one.method if one is not None else NONE_CODE for one in said]
    return _Payments(
        at,
        rows.node[at].astype(np.int64),
        rows.time[at],
        np.array(orders, dtype=np.uint64),
        np.array(methods, dtype=np.int32),
    )
