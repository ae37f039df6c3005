"""What orders bring: the value of an order of the whole shop, in the currency that most is paid in."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.detectors.budget import one_in_ms
from alerts.detectors.components import SequentialSettings, Way
from alerts.detectors.sequential import SequentialTest
from alerts.expectation.order_value import OrderValue
from alerts.judges.spoken import Mirrors, Now, Series, Spoken, Verdicts
from alerts.judges.thresholds import Thresholds
from alerts.model import EVERYWHERE, Finding, Kind
from streams.closed import BUCKET_MS
from streams.funnel import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.detectors.budget import BudgetSettings
    from alerts.expectation.settings import ExpectationSettings
    from streams.closed import ClosedBucket

JUDGE: Final = "order_value"
SETTINGS: Final = SequentialSettings(tolerance=0.15, drops=((0.6, 0.6), (0.3, 0.4)), surges=())
PAID: Final = "paid"
_ENOUGH: Final = 200.0
_TOTAL = np.zeros(1, dtype=np.int16)


class OrderValueJudge:
    """See the module.

    Args:
        budget: how many false alarms.
        expectation: how long learning takes.
    """

    def __init__(self, budget: BudgetSettings, expectation: ExpectationSettings) -> None:
        self._learning = expectation.learning_ms // BUCKET_MS
        self._value = OrderValue(0.5 ** (BUCKET_MS / expectation.level_half_life_ms))
        self._value.resize(1)
        self._test = SequentialTest(1, SETTINGS)
        self._test.resize(1)
        self._thresholds = Thresholds((ALL,), 1, budget)
        self._thresholds.resize(1)
        self._mirrors = Mirrors(SETTINGS.tolerance)
        self._paid: Counter[str] = Counter()
        self._buckets = 0
        self._now = Now(0.0, 0.0, 1.0, judged=False)

    @property
    def currency(self) -> str | None:
        """That most is paid in; None before the first order."""
        return max(self._paid, key=lambda code: (self._paid[code], code), default=None)

    @property
    def mean_minor(self) -> float:
        """What an order usually brings, minor units of ``currency``; 0 where nothing is known."""
        return float(self._value.mean(0)[0])

    @property
    def variation(self) -> float:
        """Standard deviation of an order's value by the mean."""
        return self._value.variation

    def judge(self, closed: ClosedBucket, *, trusted: bool, sensitivity: float = 1.0) -> Verdicts:
        """Hold what a bucket's orders brought against what so many usually bring."""
        paid, amount = self._bucket(closed)
        mean, spread = self.mean_minor, np.full((1, 1), max(self._value.variation**2, 1.0))
        known = trusted and mean > 0 and self._buckets >= self._learning and self._value.orders[0] >= _ENOUGH
        seen, due = np.array([[amount / mean if mean > 0 else 0.0]]), np.array([[paid]])
        judged = np.array([[known]])
        both = self._thresholds.update(due, spread, judged, _TOTAL, sensitivity)
        held = both[..., Way.DOWN]
        self._test.update(seen, due, spread, judged, due)
        self._now = Now(float(seen[0, 0]), paid, float(spread[0, 0]), known)
        alarming = known and bool(self._test.evidence()[0, 0, Way.DOWN] >= held[0, 0])
        back = self._mirrors.look(lambda _: self._now)
        self.forget(back)
        told = (self._say(float(held[0, 0]), closed.end_ms, mean),) if alarming and not back else ()
        self._mirrors.watch(told)
        self._buckets += 1
        self._value.learn(np.array([paid]), np.array([amount]), 0, np.array([alarming or not trusted]))
        return Verdicts(told, back)

    def _bucket(self, closed: ClosedBucket) -> tuple[float, float]:
        """Paid orders and their amount in ``currency``, this bucket's counted."""
        found = [
            (code, sums)
            for (dimension, _, code, kind), sums in closed.money.items()
            if dimension == ALL and kind == PAID
        ]
        for code, (orders, _) in found:
            self._paid[code] += orders
        currency = self.currency
        mine = [sums for code, sums in found if code == currency]
        return float(sum(orders for orders, _ in mine)), float(sum(amount for _, amount in mine))

    def _say(self, held: float, at_ms: int, mean: float) -> Spoken:
        account = self._test.account(0, 0, Way.DOWN)
        finding = Finding(
            Kind.REVENUE_DROP,
            EVERYWHERE,
            None,
            at_ms - account.buckets * BUCKET_MS,
            at_ms,
            account.observed * mean,
            account.expected * mean,
            account.entries,
            account.evidence,
            held,
            one_in_ms(account.evidence, float(self._thresholds.per_minute[0, 0]), self._now.dispersion),
            lost_minor=round((account.expected - account.observed) * mean),
            currency=self.currency,
        )
        return Spoken(finding, Series(JUDGE, 0, 0, int(Way.DOWN)))

    def forget(self, series: Sequence[Series] | frozenset[Series]) -> None:
        """Begin anew: what was wrong is over."""
        mine = [one for one in series if one.judge == JUDGE]
        self._mirrors.forget(mine)
        if mine:
            self._test.forget(np.ones((1, 1), np.bool_))

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "value": self._value.snapshot(),
            "test": self._test.snapshot(),
            "thresholds": self._thresholds.snapshot(),
            "mirrors": self._mirrors.snapshot(),
            "paid": dict(self._paid),
            "buckets": self._buckets,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._value.restore(state["value"])
        self._test.restore(state["test"])
        self._thresholds.restore(state["thresholds"])
        self._mirrors.restore(state["mirrors"])
        self._paid, self._buckets = Counter(state["paid"]), state["buckets"]
