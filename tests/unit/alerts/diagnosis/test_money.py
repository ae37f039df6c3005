"""What it costs, and how bad that is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerts.diagnosis.money import lost_minor, per_minute, severity
from alerts.model import EVERYWHERE, Finding, Kind, Severity
from tests.support.diagnosis import AT_MS, SINCE_MS, at, finding

NORMAL = 100_000
MINUTES = (AT_MS - SINCE_MS) // 60_000


def losing(share: float, kind: Kind = Kind.CONVERSION_DROP, *, everywhere: bool = False) -> Finding:
    """A finding that loses this share of the shop's normal revenue."""
    scope = EVERYWHERE if everywhere else at(slot="slot1")
    return replace(
        finding(scope, 50, 100, kind=kind), lost_minor=int(share * NORMAL * MINUTES), currency="CNY"
    )


def test_lost_conversions_are_worth_their_orders() -> None:
    """Times the share that goes on to pay, times the average order, rounded once."""
    assert lost_minor(10.0, 3_990_000, 1000) == 39_900
    assert lost_minor(10.0, 3_990_000, 1000, onward=0.25) == 9_975
    assert lost_minor(-2.0, 3_990_000, 1000) == -7_980
    assert lost_minor(0.5, 1, 1) == 0
    assert lost_minor(1.5, 1, 1) == 2


def test_without_an_order_there_is_no_value() -> None:
    """A value is not made up."""
    assert lost_minor(10.0, 0, 0) is None


@pytest.mark.parametrize(
    ("amount", "lasted_ms", "wanted"),
    [
        (600, 600_000, 60),
        (600, 10_000, 600),
        (-600, 600_000, -60),
        (5, 600_000, 0),
        (15, 600_000, 2),
        (-5, 600_000, 0),
    ],
)
def test_per_minute(amount: int, lasted_ms: int, wanted: int) -> None:
    """Over the minutes it took, at least one, half to even."""
    assert per_minute(amount, SINCE_MS, SINCE_MS + lasted_ms) == wanted


@pytest.mark.parametrize(
    ("share", "phase", "wanted"),
    [
        (0.004, None, Severity.INFO),
        (0.02, None, Severity.WARNING),
        (0.06, None, Severity.CRITICAL),
        (0.03, "steady", Severity.WARNING),
        (0.03, "open", Severity.CRITICAL),
        (0.006, "last_hour", Severity.WARNING),
    ],
)
def test_severity_comes_from_the_loss_and_the_phase(
    share: float, phase: str | None, wanted: Severity
) -> None:
    """A loss is held against normal revenue, and weighs double when it matters most."""
    assert severity(losing(share), normal_minor_per_minute=NORMAL, phase=phase) is wanted


@pytest.mark.parametrize(
    ("kind", "share", "everywhere", "wanted"),
    [
        (Kind.NODE_BREAK, 0.0, True, Severity.CRITICAL),
        (Kind.NODE_BREAK, 0.004, False, Severity.WARNING),
        (Kind.NODE_BREAK, 0.02, False, Severity.CRITICAL),
        (Kind.DATA_OUTAGE, 0.0, True, Severity.CRITICAL),
        (Kind.DATA_OUTAGE, 0.0, False, Severity.WARNING),
        (Kind.MIX_SHIFT, 0.5, True, Severity.WARNING),
        (Kind.CONVERSION_SURGE, -0.5, False, Severity.WARNING),
        (Kind.RULE, 0.0, False, Severity.WARNING),
    ],
)
def test_kinds_have_bounds(kind: Kind, share: float, everywhere: bool, wanted: Severity) -> None:  # noqa: FBT001 - a row of a table
    """A dead node of the shop is as bad as it gets; what is not money by itself never is."""
    assert severity(losing(share, kind, everywhere=everywhere), normal_minor_per_minute=NORMAL) is wanted


def test_without_money_the_share_of_conversions_counts() -> None:
    """Half of a slot that has a fifth of all conversions is a tenth."""
    assert severity(finding(at(slot="slot1"), 50, 100), share_of_expected=0.2) is Severity.CRITICAL
    assert severity(finding(at(slot="slot1"), 50, 100), share_of_expected=0.001) is Severity.INFO
