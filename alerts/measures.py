"""What the windows are asked: by the rules of an operator, and for the targets of promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from alerts.rules import Measures

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Measured", "Measures", "Sales"]


class Sales(Protocol):
    """How many orders were paid."""

    def ordered(self, dimension: str, window: str) -> NDArray[np.float64] | None:
        """Paid orders by key number in a window; None if there is no such window."""
        ...

    def orders(self, dimension: str, keys: Collection[str], start_ms: int, end_ms: int) -> float | None:
        """Paid orders of some keys together in a time that is over; None if they are not known of all."""
        ...


class Measured(Measures, Sales, Protocol):
    """Both: the windows as they stand at the end of a bucket."""
