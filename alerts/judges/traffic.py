"""Traffic: entries of the whole shop and of each slot that all but vanish, though nothing says why.

Traffic moves by itself: day and night, a sale's start and end. So only a fall to under half counts, and
it is held against the least of what there is reason to expect: the last hour, and the last days. A sale
that ends falls back to what the last days were, which is no fall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.detectors.budget import one_in_ms
from alerts.detectors.components import SequentialSettings, Way
from alerts.detectors.sequential import SequentialTest
from alerts.judges.spoken import Mirrors, Now, Series, Spoken, Verdicts
from alerts.judges.thresholds import Thresholds
from alerts.model import Finding, Kind
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.detectors.budget import BudgetSettings
    from alerts.expectation.settings import ExpectationSettings
    from alerts.series import SeriesTable

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

JUDGE: Final = "traffic"
SETTINGS: Final = SequentialSettings(tolerance=0.5, drops=((0.25, 0.5), (0.02, 0.5)), surges=())
# Entries come in page views and campaigns: they scatter far more than orders do.
_DISPERSION: Final = 10.0
_LONG: Final = 0.5 ** (BUCKET_MS / 86_400_000)


class TrafficJudge:
    """See the module.

    Args:
        table: the rows; only those of ``dimensions`` are judged.
        budget: how many false alarms.
        expectation: how long learning takes.
        dimensions: whose keys may not vanish unsaid.
    """

    def __init__(
        self,
        table: SeriesTable,
        budget: BudgetSettings,
        expectation: ExpectationSettings,
        dimensions: Sequence[str] = ("all", "slot"),
    ) -> None:
        self._table = table
        self._learning = expectation.learning_ms // BUCKET_MS
        self._watched = [table.dimensions.index(name) for name in dimensions if name in table.dimensions]
        self._test = SequentialTest(1, SETTINGS)
        self._thresholds = Thresholds(table.dimensions, 1, budget)
        self._mirrors = Mirrors(SETTINGS.tolerance)
        self._long = np.zeros((0, 1))
        self._weight = np.zeros((0, 1))
        self._seen = np.zeros((0, 1))
        self._expected = np.zeros((0, 1))
        self._judged = np.zeros((0, 1), np.bool_)
        # By row, whether it is of a dimension that is watched.
        self._of_watched = np.zeros((0, 1), np.bool_)

    def judge(
        self,
        seen: F64,
        lately: F64,
        at_ms: int,
        *,
        trusted: bool,
        lift: float = 1.0,
        sensitivity: float = 1.0,
    ) -> Verdicts:
        """Hold a bucket's entries against what they were.

        Args:
            seen: entries of the first node, shape (rows,).
            lately: what the last hours and the hour of the week say they should be, shape (rows,).
            at_ms: end of the bucket.
            trusted: whether the data can be believed.
            lift: factor that a promotion's calendar expects; above one nothing is held against it.
            sensitivity: factor on the budget.
        """
        rows, levels = len(self._table), self._table.levels
        self._resize(rows)
        self._seen = seen[:, None]
        usual = self._long / np.maximum(self._weight, 1.0)
        self._expected = np.minimum(lately[:, None], usual) * min(lift, 1.0)
        self._judged = self._of_watched & (self._weight >= self._learning) & trusted
        spread = np.full(self._seen.shape, _DISPERSION)
        both = self._thresholds.update(self._expected, spread, self._judged, levels, sensitivity)
        held = both[..., Way.DOWN]
        self._test.update(self._seen, self._expected, spread, self._judged, self._seen)
        alarming = self._judged & (self._test.evidence(asked=self._judged)[..., Way.DOWN] >= held)
        back = self._mirrors.look(self._now)
        self.forget(back)
        spoken = [
            self._say(row, float(held[row, 0]), at_ms) for row in np.flatnonzero(alarming[:, 0]).tolist()
        ]
        told = tuple(each for each in spoken if each.series not in back)
        self._mirrors.watch(told)
        learns = ~alarming & trusted
        self._long = np.where(learns, self._long * _LONG + self._seen, self._long)
        self._weight = np.where(learns, self._weight * _LONG + 1.0, self._weight)
        return Verdicts(told, back)

    def _resize(self, rows: int) -> None:
        if rows == len(self._of_watched):
            return
        self._of_watched = np.isin(self._table.levels, self._watched)[:, None]
        self._test.resize(rows)
        self._thresholds.resize(rows)
        more = ((0, rows - len(self._long)), (0, 0))
        self._long, self._weight = np.pad(self._long, more), np.pad(self._weight, more)

    def _now(self, series: Series) -> Now:
        row = series.row
        return Now(
            float(self._seen[row, 0]), float(self._expected[row, 0]), _DISPERSION, bool(self._judged[row, 0])
        )

    def _say(self, row: int, held: float, at_ms: int) -> Spoken:
        account = self._test.account(row, 0, Way.DOWN)
        finding = Finding(
            Kind.TRAFFIC_DROP,
            (self._table.place(row),),
            None,
            at_ms - account.buckets * BUCKET_MS,
            at_ms,
            account.observed,
            account.expected,
            account.observed,
            account.evidence,
            held,
            one_in_ms(account.evidence, float(self._thresholds.per_minute[row, 0]), _DISPERSION),
        )
        return Spoken(finding, Series(JUDGE, row, 0, int(Way.DOWN)))

    def forget(self, series: Sequence[Series] | frozenset[Series]) -> None:
        """Begin anew with some rows."""
        mine = [one for one in series if one.judge == JUDGE]
        self._mirrors.forget(mine)
        if mine:
            self._test.forget(_mask(self._test.rows, mine))

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "test": self._test.snapshot(),
            "thresholds": self._thresholds.snapshot(),
            "mirrors": self._mirrors.snapshot(),
            "long": pack(self._long),
            "weight": pack(self._weight),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._test.restore(state["test"])
        self._thresholds.restore(state["thresholds"])
        self._mirrors.restore(state["mirrors"])
        self._long, self._weight = unpack(state["long"]), unpack(state["weight"])


def _mask(rows: int, series: Sequence[Series]) -> Bools:
    """Some rows, shape (rows, 1)."""
    which = np.zeros((rows, 1), dtype=np.bool_)
    which[[one.row for one in series]] = True
    return which
