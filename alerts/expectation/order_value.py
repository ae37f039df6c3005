"""What orders of every series are expected to bring, in minor units of one currency.

A row's mean order value, forgotten exponentially and shrunk to the total's; and how orders differ, from
how a bucket's amount differs from its orders times the mean. Amounts of a bucket are sums, so single
orders are never seen: a bucket of k orders has k times an order's variance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]

# Orders that the total weighs against a row's own, and relative deviation of orders before any is seen.
_PRIOR: Final = 50.0
_VARIATION: Final = 1.0
_OPINION: Final = 10.0
# A bucket's squared residual counts for at most so many of what was thought: one huge order is no law.
_WINSOR: Final = 25.0
_TINY: Final = 1e-9


class Value(NamedTuple):
    """Expected amount and its standard deviation, shape (rows,)."""

    mean: F64
    deviation: F64


class OrderValue:
    """See the module.

    Args:
        kept: share of memory that a bucket leaves.
    """

    def __init__(self, kept: float) -> None:
        self._kept = kept
        self._orders = np.zeros(0)
        self._amounts = np.zeros(0)
        # Squared relative deviation of an order: weighted sum, weight.
        self._variation = np.array([_OPINION * _VARIATION**2, _OPINION])

    @property
    def orders(self) -> F64:
        """Orders that are remembered, shape (rows,)."""
        return self._orders

    @property
    def variation(self) -> float:
        """Standard deviation of an order by the mean."""
        return float(np.sqrt(self._variation[0] / self._variation[1]))

    def resize(self, rows: int) -> None:
        """Make room for more rows."""
        empty = np.zeros(rows - self._orders.size)
        self._orders = np.concatenate((self._orders, empty))
        self._amounts = np.concatenate((self._amounts, empty))

    def mean(self, total: int | None) -> F64:
        """Mean order value by row, given which row is the total; 0 where nothing is known."""
        of_all = 0.0
        if total is not None and self._orders[total] > 0:
            of_all = float(self._amounts[total] / self._orders[total])
        prior = _PRIOR if of_all else 0.0
        known = self._orders + prior
        shrunk: F64 = (self._amounts + prior * of_all) / np.maximum(known, _TINY)
        return shrunk

    def expected(self, orders: F64, total: int | None) -> Value:
        """What so many orders bring, shape (rows,)."""
        mean = self.mean(total)
        unsure = 1.0 / np.maximum(self._orders + _PRIOR, 1.0)
        deviation = self.variation * mean * np.sqrt(orders + orders**2 * unsure)
        return Value(orders * mean, deviation)

    def learn(self, orders: F64, amounts: F64, total: int | None, frozen: Bools) -> None:
        """A bucket's orders and what they brought, shape (rows,)."""
        if total is not None and not frozen[total] and orders[total] > 0:
            self._learn_variation(float(orders[total]), float(amounts[total]), float(self.mean(total)[total]))
        learns = ~frozen
        kept = np.where(learns, self._kept, 1.0)
        self._orders = self._orders * kept + orders * learns
        self._amounts = self._amounts * kept + amounts * learns

    def _learn_variation(self, orders: float, amount: float, mean: float) -> None:
        if mean <= 0:
            return
        found = (amount / mean - orders) ** 2 / orders
        now = self._variation[0] / self._variation[1]
        self._variation *= self._kept
        self._variation += np.array([min(found, _WINSOR * now), 1.0])

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        arrays = (self._orders, self._amounts, self._variation)
        return {"arrays": [pack(array) for array in arrays]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._orders, self._amounts, self._variation = (unpack(packed) for packed in state["arrays"])
