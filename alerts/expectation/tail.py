"""What arrives more than half an hour after entry.

Taps end there. What left them is remembered in three leaks of different speed, each a number per
series; how much arrives out of each is learnt from the total's late arrivals by online EM for Poisson
mixtures (Cappe and Moulines 2009), so that in the long run no arrival is unexplained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.expectation.lags import BUCKET_S, TAPS
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

# Mean delays beyond half an hour, s.
_MEANS_S: Final = np.array([600.0, 2_400.0, 10_800.0])
_KEPT: Final = np.exp(-BUCKET_S / _MEANS_S)
LEAKS: Final = len(_MEANS_S)
# How what arrives so late is thought to be shared by them, and how many arrivals that opinion weighs.
_SHARED: Final = np.array([0.25, 0.5, 0.25])[:, None]
_OPINION: Final = 50.0


class Leaks:
    """Of each series what entered more than half an hour ago and may still arrive."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._held = np.zeros((LEAKS, 0, steps))

    def resize(self, rows: int) -> None:
        """Make room for more rows."""
        grown = np.zeros((LEAKS, rows, self._steps))
        grown[:, : self._held.shape[1]] = self._held
        self._held = grown

    def push(self, left: F64) -> None:
        """A bucket goes by; ``left`` are the entries that left the taps, shape (rows, steps)."""
        self._held += left
        self._held *= _KEPT[:, None, None]

    def correct(self, ages: I64 | int, rows: I64, steps: I64, counts: F64) -> None:
        """Entries of so many buckets ago that were not known; ages are above the taps'."""
        since = np.asarray(ages) - TAPS + 1
        for leak, kept in enumerate(_KEPT):
            np.add.at(self._held[leak], (rows, steps), counts * kept**since)

    def at_risk(self, rows: slice = slice(None)) -> F64:
        """Entries that would arrive now out of each leak if all did; shape (leaks, rows, steps)."""
        return self._held[:, rows] * (1.0 / _KEPT - 1.0)[:, None, None]

    def arriving(self, shares: F64) -> F64:
        """Arrivals now, shape (rows, steps), if such shares, shape (leaks, steps), come out of leaks."""
        out = shares * (1.0 / _KEPT - 1.0)[:, None]
        found: F64 = self._held[0] * out[0]
        for held, each in zip(self._held[1:], out[1:], strict=True):
            found += held * each
        return found

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {"held": pack(self._held)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._held = unpack(state["held"])


class TailShares:
    """Per step, how many of those who enter arrive out of each leak.

    Args:
        steps: of the funnel.
        kept: share of memory that a bucket leaves.
    """

    def __init__(self, steps: int, kept: float) -> None:
        self._kept = kept
        self._arrivals = np.zeros((LEAKS, steps))
        self._entries = np.zeros((LEAKS, steps))

    @property
    def shares(self) -> F64:
        """Arrivals per entry, shape (leaks, steps)."""
        normal = np.maximum((_SHARED * self._entries).sum(axis=0), 1.0)
        level = np.maximum(self._arrivals.sum(axis=0), 0.1) / normal
        found: F64 = (self._arrivals + _OPINION * _SHARED) / (self._entries + _OPINION / level)
        return found

    @property
    def entries(self) -> F64:
        """Entries that were at risk, shape (leaks, steps)."""
        return self._entries

    def means_s(self) -> F64:
        """Mean delay beyond half an hour, shape (steps,)."""
        shares = self.shares
        return np.asarray((shares * _MEANS_S[:, None]).sum(axis=0) / shares.sum(axis=0))

    def learn(self, arrived: F64, at_risk: F64, frozen: NDArray[np.bool_]) -> None:
        """Arrivals of the total beyond half an hour, shape (steps,); at risk, shape (leaks, steps)."""
        expected = self.shares * at_risk
        total = expected.sum(axis=0)
        of_each = np.where(total > 0, expected / np.where(total > 0, total, 1.0), 1.0 / LEAKS)
        kept = np.where(frozen, 1.0, self._kept)
        self._arrivals = self._arrivals * kept + np.where(frozen, 0.0, of_each * arrived)
        self._entries = self._entries * kept + np.where(frozen, 0.0, at_risk)

    def stretch(self, step: int, factor: float) -> None:
        """So many times as many arrive so late as was learnt."""
        self._arrivals[:, step] *= factor

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {"arrivals": pack(self._arrivals), "entries": pack(self._entries)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._arrivals, self._entries = unpack(state["arrivals"]), unpack(state["entries"])
