"""From false alarms a week to thresholds, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alerts.detectors.budget import WEEK_MS, BudgetSettings, needed, one_in_ms, thresholds
from alerts.detectors.components import SequentialSettings, Way


def test_all_series_together_use_up_the_budget() -> None:
    """The false alarms that the thresholds allow add up to the number that was set."""
    rates = np.geomspace(0.5, 300, 40)
    nats = thresholds(rates, 2.0, rates.size, per_week=3.0)
    each = [
        WEEK_MS / one_in_ms(limit, rate, 2.0)
        for rate, both in zip(rates, nats.tolist(), strict=True)
        for limit in both
    ]
    assert sum(each) == pytest.approx(3.0)


def test_levels_present_share_the_number() -> None:
    """Shares are in proportion; a level that is not named has that of others."""
    settings = BudgetSettings(2.0, {"all": 1.0, "other": 3.0})
    assert settings.per_week(["all"]) == [2.0]
    assert settings.per_week(["all", "channel"]) == [0.5, 1.5]


def test_more_series_cost_only_their_logarithm() -> None:
    """A hundred times the series: log(100) nats more."""
    one, many = (thresholds(6.0, 1.0, series, 1.0) for series in (50, 5000))
    np.testing.assert_allclose(many - one, math.log(100))


def test_drops_have_the_lower_threshold() -> None:
    """Of a series' false alarms three quarters are drops."""
    down, up = thresholds(6.0, 1.0, 1, 1.0)
    assert up - down == pytest.approx(math.log(3))


def test_a_silent_series_keeps_a_least_threshold() -> None:
    """Where almost nothing is expected, one event decides nothing."""
    assert thresholds(0.0, 1.0, 1, 1.0)[Way.UP] == pytest.approx(6.0)
    assert one_in_ms(9.0, 0.0) == math.inf


def test_a_dead_series_needs_few_orders_and_a_small_drop_many() -> None:
    """Orders needed grow as the change gets smaller; within the tolerance no number is enough."""
    components = SequentialSettings().components()
    dead, half, third = (needed(components, ratio, 13.4) for ratio in (0.0, 0.5, 0.7))
    assert 8 < dead < 20 < half < 120 < third < 330
    assert needed(components, 0.95, 13.4) == math.inf
    assert needed(components, 5.0, 13.4) < dead
    assert needed(components, 0.5, 13.4, dispersion=2.0) == pytest.approx(2 * half)


@pytest.mark.parametrize(("number", "shares"), [(0.0, {"other": 1.0}), (1.0, {"all": 1.0})])
def test_no_budget_is_refused(number: float, shares: dict[str, float]) -> None:
    """Zero false alarms, or no share for what is not named."""
    with pytest.raises(ValueError, match="share"):
        BudgetSettings(number, shares)
