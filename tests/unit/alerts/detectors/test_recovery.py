"""The mirror test."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.detectors.recovery import Recovery, Standing

_THRESHOLD = 13.4


def stands(test: Recovery, rate: float, buckets: int, seed: int) -> list[Standing]:
    """What it says of 10 events due a bucket that come at ``rate`` times that, until it says BACK."""
    rng, said = np.random.default_rng(seed), []
    for _ in range(buckets):
        said.append(test.update(rng.poisson(10 * rate), 10.0))
        if said[-1] is Standing.BACK:
            break
    return said


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.7, 1.5, 4.0, float("inf")])
def test_what_is_as_before_the_incident_is_back(ratio: float) -> None:
    """From either side and from any depth, normal counts end it."""
    assert stands(Recovery(ratio, _THRESHOLD), 1.0, 200, 1)[-1] is Standing.BACK


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.7, 1.5, 4.0])
def test_what_stays_broken_stays_on(ratio: float) -> None:
    """Counts as when it fired never end it."""
    assert set(stands(Recovery(ratio, _THRESHOLD), ratio, 1500, 2)) == {Standing.ON}


def test_a_third_is_not_back() -> None:
    """A dead series that comes back to 40 % is still broken."""
    assert Standing.BACK not in stands(Recovery(0.0, _THRESHOLD), 0.4, 1500, 3)


def test_it_says_when_it_got_worse_and_goes_on_from_there() -> None:
    """From 30 % missing to 80 %: said once, and what is back is measured from there."""
    test = Recovery(0.7, _THRESHOLD)
    said = stands(test, 0.2, 300, 4)
    assert Standing.WORSE in said
    assert said.count(Standing.WORSE) <= 2
    assert test.ratio < 0.35
    assert stands(test, 1.0, 100, 5)[-1] is Standing.BACK


def test_a_surge_gets_worse_upwards() -> None:
    """Twice as much as expected, then five times."""
    assert Standing.WORSE in stands(Recovery(2.0, _THRESHOLD), 5.0, 50, 6)


def test_restored_it_goes_on_to_the_bit() -> None:
    """State is plain data and loses nothing."""
    test = Recovery(0.5, _THRESHOLD)
    stands(test, 0.8, 30, 7)
    again = Recovery.restored(test.snapshot())
    assert stands(again, 1.0, 100, 8) == stands(test, 1.0, 100, 8)
    assert again.snapshot() == test.snapshot()
