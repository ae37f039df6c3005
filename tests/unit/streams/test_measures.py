"""What rules ask the windows, against the counts that were written by hand."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from alerts.rules import Comparison, Subject
from streams.core.merge import MoneyKey
from streams.core.windows import Windows
from streams.measures import WindowMeasures
from tests.support.window_oracle import BUCKET, Buckets

MIDNIGHT = 1_762_646_400_000
CLICK, PAID = 17, 22
SHARE, TRAFFIC, REVENUE = Subject("click", "paid"), Subject(None, "click"), Subject(None, None, "CNY")
HOUR = 360
ALL_KEYS = np.arange(2)


def watched(*buckets: range, start_ms: int = MIDNIGHT) -> WindowMeasures:
    """Two slots: ``a`` has 10 clicks a bucket and, each hour, one order more; ``b`` a tenth of it."""
    windows, written = Windows(), Buckets()
    for number in chain(*buckets):
        orders = 1 + number // HOUR
        counts = {("slot", "a", CLICK): 10, ("slot", "a", PAID): orders, ("slot", "b", CLICK): 1}
        counts |= {("slot", "a", 6): orders}
        money = {MoneyKey("slot", "a", "CNY", "paid"): (orders, 100 * orders)}
        money |= {
            MoneyKey("slot", "a", "CNY", "refunded"): (1, 9),
            MoneyKey("slot", "a", "USD", "paid"): (1, 9),
        }
        windows.take(written.close(start_ms + number * BUCKET, counts, money=money))
    return WindowMeasures(windows)


def test_counts_of_now() -> None:
    """Visitors of both nodes; a node's own count; orders and money of one currency, of what was paid."""
    measures = watched(range(60))
    assert [*measures.names("slot")] == ["a", "b"]
    for subject, entries, reached in (
        (SHARE, [300, 30], [30, 0]),
        (TRAFFIC, [300, 30], [300, 30]),
        (REVENUE, [30, 0], [3_000, 0]),
    ):
        found = measures.counts(subject, "slot", "5m")
        assert found is not None
        assert (found.entries.tolist(), found.reached.tolist()) == (entries, reached)


def test_an_amount_of_a_window_that_was_not_seen_whole_is_not_known() -> None:
    """It would be too small; a share is what it is. A window that is not there is not known either."""
    measures = watched(range(20))
    assert measures.counts(TRAFFIC, "slot", "5m") is None
    assert measures.counts(REVENUE, "slot", "5m") is None
    assert measures.counts(SHARE, "slot", "5m") is not None
    assert measures.counts(SHARE, "slot", "promotion:D11") is None
    assert measures.counts(TRAFFIC, "slot", "day") is not None
    assert watched(range(20), start_ms=MIDNIGHT + BUCKET).counts(TRAFFIC, "slot", "day") is None


@pytest.mark.parametrize(
    ("subject", "entries", "reached"),
    [(SHARE, 3_600, 360), (TRAFFIC, 3_600, 3_600), (REVENUE, 360, 36_000)],
    ids=["share", "traffic", "revenue"],
)
def test_the_hour_before(subject: Subject, entries: float, reached: float) -> None:
    """Of the keys that are asked for; money is kept as long as counts are."""
    measures = watched(range(2 * HOUR))
    found = measures.compared(subject, "slot", "1h", Comparison.PREVIOUS, ALL_KEYS[:1])
    assert found is not None
    assert (found.entries[0], found.reached[0]) == (entries, reached)
    assert measures.compared(subject, "slot", "1h", Comparison.YESTERDAY, ALL_KEYS) is None


@pytest.mark.parametrize("subject", [TRAFFIC, REVENUE], ids=["traffic", "revenue"])
def test_an_amount_is_that_of_as_long_a_time(subject: Subject) -> None:
    """A minute of yesterday is in five minutes of the history: a fifth of them."""
    measures = watched(range(60), range(24 * HOUR, 24 * HOUR + 60))
    found = measures.compared(subject, "slot", "1m", Comparison.YESTERDAY, ALL_KEYS)
    now = measures.counts(TRAFFIC, "slot", "1m")
    assert found is not None
    assert now is not None
    assert found.reached[0] == pytest.approx(now.reached[0] if subject is TRAFFIC else 600)


def test_orders_of_a_time_that_is_over() -> None:
    """Of some keys together, by events; not known before the beginning."""
    measures = watched(range(3 * HOUR))
    first_hour = MIDNIGHT, MIDNIGHT + HOUR * BUCKET
    assert measures.orders("slot", {"a"}, *first_hour) == 360
    assert measures.orders("slot", {"a", "b", "c"}, *first_hour) == 360
    assert measures.orders("slot", {"a"}, MIDNIGHT - BUCKET, MIDNIGHT) is None
    ordered = measures.ordered("slot", "1h")
    assert ordered is not None
    assert ordered.tolist() == [1_080, 0]
    assert measures.ordered("slot", "promotion:D11") is None
