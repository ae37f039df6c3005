"""What is merged outlives its worker through Apache Kafka: crashes, torn snapshots, owners who wake.

A worker here is a merging side with its log; the test reads the rollups for it, from where it says.
"""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from streams.codec import encode_fence, encode_rollup
from streams.errors import CodecError
from streams.events import RecordBatch
from streams.metrics.catalog import Family
from streams.metrics.key_series import KeySeries, KeySeriesSettings
from streams.metrics.pipeline import PipelineMetrics
from streams.results import Fence
from streams.worker.entry import create_topics
from streams.worker.kafka import Producer
from streams.worker.merging import Merging
from streams.worker.totals_entries import Marker
from streams.worker.totals_log import TotalsLog
from tests.support.clock import ManualClock
from tests.support.rollups import T0, rollup
from tests.support.workers import Deployment, read_topic
from tests.unit.streams.metrics.scrapes import increase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from streams.core.merge import Totals
    from streams.events import Record
    from streams.results import Rollup
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka

SHARDS = 2
HOLD_MS = 20_000
MARKER = msgspec.msgpack.Decoder(Marker).decode
CLICK = 1


class Acks(list[int]):
    """Which batches were acknowledged."""

    def of(self, number: int) -> Any:
        """The acknowledgement of one."""
        return lambda: self.append(number)


@dataclass
class Worker:
    """A merging side, its log, and what Prometheus has seen of it."""

    deployment: Deployment
    address: str
    clock: ManualClock
    producer: Producer
    series: KeySeries
    merging: Merging
    log: TotalsLog
    acks: Acks = field(default_factory=Acks)
    start_at: dict[int, int] = field(default_factory=dict)

    async def take(self, *shards: int) -> None:
        """These shards are assigned, and no others."""
        self.start_at = await self.log.take(shards)

    async def read(self, shard: int = 0, until: int | None = None) -> None:
        """Read rollups on, in batches of three, up to the end or an offset."""
        records = await rollups_of(self.deployment, shard)
        fresh = [r for r in records if r.offset >= self.start_at.get(shard, 0)][:until]
        for first in range(0, len(fresh), 3):
            batch = fresh[first : first + 3]
            self.start_at[shard] = batch[-1].offset + 1
            await self.merging.take(shard, RecordBatch.of(batch), self.acks.of(batch[-1].offset))

    async def keep(self) -> bool:
        """A snapshot of every shard."""
        self.clock.advance(15_000)
        return await self.log.flush()

    def totals(self, shard: int = 0) -> Totals:
        """What is merged."""
        return self.merging.totals[shard]

    def scrape(self) -> Counter[tuple[str, ...]]:
        """Events by (dimension, key, node) as Prometheus sees them now."""
        found: Counter[tuple[str, ...]] = Counter()
        for dimension, key, cells in self.series.snapshot(self.clock.now_ms()).keys:
            for labels, value in cells[Family.EVENTS].items():
                found[dimension, key, *labels] = value
        return found

    async def settle(self, scrapes: list[Counter[tuple[str, ...]]]) -> None:
        """Time passes, with scrapes and snapshots, until all is told."""
        for _ in range(4):
            scrapes.append(self.scrape())
            self.clock.advance(HOLD_MS)
            self.merging.tick()
            scrapes.append(self.scrape())
            await self.keep()
        scrapes.append(self.scrape())


@asynccontextmanager
async def worker(
    deployment: Deployment, address: str = "a", clock: ManualClock | None = None
) -> AsyncIterator[Worker]:
    """A worker at an address; leaving is a crash: nothing is handed over."""
    clock = clock or ManualClock(T0)
    settings = deployment.settings()
    producer = Producer(settings.kafka)
    series = KeySeries(
        KeySeriesSettings(total_shards=SHARDS, topics=("clickstream", "orders"), zero_hold_ms=HOLD_MS)
    )
    merging = Merging(
        source_topics=("clickstream", "orders"),
        series=series,
        clock=clock,
        metrics=PipelineMetrics(CollectorRegistry(), topics=("clickstream", "orders")),
    )
    log = TotalsLog(settings, merging, producer, address=address, monotonic=lambda: clock.now_ms() / 1000)
    try:
        yield Worker(deployment, address, clock, producer, series, merging, log)
    finally:
        await producer.stop()


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """Topics of this test's own."""
    made = Deployment(
        kafka.bootstrap_servers, topic_names.prefix, tmp_path, {"TOPICS__ROLLUP_SHARDS": str(SHARDS)}
    )
    await create_topics(made.settings())
    return made


