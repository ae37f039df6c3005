"""What orders are expected to bring."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation.order_value import OrderValue

NOT_FROZEN = np.zeros(2, dtype=bool)


def learnt(buckets: int = 400) -> OrderValue:
    """The total, and a row whose orders bring twice as much; orders are log-normal."""
    value = OrderValue(kept=0.9999)
    value.resize(2)
    rng = np.random.default_rng(2)
    for _ in range(buckets):
        orders = rng.poisson([20.0, 5.0])
        amounts = [
            rng.lognormal(np.log(scale) - 0.125, 0.5, n).sum()
            for scale, n in zip((100, 200), orders, strict=True)
        ]
        value.learn(orders.astype(float), np.array(amounts), 0, NOT_FROZEN)
    return value


def test_rows_have_their_own_value() -> None:
    """Mean order value by row, and how orders differ: 53 % for these."""
    value = learnt()
    assert value.mean(0) == pytest.approx([100.0, 200.0], rel=0.05)
    assert value.variation == pytest.approx(np.sqrt(np.exp(0.25) - 1), rel=0.15)


def test_a_row_without_orders_is_worth_what_all_are() -> None:
    """Shrunk to the total, and the less sure."""
    value = learnt()
    value.resize(3)
    found = value.expected(np.array([10.0, 10.0, 10.0]), 0)
    assert found.mean == pytest.approx([1_000.0, 2_000.0, 1_000.0], rel=0.05)
    assert found.deviation[2] > found.deviation[0]


def test_frozen_rows_learn_nothing() -> None:
    """Refunds of an incident do not become the value of an order."""
    value = learnt()
    value.learn(np.array([500.0, 500.0]), np.zeros(2), 0, ~NOT_FROZEN)
    assert value.mean(0)[0] == pytest.approx(100.0, rel=0.05)


def test_nothing_is_known_at_first() -> None:
    """No orders, no value."""
    value = OrderValue(kept=0.9)
    value.resize(1)
    assert value.expected(np.array([3.0]), 0).mean.tolist() == [0.0]
