"""What the hour of the week does to a level, as a factor.

Per step and hour of the week: counts of the total, and what they should have been at a level of one,
forgotten visit by visit. The hour of the day comes first, then what a day of the week does to it; both
are shrunk to *nothing* by how sure they are, smoothed over neighbouring hours, and interpolated between
the hours' middles. Weighted by what was to be expected, factors average one, so that a level learnt
without a season remains right with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation.settings import DAY_MS, HOUR_MS
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

DAYS: Final = 7
HOURS: Final = 24
_WEEK_MS: Final = DAYS * DAY_MS
# Monday 5 January 1970: weeks begin there.
_MONDAY_MS: Final = 4 * DAY_MS
# Variance of an hour's ratio that no count explains, relative, where it was not measured: conversion
# wanders by 5 % or so. However quiet a shop is, so little is left of it.
_WANDERING: Final = 0.002
_LEAST_WANDERING: Final = 0.005**2
_SMOOTH: Final = (0.25, 0.5, 0.25)
_TINY: Final = 1e-9


class Swings(NamedTuple):
    """How much a level is thought to swing, relative standard deviations."""

    daily: float
    weekly: float


class Season:
    """See the module.

    Args:
        steps: of the funnel.
        swings: what is thought before anything is seen.
        half_life_ms: memory.
        utc_offset_ms: of the hours.
    """

    def __init__(self, steps: int, swings: Swings, half_life_ms: int, utc_offset_ms: int = 0) -> None:
        self._swings = swings
        self._kept = 0.5 ** (_WEEK_MS / half_life_ms)
        self._offset_ms = utc_offset_ms - _MONDAY_MS
        self._counts = np.zeros((DAYS, HOURS, steps))
        self._base = np.zeros((DAYS, HOURS, steps))
        self._visits = np.zeros((DAYS, HOURS, steps))
        self._hour = -1
        # Of the time asked for last.
        self._factor: tuple[int, F64] | None = None
        self._log = np.zeros((DAYS * HOURS, steps))
        self._variance = np.full((DAYS * HOURS, steps), swings.daily**2 + swings.weekly**2)

    def factor(self, at_ms: int) -> F64:
        """Factor at a time, shape (steps,); not to be written to."""
        if self._factor is None or self._factor[0] != at_ms:
            self._factor = at_ms, self._factor_at(at_ms)
        return self._factor[1]

    def _factor_at(self, at_ms: int) -> F64:
        hours = ((at_ms + self._offset_ms) / HOUR_MS - 0.5) % (DAYS * HOURS)
        before = int(hours)
        part = hours - before
        after = (before + 1) % (DAYS * HOURS)
        return np.asarray(np.exp((1 - part) * self._log[before] + part * self._log[after]))

    def variance(self, at_ms: int) -> F64:
        """Of the factor at a time, relative, shape (steps,)."""
        return np.asarray(self._variance[self._hour_of(at_ms)])

    def learn(
        self,
        at_ms: int,
        counts: F64,
        base: F64,
        span_ms: int,
        frozen: NDArray[np.bool_],
        wandering: F64 | float = _WANDERING,
    ) -> None:
        """Counts of the total and what they should have been at a level of one, shape (steps,).

        ``wandering`` is the relative variance of an hour's ratio that no count explains, broadcast to it.
        """
        hour = self._hour_of(at_ms)
        day, of_day = divmod(hour, HOURS)
        if hour != self._hour:
            self._fit(np.maximum(wandering, _LEAST_WANDERING))
            for sums in (self._counts, self._base, self._visits):
                sums[day, of_day] *= self._kept
            self._hour = hour
        learns = ~frozen & (base > 0)
        self._counts[day, of_day] += np.where(learns, counts, 0.0)
        self._base[day, of_day] += np.where(learns, base, 0.0)
        self._visits[day, of_day] += np.where(learns, span_ms / HOUR_MS, 0.0)

    def _hour_of(self, at_ms: int) -> int:
        return (at_ms + self._offset_ms) % _WEEK_MS // HOUR_MS

    def _fit(self, wandering: F64) -> None:
        """Work out the factors anew."""
        self._factor = None
        base = self._base.sum(axis=(0, 1))
        level = self._counts.sum(axis=(0, 1)) / np.maximum(base, _TINY)
        normal = self._base * level
        daily, daily_left = _shrunk(
            self._counts.sum(axis=0),
            normal.sum(axis=0),
            self._visits.sum(axis=0),
            self._swings.daily,
            wandering,
        )
        normal = normal * np.exp(daily)
        shape = (DAYS * HOURS, -1)
        weekly, weekly_left = _shrunk(
            self._counts.reshape(shape),
            normal.reshape(shape),
            self._visits.reshape(shape),
            self._swings.weekly,
            wandering,
        )
        log = np.tile(daily, (DAYS, 1)) + weekly
        weights = self._base.reshape(shape)
        mean = (weights * np.exp(log)).sum(axis=0) / np.maximum(base, _TINY)
        self._log = log - np.log(np.where(base > 0, mean, 1.0))
        self._variance = np.tile(daily_left, (DAYS, 1)) + weekly_left

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        arrays = (self._counts, self._base, self._visits, self._log, self._variance)
        return {"hour": self._hour, "arrays": [pack(array) for array in arrays]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        arrays = [unpack(packed) for packed in state["arrays"]]
        self._counts, self._base, self._visits, self._log, self._variance = arrays
        self._hour, self._factor = state["hour"], None


def _shrunk(counts: F64, normal: F64, visits: F64, sd: float, wandering: F64) -> tuple[F64, F64]:
    """Logarithms of smoothed ratios, shrunk to zero, and the variance left; shape (hours, steps)."""
    counts, normal, visits = (_smoothed(sums) for sums in (counts, normal, visits))
    seen = normal > 0
    noise = wandering / np.maximum(visits, _TINY) + 1.0 / np.maximum(normal, _TINY)
    weight = np.where(seen, sd**2 / (sd**2 + noise), 0.0)
    ratio = np.log((counts + 0.5) / (np.maximum(normal, _TINY) + 0.5))
    return weight * np.where(seen, ratio, 0.0), (1.0 - weight) * sd**2


def _smoothed(sums: F64) -> F64:
    before, here, after = _SMOOTH
    return before * np.roll(sums, 1, axis=0) + here * sums + after * np.roll(sums, -1, axis=0)
