"""Delay laws: mass is kept however it is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.expectation import lags


def test_taps_keep_mass() -> None:
    """What arrives by second arrives by bucket, and nothing else does."""
    law = lags.exponential(240.0)
    assert lags.taps(law.seconds).sum() + law.beyond == pytest.approx(1.0)


def test_a_delay_lies_in_two_buckets() -> None:
    """A delay of 14.5 s ends one bucket on in 0.55 of the cases and two buckets on in 0.45."""
    seconds = np.zeros(lags.SECONDS)
    seconds[14] = 1.0
    assert lags.taps(seconds)[:4].tolist() == pytest.approx([0.0, 0.55, 0.45, 0.0])


@pytest.mark.parametrize("mean_s", [5.0, 60.0, 240.0, 2_400.0])
def test_a_law_is_known_by_its_bins(mean_s: float) -> None:
    """Bins give an exponential law back within half a percent, everywhere."""
    law = lags.exponential(mean_s)
    again = lags.law(lags.bins(law), law.beyond_s)
    apart = np.abs(np.cumsum(again.seconds) - np.cumsum(law.seconds))
    assert apart.max() < 0.005


def test_scaled_laws_take_longer() -> None:
    """Twice as slow is an exponential of twice the mean, beyond half an hour as well."""
    slow = lags.scaled(lags.exponential(600.0), 2.0)
    truth = lags.exponential(1_200.0)
    assert np.cumsum(slow.seconds) == pytest.approx(np.cumsum(truth.seconds), abs=1e-4)
    assert slow.beyond == pytest.approx(truth.beyond, abs=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_quantiles(share: float) -> None:
    """A quantile is where the exponential law has it, beyond half an hour too."""
    assert lags.quantile_s(lags.exponential(600.0), share) == pytest.approx(
        -600 * np.log(1 - share), rel=0.01
    )


def test_many_quantiles_at_once() -> None:
    """Those of one by one; a law that nobody outlasts has none beyond half an hour."""
    shares = np.array([0.01, 0.3, 0.95, 0.9999])
    law = lags.exponential(600.0)
    assert lags.quantiles_s(law, shares).tolist() == [
        lags.quantile_s(law, share) for share in shares.tolist()
    ]
    assert lags.quantiles_s(lags.exponential(2.0), shares).max() < 60.0


def test_who_is_at_risk_of_a_bin() -> None:
    """With as many entries in every bucket, that many are at risk of every delay."""
    risk = lags.bin_taps(lags.shapes(lags.bins(lags.exponential(240.0))[:-1])) @ np.full(lags.TAPS, 7.0)
    assert risk == pytest.approx(np.full(lags.WITHIN, 7.0))
