"""The merging side counts each rollup of its shards once, and lets others have their turn meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from streams.codec import encode_fence, encode_rollup
from streams.core.merge import MoneyKey
from streams.core.vocabulary import INNER_DIMENSIONS
from streams.events import Record, RecordBatch
from streams.metrics.catalog import Family
from streams.metrics.key_series import KeySeries, KeySeriesSettings
from streams.metrics.pipeline import PipelineMetrics
from streams.results import VERSION, Fence
from streams.worker.merging import Merging, OwnedShard, Restored
from tests.support.clock import ManualClock
from tests.support.rollups import STAGES, T0, rollup

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from streams.core.merge import Totals
    from streams.results import Rollup

CLICK = 1
VISITORS = 16
A = ("slot", "A")
CLICKSTREAM, ORDERS = "clickstream", "orders"


class Bench:
    """A merging side that owns some of four shards, on a clock of the test's own."""

    def __init__(self, *shards: int) -> None:
        self.clock = ManualClock(T0)
        self.series = KeySeries(KeySeriesSettings(total_shards=4, topics=(CLICKSTREAM, ORDERS)))
        self.registry = CollectorRegistry()
        self.merging = Merging(
            source_topics=(CLICKSTREAM, ORDERS),
            series=self.series,
            clock=self.clock,
            metrics=PipelineMetrics(self.registry, topics=(CLICKSTREAM, ORDERS)),
        )
        self.merging.own(frozenset(shards))
        self._ends = Counter[int]()

    async def take(self, *rollups: Rollup | bytes | None, shard: int = 0) -> None:
        """One batch comes in."""
        await self.merging.take(shard, batch(rollups, self._ends[shard]))
        self._ends[shard] += len(rollups)

    def totals(self, shard: int = 0) -> Totals:
        """What is merged of a shard."""
        return self.merging.totals[shard]

    def clicked(self, shard: int = 0) -> int:
        """Clicks of slot A in the totals of a shard."""
        return sum(cells[CLICK] for (_, *name), cells in self.totals(shard).cells.items() if name == [*A])

    def outcomes(self) -> dict[str, float | None]:
        """Rollups by outcome, as the metric has them."""
        return {
            outcome: self.registry.get_sample_value("funnelwatch_rollups_total", {"outcome": outcome})
            for outcome in ("applied", "stale", "invalid")
        }

    def exported(self, family: Family) -> dict[tuple[str, ...], int]:
        """Values of a family by (dimension, key, label ...), long after they were counted; none of zero."""
        self.series.snapshot(self.clock.now_ms())
        shown = self.series.snapshot(self.clock.advance(60_000)).keys
        return {
            (dimension, key, *labels): value
            for dimension, key, cells in shown
            for labels, value in cells[family].items()
            if value
        }


def batch(rollups: Iterable[Rollup | bytes | None], first: int = 0) -> RecordBatch:
    """A batch of the rollups topic, from an offset on."""
    values = [
        value if value is None or isinstance(value, bytes) else encode_rollup(value) for value in rollups
    ]
    return RecordBatch.of([Record(offset, T0, value) for offset, value in enumerate(values, first)])


def clicks(sequence: int, count: int = 1, *, partition: int = 0, generation: int = 1) -> Rollup:
    """Clicks of slot A."""
    return rollup({A: {CLICK: count}}, sequence=sequence, partition=partition, generation=generation)


def warnings(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object, object]]:
    """(text, shard, partition) of what was logged."""
    return [
        (record.message, getattr(record, "shard", None), getattr(record, "partition", None))
        for record in caplog.records
    ]


async def test_dimensions_of_our_own_are_not_for_show() -> None:
    """They are in rollups for who watches; neither totals nor series have them."""
    bench = Bench(0)
    inner = {(dimension, "0"): {VISITORS + CLICK: 3} for dimension in INNER_DIMENSIONS}
    await bench.take(rollup({A: {CLICK: 5}, **inner}))
    assert bench.totals().cells == {(T0, *A): {CLICK: 5}}
    assert bench.exported(Family.EVENTS) == {(*A, "click"): 5}
    assert bench.exported(Family.VISITORS) == {}


