"""The hour of the week as a factor."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation.season import Season, Swings
from alerts.expectation.settings import DAY_MS, HOUR_MS

SWINGS = Swings(daily=0.1, weekly=0.03)
NOT_FROZEN = np.zeros(1, dtype=bool)
TEN_MINUTES_MS = 600_000


def daily(at_ms: int) -> float:
    """15 % more at six, 15 % less at eighteen o'clock."""
    return float(1.0 + 0.15 * np.sin(2 * np.pi * at_ms / DAY_MS))


def learnt(days: float, orders: float = 200.0, wander: float = 0.0) -> Season:
    """After so many days of ten-minute steps with so many orders each."""
    season = Season(1, SWINGS, 28 * DAY_MS)
    rng = np.random.default_rng(7)
    noise = 0.0
    for at_ms in range(0, int(days * DAY_MS), TEN_MINUTES_MS):
        # 60 minutes of memory.
        noise = 0.846 * noise + wander * np.sqrt(1 - 0.846**2) * rng.standard_normal()
        counts = rng.poisson(orders * daily(at_ms) * np.exp(noise))
        season.learn(at_ms, np.array([counts]), np.array([orders]), TEN_MINUTES_MS, NOT_FROZEN)
    return season


def worst(season: Season, start_ms: int) -> float:
    """Largest error over a day, relative."""
    times = range(start_ms, start_ms + DAY_MS, TEN_MINUTES_MS)
    return max(abs(float(season.factor(at)[0]) / daily(at) - 1) for at in times)


def test_a_daily_swing_is_learnt_in_two_weeks() -> None:
    """Within 5 % everywhere, though conversion wanders by 5 % with an hour's memory."""
    assert worst(learnt(14, wander=0.05), 14 * DAY_MS) < 0.05


def test_an_unseen_hour_has_no_season() -> None:
    """With three hours of data, factors stay near one."""
    season = learnt(3 / 24)
    assert float(season.factor(20 * HOUR_MS)[0]) == pytest.approx(1.0, abs=0.03)


def test_what_is_seen_is_surer() -> None:
    """Variance left falls from what was thought before to a fraction."""
    assert learnt(14).variance(0)[0] < 0.2 * Season(1, SWINGS, 28 * DAY_MS).variance(0)[0]


@pytest.mark.parametrize(("wandering", "known_to"), [(0.002, 0.05), (0.0, 0.01)])
def test_an_hour_seen_once_is_known_as_well_as_conversion_stands_still(
    wandering: float, known_to: float
) -> None:
    """How far a single hour can be believed follows from how much hours were measured to wander."""
    season = Season(1, SWINGS, 28 * DAY_MS)
    for hour in range(7 * 24 + 1):
        many = np.array([1e5])
        season.learn(hour * HOUR_MS, many, many, HOUR_MS, NOT_FROZEN, np.array([wandering]))
    assert np.sqrt(season.variance(0)) == pytest.approx([known_to], rel=0.5)


def test_factors_average_one() -> None:
    """Weighted by what was to be expected, a season adds nothing to the level."""
    season = learnt(7)
    mean = np.mean([season.factor(at)[0] for at in range(0, 7 * DAY_MS, HOUR_MS // 2)])
    assert mean == pytest.approx(1.0, abs=0.01)


def test_days_of_the_week_differ() -> None:
    """A Sunday evening that is better than the others' is told from them after eight weeks."""
    season = Season(1, SWINGS, 56 * DAY_MS)
    for hour in range(8 * 7 * 24):
        sunday_evening = hour % 168 in range(6 * 24 + 18, 6 * 24 + 24)
        counts = np.array([12_000.0 if sunday_evening else 10_000.0])
        # Weeks begin on Monday, 5 January 1970.
        season.learn(4 * DAY_MS + hour * HOUR_MS, counts, np.array([10_000.0]), HOUR_MS, NOT_FROZEN)
    sunday, monday = (float(season.factor(4 * DAY_MS + (24 * day + 21) * HOUR_MS)[0]) for day in (6, 0))
    assert sunday / monday > 1.1


def test_frozen_hours_are_not_learnt() -> None:
    """An outage is no season."""
    season = learnt(7)
    before = season.factor(8 * DAY_MS)
    for hour in range(48):
        at_ms = 7 * DAY_MS + hour * HOUR_MS
        season.learn(at_ms, np.zeros(1), np.array([1_200.0]), HOUR_MS, ~NOT_FROZEN)
    assert season.factor(8 * DAY_MS) == pytest.approx(before, rel=0.01)
