"""Where streams and alerts meet: what is configured reaches the engine, and what it makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from alerts.control import Silence, encode_control
from alerts.model import Kind
from streams.assembly import (
    closing_settings,
    engine,
    engine_settings,
    make_watcher,
    sequential_settings,
    windows_of,
)
from streams.config import Settings, Watch
from streams.core.windows import Windows
from tests.support.settings import loaded
from tests.support.window_oracle import Buckets

if TYPE_CHECKING:
    from pathlib import Path

NOON_MS = 1_762_689_600_000
WATCH = """
funnel: {nodes: [exposure, click, view, paid]}
dimensions: [channel]
watch:
  false_alarms_per_week: 3
  tolerance: 0.2
  time_zone: Asia/Shanghai
  patience: 20s
  reopen_within: 5m
  pending_hold: 30s
  min_history: 40m
"""


def test_every_number_arrives(tmp_path: Path) -> None:
    """Each key of the section that the engine knows is where it belongs."""
    settings = loaded(tmp_path, WATCH)
    made = engine_settings(settings)
    assert made.nodes == ("exposure", "click", "view", "paid")
    assert made.dimensions == ("all", "slot", "banner", "sku", "channel")
    assert made.order_nodes == made.lifecycle.order_nodes == {"paid"}
    assert made.budget.false_alarms_per_week == 3
    assert made.sequential.tolerance == 0.2
    assert made.expectation.learning_ms == 40 * 60_000
    assert made.expectation.warm_up_ms == 20 * 60_000
    assert made.expectation.utc_offset_ms == 8 * 3_600_000
    assert made.lifecycle.reopen_within_ms == 5 * 60_000
    assert made.lifecycle.hold_ms[Kind.CONVERSION_DROP] == 30_000
    assert closing_settings(settings).patience_ms == 20_000


def test_rules_and_worth_arrive(tmp_path: Path) -> None:
    """An operator's rules as the engine knows them; how many conversions it takes; what an order is worth."""
    settings = loaded(
        tmp_path,
        "rules: [{name: pay, step: order>paid, below: 0.7, relative_to: expected, hold: 1m}]\n"
        "watch: {min_conversions: 55, aov_fallback: {CNY: 12000}, pending_hold: 30s}",
    )
    made = engine_settings(settings)
    (rule,) = made.rules
    assert (rule.name, rule.subject, rule.line, rule.hold_ms) == ("pay", ("order", "paid", None), 0.7, 60_000)
    assert (made.expectation.min_conversions, made.aov_fallback) == (55.0, {"CNY": 12_000})
    # A rule has a time of its own.
    assert (made.lifecycle.hold_ms[Kind.RULE], made.lifecycle.hold_ms[Kind.SLOWER]) == (0, 30_000)


def test_a_backtest_keeps_windows_where_somebody_looks_at_them(tmp_path: Path) -> None:
    """For rules, and for targets of promotions; else they would only cost time."""
    sale = "promotions: [{name: D11, start: '2026-11-11 00:00', end: '2026-11-12 00:00'"
    rule = "rules: [{name: pay, step: order>paid, below: 0.7}]"
    for text, kept in (
        (sale + "}]", False),
        (sale + ", targets: {orders: 5}}]", True),
        (rule, True),
        ("", False),
    ):
        assert (windows_of(loaded(tmp_path, text)) is not None) is kept


def test_the_engine_has_the_promotions(tmp_path: Path) -> None:
    """The calendar is that of the section ``promotions``."""
    sale = "promotions: [{name: D11, start: '2026-11-11 00:00', end: '2026-11-12 00:00'}]"
    assert [one.name for one in engine(loaded(tmp_path, sale)).calendar.promotions] == ["D11"]


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.1, 0.25, 0.5, 0.9])
def test_any_tolerance_that_can_be_written_can_be_used(tolerance: float) -> None:
    """0 and 0.9 are allowed in the file; what is looked for always lies beyond the tolerance."""
    made = sequential_settings(tolerance)
    assert made.tolerance == max(tolerance, 0.01)
    assert max(ratio for ratio, _ in made.drops) < 1 - made.tolerance
    assert min(ratio for ratio, _ in made.surges) > 1 + made.tolerance
    assert made.components(0.05)


def test_the_defaults_are_the_engines_own() -> None:
    """A file that says nothing changes nothing of what is looked for."""
    assert sequential_settings(Settings().watch.tolerance) == engine_settings(Settings()).sequential


def test_standard_time_all_year(tmp_path: Path) -> None:
    """Hours of the week are those of standard time, on both halves of the globe."""
    for zone, hours in (("Europe/Berlin", 1), ("Australia/Sydney", 10)):
        made = engine_settings(loaded(tmp_path, f"watch: {{time_zone: {zone}}}"))
        assert made.expectation.utc_offset_ms == hours * 3_600_000


def test_what_was_said_outlives_a_snapshot_and_a_reload() -> None:
    """A silence goes along as plain data, over MessagePack and to an engine with other settings."""
    settings = Settings()
    one = make_watcher(settings, CollectorRegistry())
    bucket = Buckets().close(NOON_MS, {("slot", "top", 0): 5, ("slot", "top", 1): 1})
    windows = Windows()
    windows.take(bucket)
    one.observe(bucket, windows)
    assert one.control(encode_control(Silence(id="s1", by="li", ends_ms=NOON_MS + 60_000))) == []
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(one.snapshot()))
    other = make_watcher(settings, CollectorRegistry())
    other.begin(kept)
    other.configure(settings.model_copy(update={"watch": Watch(tolerance=0.3)}))
    assert msgspec.msgpack.encode(other.snapshot()["lifecycle"]) == msgspec.msgpack.encode(kept["lifecycle"])
    assert "s1" in str(kept["lifecycle"])


def test_a_record_that_cannot_be_read_changes_nothing() -> None:
    """Whatever people write into the control topic, watching goes on."""
    one = make_watcher(Settings(), CollectorRegistry())
    before = msgspec.msgpack.encode(one.snapshot())
    assert one.control(b"{") == []
    assert msgspec.msgpack.encode(one.snapshot()) == before
