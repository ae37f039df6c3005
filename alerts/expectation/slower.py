"""Slower, or fewer: how long journeys take since a moment, against the law from before it.

Of those who entered since then, arrivals after each delay are Poisson with mean ``risk * q * m(c)``:
``m(c)`` the old law's mass in that bin were everything ``c`` times as slow, ``q`` a factor on how many
arrive at all. Only delays that all of them could have had by now are counted, so nobody is missed for
being still on his way. Early on *twice as slow* and *half as many* look alike; as cohorts mature the
likelihood tells them apart, and until then both are plausible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation import lags
from alerts.expectation.lags import EDGES_S, MATURE, WITHIN, Law
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

KEPT_BUCKETS: Final = 421
_HALF: Final = 10
FACTORS: Final = np.exp(np.linspace(-np.log(4.0), np.log(4.0), 2 * _HALF + 1))
UNCHANGED: Final = _HALF
# Factors up to here are no change worth a word: a stream's hours differ by as much.
_TOLERATED: Final = UNCHANGED + 1
# Conversion wanders within the hour, so delays that older entries had are off by so much, relative.
_WANDERING: Final = 0.05
# Change of conversion that a change of speed may come with, and still be a change of speed.
_SAME_RATE: Final = (0.85, 1.15)
# Laws so much less likely than the likeliest are not plausible, nats.
_PLAUSIBLE: Final = 4.0
# Logarithm of factors, before anything is seen: nearly always nothing changes.
_PRIOR_SD: Final = 0.5
_UNLIKELY: Final = 0.5 * (np.log(FACTORS) / _PRIOR_SD) ** 2
_DELAYS: Final = np.arange(WITHIN)
_TINY: Final = 1e-12


class Slower(NamedTuple):
    """Journeys of a step became slower.

    Attributes:
        step: which.
        since_ms: from which entries on.
        factor: so many times as long do they take.
        evidence: log likelihood ratio of that against any change of conversion alone, nats.
        median_s: that they take now, and took before.
        before_s: see there.
    """

    step: int
    since_ms: int
    factor: float
    evidence: float
    median_s: float
    before_s: float


class Plausible(NamedTuple):
    """Places in ``FACTORS``: the likeliest, the fastest and the slowest that are plausible."""

    likeliest: int
    fastest: int
    slowest: int


class Stretched:
    """A law from before, and what it were at each of ``FACTORS``.

    Args:
        law: of all who arrive.
        conversion: arrivals per entry.
        known: arrivals that it was learnt from.
    """

    def __init__(self, law: Law, conversion: float, known: float) -> None:
        self.law, self.conversion, self.known = law, conversion, known
        laws = [lags.scaled(law, float(factor)) for factor in FACTORS]
        seconds = np.stack([each.seconds for each in laws])
        self.beyond = np.array([each.beyond for each in laws])
        self.taps = lags.taps(seconds)
        self.masses = np.add.reduceat(seconds, np.array(EDGES_S[:-1]), axis=1)
        self._medians_s: dict[float, float] = {}

    def median_s(self, factor: float = 1.0) -> float:
        """Within which half arrive if everything takes so many times as long; ``factor`` is 1 or of ``FACTORS``."""
        found = self._medians_s.get(factor)
        if found is None:
            law = self.law if factor == 1.0 else lags.scaled(self.law, factor)
            found = self._medians_s[factor] = lags.quantile_s(law, 0.5)
        return found


class Journeys:
    """Arrivals of the total by delay, and who was at risk of them, of the last seventy minutes."""

    def __init__(self, steps: int) -> None:
        # Arrived and at risk, summed up from the beginning.
        self._sums = np.zeros((2, KEPT_BUCKETS, WITHIN, steps))
        self._newest = 0

    def push(self, arrived: F64, at_risk: F64) -> None:
        """A bucket's, each of shape (18, steps)."""
        before = self._sums[:, self._newest]
        self._newest = (self._newest + 1) % KEPT_BUCKETS
        self._sums[:, self._newest] = before + np.stack([arrived, at_risk])

    def since(self, age: int, step: int) -> tuple[F64, F64]:
        """Arrived and at risk by delay, shape (18,), of who entered in the last ``age`` buckets.

        The present bucket is of age 0. Delays that some of them may not have had count from when all
        those still at risk were of them.
        """
        buckets = np.minimum(np.maximum(age + 1 - MATURE, 0), KEPT_BUCKETS - 1)
        before = self._sums[:, (self._newest - buckets) % KEPT_BUCKETS, _DELAYS, step]
        arrived, risk = self._sums[:, self._newest, :, step] - before
        return arrived, risk

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {"sums": pack(self._sums), "newest": self._newest}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._sums, self._newest = unpack(state["sums"]), state["newest"]


class Compared(NamedTuple):
    """What was seen against the law from before: log likelihoods by factor, shape (factors,).

    Attributes:
        free: whatever conversion is now.
        same: conversion about as before.
        weight: the old law is an estimate as well: this makes of a likelihood against a known law one of
            two samples, near enough.
    """

    free: F64
    same: F64
    weight: float


def compared(arrived: F64, risk: F64, of: Stretched) -> Compared:
    """What was seen against the law from before.

    Args:
        arrived: by delay, shape (18,).
        risk: likewise.
        of: the law from before.
    """
    rates = risk * of.masses * of.conversion
    seen = arrived.sum()
    best = np.asarray(seen / np.maximum(rates.sum(axis=1), _TINY), dtype=np.float64)
    weight = of.known / max(of.known + float(seen), _TINY)
    either = np.array([best, np.minimum(np.maximum(best, _SAME_RATE[0]), _SAME_RATE[1])])
    free, same = _likelihood(arrived, rates, either)
    return Compared(free, same, weight)


def plausible(found: Compared) -> Plausible:
    """Which factors may explain what was seen, best without a change of conversion."""
    free, same = found.weight * found.free, found.weight * found.same
    enough = free.max() - _PLAUSIBLE
    score = same if (same >= enough).any() else free
    places = np.flatnonzero(score >= enough)
    likeliest = int((score - _UNLIKELY).argmax())
    return Plausible(likeliest, min(int(places[0]), likeliest), max(int(places[-1]), likeliest))


def evidence(found: Compared, longer: float = 1.0) -> tuple[float, float]:
    """Factor above the tolerated that explains best what was seen, and its evidence against fewer or more.

    Args:
        found: what was seen.
        longer: so many times as long as those of the law take those who entered, without being slower than
            they always were (``Ages``).
    """
    bearable = FACTORS[_TOLERATED] * longer
    tolerated = int(np.searchsorted(FACTORS, bearable * (1.0 + _TINY), side="right"))
    slower = found.same[tolerated:]
    if not slower.size:
        return float(FACTORS[-1]), 0.0
    unchanged = found.free[UNCHANGED:tolerated].max()
    place = int(slower.argmax())
    return float(FACTORS[tolerated + place]), found.weight * float(slower[place] - unchanged)


def _likelihood(arrived: F64, rates: F64, rate: F64) -> F64:
    """Log likelihood by factor at rates of shape (..., factors), but for what is the same for all.

    Of counts whose variance is their mean and what conversion's wandering adds to it.
    """
    means = np.maximum(rates * rate[..., None], _TINY)
    # Where nobody was at risk nothing was seen.
    weights = (rates[UNCHANGED] > 0) / (1.0 + _WANDERING**2 * np.maximum(arrived, rates[UNCHANGED]))
    return np.asarray(((arrived * np.log(means) - means) * weights).sum(axis=-1), dtype=np.float64)
