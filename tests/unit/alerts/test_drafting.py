"""Numbers of an incident from those of a finding."""

from __future__ import annotations

import math

import pytest

from alerts.drafting import draft, loss_per_minute, refreshed, severity_of
from alerts.model import Kind, Severity
from tests.support.findings import T0, rooted

LATER = T0 + 60_000


def test_losses_are_so_far_and_per_minute() -> None:
    """Since the change point: fifty conversions and 200 minor units in a minute."""
    incident = draft(rooted(lost_minor=200, currency="CNY"), T0, 0)
    assert (incident.lost_conversions, incident.lost_conversions_per_minute) == (50.0, 50.0)
    assert (incident.lost_minor, incident.lost_minor_per_minute) == (200, 200.0)
    assert loss_per_minute(incident) == 200.0


def test_without_money_conversions_are_the_loss() -> None:
    """And gains count as much as losses; over less than a bucket there is no rate."""
    gain = draft(rooted(Kind.CONVERSION_SURGE, observed=160.0, since_ms=T0 - 1), T0, 0)
    assert gain.lost_conversions == -60.0
    assert loss_per_minute(gain) == pytest.approx(360.0)


def test_data_loses_no_conversions() -> None:
    """Records that are missing are none."""
    outage = draft(rooted(Kind.DATA_OUTAGE), T0, 0)
    assert (outage.lost_conversions, loss_per_minute(outage)) == (None, 0.0)


def test_the_worst_ratio_stays() -> None:
    """Zero is farther from one than a tenth; a surge's worst is its highest."""
    incident = draft(rooted(observed=10.0), T0, 0)
    assert refreshed(incident, rooted(observed=0.0), LATER).worst_ratio == 0.0
    assert refreshed(incident, rooted(observed=90.0), LATER).worst_ratio == pytest.approx(0.1)
    surge = draft(rooted(Kind.CONVERSION_SURGE, observed=500.0), T0, 0)
    assert refreshed(surge, rooted(Kind.CONVERSION_SURGE, observed=150.0), LATER).worst_ratio == 5.0


def test_without_expectation_there_is_no_ratio() -> None:
    """Nor its interval; what never happens by chance has no time."""
    incident = draft(rooted(expected=0.0, one_in_ms=math.inf), T0, 0)
    assert (incident.ratio, incident.ratio_low, incident.worst_ratio, incident.one_in_ms) == (None,) * 4


def test_it_is_not_since_before_the_last_like_it_ended() -> None:
    """And the id is of that time, so two incidents never share one."""
    early, late = draft(rooted(), T0, 0), draft(rooted(), T0, T0 - 5_000)
    assert (early.since_ms, late.since_ms) == (T0 - 60_000, T0 - 5_000)
    assert early.id != late.id


def test_severity_is_as_told_else_by_kind() -> None:
    """Every kind has one."""
    assert severity_of(rooted(Kind.NODE_BREAK, severity=Severity.INFO)) is Severity.INFO
    assert severity_of(rooted(Kind.NODE_BREAK)) is Severity.CRITICAL
    assert {severity_of(rooted(kind)) for kind in Kind} == set(Severity)
