"""Delay laws from journeys: censoring does not bend them, and the present law follows the short memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alerts.expectation import lags
from alerts.expectation.arrivals import Arrivals
from alerts.expectation.delay import DelayLaws
from alerts.expectation.settings import ExpectationSettings
from alerts.expectation.tail import Leaks
from tests.support.journeys import Shop, checkout_delays

NOT_FROZEN = np.zeros(2, dtype=bool)


def learn(shop: Shop, buckets: int, settings: ExpectationSettings | None = None) -> DelayLaws:
    """Laws after so many buckets of a shop."""
    laws = DelayLaws(2, settings or ExpectationSettings())
    arrivals, leaks = Arrivals(2), Leaks(2)
    arrivals.resize(2)
    leaks.resize(2)
    for bucket in shop.buckets(buckets):
        leaks.push(arrivals.push(bucket.entered))
        laws.learn(bucket.lags, laws.at_risk(arrivals.entered(0)), leaks.at_risk()[:, 0], NOT_FROZEN)
    return laws


def test_deciles_are_recovered() -> None:
    """Each decile of those within half an hour is right within 5 % of all after three hours.

    Traffic doubles every hour, so that most journeys are still under way: uncorrected, short ones
    would seem far more frequent.
    """
    rng = np.random.default_rng(11)
    laws = learn(Shop(rng, lambda number: 100.0 * 2 ** (number / 360)), 1_080)
    truth = checkout_delays(rng, 400_000)
    done = np.cumsum(laws.now(1).seconds)
    for decile in range(1, 9):
        at = np.quantile(truth, decile / 10)
        assert done[int(at) - 1] == pytest.approx(decile / 10, rel=0.05)


def test_the_short_memory_is_the_present() -> None:
    """An hour after journeys became faster, the present law is faster, the long one hardly."""
    change = 720
    shop = Shop(
        np.random.default_rng(12),
        lambda _: 600.0,
        delays=lambda rng, count: rng.exponential(240.0, count),
        slowed=lambda number: 0.5 if number >= change else 1.0,
    )
    halves = replace(ExpectationSettings(), short_half_life_ms=900_000)
    laws = learn(shop, change + 360, halves)
    assert lags.quantile_s(laws.now(1), 0.5) == pytest.approx(120 * np.log(2), rel=0.1)
    assert lags.quantile_s(laws.long(1), 0.5) > 1.15 * lags.quantile_s(laws.now(1), 0.5)


def test_a_step_without_journeys_is_over_at_once() -> None:
    """Exposures have no visitors: the first step keeps the law of the settings."""
    laws = learn(Shop(np.random.default_rng(13), lambda _: 50.0), 60)
    assert not laws.seen(0)
    assert lags.quantile_s(laws.now(0), 0.5) == pytest.approx(5 * np.log(2), rel=0.1)


def test_frozen_steps_learn_nothing() -> None:
    """While an incident is open its journeys leave no trace."""
    laws = DelayLaws(1, ExpectationSettings())
    before = laws.snapshot()
    arrived, risk = np.full((lags.BINS, 1), 9.0), np.full((lags.WITHIN, 1), 90.0)
    laws.learn(arrived, risk, np.ones((3, 1)), np.ones(1, dtype=bool))
    assert laws.snapshot()["arrays"] == before["arrays"]


def test_an_adopted_law_is_the_law() -> None:
    """What was found to have changed for good needs no second learning."""
    laws = learn(Shop(np.random.default_rng(14), lambda _: 300.0), 360)
    slow = lags.scaled(laws.now(1), 2.0)
    laws.adopt(1, slow)
    assert lags.quantile_s(laws.now(1), 0.5) == pytest.approx(lags.quantile_s(slow, 0.5), rel=0.05)
    assert laws.beyond()[1] == pytest.approx(slow.beyond, rel=0.1)
