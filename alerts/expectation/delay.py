"""The delay law of each step, from the stream's own journeys.

Who entered is at risk of arriving after each delay from the moment he entered, and no longer than
till now; so per bin of delays, arrivals divided by those who were at risk of it is the share that
arrives after such a delay, whoever is still on his way (an occurrence-exposure rate, Kaplan-Meier's
idea in bins). Arrivals and risks are forgotten exponentially: a long memory, and a short one that is
shrunk to it and is the law of the present.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.expectation import lags
from alerts.expectation.lags import WITHIN, Law
from alerts.expectation.tail import TailShares
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from alerts.expectation.settings import ExpectationSettings

    Bools = np.ndarray[Any, np.dtype[np.bool_]]
    F64 = np.ndarray[Any, np.dtype[np.float64]]

_BUCKET_MS: Final = lags.BUCKET_S * 1000
# So many arrivals as a law from nowhere weighs, and the long memory's law against the short one's.
_PRIOR: Final = 20.0
_LONG_PRIOR: Final = 200.0
_UNKNOWN: Final = lags.mixed(lags.exponential(30.0), lags.exponential(300.0), 0.5)
# Laws are worked out anew once in so many buckets, and how mass lies within bins so many times less often.
_REFRESH: Final = 6
_RESHAPE: Final = 10
_TINY: Final = 1e-12


class DelayLaws:
    """See the module."""

    def __init__(self, steps: int, settings: ExpectationSettings) -> None:
        halves = (settings.long_half_life_ms, settings.short_half_life_ms)
        self._kept = 0.5 ** (_BUCKET_MS / np.array(halves, dtype=np.float64))
        self._prior = np.stack([lags.bins(_UNKNOWN)] * steps, axis=1)
        # Exposures have no visitors, so no journey begins with one.
        self._prior[:, 0] = lags.bins(lags.exponential(settings.instant_s))
        self._prior_beyond_s = np.full(steps, _UNKNOWN.beyond_s)
        self._tail = TailShares(steps, float(self._kept[0]))
        self._arrived = np.zeros((2, WITHIN, steps))
        self._risk = np.zeros((2, WITHIN, steps))
        self._learnt = 0
        self._shaped = self._prior.copy()
        self._place()
        self._refresh()

    @property
    def steps(self) -> int:
        """Of the funnel."""
        return int(self._prior.shape[1])

    @property
    def tail_shares(self) -> F64:
        """How the mass beyond half an hour is shared by the leaks, shape (leaks, steps)."""
        shares = self._tail.shares
        total = shares.sum(axis=0)
        return np.where(total > 0, shares / np.maximum(total, _TINY), 1.0 / len(shares))

    @property
    def refreshed(self) -> bool:
        """Whether the laws are new since the last bucket."""
        return self._learnt % _REFRESH == 0

    def now(self, step: int) -> Law:
        """The law of the present."""
        return lags.law(self._masses[1][:, step], float(self._beyond_s[step]))

    def beyond(self) -> F64:
        """Mass of the present laws beyond half an hour, shape (steps,)."""
        return np.asarray(self._masses[1][-1] / self._masses[1].sum(axis=0))

    def long(self, step: int) -> Law:
        """The law of the last days."""
        return lags.law(self._masses[0][:, step], float(self._beyond_s[step]))

    def seen(self, step: int) -> bool:
        """Whether any journey of the step was seen."""
        return bool(self._arrived[0][:, step].any())

    def conversion(self, step: int) -> float:
        """Arrivals per entry of the total at present, of those whose journey is seen."""
        return float(self._masses[1][:, step].sum())

    def known(self, step: int, *, long: bool) -> float:
        """Arrivals that the long memory's law, or that of the present, was learnt from."""
        whole, recent = (float(arrived[:, step].sum()) for arrived in self._arrived)
        return whole if long else min(whole, recent + _LONG_PRIOR)

    def at_risk(self, entered: F64) -> F64:
        """Of the total's entries by age, shape (181, steps): how many may arrive now after each delay.

        Shape (18, steps).
        """
        return np.stack([part @ entered[:, step] for step, part in enumerate(self._bin_taps)], axis=1)

    def learn(self, arrived: F64, at_risk: F64, beyond: F64, frozen: Bools) -> None:
        """A bucket of the total.

        Args:
            arrived: conversions by delay, shape (19, steps).
            at_risk: of ``at_risk``, shape (18, steps).
            beyond: at risk of the leaks, shape (leaks, steps).
            frozen: steps of which nothing is learnt, shape (steps,).
        """
        # Who entered before the first bucket was at risk as well, and nobody knows of him.
        unknown = frozen | (self._learnt < lags.MATURE)[:, None]
        kept = np.where(unknown, 1.0, self._kept[:, None, None])
        self._arrived = self._arrived * kept + np.where(unknown, 0.0, arrived[:-1])
        self._risk = self._risk * kept + np.where(unknown, 0.0, at_risk)
        self._tail.learn(arrived[-1], beyond, frozen | (self._learnt < lags.TAPS))
        self._learnt += 1
        if self.refreshed:
            self._refresh()

    def adopt(self, step: int, law: Law) -> None:
        """From now on this is the law: memories say so, and weigh what they weighed."""
        masses = lags.bins(law) * self.conversion(step)
        self._arrived[:, :, step] = self._risk[:, :, step] * masses[:-1]
        before = float(self._masses[1][-1, step])
        self._tail.stretch(step, float(masses[-1]) / before if before else 1.0)
        self._refresh()

    def _refresh(self) -> None:
        """Work out the laws: bins hold arrivals per entry."""
        prior = self._prior[:-1]
        arrived, risk = self._arrived[0], self._risk[0]
        level = arrived.sum(axis=0) / np.maximum((prior * risk).sum(axis=0), _TINY)
        seen = level > 0
        long = (arrived + _PRIOR * prior) / (risk + _PRIOR / np.where(seen, level, 1.0))
        long = np.where(seen, long, prior)
        share = long / long.sum(axis=0)
        short = (self._arrived[1] + _LONG_PRIOR * share) / (self._risk[1] + _LONG_PRIOR * share / long)
        short = np.where(seen, short, prior)
        beyond = self._beyond(long)
        self._masses = np.stack([np.vstack([long, beyond]), np.vstack([short, beyond])])
        self._beyond_s = np.where(seen, self._tail.means_s(), self._prior_beyond_s)
        if self._learnt % (_REFRESH * _RESHAPE) == 0:
            self._shaped = self._masses[1].copy()
            self._place()

    def _beyond(self, long: F64) -> F64:
        """Mass beyond half an hour: the prior's until entries are so old."""
        prior = self._prior[-1] / self._prior[:-1].sum(axis=0) * long.sum(axis=0)
        seen = self._tail.entries.sum(axis=0)
        mass: F64 = (seen * self._tail.shares.sum(axis=0) + _PRIOR * prior) / (seen + _PRIOR)
        return mass

    def _place(self) -> None:
        self._bin_taps = [
            lags.bin_taps(lags.shapes(self._shaped[:-1, step] / self._shaped[:, step].sum()))
            for step in range(self.steps)
        ]

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        arrays = (self._arrived, self._risk, self._shaped, self._masses, self._beyond_s)
        return {"learnt": self._learnt, "arrays": [pack(a) for a in arrays], "tail": self._tail.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        arrays = [unpack(packed) for packed in state["arrays"]]
        self._arrived, self._risk, self._shaped, self._masses, self._beyond_s = arrays
        self._learnt = state["learnt"]
        self._tail.restore(state["tail"])
        self._place()
