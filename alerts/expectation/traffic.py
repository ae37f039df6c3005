"""How many entries are expected of every series: the hour of the week, and how busy it is at present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation.memory import faded
from alerts.expectation.season import Season, Swings
from alerts.expectation.settings import DAY_MS
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.expectation.settings import ExpectationSettings

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]

_SWINGS: Final = Swings(daily=0.6, weekly=0.2)
# Expectations are compared over so many buckets; the total's residuals are forgotten within a day.
_BLOCK: Final = 90
_ERROR: Final = 0.2
_OPINION: Final = 12.0
_WINSOR: Final = 9.0
_TINY: Final = 1e-9


class Forecast(NamedTuple):
    """Expected entries, shape (rows, steps), and their relative standard error, shape (steps,)."""

    mean: F64
    error: F64


class Traffic:
    """See the module."""

    def __init__(self, steps: int, settings: ExpectationSettings) -> None:
        self._kept = 0.5 ** (BUCKET_MS / settings.traffic_half_life_ms)
        self._error_kept = 0.5 ** (_BLOCK * BUCKET_MS / DAY_MS)
        self._season = Season(steps, _SWINGS, settings.season_half_life_ms, settings.utc_offset_ms)
        self._counts = np.zeros((0, steps))
        self._base = np.zeros((0, steps))
        # Sum of squared relative residuals and how many; the block's counts, expectation and length.
        self._errors = np.stack([np.full(steps, _OPINION * _ERROR**2), np.full(steps, _OPINION)])
        self._block = np.zeros((3, steps))

    def resize(self, rows: int) -> None:
        """Make room for more rows."""
        empty = np.zeros((rows - self._counts.shape[0], self._counts.shape[1]))
        self._counts = np.concatenate((self._counts, empty))
        self._base = np.concatenate((self._base, empty))

    def expected(self, at_ms: int) -> Forecast:
        """Of a bucket that starts then."""
        busy = self._counts / np.maximum(self._base, _TINY)
        return Forecast(busy * self._season.factor(at_ms), np.sqrt(self._errors[0] / self._errors[1]))

    def learn(self, at_ms: int, counts: F64, total: int | None, frozen: Bools) -> None:
        """Entries of a bucket, and which row is the total; all of shape (rows, steps)."""
        if total is not None:
            self._learn_total(at_ms, counts[total], total, frozen[total])
        self._counts = faded(self._counts, self._kept, counts, frozen)
        self._base = faded(self._base, self._kept, self._season.factor(at_ms), frozen)

    def _learn_total(self, at_ms: int, counts: F64, total: int, frozen: Bools) -> None:
        busy = self._counts[total] / np.maximum(self._base[total], _TINY)
        self._block += np.stack([counts, busy * self._season.factor(at_ms), ~frozen])
        self._season.learn(at_ms, counts, np.ones_like(counts), BUCKET_MS, frozen)
        if self._block[2].max() >= _BLOCK or frozen.all():
            self._compare()

    def _compare(self) -> None:
        seen, expected, buckets = self._block
        usable = (buckets >= _BLOCK) & (expected > 0)
        found = ((seen - expected) ** 2 - expected) / np.maximum(expected, _TINY) ** 2
        now = self._errors[0] / self._errors[1]
        found = np.clip(found, 0.0, _WINSOR * now)
        self._errors *= np.where(usable, self._error_kept, 1.0)
        self._errors += np.where(usable, np.stack([found, np.ones_like(found)]), 0.0)
        self._block = np.zeros_like(self._block)

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        arrays = (self._counts, self._base, self._errors, self._block)
        return {"season": self._season.snapshot(), "arrays": [pack(array) for array in arrays]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._season.restore(state["season"])
        self._counts, self._base, self._errors, self._block = (unpack(packed) for packed in state["arrays"])
