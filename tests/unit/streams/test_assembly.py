"""Where streams and alerts meet: what the engine is told of the settings, and what it makes of them."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from alerts.control import Silence, encode_control
from alerts.model import Kind
from streams.assembly import make_watcher, plan_of
from streams.config import Dimension, Settings, Watch
from tests.support.window_oracle import Buckets

NOON_MS = 1_762_689_600_000


def test_the_engine_goes_by_the_settings() -> None:
    """One number, the tolerance, and how long to wait come from the section ``watch``."""
    watch = Watch(false_alarms_per_week=3, tolerance=0.2, min_history_ms=60_000, pending_hold_ms=5_000)
    settings = plan_of(Settings(watch=watch, dimensions=(Dimension(name="channel", field="c"),))).settings
    assert settings.budget.false_alarms_per_week == 3
    assert settings.sequential.tolerance == 0.2
    assert settings.expectation.learning_ms == 60_000
    assert settings.lifecycle.hold_ms[Kind.NODE_BREAK] == 5_000
    assert settings.dimensions == ("all", "slot", "banner", "sku", "channel")


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.25, 0.5, 0.9])
def test_any_tolerance_makes_an_engine(tolerance: float) -> None:
    """What is looked for lies beyond it, in both directions."""
    found = plan_of(Settings(watch=Watch(tolerance=tolerance))).settings.sequential
    assert found.drops
    assert found.surges
    assert found.components()


def test_what_was_said_outlives_a_snapshot_and_a_reload() -> None:
    """A silence goes along as plain data, over MessagePack and to an engine with other settings."""
    settings = Settings()
    one = make_watcher(settings, CollectorRegistry())
    one.observe(Buckets().close(NOON_MS, {("slot", "top", 0): 5, ("slot", "top", 1): 1}))
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
