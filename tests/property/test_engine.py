"""The engine is a fold: what it says depends on the buckets alone, wherever it was restarted."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.engine import Engine
from alerts.expectation.settings import ExpectationSettings
from alerts.incident import encode_incident
from alerts.model import Kind, Reason
from alerts.settings import EngineSettings
from tests.benchmarks.detection import shop
from tests.benchmarks.detection.catalogue import Settings as ShopSettings
from tests.benchmarks.detection.effects import Effect, What
from tests.benchmarks.detection.running import ONSET_MS
from tests.benchmarks.detection.scenarios import SCENARIOS
from tests.benchmarks.detection.telling import Teller

if TYPE_CHECKING:
    from streams.closed import ClosedBucket

HISTORY = 240
FUTURE = 60
QUICK = EngineSettings(expectation=ExpectationSettings(learning_ms=1_800_000, warm_up_ms=300_000))


@cache
def buckets() -> tuple[ClosedBucket, ...]:
    """A small shop whose payments hang from the 240th bucket on."""
    small = ShopSettings(3_000, slots=3, banners=4, skus=10, realistic=True)
    teller = Teller(shop.Shop(small, ONSET_MS - HISTORY * 10_000))
    return tuple(teller.closed(HISTORY + FUTURE, SCENARIOS["S1@120"].placed(ONSET_MS)))


def said(engine: Engine, some: tuple[ClosedBucket, ...]) -> list[tuple[Reason, bytes]]:
    """All that an engine says of some buckets."""
    return [
        (change.reason, encode_incident(change.incident)) for each in some for change in engine.observe(each)
    ]


@cache
def live() -> list[tuple[Reason, bytes]]:
    """What is said without any restart."""
    return said(Engine(QUICK), buckets())


def restarted(engine: Engine) -> Engine:
    """Another one that knows what this one has written down."""
    state: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(engine.snapshot()))
    other = Engine(QUICK)
    other.restore(state)
    return other


def test_the_break_is_told_once() -> None:
    """A dead payment is one incident, of the right kind, at the right place, within a minute."""
    engine = Engine(QUICK)
    opened = [
        (change.incident, each.end_ms)
        for each in buckets()
        for change in engine.observe(each)
        if change.reason is Reason.OPENED
    ]
    (incident, at_ms), *others = opened
    assert not others
    assert incident.kind in (Kind.NODE_BREAK, Kind.CONVERSION_DROP)
    assert incident.step is not None
    assert (incident.step.from_node, incident.step.to_node) == ("order", "paid")
    assert 0 < at_ms - ONSET_MS <= 60_000
    assert [(part.dimension, part.key) for part in incident.scope] == [("all", "all")]


def test_a_replay_says_what_was_said_live() -> None:
    """The same buckets give the same records, to the byte."""
    assert said(Engine(QUICK), buckets()) == live()


@pytest.mark.timeout(300)
@settings(max_examples=4, deadline=None)
@given(at=st.sets(st.integers(HISTORY - 20, HISTORY + FUTURE - 1), min_size=1, max_size=3))
def test_a_restart_anywhere_says_the_same(at: set[int]) -> None:
    """Snapshots in the middle of a break change nothing, also once they have been bytes."""
    engine, found, begin = Engine(QUICK), [], 0
    for end in sorted(at):
        found += said(engine, buckets()[begin:end])
        engine, begin = restarted(engine), end
    found += said(engine, buckets()[begin:])
    assert found == live()


@pytest.mark.timeout(120)
def test_more_visitors_who_hardly_buy_break_nothing() -> None:
    """A campaign on one slot is a shift of mix: banners and SKUs it shows are not said to be broken, nor after a restart."""
    small = ShopSettings(3_000, slots=5, banners=6, skus=10, low_intent=4, seed=2)
    campaign = Effect(What.TRAFFIC, 12, ONSET_MS, ramp_ms=300_000, where=(("slot", 4),))
    teller = Teller(shop.Shop(small, ONSET_MS - HISTORY * 10_000))
    first, then = (tuple(teller.closed(ticks, [campaign])) for ticks in (HISTORY + 36, 32))
    engine = Engine(QUICK)
    assert said(engine, first) == []
    opened = []
    for each in then:
        engine = restarted(engine)
        opened += [change.incident for change in engine.observe(each) if change.reason is Reason.OPENED]
    (incident,) = opened
    assert incident.kind is Kind.MIX_SHIFT
    assert [(part.dimension, part.key) for part in incident.scope] == [("all", "all")]
