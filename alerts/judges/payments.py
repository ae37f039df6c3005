"""Payments: how attempts end, of all and by payment method.

Row 0 is all payment methods together. How long a result takes is learnt from the stream's own attempts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.detectors.budget import OTHER, one_in_ms, thresholds
from alerts.detectors.components import Way
from alerts.detectors.pending import result_law
from alerts.detectors.resolved import ResolvedTest
from alerts.expectation import lags
from alerts.judges.journeys import result_lags
from alerts.judges.spoken import Mirrors, Now, Series, Spoken, Verdicts
from alerts.judges.steps import BROKEN
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS, PAYMENT_METHOD
from streams.funnel import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.detectors.budget import BudgetSettings
    from alerts.expectation.settings import ExpectationSettings
    from streams.closed import ClosedBucket

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

JUDGE: Final = "payments"
ATTEMPT, PAID, FAILED = "payment_attempt", "paid", "payment_failed"
STEP: Final = Step("order", PAID)
MAX_METHODS: Final = 64
# How long results take before any is seen: a minute in the mean, as one result.
_UNKNOWN: Final = lags.bins(lags.exponential(60.0))
_KEPT: Final = 0.5 ** (BUCKET_MS / 86_400_000)
# Attempts that all methods together weigh in a method's share of success.
_PRIOR: Final = 50.0
_USUAL: Final = 0.9  # share of success before anything is known
_ENOUGH: Final = 100.0


class PaymentJudge:
    """See the module.

    Args:
        budget: how many false alarms.
        expectation: how fast laws are learnt.
        levels: how many levels there are beside this one, to share the budget with.
        tolerance: relative change that is none.
    """

    def __init__(
        self,
        budget: BudgetSettings,
        expectation: ExpectationSettings,
        levels: Sequence[str],
        tolerance: float,
    ) -> None:
        self._per_week = budget.per_week([*levels, OTHER])[-1]
        self._learning = expectation.learning_ms // BUCKET_MS
        self._lags = np.zeros(lags.BINS)
        self._test = ResolvedTest()
        self._test.resize(1)
        self._mirrors = Mirrors(tolerance)
        self._methods: list[str] = []
        self._row_of: dict[int, int] = {}
        # Attempts, successes and failures, forgotten within days.
        self._usual = np.zeros((3, 1))
        self._weight = 0.0
        self._buckets = 0
        self._now = np.zeros((2, 1))
        self._judged = np.zeros(1, np.bool_)

    def judge(self, closed: ClosedBucket, *, trusted: bool, sensitivity: float = 1.0) -> Verdicts:
        """Hold the ends of attempts against what attempts should have come to.

        Args:
            closed: the bucket.
            trusted: whether the orders can be believed.
            sensitivity: factor on the budget.
        """
        counts = self._counts(closed)
        if counts is None:
            return Verdicts((), frozenset())
        share = self._share()
        self._judged = self._monitored() & trusted
        self._test.update(counts[0], counts[1], counts[2], self._law(), share, self._judged)
        self._now = np.stack([counts[1], self._test.due * share])
        held = self._held(sensitivity)
        alarming = self._judged & (self._test.evidence() >= held)
        back = self._mirrors.look(self._counts_now)
        self.forget(back)
        spoken = [
            self._say(row, float(held[row]), closed.end_ms) for row in np.flatnonzero(alarming).tolist()
        ]
        told = tuple(each for each in spoken if each.series not in back)
        self._mirrors.watch(told)
        self._learn(closed, counts, alarming | (not trusted))
        return Verdicts(told, back)

    def _counts(self, closed: ClosedBucket) -> F64 | None:
        """Attempts, successes and failures by row, shape (3, rows), late ones included."""
        if ATTEMPT not in closed.stages:
            return None
        columns = [closed.stages.index(stage) for stage in (ATTEMPT, PAID, FAILED)]
        names = closed.names.get(PAYMENT_METHOD, ())
        cells, _ = closed.everything(PAYMENT_METHOD)
        found = np.stack([cells.column(column, len(names)) for column in columns]).astype(np.float64)
        self._admit(names, found[0])
        counts = np.zeros((3, len(self._methods) + 1))
        counts[:, 0] = found.sum(axis=1)
        for number, row in self._row_of.items():
            counts[:, row] = found[:, number]
        return counts

    def _admit(self, names: Sequence[str], attempts: F64) -> None:
        for number in np.flatnonzero(attempts).tolist():
            known = number in self._row_of or names[number] == NONE
            if not known and len(self._methods) < MAX_METHODS:
                self._methods.append(names[number])
                self._row_of[number] = len(self._methods)
        rows = len(self._methods) + 1
        self._test.resize(rows)
        more = rows - self._usual.shape[1]
        if more:
            self._usual = np.pad(self._usual, ((0, 0), (0, more)))

    def _law(self) -> F64:
        """Share of attempts that get their result in the same bucket, the next and so on, shape (90,)."""
        made, won, lost = self._usual[:, 0]
        resolved = min((won + lost + _PRIOR) / (made + _PRIOR), 1.0)
        return result_law(lags.EDGES_S, (self._lags + _UNKNOWN).tolist(), resolved)

    def _share(self) -> F64:
        """Share of success among attempts with a result, by row, shrunk to that of all."""
        _, won, lost = self._usual
        of_all = (won[0] + _PRIOR * _USUAL) / (won[0] + lost[0] + _PRIOR)
        found: F64 = (won + _PRIOR * of_all) / (won + lost + _PRIOR)
        return found

    def _monitored(self) -> Bools:
        enough: Bools = self._usual[1] + self._usual[2] >= _ENOUGH
        return enough & (self._buckets >= self._learning)

    def _per_minute(self) -> F64:
        found: F64 = (self._usual[1] + self._usual[2]) / max(self._weight, 1.0) * (60_000 / BUCKET_MS)
        return found

    def _held(self, sensitivity: float) -> F64:
        series = int(self._judged.sum())
        both = thresholds(self._per_minute(), 1.0, series, self._per_week * sensitivity)
        found: F64 = both[..., Way.DOWN]
        return found

    def _counts_now(self, series: Series) -> Now:
        row = series.row
        return Now(float(self._now[0, row]), float(self._now[1, row]), 1.0, bool(self._judged[row]))

    def _say(self, row: int, held: float, at_ms: int) -> Spoken:
        account = self._test.account(row)
        ratio = account.succeeded / account.expected if account.expected else 0.0
        scope = EVERYWHERE if row == 0 else (Place("payment_method", self._methods[row - 1]),)
        finding = Finding(
            Kind.NODE_BREAK if ratio < BROKEN else Kind.CONVERSION_DROP,
            scope,
            STEP,
            at_ms - account.buckets * BUCKET_MS,
            at_ms,
            account.succeeded,
            account.expected,
            account.attempts,
            account.evidence,
            held,
            one_in_ms(account.evidence, float(self._per_minute()[row])),
        )
        return Spoken(finding, Series(JUDGE, row, 0, 0))

    def _learn(self, closed: ClosedBucket, counts: F64, frozen: Bools) -> None:
        self._buckets += 1
        if not frozen[0]:
            self._weight = self._weight * _KEPT + 1.0
            self._lags = self._lags * _KEPT + result_lags(closed)
        self._usual = np.where(frozen, self._usual, self._usual * _KEPT + counts)

    def all_of(self, step: Step) -> frozenset[Series]:
        """Every series, if it is the payments' step."""
        rows = self._test.rows if step == STEP else 0
        return frozenset(Series(JUDGE, row, 0, 0) for row in range(rows))

    def forget(self, series: frozenset[Series] | Sequence[Series]) -> None:
        """Begin anew with some rows."""
        mine = [one for one in series if one.judge == JUDGE]
        self._mirrors.forget(mine)
        if mine:
            self._test.forget(np.array([one.row for one in mine]))

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "lags": pack(self._lags),
            "test": self._test.snapshot(),
            "mirrors": self._mirrors.snapshot(),
            "methods": list(self._methods),
            "rows": sorted(self._row_of.items()),
            "usual": pack(self._usual),
            "weight": self._weight,
            "buckets": self._buckets,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._lags = unpack(state["lags"])
        self._test.restore(state["test"])
        self._mirrors.restore(state["mirrors"])
        self._methods, self._row_of = list(state["methods"]), {int(k): int(v) for k, v in state["rows"]}
        self._usual, self._weight, self._buckets = unpack(state["usual"]), state["weight"], state["buckets"]