async def rollups_of(deployment: Deployment, shard: int) -> list[Record]:
    """All that lies in a shard of the rollups."""
    return (await read_topic(deployment.bootstrap_servers, deployment.rollups))[shard]


async def send(deployment: Deployment, messages: Sequence[Rollup | Fence]) -> None:
    """Rollups and fences go to their shards, in order."""
    producer = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers)
    await producer.start()
    try:
        for message in messages:
            data = encode_fence(message) if isinstance(message, Fence) else encode_rollup(message)
            await producer.send(deployment.rollups, data, partition=message.shard)
        await producer.flush()
    finally:
        await producer.stop()


async def write(deployment: Deployment, shard: int, key: bytes, value: bytes | None) -> None:
    """A record of somebody else's into the topic of totals."""
    producer = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(totals_topic(deployment), value, key=key, partition=shard)
    finally:
        await producer.stop()


def totals_topic(deployment: Deployment) -> str:
    """Its name."""
    return deployment.settings().topics.totals


def flow(first: int, count: int, *, shard: int = 0, generation: int = 1) -> list[Rollup]:
    """Rollups of clicks of ten SKUs, of buckets that go on."""
    return [
        rollup(
            {("all", "all"): {CLICK: 3}, ("sku", f"S{number % 10}"): {CLICK: number + 1, 17: 1}},
            {("sku", f"S{number % 10}", "CNY", "paid"): (1, 100 + number)},
            {(0, "accepted"): 3},
            shard=shard,
            sequence=number,
            generation=generation,
            bucket_ms=T0 + number // 4 * 10_000,
        )
        for number in range(first, first + count)
    ]


def told(rollups: Sequence[Rollup]) -> Counter[tuple[str, ...]]:
    """What they say was clicked."""
    found: Counter[tuple[str, ...]] = Counter()
    for one in rollups:
        for counts in one.counts:
            for index, column, count in zip(*(cells.tolist() for cells in counts.cells()), strict=True):
                if column == CLICK:
                    found[counts.dimension, counts.keys[index], "click"] += count
    return found


def increases(scrapes: Sequence[Counter[tuple[str, ...]]]) -> Counter[tuple[str, ...]]:
    """What increase() makes of them, by series."""
    names = {name for scrape in scrapes for name in scrape}
    return Counter(
        {name: grown for name in names if (grown := increase(scrape.get(name) for scrape in scrapes))}
    )


def same(one: Totals, other: Totals) -> bool:
    """Whether totals say the same."""
    return (one.cells, one.money, one.outcomes) == (other.cells, other.money, other.outcomes)


async def test_totals_and_counters_outlive_a_crash(deployment: Deployment) -> None:
    """Killed between snapshots and back at the same address: same totals, and no step lost or told twice."""
    scrapes: list[Counter[tuple[str, ...]]] = []
    sent = flow(0, 40)
    await send(deployment, sent[:25])
    clock = ManualClock(T0)
    async with worker(deployment, clock=clock) as first:
        await first.take(0, 1)
        assert first.start_at == {}
        await first.read(until=10)
        await first.settle(scrapes)
        await first.read(until=10)
        scrapes.append(first.scrape())
        before = first.totals()
    await send(deployment, sent[25:])
    async with worker(deployment, clock=clock) as second:
        await second.take(0, 1)
        assert second.start_at == {0: 10}
        assert second.scrape() == {}
        await second.read(until=9)
        assert second.scrape() == {}
        await second.read()
        await second.settle(scrapes)
        async with worker(deployment, "z") as whole:
            whole.merging.own(frozenset({0}))
            await whole.read()
            assert same(second.totals(), whole.totals())
            assert not same(second.totals(), before)
    assert increases(scrapes) == told(sent)
    for before_it, after in itertools.pairwise(scrapes):
        assert all(after[name] >= value for name, value in before_it.items())


