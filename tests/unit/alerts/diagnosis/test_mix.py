"""Other visitors or other rates: exact, and said only when it can be told."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.diagnosis.mix import Period, Verdict, split

ENTRIES = np.array([60_000.0, 30_000.0, 10_000.0])
RATES = np.array([0.04, 0.03, 0.005])


def period(entries: np.ndarray[tuple[int], np.dtype[np.float64]], rates: object, seed: int) -> Period:
    """Conversions at these rates, with noise."""
    drawn = np.random.default_rng(seed).poisson(entries * np.asarray(rates))
    return Period(entries, drawn.astype(np.float64))


def test_visitors_who_seldom_buy_are_a_mix_shift() -> None:
    """S8: every slot converts as before, the site a fifth less, in every one of many draws."""
    after = ENTRIES + np.array([0.0, 0.0, 35_000.0])
    for seed in range(100):
        change = split(period(ENTRIES, RATES, seed), period(after, RATES, seed + 1000))
        assert change.change < -0.15 * change.before
        assert change.verdict is Verdict.MIX_SHIFT


def test_lower_rates_are_no_mix_shift() -> None:
    """The same loss from the rates themselves."""
    change = split(period(ENTRIES, RATES, 1), period(ENTRIES * 1.7, RATES * 0.8, 2))
    assert change.verdict is Verdict.RATES
    assert change.rate_share == pytest.approx(1.0, abs=0.1)


def test_one_broken_key_under_a_mix_shift_is_not_hidden() -> None:
    """Mix moved the total most, but a slot broke too."""
    after = ENTRIES + np.array([0.0, 0.0, 35_000.0])
    change = split(period(ENTRIES, RATES, 1), period(after, RATES * np.array([1.0, 0.7, 1.0]), 2))
    assert change.verdict is Verdict.BOTH


@pytest.mark.parametrize(("worse", "explained"), [(0.03, True), (0.15, False), (-0.03, True)])
def test_a_mix_shift_explains_what_is_beyond_a_tolerable_change_of_rates(
    worse: float, *, explained: bool
) -> None:
    """Moods of the hour are sure to be seen in a large shop, and would not be said by themselves."""
    entries = 100 * ENTRIES
    after = entries + np.array([0.0, 0.0, 3_500_000.0])
    change = split(period(entries, RATES, 1), period(after, RATES * (1 - worse), 2))
    assert change.verdict is Verdict.BOTH
    assert change.explains(0.1) is explained


def test_rates_alone_are_explained_by_no_mix() -> None:
    """However little they changed."""
    entries = 100 * ENTRIES
    change = split(period(entries, RATES, 1), period(entries, RATES * 0.95, 2))
    assert change.verdict is Verdict.RATES
    assert not change.explains(0.1)


def test_too_little_to_tell_is_unchanged() -> None:
    """Noise in small counts is no verdict."""
    for seed in range(50):
        change = split(period(ENTRIES / 1000, RATES, seed), period(ENTRIES / 1000, RATES, seed + 500))
        assert change.verdict is Verdict.UNCHANGED


def test_a_key_that_comes_is_mix() -> None:
    """A slot without a past has no other rate to differ from."""
    before = Period(np.array([1000.0, 0.0]), np.array([100.0, 0.0]))
    after = Period(np.array([1000.0, 1000.0]), np.array([100.0, 10.0]))
    change = split(before, after)
    assert change.rate_effect == 0.0
    assert change.mix_effect == pytest.approx(change.change)


def test_without_entries_there_is_no_change() -> None:
    """Nothing before, nothing after: no rates, no share."""
    change = split(Period(np.zeros(2), np.zeros(2)), Period(np.zeros(2), np.zeros(2)))
    assert (change.change, change.rate_share, change.verdict) == (0.0, None, Verdict.UNCHANGED)


def test_dispersion_makes_it_harder_to_tell() -> None:
    """Noisier counts, less certainty."""
    after = ENTRIES + np.array([0.0, 0.0, 35_000.0])
    before_, after_ = period(ENTRIES, RATES, 1), period(after, RATES, 2)
    assert split(before_, after_, dispersion=1000.0).verdict is Verdict.UNCHANGED
