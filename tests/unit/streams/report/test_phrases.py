"""Numbers and times of a report."""

from __future__ import annotations

from math import inf, nan
from zoneinfo import ZoneInfo

import pytest

from alerts.message import Language
from streams.core.ratios import ratio
from streams.report.phrases import UNKNOWN, phrases

# ruff: noqa: RUF001 - minus, times and dash as they are printed
SAY = phrases(Language.EN, ZoneInfo("Asia/Shanghai"), "CNY")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "50.0 %"), (0.0123, "1.23 %"), (0, "0 %"), (1.5, "150.0 %"), (nan, UNKNOWN), (None, UNKNOWN)],
)
def test_shares(value: float | None, text: str) -> None:
    """Small ones with two decimals, none of nothing."""
    assert SAY.share(value) == text


def test_amounts() -> None:
    """To the minor unit where they are small or asked for; of large ones whole units."""
    assert (SAY.amount(999_999), SAY.amount(1_000_050)) == ("9,999.99", "10,000")
    assert SAY.money(1_000_050) == "CNY 10,000.50"
    assert SAY.money(5, "JPY") == "JPY 5"
    assert SAY.amount(None) == UNKNOWN == phrases(Language.EN, SAY.zone, None).amount(5)
    assert SAY.named("Revenue") == "Revenue (CNY)"
    assert phrases(Language.EN, SAY.zone, None).named("Revenue") == "Revenue"


def test_changes_and_factors() -> None:
    """A tenfold rise is a factor; of nothing there is no change."""
    assert (SAY.change(110, 100), SAY.change(90, 100), SAY.change(5, 5)) == ("+10.0 %", "−10.0 %", "±0.0 %")
    assert (SAY.change(3_000, 100), SAY.change(5, 0), SAY.change(nan, 1)) == ("×30", UNKNOWN, UNKNOWN)
    assert (SAY.factor(2.5), SAY.factor(100), SAY.factor(inf), SAY.factor(None)) == (
        "×2.5",
        "×100",
        UNKNOWN,
        UNKNOWN,
    )


def test_times() -> None:
    """Of the place; midnight is its day."""
    assert SAY.moment(1_762_689_600_000) == "2025-11-09 20:00"
    assert SAY.moment(1_762_689_605_000, seconds=True) == "2025-11-09 20:00:05"
    assert SAY.clock(1_762_704_000_000) == "11-10"
    assert SAY.clock(1_762_689_600_000) == "20:00"
    assert SAY.moment(None) == UNKNOWN
    assert (SAY.since_start(5_400_000), SAY.since_start(3 * 86_400_000)) == ("+1:30", "+3 d")


def test_rates_and_their_intervals() -> None:
    """Of nothing that went in neither is known."""
    assert (SAY.rate(ratio(1, 10)), SAY.interval(ratio(1, 10))) == ("10.0 %", "1.79 % – 40.4 %")
    assert (SAY.rate(ratio(0, 0)), SAY.interval(ratio(0, 0)), SAY.rate(None)) == (UNKNOWN,) * 3


def test_names() -> None:
    """Known ones are translated, others made harmless."""
    chinese = phrases(Language.ZH, SAY.zone, None)
    assert (chinese.dimension("slot"), chinese.node("paid")) == ("资源位", "支付")
    assert (chinese.dimension("chan\u202enel"), chinese.node("x\ny")) == ("channel", "x y")
    assert (SAY.signed(5), SAY.signed(-5)) == ("+5", "−5")