async def test_a_batch_is_acknowledged_once_a_snapshot_holds_it(deployment: Deployment) -> None:
    """Not before: what the group has committed is never ahead. Nothing new, no snapshot."""
    await send(deployment, flow(0, 9))
    async with worker(deployment) as one:
        await one.take(0, 1)
        await one.read(until=6)
        assert one.acks == []
        assert await one.keep()
        assert one.acks == [2, 5]
        written = len((await read_topic(deployment.bootstrap_servers, totals_topic(deployment)))[0])
        assert await one.keep()
        assert len((await read_topic(deployment.bootstrap_servers, totals_topic(deployment)))[0]) == written
        await one.read()
        assert one.acks == [2, 5]
        await one.log.give([0, 1])
        assert one.acks == [2, 5, 8]


async def test_a_shard_that_was_given_is_merged_on_elsewhere(deployment: Deployment) -> None:
    """In order: the giver looks at nothing more, the taker reads on from there, and both tell their part."""
    scrapes: list[Counter[tuple[str, ...]]] = []
    others: list[Counter[tuple[str, ...]]] = []
    sent = flow(0, 24)
    await send(deployment, sent)
    clock = ManualClock(T0)
    async with worker(deployment, clock=clock) as first, worker(deployment, "b", clock) as second:
        await first.take(0, 1)
        await first.read(until=12)
        await first.settle(scrapes)
        await first.log.give([0, 1])
        await first.read()
        await first.take(1)
        await second.take(0)
        assert second.start_at == {0: 12}
        await second.read()
        await second.settle(others)
        await first.settle(scrapes)
        async with worker(deployment, "z") as whole:
            whole.merging.own(frozenset({0}))
            await whole.read()
            assert same(second.totals(), whole.totals())
    assert increases(scrapes) == told(sent[:12])
    assert increases(others) == told(sent[12:])


async def test_a_shard_that_was_given_may_come_back(deployment: Deployment) -> None:
    """Nobody had it meanwhile: everything goes on, and the snapshot does not say any more that it was given."""
    await send(deployment, flow(0, 24))
    async with worker(deployment) as one:
        await one.take(0, 1)
        await one.read(until=12)
        await one.log.give([0, 1])
        await one.take(0, 1)
        assert one.start_at == {0: 12}
        await one.read()
        async with worker(deployment, "b") as heir:
            await heir.take(0)
            assert heir.start_at == {0: 12}
            await heir.read()
            assert same(one.totals(), heir.totals())
            assert sum(heir.scrape().values()) == 0
    last = [
        MARKER(r.value or b"") for r in await snapshots(deployment) if (r.key or b"").startswith(b"marker/")
    ][-1]
    assert not last.closed


async def snapshots(deployment: Deployment) -> list[Record]:
    """All that lies in shard 0 of the totals."""
    return (await read_topic(deployment.bootstrap_servers, totals_topic(deployment)))[0]


async def test_who_takes_over_from_the_dead_tells_nothing_twice(deployment: Deployment) -> None:
    """Killed after a scrape: another address counts from zero, and leaves out what the dead one read."""
    scrapes: list[Counter[tuple[str, ...]]] = []
    others: list[Counter[tuple[str, ...]]] = []
    sent = flow(0, 40)
    await send(deployment, sent[:30])
    clock = ManualClock(T0)
    async with worker(deployment, clock=clock) as first:
        await first.take(0, 1)
        await first.read(until=20)
        await first.settle(scrapes)
        await first.read()
        scrapes.append(first.scrape())
    assert increases(scrapes) == told(sent[:30])
    async with worker(deployment, "b", clock) as heir:
        await heir.take(0)
        assert heir.start_at == {0: 20}
        await send(deployment, sent[30:])
        await heir.read()
        await heir.settle(others)
        assert increases(others) == told(sent[30:])
        async with worker(deployment, "z") as whole:
            whole.merging.own(frozenset({0}))
            await whole.read()
            assert same(heir.totals(), whole.totals())


