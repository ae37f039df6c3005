"""What an order is worth before one was paid."""

from __future__ import annotations

import pytest

from alerts.engine import Engine
from alerts.settings import EngineSettings
from streams.core.merge import MoneyKey
from tests.support.window_oracle import Buckets

NOON_MS = 1_762_689_600_000


@pytest.mark.parametrize(
    ("fallback", "worth"),
    [({}, (0.0, None)), ({"CNY": 500}, (500.0, "CNY")), ({"CNY": 500, "USD": 70}, (0.0, None))],
    ids=["nothing", "one", "two"],
)
def test_as_configured_until_it_is_learnt(fallback: dict[str, int], worth: tuple[float, str | None]) -> None:
    """Of several currencies nobody can say in which will be paid; what is learnt goes before all of it."""
    engine, written = Engine(EngineSettings(aov_fallback=fallback)), Buckets()
    engine.observe(written.close(NOON_MS, {("all", "all", 17): 5}))
    assert engine.worth == worth
    paid = {MoneyKey("all", "all", "EUR", "paid"): (2, 600)}
    engine.observe(written.close(NOON_MS + 10_000, {("all", "all", 22): 2}, money=paid))
    value, currency = engine.worth
    assert (round(value), currency) == (300, "EUR")