async def test_a_rollup_without_counts_says_nothing_of_freshness() -> None:
    """It only tells how far a source partition is: merged and numbered like the others, but no event came with it."""
    bench = Bench(0)
    bench.clock.advance(60_000)
    await bench.take(rollup({A: {CLICK: 3}}, until=58_000), rollup(sequence=1, until=58_000, idle=True))
    assert bench.merging.newest_age_s() == 2.0
    bench.clock.advance(60_000)
    await bench.take(rollup(sequence=2, until=58_000), rollup({A: {CLICK: 3}}, sequence=1))
    assert bench.merging.newest_age_s() == 2.0
    assert bench.clicked() == 3
    assert bench.totals().buckets.keys() == {T0}
    assert bench.outcomes() == {"applied": 3, "stale": 1, "invalid": 0}


async def test_rollups_are_added_to_the_totals_and_to_the_series() -> None:
    """Events, visitors, orders, amounts and records, each under its names."""
    bench = Bench(0)
    one = rollup(
        {A: {CLICK: 5, VISITORS + CLICK: 3}, ("slot", "B"): {CLICK: 2}, ("all", "all"): {0: 7}},
        {("sku", "S", "CNY", "paid"): (2, 7_980)},
        {(0, "accepted"): 12, (1, "late"): 1},
    )
    await bench.take(one)
    assert bench.totals().cells[T0, *A] == {CLICK: 5, VISITORS + CLICK: 3}
    assert bench.totals().money == {(T0, MoneyKey("sku", "S", "CNY", "paid")): (2, 7_980)}
    assert bench.exported(Family.EVENTS) == {
        (*A, "click"): 5,
        ("slot", "B", "click"): 2,
        ("all", "all", "exposure"): 7,
    }
    assert bench.exported(Family.VISITORS) == {(*A, "click"): 3}
    assert bench.exported(Family.ORDERS) == {("sku", "S", "paid"): 2}
    assert bench.exported(Family.REVENUE) == {("sku", "S", "CNY", "paid"): 7_980}
    records = {name: number for name, number in bench.series.record_totals().items() if number}
    assert records == {(CLICKSTREAM, "accepted"): 12, (ORDERS, "late"): 1}


async def test_orders_outcomes_are_no_nodes() -> None:
    """They are merged, but are in no exported count of events."""
    bench = Bench(0)
    await bench.take(rollup({A: {STAGES.nodes: 4, CLICK: 1}}))
    assert bench.totals().cells[T0, *A] == {STAGES.nodes: 4, CLICK: 1}
    assert bench.exported(Family.EVENTS) == {(*A, "click"): 1}


async def test_a_rollup_counts_once() -> None:
    """However often it comes, in one batch or several; what was known is told in the metric."""
    bench = Bench(0)
    await bench.take(clicks(0, 5), clicks(0, 5), clicks(1, 2))
    await bench.take(clicks(1, 2), clicks(0, 5))
    assert bench.clicked() == bench.exported(Family.EVENTS)[*A, "click"] == 7
    assert bench.outcomes() == {"applied": 2, "stale": 3, "invalid": 0}


async def test_a_life_that_is_over_is_not_listened_to() -> None:
    """Its successor has begun from what it handed over."""
    bench = Bench(0)
    await bench.take(clicks(0, 5), clicks(0, 2, generation=2), clicks(1, 9), clicks(2, 9, partition=1))
    assert bench.clicked() == bench.exported(Family.EVENTS)[*A, "click"] == 16
    assert bench.outcomes() == {"applied": 3, "stale": 1, "invalid": 0}


