"""Payments judged on how attempts end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alerts.detectors.components import SequentialSettings
from alerts.detectors.resolved import Cause, ResolvedSettings, ResolvedTest
from tests.support.detector_worlds import PAY_LAW, payment_delays, payments, told


@pytest.mark.parametrize(
    ("per_minute", "how", "share", "most"),
    [
        (120, "hang", 1.0, 30),
        (120, "stop", 1.0, 20),
        (120, "fail", 1.0, 20),
        (30, "hang", 1.0, 90),
        (30, "stop", 1.0, 60),
        (30, "fail", 1.0, 40),
        (120, "hang", 0.25, 180),
        (120, "fail", 0.25, 100),
    ],
)
def test_a_broken_payment_is_found_in_seconds(per_minute: float, how: str, share: float, most: float) -> None:
    """p95 at one false alarm in 60 days, at 10 s buckets."""
    delays = payment_delays(per_minute, 100, 5, how, share)
    print(told(f"{per_minute}/min {how} {share:.0%}, seconds", delays))
    assert np.quantile(delays, 0.95, method="higher") <= most


def test_false_alarms_hold_the_budget() -> None:
    """With nothing wrong, evidence of log(N) comes at most once in N resolved attempts."""
    rows, events = 400, 5000.0
    counts, test, alarms = payments(60, rows, 3, "fail", 0.0), ResolvedTest(), 0
    test.resize(rows)
    for at in range(120):
        made, won, lost = counts[..., at]
        test.update(made, won, lost, PAY_LAW, 0.92, np.ones(rows, bool))
        fired = test.evidence() >= math.log(events)
        alarms += int(fired.sum())
        test.forget(fired)
    expected = counts[1:].sum() / events
    assert alarms < expected + 2.6 * math.sqrt(expected)


@pytest.mark.parametrize(("how", "cause"), [("hang", Cause.HANGING), ("fail", Cause.FAILING)])
def test_the_account_says_how_and_since_when(how: str, cause: Cause) -> None:
    """Hanging and failing are told apart, and counted from the change on."""
    counts, test = payments(120, 1, 8, how), ResolvedTest()
    test.resize(1)
    for at in range(66):
        made, won, lost = counts[..., at]
        test.update(made, won, lost, PAY_LAW, 0.92, np.array([True]))
    account = test.account(0)
    assert account.cause is cause
    assert 5 <= account.buckets <= 8
    assert account.succeeded < 0.5 * account.expected
    assert account.attempts == counts[0, 0, 66 - account.buckets : 66].sum()


def test_what_is_not_judged_stands_still() -> None:
    """Buckets of bad data are no evidence of hanging, and attempts made in them still wait."""
    test = ResolvedTest()
    test.resize(1)
    for judged in [True] * 20 + [False] * 20:
        good = 20 * 0.92 * judged
        test.update(
            np.array([20]),
            np.array([good]),
            np.array([20 * judged - good]),
            PAY_LAW,
            0.92,
            np.array([judged]),
        )
    assert test.evidence()[0] < 3


def test_dispersion_dampens() -> None:
    """Retries of one visitor are not as many witnesses."""
    evidence = []
    for dispersion in (1.0, 2.0):
        test = ResolvedTest()
        test.resize(1)
        for _ in range(3):
            test.update(
                np.array([20]), np.array([0]), np.array([20]), PAY_LAW, 0.92, np.array([True]), dispersion
            )
        evidence.append(test.evidence()[0])
    assert 0.4 < evidence[1] / evidence[0] < 0.6


def test_weights_are_at_most_one_together() -> None:
    """The default shares of false alarms do not exceed the budget."""
    settings = ResolvedSettings()
    weights = [weight for _, weight in (*settings.shares, *settings.results)]
    assert sum(weights) + settings.waiting <= 1 + 1e-9


def test_a_snapshot_of_other_components_is_refused() -> None:
    """State of a test that looked for something else is not taken."""
    other = ResolvedTest(ResolvedSettings(shares=((0.5, 0.1),)))
    with pytest.raises(ValueError, match="other components"):
        ResolvedTest().restore(other.snapshot())


def test_default_tolerance_is_that_of_counts() -> None:
    """One tolerance for an operator to think of."""
    assert ResolvedSettings().tolerance == SequentialSettings().tolerance
