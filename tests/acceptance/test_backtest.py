"""``simulate`` to ``backtest``, end to end: what goes wrong is told by name, what goes well is not."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.cli import main
from streams.demo.circumstances import MINUTE_MS
from tests.support.open_bandit import shop_events
from tests.support.rehearsed import CONFIG, ONSET_MS, incidents, record_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "open_bandit"


def _first_hours(hours: int) -> Iterator[bytes]:
    """Lines of the fixture's clickstream."""
    lines = [event.value for event in shop_events(FIXTURE)]
    start, *_ = times = [datetime.fromisoformat(json.loads(line)["event_time"]) for line in lines]
    for line, time in zip(lines, times, strict=True):
        if time - start < timedelta(hours=hours):
            yield line + b"\n"


@pytest.mark.slow
def test_a_payment_that_hangs_is_told_within_a_minute(tmp_path: Path) -> None:
    """One break of order>paid everywhere; from the recorded rollups the very same again."""
    words = record_scenario(tmp_path, "S1", minutes=35, rate=60.0)
    told = incidents(tmp_path, *words, "--record", str(tmp_path / "rollups"))
    [broken] = [one for one in told if one["step"] == {"from_node": "order", "to_node": "paid"}]
    assert broken["kind"] == "node_break"
    assert broken["scope"] == [{"dimension": "all", "key": "all"}]
    assert ONSET_MS < broken["opened_at_ms"] <= ONSET_MS + 60_000
    assert incidents(tmp_path, "--rollups", str(tmp_path / "rollups")) == told


@pytest.mark.slow
def test_payments_that_are_back_are_told_to_be(tmp_path: Path) -> None:
    """Hanging for ten minutes and then well: one incident, over within minutes, whoever noticed it first."""
    lasts_ms = 10 * MINUTE_MS
    words = record_scenario(tmp_path, "S1", minutes=50, rate=60.0, lasts_ms=lasts_ms)
    [broken] = [one for one in incidents(tmp_path, *words) if one["step"]["to_node"] == "paid"]
    assert broken["state"] == "resolved"
    assert ONSET_MS + lasts_ms < broken["resolved_at_ms"] <= ONSET_MS + lasts_ms + 3 * MINUTE_MS


@pytest.mark.slow
def test_twice_the_traffic_is_no_news(tmp_path: Path) -> None:
    """S4 passes in silence."""
    assert incidents(tmp_path, *record_scenario(tmp_path, "S4", minutes=40, rate=40.0)) == []


def test_real_traffic_passes_in_silence(tmp_path: Path) -> None:
    """The first hours of a real shop's quiet days; and twice the same configuration says the same."""
    events = tmp_path / "clicks.jsonl"
    events.write_bytes(b"".join(_first_hours(2)))
    config, found = tmp_path / "quick.yaml", tmp_path / "found.json"
    config.write_text(CONFIG)
    words = ["--clickstream", str(events), "--config", str(config), "--json", str(found)]
    assert main(["backtest", *words, "--compare", str(config)]) == 0
    compared = json.loads(found.read_bytes())
    assert compared["a"] == compared["b"]
    assert compared["a"]["buckets"] > 0
    assert compared["a"]["incidents"] == compared["only_a"] == compared["only_b"] == compared["both"] == []
