"""Budgets: what flows in, what is taken, and what makes no sense."""

from __future__ import annotations

import pytest

from alerts.stages.budget import Budget, ChannelRule, rule_of
from alerts.stages.knowledge import Bucket
from streams.errors import ConfigError
from tests.support.findings import T0

BUDGET = Budget(messages=20, per_ms=60_000, burst=5, reserve=1)


def test_a_bucket_fills_again() -> None:
    """At what is left of the budget beside the burst, up to the burst; a clock that goes back adds nothing."""
    empty = Bucket(0.0, T0)
    assert [BUDGET.tokens(empty, T0 + ms) for ms in (-9, 0, 4_000, 60_000)] == [0, 0, 1, 5]
    assert BUDGET.tokens(None, T0) == 5
    assert BUDGET.take(empty, T0 + 8_000) == Bucket(1.0, T0 + 8_000)
    assert BUDGET.take(None, T0, 2) == Bucket(3.0, T0)


@pytest.mark.parametrize(
    "wrong", [{"burst": 0}, {"burst": 20}, {"reserve": 5}, {"reserve": -1}, {"per_ms": 0}]
)
def test_budgets_that_could_not_hold(wrong: dict[str, int]) -> None:
    """Are refused."""
    with pytest.raises(ConfigError):
        Budget(**wrong)


def test_channels_without_a_rule() -> None:
    """Have the usual one."""
    own = ChannelRule(digests=False)
    assert rule_of({"a": own}, "a") is own
    assert rule_of({"a": own}, "b").digests
