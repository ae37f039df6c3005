"""Who enters a step: people who take as long as usual, or those who are left of a time with more traffic.

Whoever took long for one step takes long for the next: how fast people go on depends on who is at a
step, and that changes with traffic without anything becoming slower. When a sale ends, those who decide
quickly are gone within minutes, and at the checkout stand those who clicked half an hour ago. So of the
clicks of the last hours it is reckoned who enters each step now, and how long they take for it, thinking
that everybody is at the same quantile of all laws (comonotone: none take longer together). Laws are
thought to be those of the present throughout; only the ratio of two times is made use of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.expectation import lags
from alerts.expectation.lags import BUCKET_S
from alerts.expectation.slower import KEPT_BUCKETS
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alerts.expectation.lags import Law

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

# Who clicked longer ago than six hours counts for nothing.
_REACH: Final = 6 * 3600 // BUCKET_S
# Quantiles of all that people are thought to be at.
_QUANTILES: Final = (np.arange(4_096) + 0.5) / 4_096
# The first step is of exposures, which are nobody's.
HEAD: Final = 1
_TINY: Final = 1e-12


class Ages:
    """See the module.

    Args:
        steps: of the funnel.
        kept: share of memory that a bucket leaves: that of the laws.

    Attributes:
        head: the step with whose entries journeys begin.
    """

    def __init__(self, steps: int, kept: float) -> None:
        self._kept = kept
        self.head = min(HEAD, steps - 1)
        # Entries of the head by age, newest first.
        self._heads = np.zeros(_REACH)
        # By age, who of the head enters each step, and the times they take for it over the usual time;
        # shape (2, reach, steps).
        self._reaching = np.zeros((2, _REACH, steps))
        # Who entered and their times, summed up over buckets; and of whom laws were learnt, shape (2, steps).
        self._sums = np.zeros((2, KEPT_BUCKETS, steps))
        self._learnt = np.zeros((2, steps))
        self._newest = 0

    def follow(self, laws: Sequence[Law]) -> None:
        """Go by these laws from now on, one for each step."""
        age_s, share = np.zeros_like(_QUANTILES), 1.0 / _QUANTILES.size
        for step in range(self.head, len(laws)):
            takes_s = lags.quantiles_s(laws[step], _QUANTILES)
            age = np.minimum((age_s / BUCKET_S).astype(np.int64), _REACH - 1)
            for part, weights in enumerate((np.full_like(takes_s, share), share * takes_s / takes_s.mean())):
                self._reaching[part, :, step] = np.bincount(age, weights, minlength=_REACH)
            age_s = age_s + takes_s

    def push(self, entered: F64) -> None:
        """A bucket's entries of the total, shape (steps,)."""
        self._heads = np.concatenate((entered[self.head : self.head + 1], self._heads[:-1]))
        now = self._heads @ self._reaching
        before = self._sums[:, self._newest]
        self._newest = (self._newest + 1) % KEPT_BUCKETS
        self._sums[:, self._newest] = before + now
        self._learnt = self._learnt * self._kept + now

    def correct(self, ages: I64, counts: F64) -> None:
        """Entries of the head so many buckets ago that were not known; shape (k,) each."""
        known = ages < _REACH
        np.add.at(self._heads, ages[known], counts[known])

    def longer(self, since: int, step: int) -> float:
        """So many times as long as those of the law take those who entered in the last ``since`` buckets.

        Never below 1: who is quicker than usual may still be slower than he was. 1 where nothing is known.
        """
        buckets = min(max(since, 1), KEPT_BUCKETS - 1)
        before = self._sums[:, (self._newest - buckets) % KEPT_BUCKETS, step]
        entered, times = self._sums[:, self._newest, step] - before
        of_law, times_of_law = self._learnt[:, step]
        if min(entered, of_law, times_of_law) <= _TINY:
            return 1.0
        return max(float(times / entered * of_law / times_of_law), 1.0)

    def snapshot(self) -> dict[str, Any]:
        """Plain data; the laws are whoever's who has them."""
        arrays = (self._heads, self._sums, self._learnt)
        return {"arrays": [pack(array) for array in arrays], "newest": self._newest}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; the laws are to be followed anew."""
        self._heads, self._sums, self._learnt = map(unpack, state["arrays"])
        self._newest = state["newest"]
