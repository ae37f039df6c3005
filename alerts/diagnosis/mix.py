"""Other visitors or other rates: an aggregate rate's change, taken apart exactly.

The aggregate rate is the keys' rates weighted by their shares of entries. Its change is the sum over
keys of ``mean share x change of rate`` (rate effect) and ``mean rate x change of share`` (mix effect):
Kitagawa 1955, symmetric, without a rest. A key that had no entries in one of the two periods has no
rate there; it is taken as unchanged, so a key that comes or goes is mix.

The verdict is ``mix_shift`` only when the total has moved beyond noise, no key's rate has (with all
keys tested at once), and the rate effect is both within its own noise and a small part of the change.
So a shop with too little data to tell is not told that its mix shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from alerts.diagnosis.likelihood import gains

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

# A verdict that is wrong once in so many times nothing had happened.
ERROR: Final = 1e-3
# In normal deviations; what the rate effect may be off by.
NOISE: Final = 3.0
# Part of the change that counts as small.
SMALL: Final = 1 / 3


class Verdict(StrEnum):
    """Where a change of an aggregate rate comes from."""

    UNCHANGED = "unchanged"
    MIX_SHIFT = "mix_shift"
    RATES = "rates"
    BOTH = "both"


class Period(NamedTuple):
    """What the keys of one dimension did: entries and conversions, each of shape (keys,)."""

    entries: F64
    conversions: F64


@dataclass(frozen=True, slots=True)
class MixChange:
    """A change of an aggregate rate.

    Attributes:
        before: aggregate rate before; zero without entries.
        after: likewise, after.
        rate_effects: by key, shape (keys,).
        mix_effects: by key, shape (keys,); of use only in their sum, as shares only move together.
        rate_error: standard deviation of the rate effect if counts are as noisy as said.
        total_gain: log likelihood of "the total moved" over "it did not", nats.
        largest_gain: likewise for the key that moved most.
    """

    before: float
    after: float
    rate_effects: F64
    mix_effects: F64
    rate_error: float
    total_gain: float
    largest_gain: float

    @property
    def change(self) -> float:
        """After less before: the two effects together."""
        return self.after - self.before

    @property
    def rate_effect(self) -> float:
        """What the keys' rates did to the total."""
        return float(self.rate_effects.sum())

    @property
    def mix_effect(self) -> float:
        """What other shares of the keys did to the total."""
        return float(self.mix_effects.sum())

    @property
    def rate_share(self) -> float | None:
        """Part of the change that is rates, 0 to 1; None if nothing changed."""
        both = abs(self.rate_effect) + abs(self.mix_effect)
        return abs(self.rate_effect) / both if both else None

    @property
    def is_mostly_mix(self) -> bool:
        """Whether the total moved, and rates had little to do with it, however surely one of them moved too."""
        return self.verdict in {Verdict.MIX_SHIFT, Verdict.BOTH} and abs(self.rate_effect) <= SMALL * abs(
            self.change
        )

    def explains(self, tolerance: float) -> bool:
        """Whether the total moved by its mix: what rates did to it besides would not be said by itself.

        Args:
            tolerance: relative change of a rate that is none.
        """
        little = abs(self.rate_effect) <= tolerance * self.before
        return self.verdict is Verdict.MIX_SHIFT or (self.is_mostly_mix and little)

    @property
    def verdict(self) -> Verdict:
        """See the module."""
        if self.total_gain < log(1.0 / ERROR):
            return Verdict.UNCHANGED
        if abs(self.mix_effect) <= SMALL * abs(self.change):
            return Verdict.RATES
        quiet = self.largest_gain < log(len(self.rate_effects) / ERROR)
        within_noise = abs(self.rate_effect) <= NOISE * self.rate_error
        small = abs(self.rate_effect) <= SMALL * abs(self.change)
        return Verdict.MIX_SHIFT if quiet and within_noise and small else Verdict.BOTH


def split(before: Period, after: Period, *, dispersion: float = 1.0) -> MixChange:
    """Takes the change of the aggregate rate apart.

    Args:
        before: normal times, by key of one dimension.
        after: now, by the same keys.
        dispersion: variance of the counts over their mean, at least 1.
    """
    dispersion = max(dispersion, 1.0)
    share_before, share_after = _shares(before.entries), _shares(after.entries)
    rate_before, rate_after = _rates(before, after), _rates(after, before)
    mean_share = (share_before + share_after) / 2.0
    rate_effects = mean_share * (rate_after - rate_before)
    mix_effects = (rate_before + rate_after) / 2.0 * (share_after - share_before)
    moved = _two_sample_gains(before, after)
    total = _two_sample_gains(_sum(before), _sum(after))
    return MixChange(
        before=_aggregate(before),
        after=_aggregate(after),
        rate_effects=rate_effects,
        mix_effects=mix_effects,
        rate_error=sqrt(dispersion * float((mean_share**2 * (_noise(before) + _noise(after))).sum())),
        total_gain=float(total.sum()) / dispersion,
        largest_gain=float(moved.max(initial=0.0)) / dispersion,
    )


def _shares(entries: F64) -> F64:
    total = entries.sum()
    return entries / total if total else np.zeros_like(entries)


def _rates(period: Period, other: Period) -> F64:
    """Rates by key; where there are no entries, as in the other period."""
    mine = period.conversions / np.maximum(period.entries, 1e-300)
    theirs = other.conversions / np.maximum(other.entries, 1e-300)
    return np.where(period.entries > 0.0, mine, np.where(other.entries > 0.0, theirs, 0.0))


def _aggregate(period: Period) -> float:
    entries = float(period.entries.sum())
    return float(period.conversions[period.entries > 0.0].sum()) / entries if entries else 0.0


def _sum(period: Period) -> Period:
    return Period(period.entries.sum(keepdims=True), period.conversions.sum(keepdims=True))


def _noise(period: Period) -> F64:
    """Poisson variance of the keys' rates; nothing seen is as uncertain as one."""
    return np.where(
        period.entries > 0.0, np.maximum(period.conversions, 1.0) / np.maximum(period.entries, 1.0) ** 2, 0.0
    )


def _two_sample_gains(before: Period, after: Period) -> F64:
    """Log likelihood of two rates over one common rate, by key; zero where one has no entries."""
    entries = before.entries + after.entries
    common = (before.conversions + after.conversions) / np.maximum(entries, 1e-300)
    both = gains(before.conversions, common * before.entries) + gains(
        after.conversions, common * after.entries
    )
    return np.where((before.entries > 0.0) & (after.entries > 0.0), both, 0.0)
