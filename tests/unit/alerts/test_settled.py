"""What is in alarm is not learnt from, unless it is how it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.detectors.budget import BudgetSettings
from alerts.expectation.settings import ExpectationSettings
from alerts.judges.order_value import OrderValueJudge
from alerts.judges.payments import PaymentJudge
from streams.closed import BUCKET_MS, LAG, PAYMENT_METHOD, Cells, ClosedBucket

if TYPE_CHECKING:
    from alerts.judges.spoken import Series, Spoken

STAGES = ("payment_attempt", "paid", "payment_failed")
LEARNT, LATER = 1_000, 2_000
QUICK = ExpectationSettings(learning_ms=3_600_000, level_half_life_ms=4 * 3_600_000)
NAMES = {PAYMENT_METHOD: ["card"], LAG: ["5"]}
NOBODY: frozenset[Series] = frozenset()


def paying(number: int, paid: int, amount: int) -> ClosedBucket:
    """A hundred attempts by card, so many of which are paid; and what they bring."""
    of_card = Cells(np.zeros(3, dtype=np.int64), np.arange(3), np.array([100, paid, 100 - paid]))
    lags = Cells(np.zeros(2, dtype=np.int64), np.array([1, 2]), np.array([paid, 100 - paid]))
    start_ms = number * BUCKET_MS
    return ClosedBucket(
        start_ms,
        start_ms + 15_000,
        True,
        STAGES,
        0,
        NAMES,
        {PAYMENT_METHOD: of_card, LAG: lags},
        money={("all", 0, "CNY", "paid"): (paid, amount)},
    )


def expected_share(*, settle: bool) -> float:
    """Share of attempts thought to succeed, hours after it fell from .92 to .6."""
    judge = PaymentJudge(BudgetSettings(), QUICK, ("all",), 0.1)
    said: tuple[Spoken, ...] = ()
    for number in range(LEARNT + LATER):
        settled = frozenset(each.series for each in said) if settle else NOBODY
        said = judge.judge(
            paying(number, 92 if number < LEARNT else 60, 0), trusted=True, settled=settled
        ).spoken
    finding = said[0].finding
    return finding.expected / finding.entries


def test_payments_that_fail_more_often_for_good() -> None:
    """In alarm all the time; they are judged by what was, or by what has been since, as is said."""
    assert expected_share(settle=False) > 0.9
    assert expected_share(settle=True) < 0.85


def test_orders_that_are_worth_less_for_good() -> None:
    """Likewise what an order brings."""
    usual = []
    for settle in (False, True):
        judge = OrderValueJudge(BudgetSettings(), QUICK)
        series: frozenset[Series] = frozenset()
        for number in range(LEARNT + LATER):
            closed = paying(number, 92, 92 * (10_000 if number < LEARNT else 5_000))
            said = judge.judge(closed, trusted=True, settled=series if settle else NOBODY).spoken
            series |= {each.series for each in said}
        assert series
        usual.append(judge.mean_minor)
    assert usual[0] > 9_000.0
    assert usual[1] < 6_000.0
