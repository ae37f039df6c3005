"""How often somebody may do something."""

from __future__ import annotations

from alerts.allowance import Allowance


def test_a_burst_and_then_one_at_a_time() -> None:
    """Three at once, then one each second; a wait says exactly how long."""
    allowance = Allowance(burst=3, refill_ms=1_000)
    assert [allowance.take("a", 0) for _ in range(4)] == [0, 0, 0, 1_000]
    assert allowance.take("a", 999) == 1
    assert [allowance.take("a", 1_000), allowance.take("a", 1_000)] == [0, 1_000]
    assert [allowance.take("a", 60_000) for _ in range(4)] == [0, 0, 0, 1_000]


def test_one_does_not_pay_for_another() -> None:
    """Each name has its own."""
    allowance = Allowance(burst=1, refill_ms=1_000)
    assert [allowance.take(name, 0) for name in "aab"] == [0, 1_000, 0]


def test_names_are_bounded() -> None:
    """Who was heard of longest ago begins anew; who comes again and again does not."""
    allowance = Allowance(burst=2, refill_ms=1_000, limit=2)
    for name in ("a", "b", "a", "c"):
        assert allowance.take(name, 0) == 0
    assert allowance.take("a", 0) == 1_000
    assert [allowance.take("b", 0), allowance.take("b", 0)] == [0, 0]


def test_a_clock_that_goes_back_grants_nothing() -> None:
    """Nor does it take anything away for long: what was full then is full again."""
    allowance = Allowance(burst=1, refill_ms=1_000)
    assert allowance.take("a", 5_000) == 0
    assert allowance.take("a", 4_000) == 2_000
