"""Payments judged on how attempts end: failing, or hanging without any result.

Successes a minute say little of a node that normally succeeds at 92 %; how attempts *end* says six times
more. Two questions are asked of every row (all, or one payment method):

* Failing: of the attempts with a result, do too few succeed? CUSUMs of Bernoulli log likelihood ratios,
  the normal share times a ratio against the normal share. Such a sum reaches ``h`` not before
  ``exp(h)`` resolved attempts in the mean (Lorden, Ann. Math. Stat. 42 (1971) 1897), so its height is
  its evidence.
* Hanging: do fewer results come than the attempts so far should have had by now? A Poisson CUSUM of
  results against those due, as in ``sequential``, which bears the law of the lag being somewhat wrong;
  and the number of attempts that wait (``pending``), which is faster.

Evidence is calibrated in resolved attempts: ``exp(evidence)`` of them pass, nothing being wrong, between
two times that it is so large.

Seconds from the start of a bucket until found, median / p95, at one false alarm in 60 days, normal share
92 %, lag Exp(12 s) (``pytest -s tests/unit/alerts/detectors/test_resolved.py``)::

    attempts/min   new attempts hang   all results stop   all fail   25 % hang   25 % fail
             120   30 / 30             20 / 20            10 / 10    80 / 140    50 / 70
              30   40 / 50             30 / 40            20 / 30
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.detectors.arl import drop_law, reference
from alerts.detectors.components import MIN_RATIO
from alerts.detectors.pending import Pending
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_SUMMED = 6  # attempts, succeeded, failed, due, expected to succeed, buckets
_SHARES = (0.02, 0.995)  # of success when normal: one failure where none was yet is no proof


class Cause(StrEnum):
    """What is wrong with attempts."""

    FAILING = "failing"
    HANGING = "hanging"


class ResolvedAccount(NamedTuple):
    """What a row's evidence rests on; counts since the estimated change point.

    Attributes:
        evidence: nats, see the module.
        cause: what the strongest component looks for.
        buckets: since the change point, the one taken last included.
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
    """What is looked for. All weights are shares of false alarms, at most one together.

    Attributes:
        shares: (ratio, weight) of success among resolved attempts to its normal share. The least
            change sets what is tolerated: at 0.8 of 92 %, 8 % fewer successes are no evidence.
        results: (ratio, weight) of results to those due.
        tolerance: of results; the law of their lag is only estimated.
        waiting: weight of attempts that wait.
        waiting_tolerance: share of results of the last minute that may be missing beside.
    """

    shares: tuple[tuple[float, float], ...] = ((0.8, 0.2), (0.5, 0.1), (0.05, 0.1))
    results: tuple[tuple[float, float], ...] = ((0.7, 0.1), (0.4, 0.05), (MIN_RATIO, 0.05))
    tolerance: float = 0.10
    waiting: float = 0.4
    waiting_tolerance: float = 0.02


