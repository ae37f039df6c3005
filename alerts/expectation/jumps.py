"""When traffic jumped: the last minute against the ten minutes and the hour before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]

MINUTE: Final = 6
_WINDOWS: Final = (10 * MINUTE, 60 * MINUTE)
_LONGEST: Final = MINUTE + _WINDOWS[-1]
# Standard deviations, were entries Poisson: a shop with three visitors a minute jumps all the time.
_SURE: Final = 4.0


class Jumps:
    """See the module.

    Args:
        steps: of the funnel.
        factor: above which, or below one over which, entries of a minute have jumped.
    """

    def __init__(self, steps: int, factor: float) -> None:
        self._factor = factor
        self._recent = np.zeros((_LONGEST, steps))
        self._seen = 0
        self._above_hour = np.zeros(steps, dtype=bool)
        # To differ no more takes half the way back: else the end of a jump would be one.
        self._calm = float(np.sqrt(factor))

    def push(self, entered: F64) -> Bools:
        """A bucket's entries of the total, shape (steps,); says which steps jump now.

        Against the hour before, only the moment counts at which the minute begins to differ.
        """
        self._recent = np.concatenate((entered[None], self._recent[:-1]))
        self._seen = min(self._seen + 1, _LONGEST)
        short, long = (self._differs(window, self._factor) for window in _WINDOWS)
        begins = long & ~self._above_hour
        self._above_hour = long | (self._above_hour & self._differs(_WINDOWS[-1], self._calm))
        return short | begins

    def _differs(self, window: int, factor: float) -> Bools:
        behind = min(window, self._seen - MINUTE)
        if behind < _WINDOWS[0]:
            return np.zeros(self._recent.shape[1], dtype=bool)
        now = self._recent[:MINUTE].sum(axis=0)
        before = self._recent[MINUTE : MINUTE + behind].sum(axis=0) * (MINUTE / behind)
        sure = np.abs(now - before) > _SURE * np.sqrt(now + before * (1 + MINUTE / behind))
        far = (now > factor * before) | (now * factor < before)
        differs: Bools = sure & far
        return differs

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {"recent": pack(self._recent), "seen": self._seen, "above_hour": pack(self._above_hour)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._recent, self._seen = unpack(state["recent"]), state["seen"]
        self._above_hour = unpack(state["above_hour"])