async def test_what_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and logged, with its shard and without what is in it; the others count."""
    bench = Bench(3)
    await bench.take(clicks(0), b"FWR\2secret", None, clicks(1), shard=3)
    assert bench.clicked(3) == 2
    assert bench.outcomes() == {"applied": 2, "stale": 0, "invalid": 2}
    assert warnings(caplog) == [("rollup cannot be read", 3, None)] * 2
    assert "secret" not in caplog.text


# --- missing rollups -----------------------------------------------------------------------------


async def test_a_missing_rollup_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """When it is seen to be missing: not again by what comes after it, and not when it comes after all."""
    bench = Bench(0, 2)
    await bench.take(clicks(0), clicks(1), clicks(0, partition=7), shard=2)
    assert warnings(caplog) == []
    await bench.take(clicks(3), shard=2)
    missing = ("rollups are missing", 2, 0)
    assert warnings(caplog) == [missing]
    assert caplog.records[0].levelno == logging.WARNING
    await bench.take(clicks(4), clicks(3), clicks(1, partition=7), clicks(5), shard=2)
    await bench.take(clicks(0), shard=0)
    assert warnings(caplog) == [missing]
    await bench.take(clicks(2), shard=2)
    assert warnings(caplog) == [missing]
    assert bench.clicked(2) == 8
    await bench.take(clicks(9), clicks(3, partition=7), shard=2)
    assert warnings(caplog) == [missing, missing, ("rollups are missing", 2, 7)]


async def test_nothing_is_missing_before_the_first(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever takes a shard over begins in the midst of a life; a new life begins anew."""
    bench = Bench(0)
    await bench.take(clicks(40), clicks(41), clicks(3, generation=2), clicks(4, generation=2))
    assert bench.outcomes()["applied"] == 4
    assert warnings(caplog) == []


# --- shards that come and go ---------------------------------------------------------------------


async def test_a_shard_that_is_not_owned_is_left_alone() -> None:
    """Its owner counts it."""
    bench = Bench(0)
    await bench.take(clicks(0), shard=1)
    assert bench.merging.totals.keys() == {0}
    assert bench.outcomes() == {"applied": 0, "stale": 0, "invalid": 0}
    assert bench.exported(Family.EVENTS) == {}


async def test_a_shard_that_goes_in_the_middle_of_a_batch_is_not_counted_on() -> None:
    """From then on it counts elsewhere, and here nothing of it is left but what was exported."""
    bench = Bench(0, 1)
    taking = asyncio.ensure_future(bench.merging.take(0, batch(clicks(number) for number in range(1_000))))
    await asyncio.sleep(0)
    before = bench.clicked()
    assert 0 < before < 1_000
    bench.merging.own(frozenset({1}))
    await taking
    assert bench.merging.totals.keys() == {1}
    assert bench.outcomes()["applied"] == before
    await bench.take(clicks(0), shard=1)
    assert bench.clicked(1) == 1


async def test_a_shard_that_comes_back_begins_from_nothing() -> None:
    """Another owner has counted meanwhile: neither numbers nor totals of before are worth anything."""
    bench = Bench(0, 1)
    await bench.take(clicks(0, 5), clicks(1, 5))
    await bench.take(clicks(0, 3), shard=1)
    bench.merging.own(frozenset({1}))
    bench.merging.own(frozenset({0, 1}))
    assert (bench.totals(0).cells, bench.clicked(1)) == ({}, 3)
    await bench.take(clicks(7, 2), clicks(8, 2))
    await bench.take(clicks(0, 3), shard=1)
    assert (bench.clicked(0), bench.clicked(1)) == (4, 3)
    # Prometheus adds up what every worker has counted, so nothing that was exported goes.
    assert bench.exported(Family.EVENTS)[*A, "click"] == 17


# --- what is written down ------------------------------------------------------------------------


async def test_without_a_log_a_batch_is_done_with_once_it_is_merged() -> None:
    """Nobody would acknowledge it later."""
    bench, acks = Bench(0), list[int]()
    await bench.merging.take(0, batch([clicks(0)]), lambda: acks.append(1))
    assert acks == [1]


