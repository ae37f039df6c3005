"""The section ``watch``: its defaults, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.config import Settings
from streams.config_watch import LIVE, Watch
from tests.support.settings import loaded, refused

if TYPE_CHECKING:
    from pathlib import Path


def test_the_defaults() -> None:
    """One false alarm a week, ten percent of tolerance, re-opening within a quarter of an hour."""
    watch = Settings().watch
    assert (watch.enabled, watch.false_alarms_per_week, watch.tolerance) == (True, 1.0, 0.1)
    assert (watch.windows, watch.max_window_keys) == (("1m", "5m", "15m", "1h", "day", "promotion"), 50)
    assert (watch.patience_ms, watch.reopen_within_ms) == (15_000, 900_000)
    assert (watch.aov_fallback, Settings().counting.combinations) == ({}, True)


def test_numbers_may_come_from_variables(tmp_path: Path) -> None:
    """Text that is a number is that number."""
    watch = loaded(
        tmp_path,
        "watch: {aov_fallback: {CNY: 12000}, windows: [5m, day]}",
        FUNNELWATCH__WATCH__FALSE_ALARMS_PER_WEEK="0.5",
        FUNNELWATCH__WATCH__ENABLED="false",
    ).watch
    assert (watch.false_alarms_per_week, watch.enabled) == (0.5, False)
    assert (watch.aov_fallback, watch.windows) == ({"CNY": 12_000}, ("5m", "day"))


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("false_alarms_per_week: 0", "false_alarms_per_week: must be a number from 0.001 to 10000"),
        ("false_alarms_per_week: .inf", "false_alarms_per_week: must be a number from 0.001 to 10000"),
        ("false_alarms_per_week: nan", "false_alarms_per_week: must be a number from 0.001 to 10000"),
        ("tolerance: 0.91", "tolerance: must be a number from 0 to 0.9"),
        ("tolerance: -0.1", "tolerance: must be a number from 0 to 0.9"),
        ("tolerance: []", "tolerance: must be a number from 0 to 0.9"),
        ("windows: [2m]", "windows[0]: must be 1m, 5m, 15m, 1h, day or promotion"),
        ("window: [5m]", "window: is no setting; did you mean watch.windows?"),
        ("aov_fallback: {RMB: 4}", "aov_fallback.RMB: must be an ISO 4217 code such as CNY"),
        ("aov_fallback: {CNY: 4.5}", "aov_fallback.CNY: must be a whole number from 1 to 1000000000000"),
        ("time_zone: Mars", "time_zone: must be an IANA time zone, such as UTC or Asia/Shanghai"),
        ("patience: 0s", "patience: must be a duration from 1s to 10m, such as"),
    ],
)
def test_a_wrong_setting_is_refused_in_its_line(tmp_path: Path, words: str, finding: str) -> None:
    """One finding, with the line, the setting and what may stand there."""
    (line,) = refused(tmp_path, f"watch:\n  {words}\n")
    assert line.startswith(f"2: watch.{finding}")


def test_what_is_live_is_there() -> None:
    """Reload goes by the names of these settings."""
    assert set(Watch.model_fields) > LIVE
