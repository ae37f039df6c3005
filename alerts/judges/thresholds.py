"""Thresholds of every series, from one number for the whole deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.detectors.budget import thresholds
from alerts.detectors.components import Way
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.detectors.budget import BudgetSettings

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    I16 = NDArray[np.int16]

_BUCKETS_PER_MINUTE = 6
# A long mean: a threshold that followed the hours would be late when it matters.
_KEPT = 0.5 ** (1 / (24 * 60 * _BUCKETS_PER_MINUTE))
_EVERY = 6
_UNREACHABLE = np.inf


class Thresholds:
    """Thresholds, nats, shape (rows, steps, 2), the last axis ``Way``; they follow the long mean expected.

    Args:
        levels: names of the levels that rows are of.
        steps: how many columns there are.
        budget: the number, and how it is shared out.
    """

    def __init__(self, levels: Sequence[str], steps: int, budget: BudgetSettings) -> None:
        self._levels = tuple(levels)
        self._budget = budget
        self._sums = np.zeros((0, steps))
        self._buckets = np.zeros((0, 1))
        self._found = np.zeros((0, steps, len(Way)))
        self._count = 0

    def resize(self, rows: int) -> None:
        """Make room for more rows."""
        more = rows - len(self._sums)
        if more > 0:
            steps = self._sums.shape[1]
            self._sums = np.concatenate((self._sums, np.zeros((more, steps))))
            self._buckets = np.concatenate((self._buckets, np.zeros((more, 1))))
            self._found = np.concatenate((self._found, np.full((more, steps, len(Way)), _UNREACHABLE)))

    @property
    def per_minute(self) -> F64:
        """Expected events a minute in the long mean, shape (rows, steps)."""
        mean: F64 = self._sums / np.maximum(self._buckets, 1.0) * _BUCKETS_PER_MINUTE
        return mean

    def rate(self, row: int, step: int) -> float:
        """``per_minute`` of one series."""
        return float(self._sums[row, step] / max(self._buckets[row, 0], 1.0) * _BUCKETS_PER_MINUTE)

    def update(
        self, expected: F64, dispersion: F64, judged: Bools, levels: I16, sensitivity: float = 1.0
    ) -> F64:
        """Take in what was expected of a bucket; the thresholds that hold for it.

        Args:
            expected: shape (rows, steps), as are dispersion and judged.
            dispersion: variance over mean.
            judged: which are judged: the budget is shared among those.
            levels: of rows, shape (rows,).
            sensitivity: factor on the budget while a promotion runs.
        """
        self._sums = self._sums * _KEPT + expected
        self._buckets = self._buckets * _KEPT + 1.0
        if self._count % _EVERY == 0:
            self._work_out(dispersion, judged, levels, sensitivity)
        self._count += 1
        return self._found

    def _work_out(self, dispersion: F64, judged: Bools, levels: I16, sensitivity: float) -> None:
        self._found = np.full((*self._sums.shape, len(Way)), _UNREACHABLE)
        present = [number for number in range(len(self._levels)) if judged[levels == number].any()]
        shares = self._budget.per_week([self._levels[number] for number in present])
        rates = self.per_minute
        for number, per_week in zip(present, shares, strict=True):
            mine = levels == number
            series = int(judged[mine].sum())
            self._found[mine] = thresholds(rates[mine], dispersion[mine], series, per_week * sensitivity)

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "sums": pack(self._sums),
            "buckets": pack(self._buckets),
            "found": pack(self._found),
            "count": self._count,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._sums, self._buckets = unpack(state["sums"]), unpack(state["buckets"])
        self._found, self._count = unpack(state["found"]), state["count"]
