"""The first two hours, where little is known of delays and levels were learnt by laws that were wrong.

A level is what was reached over what would have arrived if all had converted, and that is reckoned with
the law of its time: a law from nowhere is too slow for most steps, so less seems to have been due, and
conversion is thought to be higher than it is for days. So while a stream is young all of the total's
entries are kept, and each time laws change it is worked out by how much they would have made another
base of what is known already. Who is given half an hour of warm-up needs none of it: by then laws are
good to a few percent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation.lags import SECONDS
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from alerts.expectation.doubt import Kernels
    from alerts.expectation.settings import ExpectationSettings

    Bools = np.ndarray[Any, np.dtype[np.bool_]]
    F64 = np.ndarray[Any, np.dtype[np.float64]]

_LASTS: Final = 7_200_000 // BUCKET_MS


class Corrected(NamedTuple):
    """What learnt bases are to be multiplied by, each of shape (steps,); ``attributed`` of such rows."""

    factor: F64
    attributed: F64


class Youth:
    """See the module.

    Args:
        steps: of the funnel.
        settings: whose warm-up says whether it is needed.
    """

    def __init__(self, steps: int, settings: ExpectationSettings) -> None:
        self._left = _LASTS if settings.warm_up_ms < SECONDS * 1000 else 0
        # By bucket since the first, shape (buckets, steps).
        self._entered: F64 = np.zeros((0, steps))
        self._learnt: Bools = np.zeros((0, steps), dtype=bool)
        # Of the laws by which bases are reckoned now: taps, shape (steps, 181), and mass beyond, shape (steps,).
        self._taps: F64 | None = None
        self._beyond: F64 = np.zeros(steps)

    def push(self, entered: F64) -> None:
        """Entries of the total in one more bucket, shape (steps,)."""
        if not self._left:
            return
        self._left -= 1
        if not self._left:
            self._entered, self._learnt = self._entered[:0], self._learnt[:0]
            self._taps, self._beyond = None, np.zeros_like(self._beyond)
            return
        self._entered = np.concatenate((self._entered, entered[None]))
        self._learnt = np.concatenate((self._learnt, np.zeros((1, entered.size), dtype=bool)))

    def learn(self, frozen: Bools) -> None:
        """Levels took in the newest bucket, but for steps that were frozen, shape (steps,)."""
        self._learnt[-1:] = ~frozen

    def corrected(self, kernels: Kernels) -> Corrected | None:
        """If laws are others than before, what that makes of bases learnt so far."""
        if not self._left:
            return None
        taps, beyond = kernels.taps[0], kernels.beyond
        before, self._taps = self._taps, taps
        was, self._beyond = self._beyond, beyond
        if before is None or np.array_equal(before, taps):
            return None
        now, then = self._base(taps), self._base(before)
        factor = np.divide(now, then, out=np.ones_like(now), where=(now > 0) & (then > 0))
        return Corrected(factor, factor * (1.0 - was) / (1.0 - beyond))

    def _base(self, taps: F64) -> F64:
        """What would have arrived in the buckets that were learnt, had all converted; shape (steps,)."""
        size = len(self._entered)
        return np.array(
            [
                np.convolve(self._entered[:, step], law)[:size] @ self._learnt[:, step]
                for step, law in enumerate(taps)
            ]
        )

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        arrays = (self._entered, self._learnt, self._beyond)
        return {
            "left": self._left,
            "arrays": [pack(array) for array in arrays],
            "taps": None if self._taps is None else pack(self._taps),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._left = state["left"]
        self._entered, self._learnt, self._beyond = (unpack(packed) for packed in state["arrays"])
        self._taps = None if state["taps"] is None else unpack(state["taps"])