class ResolvedTest:
    """Evidence that attempts of ``rows`` rows fail or hang. See the module.

    ``due`` are the results that should have come in the bucket taken last, shape (rows,); 0 where that
    is not judged.
    """

    def __init__(self, settings: ResolvedSettings | None = None) -> None:
        self.settings = settings or ResolvedSettings()
        self._hangs = [_hang(*each, self.settings.tolerance) for each in self.settings.results]
        failing = [Cause.FAILING] * len(self.settings.shares)
        self._causes = [*failing, *[Cause.HANGING] * (len(self._hangs) + 1)]
        lines = [(1.0, math.log(weight)) for _, weight in self.settings.shares]
        lines += [(rate, offset) for _, rate, offset in self._hangs]
        # Rates and offsets of the evidence of all but the last, shape (2, components, 1).
        self._lines = np.array(lines).T[:, :, np.newaxis]
        self._pending = Pending()
        self.due: F64 = np.zeros(0)
        self._heights: F64 = np.zeros((len(self._causes), 0))
        self._evidence: F64 = np.zeros((len(self._causes), 0))
        self._sums: F64 = np.zeros((len(self._causes), _SUMMED, 0))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self._heights.shape[1])

    def resize(self, rows: int) -> None:
        """Make it ``rows`` rows: new ones start empty, surplus ones are dropped from the end."""
        if rows == self.rows:
            return
        self._pending.resize(rows)
        self._heights = _resized(self._heights, rows)
        self._evidence = _resized(self._evidence, rows)
        self._sums = _resized(self._sums, rows)

    def update(
        self,
        attempts: NDArray[Any],
        succeeded: NDArray[Any],
        failed: NDArray[Any],
        law: F64,
        normal_share: F64 | float,
        judged: Bools,
        dispersion: F64 | float = 1.0,
    ) -> None:
        """Take one bucket; arrays have shape (rows,), or are broadcast to it.

        Args:
            attempts: made in the bucket.
            succeeded: results in the bucket, of whatever attempts.
            failed: likewise.
            law: share of attempts that get their result in the same bucket, the next and so on, shape
                (``TAPS``,): ``pending.result_law``.
            normal_share: of success among resolved attempts when all is well.
            judged: whether the bucket counts for a row.
            dispersion: variance over mean of counts (a visitor's retries); below 1 it is 1.
        """
        won, lost = (np.where(judged, each, 0.0) for each in (succeeded, failed))
        share = np.clip(normal_share, *_SHARES)
        spread = np.maximum(dispersion, 1.0)
        made = np.asarray(attempts, np.float64)
        due = self.due = np.where(judged, self._pending.update(made, won + lost, law, judged), 0.0)
        for at, gained in enumerate(self._gains(won, lost, due, share)):
            self._heights[at] += gained / spread
        self._heights[-1] = self._pending.surplus(self.settings.waiting_tolerance)
        counts = (np.where(judged, made, 0.0), won, lost, due, due * share, np.ones(self.rows))
        self._sums += np.stack(counts)
        risen = self._heights > 0
        self._heights *= risen
        self._sums *= risen[:, np.newaxis]
        self._evidence = self._weigh(law, spread) * risen

    def _gains(self, won: F64, lost: F64, due: F64, share: F64) -> Iterator[F64]:
        for ratio, _ in self.settings.shares:
            yield won * math.log(ratio) + lost * np.log((1 - ratio * share) / (1 - share))
        for slope, _, _ in self._hangs:
            yield slope * due - won - lost

    def _weigh(self, law: F64, spread: F64 | float) -> F64:
        """Nats of every component, shape (components, rows)."""
        rates, offsets = self._lines
        waiting = self._pending.evidence(law, self.settings.waiting_tolerance, spread)
        return np.vstack([rates * self._heights[:-1] + offsets, waiting + math.log(self.settings.waiting)])

    def evidence(self) -> F64:
        """Nats, shape (rows,)."""
        best: F64 = self._evidence.max(axis=0, initial=0.0)
        return best

    def account(self, row: int) -> ResolvedAccount:
        """What the evidence of one row rests on."""
        at = int(self._evidence[:, row].argmax())
        *sums, buckets = self._sums[at, :, row].tolist()
        return ResolvedAccount(
            max(0.0, float(self._evidence[at, row])), self._causes[at], int(buckets), *sums
        )

    def forget(self, rows: Bools | NDArray[np.intp]) -> None:
        """Begin anew for some rows."""
        self._pending.forget(rows)
        for array in (self._heights, self._evidence, self._sums):
            array[..., rows] = 0.0

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        arrays = {"heights": self._heights, "evidence": self._evidence, "sums": self._sums}
        packed = {name: pack(array) for name, array in arrays.items()}
        return {**packed, "pending": self._pending.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of ``snapshot``.

        Raises:
            ValueError: it is of another number of components.
        """
        heights = unpack(state["heights"])
        if len(heights) != len(self._causes):
            raise ValueError("a snapshot of other components")
        self._heights, self._evidence = heights, unpack(state["evidence"])
        self._sums = unpack(state["sums"])
        self._pending.restore(state["pending"])


def _hang(ratio: float, weight: float, tolerance: float) -> tuple[float, float, float]:
    """Slope, and rate and offset of the evidence, of one component of hanging."""
    slope = reference(max(ratio, MIN_RATIO), 1 - tolerance)
    law = drop_law(slope)
    return slope, law.rate, law.offset + math.log(weight)


def _resized(old: F64, rows: int) -> F64:
    """With ``rows`` rows, the last axis; new ones are zero."""
    new = np.zeros((*old.shape[:-1], rows))
    kept = min(rows, old.shape[-1])
    new[..., :kept] = old[..., :kept]
    return new