async def test_an_owner_who_wakes_changes_nothing(deployment: Deployment) -> None:
    """His snapshot counts for nobody, he acknowledges nothing, and looks at no more rollups."""
    await send(deployment, flow(0, 30))
    async with worker(deployment) as sleeper, worker(deployment, "b") as heir:
        await sleeper.take(0, 1)
        await sleeper.read(until=12)
        await sleeper.keep()
        await sleeper.read(until=12)
        done = list(sleeper.acks)
        await heir.take(0)
        await heir.read(until=6)
        await heir.keep()
        assert await sleeper.keep()
        assert sleeper.acks == done
        await sleeper.read()
        assert sleeper.merging.shards[0].next_offset == 24
        await heir.read()
        await heir.keep()
        async with worker(deployment, "c") as third:
            await third.take(0)
            assert third.start_at == {0: 30}
            assert same(third.totals(), heir.totals())


class Torn(Exception):  # noqa: N818  # an end, not an error
    """Killed while writing."""


async def test_a_snapshot_that_was_not_finished_leaves_the_one_before(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of one, and of the next after it: whoever comes starts from the last whole one."""
    await send(deployment, flow(0, 40))
    async with worker(deployment) as one:
        await one.take(0, 1)
        await one.read(until=20)
        await one.keep()
        whole = one.producer.send
        for left in (1, 2, 3):
            await one.read(until=3)
            sent = itertools.count()

            async def tears(*args: Any, **named: Any) -> Any:
                if next(sent) >= left:  # noqa: B023  # used up before the next round
                    raise Torn
                return await whole(*args, **named)

            monkeypatch.setattr(one.producer, "send", tears)
            with pytest.raises(Torn):
                await one.keep()
        expected = one.totals()
    async with worker(deployment, "b") as heir:
        await heir.take(0)
        assert heir.start_at == {0: 20}
        await heir.read(until=9)
        assert same(heir.totals(), expected)


@pytest.mark.parametrize("wrong", ["version", "checksum", "chunk", "marker", "shards"])
async def test_a_snapshot_that_cannot_be_read_is_refused(deployment: Deployment, wrong: str) -> None:
    """Damaged, incomplete or of another version: the error names topic, shard and remedy."""
    await send(deployment, flow(0, 9))
    async with worker(deployment) as one:
        await one.take(0, 1)
        await one.read()
        await one.keep()
    records = {record.key: record.value for record in await snapshots(deployment)}
    key = next(k for k in records if k and k.startswith(b"marker/"))
    marker = MARKER(records[key] or b"")
    piece = next(k for k in records if k and k.startswith(f"piece/{marker.owner}/1/".encode()))
    encode = msgspec.msgpack.encode
    damaged = {
        "version": (key, encode([9, "of another shape"]), "of version 9, this build reads version 1"),
        "checksum": (piece, (records[piece] or b"") + b"!", "checksum of piece 1"),
        "chunk": (piece, None, "a chunk of piece 1 is missing"),
        "marker": (key, b"\xc1", "its marker cannot be read"),
        "shards": (
            key,
            encode(msgspec.structs.replace(marker, shards=7)),
            "written for 7 shards, there are 2",
        ),
    }
    name, value, said = damaged[wrong]
    await write(deployment, 0, name, value)
    async with worker(deployment, "b") as heir:
        with pytest.raises(CodecError, match=said) as raised:
            await heir.take(0)
    assert str(raised.value).startswith(f"{totals_topic(deployment)}: totals of shard 0: ")
    assert "delete the records of the partition" in str(raised.value)
