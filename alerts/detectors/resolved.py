"""Payments judged on resolved attempts: failing, or hanging without any result.

Successes a minute say little of a node that normally succeeds at 92 %; how attempts *end* says six times
more. Two questions are asked of every row (all, or one payment method), one CUSUM for each answer:

* Failing: of the attempts with a result, too few succeeded. Bernoulli log likelihood ratios of the normal
  share times ``ratio`` against the normal share; a CUSUM of log likelihood ratios reaches ``h`` not
  before ``exp(h)`` resolved attempts in the mean (Lorden 1971), so its height is its evidence.
* Hanging: fewer results than the attempts made should have had by now (attempts convolved with the law of
  the result's lag, by the caller). Poisson CUSUM as in ``sequential``. Results given the attempts vary
  less than Poisson, since each attempt ends at most once, so the bound holds.

Evidence is calibrated in resolved attempts: ``exp(evidence)`` of them pass, nothing being wrong, between
two times it is so large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.detectors.arl import drop_law, reference
from alerts.detectors.components import MIN_RATIO
from alerts.detectors.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_STATE = ("_heights", "_attempts", "_succeeded", "_failed", "_due", "_good", "_ages")
_SHARE_BOUNDS = (0.02, 0.995)  # of success when normal: one failure at "never fails" is no proof


class Cause(StrEnum):
    """What is wrong with attempts."""

    FAILING = "failing"
    HANGING = "hanging"


class ResolvedAccount(NamedTuple):
    """What a row's evidence rests on; counts since the estimated change point.

    Attributes:
        evidence: nats, see the module.
        cause: what the strongest component looks for.
        buckets: since the change point, this one included.
        attempts: made.
        succeeded: of the attempts.
        failed: likewise.
        due: results there should have been.
        expected: successes there should have been.
    """

    evidence: float
    cause: Cause
    buckets: int
    attempts: float
    succeeded: float
    failed: float
    due: float
    expected: float


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """What is looked for.

    Attributes:
        shares: (ratio, weight) of the success share among resolved attempts to its normal one.
        results: (ratio, weight) of results to what was due. Weights are shares of false alarms, at
            most one in all.
        tolerance: results short by less are no evidence: the law of their lag is only estimated. Of
            shares the least ratio sets it: 0.8 of 92 % tolerates 8 % fewer successes.
    """

    shares: tuple[tuple[float, float], ...] = ((0.8, 0.2), (0.5, 0.15), (0.05, 0.15))
    results: tuple[tuple[float, float], ...] = ((0.7, 0.2), (0.4, 0.15), (MIN_RATIO, 0.15))
    tolerance: float = 0.10


class ResolvedTest:
    """Evidence that attempts of ``rows`` rows fail or hang. See the module."""

    def __init__(self, settings: ResolvedSettings | None = None) -> None:
        self.settings = settings or ResolvedSettings()
        self._hangs = [_hang(*each, self.settings.tolerance) for each in self.settings.results]
        self._causes = [Cause.FAILING] * len(self.settings.shares) + [Cause.HANGING] * len(self._hangs)
        for name in _STATE:
            setattr(self, name, np.zeros((len(self._causes), 0)))

    _heights: F64
    _attempts: F64
    _succeeded: F64
    _failed: F64
    _due: F64
    _good: F64
    _ages: F64

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self._heights.shape[1])

    def resize(self, rows: int) -> None:
        """Make it ``rows`` rows: new ones start empty, surplus ones are dropped from the end."""
        kept = min(rows, self.rows)
        for name in _STATE:
            new = np.zeros((len(self._causes), rows))
            new[:, :kept] = getattr(self, name)[:, :kept]
            setattr(self, name, new)

    def update(
        self,
        attempts: NDArray[Any],
        succeeded: NDArray[Any],
        failed: NDArray[Any],
        expected_resolved: F64,
        normal_share: F64 | float,
        judged: Bools,
        dispersion: F64 | float = 1.0,
    ) -> None:
        """Take one bucket; all arrays have shape (rows,) or are broadcast to it.

        Args:
            attempts: made in the bucket; only summed.
            succeeded: results in the bucket.
            failed: likewise.
            expected_resolved: results that the attempts made so far should have had in the bucket.
            normal_share: of success among resolved attempts when all is well.
            judged: whether the bucket counts for a row.
            dispersion: variance over mean of counts (a visitor's retries); below 1 it is 1.
        """
        counts = (attempts, succeeded, failed, expected_resolved)
        made, won, lost, due = (np.where(judged, each, 0.0) for each in counts)
        spread = np.maximum(dispersion, 1.0)
        for at, gained in enumerate(self._gains(won, lost, due, np.clip(normal_share, *_SHARE_BOUNDS))):
            self._heights[at] += gained / spread
            risen = self._heights[at] > 0
            self._heights[at] *= risen
            good = due * normal_share
            for sums, more in zip(_STATE[1:], (made, won, lost, due, good, 1.0), strict=True):
                getattr(self, sums)[at] += more
                getattr(self, sums)[at] *= risen

    def _gains(self, won: F64, lost: F64, due: F64, share: F64) -> Iterator[F64]:
        for ratio, _ in self.settings.shares:
            yield won * math.log(ratio) + lost * np.log((1 - ratio * share) / (1 - share))
        for slope, _, _ in self._hangs:
            yield slope * due - won - lost

    def evidence(self) -> F64:
        """Nats, shape (rows,)."""
        best: F64 = self._each().max(axis=0, initial=0.0)
        return best

    def _each(self) -> F64:
        lines = [(1.0, math.log(weight)) for _, weight in self.settings.shares]
        lines += [(rate, offset) for _, rate, offset in self._hangs]
        rates, offsets = np.array(lines).T[:, :, np.newaxis]
        each: F64 = (rates * self._heights + offsets) * (self._heights > 0)
        return each

    def account(self, row: int) -> ResolvedAccount:
        """What the evidence of one row rests on."""
        each = self._each()[:, row]
        at = int(each.argmax())
        sums = (float(getattr(self, name)[at, row]) for name in _STATE[1:-1])
        return ResolvedAccount(max(0.0, float(each[at])), self._causes[at], int(self._ages[at, row]), *sums)

    def forget(self, rows: Bools | NDArray[np.intp]) -> None:
        """Begin anew for some rows."""
        for name in _STATE:
            getattr(self, name)[:, rows] = 0

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {name[1:]: pack(getattr(self, name)) for name in _STATE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of ``snapshot``.

        Raises:
            ValueError: it is of other components.
        """
        arrays = {name: unpack(state[name[1:]]) for name in _STATE}
        if any(len(array) != len(self._causes) for array in arrays.values()):
            raise ValueError("a snapshot of other components")
        for name, array in arrays.items():
            setattr(self, name, array)


def _hang(ratio: float, weight: float, tolerance: float) -> tuple[float, float, float]:
    """Slope, and rate and offset of the evidence, of one component of hanging."""
    slope = reference(max(ratio, MIN_RATIO), 1 - tolerance)
    law = drop_law(slope)
    return slope, law.rate, law.offset + math.log(weight)
