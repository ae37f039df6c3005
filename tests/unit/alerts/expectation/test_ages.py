"""Who enters a step: as many slow people as ever, or those who are left of a time with more traffic."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from alerts.expectation import lags
from alerts.expectation.ages import Ages
from alerts.expectation.lags import BUCKET_S

HOUR = 360
LAWS = (
    lags.exponential(5.0),
    lags.exponential(2.0),
    lags.mixed(lags.exponential(30.0), lags.exponential(400.0), 0.7),
    lags.mixed(lags.exponential(20.0), lags.exponential(300.0), 0.7),
)
CART, CHECKOUT = 2, 3
KEPT = 0.5 ** (1 / (48 * HOUR))


def followed(*clicks: float) -> Ages:
    """After an hour of so many clicks a bucket, each."""
    ages = Ages(len(LAWS), KEPT)
    ages.follow(LAWS)
    for each in clicks:
        for _ in range(HOUR):
            ages.push(np.full(len(LAWS), each))
    return ages


def test_in_steady_traffic_they_are_who_they_always_were() -> None:
    """Whatever window is looked at; and before anything was seen nothing is known."""
    ages = followed(*[100.0] * 12)
    assert [ages.longer(since, CHECKOUT) for since in (1, 60, 400)] == pytest.approx([1.0] * 3, abs=0.02)
    assert Ages(len(LAWS), KEPT).longer(60, CHECKOUT) == 1.0


def test_after_a_sale_the_slow_ones_are_left() -> None:
    """People of one pace at all steps: those at a step after traffic fell are as slow as it is reckoned."""
    ages, minutes = followed(*[100.0] * 8, 1_000.0), 10
    for _ in range(6 * minutes):
        ages.push(np.full(len(LAWS), 100.0))
    random = np.random.default_rng(4)
    pace = random.random(2_000_000)
    before, takes = (lags.quantiles_s(LAWS[step], pace) for step in (CART, CHECKOUT))
    # Clicks of nine hours and ten minutes, ten times as many in the ninth.
    clicks = np.repeat([100.0, 1_000.0, 100.0], [8 * HOUR, HOUR, 60])
    starts = random.choice(clicks.size, pace.size, p=clicks / clicks.sum())
    enters = (starts + random.random(pace.size)) * BUCKET_S + before + lags.quantiles_s(LAWS[1], pace)
    late = (enters >= 9 * 3600) & (enters < 9 * 3600 + 60 * minutes)
    known = (enters >= 0) & (enters < 9 * 3600 + 60 * minutes)
    truth = takes[late].mean() / takes[known].mean()
    assert truth > 2.0
    assert ages.longer(6 * minutes, CHECKOUT) == pytest.approx(truth, rel=0.1)


def test_hours_later_they_are_gone() -> None:
    """What was left of the sale has left, too."""
    ages = followed(*[100.0] * 8, 1_000.0, *[100.0] * 6)
    assert ages.longer(60, CHECKOUT) == pytest.approx(1.0, abs=0.1)


def test_nobody_is_conceded_anything_when_traffic_rises_or_where_journeys_begin() -> None:
    """The young are quicker: that excuses nothing. Who clicks has not been on his way."""
    rising = followed(*[100.0] * 8)
    for _ in range(30):
        rising.push(np.full(len(LAWS), 1_000.0))
    assert rising.longer(30, CHECKOUT) == 1.0
    assert followed(*[1_000.0] * 8, 100.0).longer(30, 1) == pytest.approx(1.0)


def test_entries_that_come_late_are_as_if_they_had_come_in_time() -> None:
    """An hour that was told a minute later is no hour without clicks."""
    late = followed(*[100.0] * 8, 0.0)
    late.correct(np.arange(HOUR), np.full(HOUR, 100.0))
    in_time = followed(*[100.0] * 9)
    for ages in (late, in_time):
        ages.push(np.full(len(LAWS), 100.0))
    assert late.longer(1, CHECKOUT) == pytest.approx(in_time.longer(1, CHECKOUT), rel=0.1)


def test_a_snapshot_goes_on() -> None:
    """Of the same laws."""
    ages, other = followed(*[100.0] * 4, 10.0), Ages(len(LAWS), KEPT)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(ages.snapshot())))
    other.follow(LAWS)
    for one in (ages, other):
        one.push(np.full(len(LAWS), 10.0))
    assert other.longer(20, CHECKOUT) == ages.longer(20, CHECKOUT) > 1.0
    assert other.snapshot() == ages.snapshot()
