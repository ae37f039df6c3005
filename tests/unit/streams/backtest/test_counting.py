"""Recorded records counted by their own clock: the contract's counts, and a worker's words about them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streams.backtest.arrivals import Arrival, from_partitions
from streams.backtest.counting import Recount
from streams.core.closing import Closing
from streams.core.merge import Totals
from streams.core.ordering import Patience
from streams.core.settings import CountingSettings
from streams.demo.circumstances import NEUTRAL
from streams.demo.scenarios import SCENARIOS, Placed, Times
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.events import Record
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.replay import count_records, counts_of
from tests.support.builders import T0, click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.closed import ClosedBucket
    from streams.demo.circumstances import Scenario
    from streams.results import Rollup

ENDLESS = Patience(1 << 40, 1 << 40)
SETTINGS = CountingSettings()
FUNNEL = Funnel()
SHOP = ShopSettings(seed=4, slots=5, banners=5, skus=30, visitors=900)
TRAFFIC = TrafficSettings(T0, 25.0, 300_000, duplicates=0.05, late=0.05, invalid=0.01, shop=SHOP)


def recount(patience: Patience = ENDLESS) -> Recount:
    """A fresh one."""
    native = NativeFormat(funnel=FUNNEL)
    return Recount(SETTINGS, FUNNEL, (native, native), patience)


def by_topic(scenario: Scenario = NEUTRAL) -> tuple[list[Record], list[Record]]:
    """Records of both topics."""
    topics: dict[str, list[Record]] = {"clickstream": [], "orders": []}
    for record in simulate(TRAFFIC, scenario):
        records = topics[record.topic]
        records.append(Record(len(records), record.arrival_ms, record.value))
    return topics["clickstream"], topics["orders"]


def arrivals(topics: tuple[list[Record], list[Record]], partition: int = 0) -> list[Arrival]:
    """The same in order of arrival."""
    return list(from_partitions({(partition, topic): records for topic, records in enumerate(topics)}))


def closed(rollups: Iterable[Rollup]) -> list[ClosedBucket]:
    """Buckets that close."""
    closing = Closing(1)
    found: list[ClosedBucket] = []
    for rollup in rollups:
        closing.take(0, rollup)
        found += closing.closed()
    return found


def test_the_counts_are_the_contracts() -> None:
    """Duplicates, late and invalid records and all: what a replay counts, to the unit."""
    topics = by_topic()
    totals = Totals()
    for rollup in recount().rollups(arrivals(topics)):
        totals.add(rollup)
    found, wanted = counts_of(totals, rollup.stages, rollup.nodes), count_records(*topics, SETTINGS)
    assert (found.cells, found.money, found.outcomes) == (wanted.cells, wanted.money, wanted.outcomes)


def test_it_tells_by_the_clock_of_the_records() -> None:
    """No rollup is told before what it is about came, nor long after; times only grow."""
    told = [rollup.told_at_ms for rollup in recount(Patience()).rollups(arrivals(by_topic()))]
    assert told == sorted(told)
    assert told[0] >= T0
    assert told[-1] <= T0 + 301_000


def test_the_same_records_close_the_same_buckets() -> None:
    """Twice the same, in content and in time."""
    first, second = (closed(recount(Patience()).rollups(arrivals(by_topic()))) for _ in range(2))
    assert [b.closed_at_ms for b in first] == [b.closed_at_ms for b in second]
    assert [b.records for b in first] == [b.records for b in second]
    assert len(first) > 20


def test_a_topic_that_stalls_is_seen_to_stall() -> None:
    """While orders are away buckets close without any; behind the stall all of them are there."""
    stalled = Placed(SCENARIOS["S6a"], Times(T0 + 100_000, 100_000))
    buckets = closed(recount(Patience()).rollups(arrivals(by_topic(stalled))))
    orders = {
        bucket.start_ms - T0: sum(n for (_, topic, _), n in bucket.records.items() if topic == 1)
        for bucket in buckets
    }
    away = [n for start_ms, n in orders.items() if 110_000 <= start_ms < 180_000]
    assert len(away) == 7
    assert sum(away) == 0
    assert sum(orders.values()) > 0.8 * len(by_topic(stalled)[1])


def test_partitions_are_counted_apart() -> None:
    """The same records on two partitions are counted twice: nothing of one is known to the other."""
    topics = by_topic()
    both = sorted([*arrivals(topics), *arrivals(topics, 1)], key=lambda arrival: arrival.at_ms)
    totals, once = Totals(), Totals()
    for rollup in recount().rollups(both):
        totals.add(rollup)
    for rollup in recount().rollups(arrivals(topics)):
        once.add(rollup)
    assert totals.outcomes == {key: 2 * records for key, records in once.outcomes.items()}


def test_a_pause_of_days_is_skipped() -> None:
    """Recordings of two weekends in one file: nobody ticks through the week between."""
    events = [
        Record(n, T0 + at_ms, click(t=at_ms, event_id=str(at_ms))) for n, at_ms in enumerate((0, 400_000_000))
    ]
    told = [rollup.told_at_ms for rollup in recount(Patience()).rollups(arrivals((events, [])))]
    assert len(told) < 20


def test_silence_is_told_all_the_same() -> None:
    """Nothing comes for an hour: the buckets of that hour close as it passes."""
    events = [
        Record(n, T0 + at_ms, click(t=at_ms, event_id=str(at_ms))) for n, at_ms in enumerate((0, 3_500_000))
    ]
    buckets = closed(recount(Patience()).rollups(arrivals((events, []))))
    assert len(buckets) > 340
    assert all(bucket.closed_at_ms - bucket.end_ms < 40_000 for bucket in buckets[5:-5])


def test_replaced_settings_are_heeded() -> None:
    """Lateness is that of the settings."""
    strict = Recount(replace(SETTINGS, allowed_lateness_ms=6_000), FUNNEL, (NativeFormat(funnel=FUNNEL),) * 2)
    totals = Totals()
    for rollup in strict.rollups(arrivals(by_topic())):
        totals.add(rollup)
    assert any(str(outcome) == "too_late" for _, outcome in totals.outcomes)
