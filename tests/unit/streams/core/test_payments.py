"""Payments by method, and how long they took."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from streams.core.settings import CountingSettings
from streams.replay import count_records
from tests.support import oracle
from tests.support.builders import MINUTE, SECOND, line, order, paid, stream
from tests.support.inner import InnerCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WINDOW = CountingSettings().attribution_window_ms


def attempt(t: int, method: str | None = None, *items: dict[str, Any], **fields: Any) -> bytes:
    """An attempt to pay for order O1 unless another is given."""
    return order("payment_attempt", "v1", t, *items, payment_method=method, **fields)


def failed(t: int, method: str | None = None, *items: dict[str, Any], **fields: Any) -> bytes:
    """A payment that failed."""
    return order("payment_failed", "v1", t, *items, payment_method=method, **fields)


def by_core(orders: Sequence[bytes], fetch: Callable[[], int]) -> InnerCounts:
    """What the core counts, read in batches of such sizes."""
    found = InnerCounts()
    count_records([], stream(orders), CountingSettings(), fetch=fetch, tell=found.take)
    return found


def counted(*orders: bytes) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """(stage, method) -> events, and (stage, bin) -> events: the same by the oracle and for all batches."""
    whole = by_core(orders, lambda: 1_000).cells
    assert by_core(orders, lambda: 1).cells == whole
    assert oracle.count([], stream(orders)).inner == whole
    methods, lags = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for (dimension, key, stage, _), (events, _) in whole.items():
        found = {"(payment_method)": methods, "(lag)": lags}.get(dimension, Counter())
        found[stage, key] += events
    return dict(methods), {cell: events for cell, events in lags.items() if events}


def test_a_payment_has_the_method_of_its_attempt() -> None:
    """Failed or paid; its lag runs from the attempt."""
    methods, lags = counted(attempt(0, "card"), failed(7 * SECOND), attempt(MINUTE, "alipay"), paid(t=90_000))
    assert methods == {
        ("payment_attempt", "card"): 1,
        ("payment_failed", "card"): 1,
        ("payment_attempt", "alipay"): 1,
        ("paid", "alipay"): 1,
    }
    assert lags == {("payment_failed", "5"): 1, ("paid", "30"): 1}


def test_its_own_method_wins() -> None:
    """The lag is the attempt's all the same."""
    methods, lags = counted(attempt(0, "card"), paid(t=SECOND, payment_method="cash"))
    assert methods[("paid", "cash")] == 1
    assert lags == {("paid", "1"): 1}


def test_without_an_attempt_there_is_neither() -> None:
    """None at all, one of another order, one without an order, one behind it, one too long ago."""
    for other in (
        (),
        (attempt(0, "card", order_id="O2"),),
        (attempt(0, "card", order_id=None),),
        (attempt(WINDOW + 2, "card"),),
        (attempt(0, "card"),),
    ):
        methods, lags = counted(*other, paid(t=WINDOW + 1))
        assert methods[("paid", "(none)")] == 1
        assert lags == {}


def test_the_window_is_inclusive() -> None:
    """An attempt half an hour ago is still one."""
    methods, lags = counted(attempt(0, "card"), paid(t=WINDOW))
    assert methods[("paid", "card")] == 1
    assert lags == {("paid", "1800"): 1}


def test_an_attempt_without_a_method_passes_on_none() -> None:
    """The last attempt counts, not the last that said how."""
    methods, _ = counted(attempt(0, "card"), attempt(1), failed(2))
    assert methods == {
        ("payment_attempt", "card"): 1,
        ("payment_attempt", "(none)"): 1,
        ("payment_failed", "(none)"): 1,
    }


def test_the_last_attempt_is_by_event_time() -> None:
    """Of two at one time the later processed; a late one does not take the place of a newer one."""
    methods, _ = counted(attempt(MINUTE, "a"), attempt(MINUTE, "b"), failed(MINUTE))
    assert methods[("payment_failed", "b")] == 1
    late = (attempt(MINUTE, "new"), paid("v2", 2 * MINUTE, order_id="O9"), attempt(30 * SECOND, "old"))
    methods, _ = counted(*late, failed(3 * MINUTE))
    assert methods[("payment_failed", "new")] == 1


def test_a_payment_of_no_order_says_its_method() -> None:
    """With items, with SKUs, or without."""
    methods, lags = counted(
        attempt(0, "card", order_id=None),
        attempt(1, "card", line(), order_id=None),
        failed(2, "cash", order_id=None, sku=["A", "B"]),
        failed(3, order_id=None),
    )
    assert methods == {
        ("payment_attempt", "card"): 2,
        ("payment_failed", "cash"): 1,
        ("payment_failed", "(none)"): 1,
    }
    assert lags == {}