async def test_with_a_log_a_batch_is_done_with_once_it_is_kept() -> None:
    """All of it, and those before; one that is known already needs no waiting."""
    bench, acks = Bench(), list[str]()
    bench.merging.outlive()
    bench.merging.own(frozenset({0}))
    for name, first in (("first", 0), ("second", 2), ("third", 4)):
        rollups = [clicks(first), clicks(first + 1)]
        await bench.merging.take(0, batch(rollups, first), partial(acks.append, name))
    assert bench.merging.changed(0)
    bench.merging.kept(0, 5)
    assert acks == ["first", "second"]
    assert bench.merging.changed(0)
    bench.merging.kept(0, 6)
    assert acks == ["first", "second", "third"]
    assert not bench.merging.changed(0)
    await bench.merging.take(0, batch([clicks(5)], 5), lambda: acks.append("known"))
    assert acks[-1] == "known"
    assert bench.clicked() == 6


async def test_rollups_that_a_snapshot_holds_are_left_out() -> None:
    """Also if the group's offset is behind it: reading may start anywhere before."""
    bench = Bench()
    owned = OwnedShard(next_offset=2)
    bench.merging.own(frozenset({0}), {0: Restored(owned, None)})
    await bench.take(clicks(0), clicks(1), clicks(2), clicks(3))
    assert bench.clicked() == 2
    assert bench.outcomes() == {"applied": 2, "stale": 0, "invalid": 0}
    assert owned.next_offset == 4


async def test_a_paused_shard_looks_at_nothing() -> None:
    """It was handed over: what comes now is the next owner's, and is not acknowledged here."""
    bench, acks = Bench(0), list[int]()
    await bench.take(clicks(0))
    bench.merging.shards[0].paused = True
    await bench.merging.take(0, batch([clicks(1)], 1), lambda: acks.append(1))
    assert (bench.clicked(), acks) == (1, [])
    bench.merging.own(frozenset({0}))
    await bench.merging.take(0, batch([clicks(1)], 1), lambda: acks.append(1))
    assert (bench.clicked(), acks) == (2, [1])


async def test_behind_a_fence_the_older_life_counts_nothing() -> None:
    """Fences are no rollups and in no metric; they are kept with what was merged."""
    bench = Bench(0)
    fence = encode_fence(Fence(VERSION, partition=0, generation=2, shard=0))
    await bench.take(clicks(0), fence, clicks(1), clicks(0, generation=2))
    assert bench.clicked() == 2
    assert bench.outcomes() == {"applied": 2, "stale": 1, "invalid": 0}


# --- on the event loop ---------------------------------------------------------------------------


async def test_merging_lets_others_have_their_turn() -> None:
    """A long batch holds up nobody: the loop goes round many times before it is through."""
    bench = Bench(0)
    taking = asyncio.ensure_future(bench.merging.take(0, batch(clicks(number) for number in range(1_000))))
    turns = []
    while not taking.done():
        await asyncio.sleep(0)
        turns.append(bench.clicked())
    steps = [after - before for before, after in zip([0, *turns], turns, strict=False)]
    assert sum(steps) == 1_000
    assert max(steps) <= 100
    assert len(turns) > 10


async def test_freshness_is_how_old_the_newest_event_is() -> None:
    """Of the last rollup with counts; one from the future is fresh."""
    bench = Bench(0)
    assert bench.merging.newest_age_s() is None
    bench.clock.move_to(T0 + 5_000)
    await bench.take(rollup(outcomes={(0, "accepted"): 1}))
    assert bench.merging.newest_age_s() is None
    await bench.take(rollup({A: {CLICK: 1}}, sequence=1, until=2_500))
    assert bench.merging.newest_age_s() == 2.5
    await bench.take(rollup({A: {CLICK: 1}}, sequence=1, until=0))  # known
    assert bench.merging.newest_age_s() == 2.5
    await bench.take(rollup({A: {CLICK: 1}}, sequence=2, until=6_000))
    assert bench.merging.newest_age_s() == 0


async def test_old_buckets_are_let_go() -> None:
    """Five minutes of them are kept behind the newest, of each shard."""
    bench = Bench(0, 1)
    for number, seconds in enumerate((0, 10, 310)):
        await bench.take(rollup({A: {CLICK: 1}}, sequence=number, bucket_ms=T0 + seconds * 1_000))
    await bench.take(clicks(0), shard=1)
    bench.merging.tick()
    assert [start - T0 for start, *_ in bench.totals().cells] == [10_000, 310_000]
    assert bench.clicked(1) == 1
