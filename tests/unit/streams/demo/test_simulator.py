"""Simulated traffic: same seed same bytes, in order of arrival, valid, with the defects asked for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import streams
from streams.demo.circumstances import NEUTRAL, Circumstances, Neutral
from streams.demo.shop import KINDS, ORDER, ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.errors import ConfigError
from streams.events import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.demo.simulator import SimulatedRecord
    from tests.unit.streams.demo.conftest import Sample

START_MS = 1_762_689_600_000
BOUND_MS = 5_000
MAX_FUTURE_MS = 300_000
LATENESS_MS = 600_000
BRIEF = TrafficSettings(start_ms=START_MS, rate=2_000, events=10_000)
SOUND = replace(BRIEF, duplicates=0, late=0, invalid=0, future=0)


def digest(settings: TrafficSettings) -> str:
    """A hash over every field of every record."""
    whole = hashlib.sha256()
    for record in simulate(settings):
        whole.update(repr(tuple(record)).encode())
    return whole.hexdigest()


def test_same_settings_same_bytes() -> None:
    """Two runs of the same settings do not differ in a byte."""
    assert digest(BRIEF) == digest(BRIEF)


@pytest.mark.parametrize(
    "other",
    [
        replace(BRIEF, shop=ShopSettings(seed=2)),
        replace(BRIEF, rate=1_999),
        replace(BRIEF, start_ms=START_MS + 1),
        replace(BRIEF, late=0.03),
    ],
    ids=["seed", "rate", "start", "late"],
)
def test_other_settings_other_bytes(other: TrafficSettings) -> None:
    """Seed, rate, start and defects all matter."""
    assert digest(other) != digest(BRIEF)


def test_same_bytes_whatever_the_hash_seed() -> None:
    """The traffic does not hang on the order of sets, so another process makes the same."""
    code = (
        "from tests.unit.streams.demo.test_simulator import *; "
        "print(digest(TrafficSettings(start_ms=START_MS, rate=2_000, events=3_000)))"
    )
    root = str(Path(streams.__file__).parents[1])
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "4711")
    }
    assert found == {digest(replace(BRIEF, events=3_000)).encode() + b"\n"}


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    """Where a run ends does not change what comes before."""
    assert list(islice(simulate(replace(BRIEF, events=None)), 10_000)) == list(simulate(BRIEF))


def test_two_starts_share_no_event_id() -> None:
    """A shop started again within the dedupe horizon is not taken for duplicates."""
    later = replace(SOUND, start_ms=START_MS + 60_000)
    ids = [{record.value[:40].split(b'"')[3] for record in simulate(each)} for each in (SOUND, later)]
    assert len(ids[0]) == SOUND.events
    assert ids[0].isdisjoint(ids[1])


def test_records_come_in_order_of_arrival(half_hour: Sample) -> None:
    """Arrival never goes back and lies within ``[start, start + duration)``."""
    arrivals = [record.arrival_ms for record in half_hour.records]
    assert all(one <= two for one, two in pairwise(arrivals))
    assert arrivals[0] >= START_MS
    assert START_MS + 1_795_000 < arrivals[-1] < START_MS + 1_800_000


@pytest.mark.parametrize("rate", [5.0, 200.0])
def test_rate_is_the_mean_from_the_beginning(rate: float) -> None:
    """Browsing is under way at the start: the first minutes fall short by the missing orders only."""
    settings = TrafficSettings(start_ms=START_MS, rate=rate, duration_ms=round(30_000_000 / rate))
    assert sum(1 for _ in simulate(settings)) == pytest.approx(30_000, rel=0.08)


def test_sessions_arrive_as_a_poisson_process() -> None:
    """Counts of new visitors per second are neither even nor burstier than chance."""
    shop = ShopSettings(visitors=2_000_000_000)
    settings = replace(SOUND, rate=1_000, events=None, duration_ms=150_000, shop=shop)
    first: dict[bytes, int] = {}
    for record in simulate(settings):
        first.setdefault(record.key, record.arrival_ms)
    # The first seconds show visitors that had come before.
    seconds = Counter((arrival - START_MS) // 1_000 for arrival in first.values())
    counts = np.array([seconds[second] for second in range(90, 150)])
    assert 0.5 < counts.var() / counts.mean() < 1.8


def test_events_are_shared_out_as_in_a_shop(half_hour: Sample) -> None:
    """About 70 % exposures, and every later node is smaller than the one before."""
    counts = Counter(event.node for _, event in half_hour.read)
    assert set(counts) == set(KINDS)
    assert counts["exposure"] / counts.total() == pytest.approx(0.71, abs=0.025)
    funnel = [counts[node] for node in ("exposure", "click", "view", "cart", "checkout", "order", "paid")]
    assert all(one > two for one, two in pairwise(funnel))


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_exposure_share_is_a_setting(share: float) -> None:
    """The click-through rate follows from the wanted share of exposures."""
    settings = replace(SOUND, rate=200, events=80_000, shop=ShopSettings(exposure_share=share))
    exposures = sum(b'"event":"exposure"' in record.value for record in simulate(settings))
    assert exposures / 80_000 == pytest.approx(share, abs=0.03)


def test_sound_records_obey_the_native_format(half_hour: Sample) -> None:
    """What was not spoiled is decoded; key, topic and time agree with the value."""
    assert len(half_hour.refused) == pytest.approx(0.004 * len(half_hour.records), rel=0.25)
    for record, event in half_hour.read:
        assert record.key == event.visitor_id.encode()
        assert record.event_time_ms == event.time_ms
        assert (record.topic == "orders") == (KINDS.index(event.node) >= ORDER)


def test_spoiled_records_show_many_reasons(half_hour: Sample) -> None:
    """Bad input is of many kinds, and never more than one line."""
    reasons = {error.reason for _, error in half_hour.refused}
    assert reasons >= {Reason.NOT_JSON, Reason.MISSING_FIELD, Reason.WRONG_TYPE, Reason.NOT_UTF8}
    assert all(b"\n" not in record.value for record in half_hour.records)


def test_no_defects_unless_asked() -> None:
    """With all shares at zero every event comes once, in time."""
    records = list(simulate(SOUND))
    assert len({record.value for record in records}) == len(records)
    assert all(0 <= record.arrival_ms - record.event_time_ms <= 3_500 for record in records)


def test_ordinary_records_stay_within_the_bound() -> None:
    """Disorder alone makes no record late: the newest read is never the bound ahead."""
    newest: defaultdict[str, int] = defaultdict(int)
    behind = []
    for record in simulate(replace(SOUND, events=50_000)):
        newest[record.topic] = max(newest[record.topic], record.event_time_ms)
        behind.append(newest[record.topic] - record.event_time_ms)
    assert 1_000 < max(behind) < BOUND_MS


def test_duplicates_are_the_same_record_a_bit_later(half_hour: Sample) -> None:
    """About 1 % come again: same bytes, same key, within half a minute."""
    first: dict[tuple[str, bytes], SimulatedRecord] = {}
    again = []
    for record in half_hour.records:
        if b'"event_id":' not in record.value:
            continue
        original = first.setdefault((record.topic, record.value), record)
        if original is not record:
            again.append((original, record))
    assert len(again) == pytest.approx(0.01 * len(half_hour.records), rel=0.12)
    for original, repeated in again:
        assert original.key == repeated.key
        assert 0 < repeated.arrival_ms - original.arrival_ms <= 30_000


def test_late_events_come_up_to_eight_minutes_late(half_hour: Sample) -> None:
    """About 2 % are held up by 1 s to 8 min; even a duplicate of one is within the allowed lateness."""
    delays = [record.arrival_ms - event.time_ms for record, event in half_hour.read]
    # Log-uniform from 1 s to 480 s: 0.66 of them by more than 8 s.
    held_up = sum(delay > 8_000 for delay in delays) - 0.01 * len(delays) * (22 / 30)
    assert held_up / len(delays) == pytest.approx(0.02 * 0.66, rel=0.12)
    assert 300_000 < max(delays) < LATENESS_MS


def test_future_events_are_far_ahead_of_their_arrival(half_hour: Sample) -> None:
    """A device with a wrong clock is at least five minutes ahead, never just a little."""
    ahead = [event.time_ms - record.arrival_ms for record, event in half_hour.read]
    future = [lead for lead in ahead if lead > 0]
    assert len(future) == pytest.approx(0.002 * len(ahead), rel=0.3)
    assert min(future) > MAX_FUTURE_MS


def test_some_events_do_not_say_where_they_come_from(half_hour: Sample) -> None:
    """Attribution has work: most later events lack a slot, some clicks and exposures lack anything."""
    for node, least, most in (
        ("exposure", 0.01, 0.04),
        ("click", 0.03, 0.1),
        ("view", 0.5, 0.8),
        ("cart", 0.8, 1),
    ):
        events = [event for _, event in half_hour.of(node)]
        missing = sum(event.slot is None for event in events) / len(events)
        assert least <= missing < most
    for node in ("exposure", "click", "checkout"):
        assert any(not event.skus for _, event in half_hour.of(node))
    assert any(event.banner is None and event.slot for _, event in half_hour.of("exposure"))


def test_lists_show_several_skus_in_one_exposure(half_hour: Sample) -> None:
    """Only exposures carry several SKUs, at most as many as configured and each once."""
    several = [event for _, event in half_hour.read if len(event.skus) > 1]
    assert 0.05 < len(several) / len(half_hour.read) < 0.3
    assert {event.node for event in several} == {"exposure"}
    assert max(len(event.skus) for event in several) == half_hour.settings.shop.shelf_skus
    assert all(len(set(event.skus)) == len(event.skus) for event in several)


def test_lists_can_be_switched_off() -> None:
    """With one SKU a shelf no exposure is a list."""
    settings = replace(BRIEF, shop=ShopSettings(shelf_skus=1))
    assert not any(b'"sku":[' in record.value for record in simulate(settings))


def test_later_orders_follow_their_own_beginning(half_hour: Sample) -> None:
    """An order is paid at most once, after it was placed, with the lines it was placed with."""
    placed = {event.order_id: event for _, event in half_hour.of("order")}
    paid = [event for _, event in half_hour.of("paid") if event.order_id in placed]
    assert len(paid) > 300
    assert len({event.order_id for event in paid}) == len(paid)
    for event in paid:
        order = placed[event.order_id]
        assert (event.lines, event.currency, event.visitor_id) == (order.lines, "CNY", order.visitor_id)
        if order.time_ms < START_MS + 2_000_000:
            assert event.time_ms > order.time_ms


def test_orders_have_one_to_four_lines_and_payments_a_method(half_hour: Sample) -> None:
    """Baskets differ in size, some lines name their slot; payments say how they were made."""
    orders = [event for _, event in half_hour.of("order")]
    assert {len(event.lines) for event in orders} == {1, 2, 3, 4}
    own = sum(event.lines[0].slot is not None for event in orders) / len(orders)
    assert 0.03 < own < 0.2
    methods = {event.payment_method for _, event in half_hour.of("payment_attempt", "paid", "payment_failed")}
    assert methods == {"alipay", "wechat_pay", "unionpay", "card"}


def test_prices_come_in_both_notations(half_hour: Sample) -> None:
    """Most prices are decimal strings, some integers in minor units."""
    orders = [record.value for record, _ in half_hour.of("order")]
    minor = sum(b'"minor":true' in value for value in orders)
    assert 0.03 < minor / len(orders) < 0.4
    assert any(b'"price":"' in value for value in orders)


def test_payload_is_filled_up_to_the_size_asked_for(half_hour: Sample) -> None:
    """Sound records are never shorter than asked, and hardly longer on average."""
    sizes = [len(record.value) for record, _ in half_hour.read]
    assert min(sizes) == 200
    assert float(np.mean(sizes)) == pytest.approx(202, abs=4)


def test_visitors_come_from_the_pool() -> None:
    """No more distinct visitors than configured, and all of them in time."""
    settings = replace(BRIEF, events=60_000, shop=ShopSettings(visitors=300))
    assert len({record.key for record in simulate(settings)}) == 300


class SaleThatBreaks(Neutral):
    """From the second minute on ten times the visitors, and no payment succeeds."""

    def traffic(self, time_ms: int) -> float:
        """Ten times as many sessions."""
        return 10.0 if time_ms >= START_MS + 60_000 else 1.0

    def chance(self, step: str, at: Circumstances) -> float:
        """Payments fail."""
        return 0.0 if step == "payment_attempt>paid" else 1.0


def test_a_scenario_bends_traffic_and_chances() -> None:
    """What a scenario says about time and step is what the traffic does."""
    settings = replace(SOUND, rate=200, events=None, duration_ms=120_000)
    records = list(simulate(settings, SaleThatBreaks()))
    minutes = Counter((record.arrival_ms - START_MS) // 60_000 for record in records)
    assert minutes[1] > 3 * minutes[0]
    assert any(b'"payment_failed"' in record.value for record in records)
    assert not any(b'"event":"paid"' in record.value for record in records)


class SlowBuyers(Neutral):
    """Everyone takes forever to order."""

    def delay(self, step: str, at: Circumstances) -> float:
        """A thousand times longer."""
        return 1_000.0 if step == "checkout>order" else 1.0


def test_a_scenario_bends_delays() -> None:
    """Slower is not fewer: orders leave the window because they come later."""
    settings = replace(SOUND, rate=200, events=None, duration_ms=120_000)
    usual, slow = (
        sum(record.topic == "orders" for record in simulate(settings, scenario))
        for scenario in (NEUTRAL, SlowBuyers())
    )
    assert slow < usual / 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_ms", 1_762_689_600),
        ("rate", 0),
        ("duration_ms", -1),
        ("events", -1),
        ("duplicates", 1.5),
        ("late", -0.1),
        ("invalid", float("nan")),
        ("future", 0.5),
        ("payload_bytes", 401),
    ],
)
def test_impossible_traffic_is_refused_by_field(field: str, value: Any) -> None:
    """A wrong setting names itself."""
    with pytest.raises(ConfigError) as caught:
        replace(BRIEF, **{field: value})
    assert caught.value.field == f"simulate.{field}"


def test_nothing_is_a_possible_amount() -> None:
    """Zero events and zero duration give an empty stream, not an endless one."""
    assert _count(replace(BRIEF, events=0)) == 0
    assert _count(replace(BRIEF, events=None, duration_ms=0)) == 0


def _count(settings: TrafficSettings) -> int:
    records: Iterator[SimulatedRecord] = simulate(settings)
    return sum(1 for _ in islice(records, 100))
