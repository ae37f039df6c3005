"""Sums that are forgotten exponentially, but for what nothing is learnt of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]


def faded(sums: F64, kept: float, more: F64 | float, frozen: Bools) -> F64:
    """Sums with a bucket's added, and as they were where frozen; arrays are broadcast to each other.

    Nothing is frozen most of the time, and that takes half as long.
    """
    if not frozen.any():
        return sums * kept + more
    return np.where(frozen, sums, sums * kept + more)
