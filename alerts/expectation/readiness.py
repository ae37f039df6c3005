"""Which series can be judged: none from ignorance.

A series is learning while too little of the stream was seen, not monitorable while it has seen fewer
conversions than a decision takes, and monitored from then on until it falls below half of that. One that
more leave than enter is not monitorable either: orders that name a SKU whose checkouts name none come of
others than those that are counted before them, and who enters says little of them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from alerts.model import Readiness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I8 = NDArray[np.int8]

_KEPT = 0.5
# Conversions from which on a series is not judged, and from which on it is again. A little above one
# is not much: a third of the checkouts may have lost their SKU.
_STRANGE, _SOUND = 1.5, 1.25


class Code(IntEnum):
    """``Readiness`` as a number in arrays."""

    LEARNING = 0
    NOT_MONITORABLE = 1
    MONITORED = 2

    @property
    def word(self) -> Readiness:
        """The same for people."""
        return Readiness[self.name]


def monitored(seen: F64, needed: F64, conversion: F64, before: Bools) -> Bools:
    """Which series can be judged, given which were before; all of shape (rows, steps).

    Args:
        seen: expected conversions that they have seen.
        needed: and have to have seen.
        conversion: what usually arrives of those who enter.
        before: which were monitored.
    """
    enough: Bools = seen >= np.where(before, _KEPT * needed, needed)
    return enough & (conversion <= np.where(before, _STRANGE, _SOUND))


def codes(monitorable: Bools, *, learning: bool) -> I8:
    """``Code`` of each series, shape (rows, steps)."""
    if learning:
        return np.full(monitorable.shape, Code.LEARNING, dtype=np.int8)
    # Either code is the one before it, and one more where it is so.
    return monitorable.astype(np.int8) + np.int8(Code.NOT_MONITORABLE)
