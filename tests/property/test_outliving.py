"""Workers that crash, come back and take over: totals stay whole, and Prometheus is told nothing twice.

Three addresses share four shards. Workers merge rollups as they come, are scraped, and write down now
and then what they know; what they write is what :mod:`streams.worker.totals_log` writes, read back by
the same rules, but lies in memory. Everything is decided by a seed.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from streams.codec import decode_rollup, encode_rollup
from streams.core.merge import Totals
from streams.core.totals_state import decode_bucket, decode_shard, encode_bucket, encode_shard
from streams.events import Record, RecordBatch
from streams.metrics.catalog import Family
from streams.metrics.key_series import KeySeries
from streams.metrics.pipeline import PipelineMetrics
from streams.metrics.series_part import Carried, decode_series, encode_series
from streams.worker.merging import Merging, OwnedShard, Restored
from tests.support.clock import ManualClock
from tests.support.rollups import rollup
from tests.unit.streams.metrics.scrapes import DAY_MS, NOON_MS, SETTINGS, increase, values

if TYPE_CHECKING:
    from collections.abc import Callable

SHARDS = 4
ADDRESSES = 3
SCRAPE_S = 15
SNAPSHOT_S = 10
SECONDS = 420
CLICK = 1
Series = tuple[object, ...]


@dataclass
class Snapshot:
    """What one owner wrote down of a shard."""

    owner: int
    address: int
    closed: bool
    next_offset: int
    shard: bytes
    buckets: list[bytes]


@dataclass
class Shard:
    """Its rollups, the owners it had (their addresses), and the last snapshot."""

    rollups: list[bytes] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    snapshot: Snapshot | None = None


class Process:
    """One life of a worker at an address."""

    def __init__(self, address: int, clock: ManualClock) -> None:
        self.address = address
        self.series = KeySeries(
            replace(SETTINGS, total_shards=SHARDS, max_keys=12, warmup_ms=10_000, topics=("orders", "clicks"))
        )
        self.merging = Merging(
            source_topics=("clicks", "orders"),
            series=self.series,
            clock=clock,
            metrics=PipelineMetrics(CollectorRegistry(), topics=("clicks", "orders")),
        )
        self.merging.outlive()
        self.place: dict[int, int] = {}
        self.number: dict[int, int] = {}


class Deployment:
    """See the module. ``moves`` says what may happen to a worker, and is asked now and then."""

    def __init__(self, seed: int, moves: Callable[[Deployment], None]) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock(NOON_MS + DAY_MS // 2 - SECONDS * 500)
        self.shards = [Shard() for _ in range(SHARDS)]
        self.moves = moves
        self.crashes = 0
        self.takeovers = 0
        self.processes: list[Process | None] = [Process(n, self.clock) for n in range(ADDRESSES)]
        self.scrapes: list[dict[Series, int]] = []
        self.truth: Counter[object] = Counter()
        self.owner_of = [self.rng.randrange(ADDRESSES) for _ in range(SHARDS)]
        self.assign()

    def assign(self) -> None:
        """The shards go to whom they belong now: given first, taken then."""
        for process in filter(None, self.processes):
            for shard in process.number:
                self.write(process, shard, closed=True)
        for process in filter(None, self.processes):
            owned = frozenset(s for s, address in enumerate(self.owner_of) if address == process.address)
            for shard in owned & process.number.keys():
                self.write(process, shard, closed=False)
            stay = owned & process.number.keys()
            gone = process.number.keys() - owned
            behind = frozenset(
                s for s in gone if (it := self.shards[s].snapshot) is None or it.owner != process.number[s]
            )
            for shard in gone:
                del process.number[shard]
            if gone:
                process.merging.own(stay, None, behind)
            restored = {}
            for shard in sorted(owned - stay):
                self.shards[shard].owners.append(process.address)
                process.number[shard] = len(self.shards[shard].owners) - 1
                found = self.restore(shard, process)
                process.place[shard] = 0
                if found is not None:
                    restored[shard] = found
                    process.place[shard] = found.owned.next_offset or 0
            process.merging.own(owned, restored)

    def restore(self, shard: int, process: Process) -> Restored | None:
        """As the log reads a snapshot."""
        known = self.shards[shard]
        snapshot = known.snapshot
        if snapshot is None:
            return None
        owned = OwnedShard(next_offset=snapshot.next_offset, caught_up_at=len(known.rollups))
        owned.merge, series = decode_shard(snapshot.shard, owned.totals)
        for data in snapshot.buckets:
            decode_bucket(data, owned.totals)
        since = known.owners[snapshot.owner + 1 : -1]
        mine = {snapshot.address, *since} == {process.address}
        if since and (snapshot.closed or not mine):
            return Restored(owned, Carried(None, mine=False))
        carried = None if snapshot.closed else Carried(decode_series(series), mine)
        return Restored(owned, carried)

    def write(self, process: Process, shard: int, *, closed: bool) -> None:
        """As the log writes one."""
        owned = process.merging.shards[shard]
        if owned.next_offset is None or owned.caught_up_at is not None:
            return
        series = encode_series(process.merging.to_be_kept(shard))
        self.shards[shard].snapshot = Snapshot(
            process.number[shard],
            process.address,
            closed,
            owned.next_offset,
            encode_shard(owned.merge, owned.totals, series),
            [encode_bucket(start, bucket) for start, bucket in owned.totals.buckets.items()],
        )
        process.merging.kept(shard, owned.next_offset)

    def crash(self, address: int) -> None:
        """The process at an address is gone, and a new one begins."""
        self.crashes += 1
        self.processes[address] = Process(address, self.clock)

    def count(self) -> None:
        """Keys by a skewed law; each belongs to one shard. One rollup a key, for simplicity."""
        for _ in range(self.rng.randrange(5)):
            number = int(self.rng.paretovariate(0.7))
            shard, value = number % SHARDS, self.rng.randrange(1, 5)
            known = self.shards[shard]
            records = {(1, "accepted"): value} if shard == 0 else {}
            one = rollup(
                {("sku", f"k{number % 40}"): {CLICK: value}},
                {("sku", f"k{number % 40}", "CNY", "paid"): (1, value)},
                records,
                shard=shard,
                sequence=len(known.rollups),
                bucket_ms=self.clock.now_ms() // 10_000 * 10_000,
            )
            known.rollups.append(encode_rollup(one))
            self.truth.update({Family.EVENTS: value, Family.REVENUE: value})
            if records:
                self.truth["records"] += value

    async def merge(self, process: Process) -> None:
        """Some of what lies there, as a rule all."""
        for shard in process.number:
            place, known = process.place[shard], self.shards[shard].rollups
            end = len(known) if self.rng.random() < 0.8 else self.rng.randint(place, len(known))
            if end > place:
                records = [Record(offset, 0, known[offset]) for offset in range(place, end)]
                await process.merging.take(shard, RecordBatch.of(records))
                process.place[shard] = end

    def scrape(self) -> None:
        """Takes what all workers show."""
        seen: dict[Series, int] = {}
        for process in filter(None, self.processes):
            snapshot = process.series.snapshot(self.clock.now_ms())
            for family in (Family.EVENTS, Family.REVENUE):
                seen |= {(family, process.address, *name): v for name, v in values(snapshot, family).items()}
            seen |= {("records", process.address, *name): v for name, v in snapshot.records.items()}
        self.scrapes.append(seen)

    async def run(self, seconds: int, *, busy: bool) -> None:
        """Lets seconds pass; while busy, with traffic, and something happening every half minute."""
        for second in range(seconds):
            self.clock.advance(1_000)
            if busy and self.rng.random() < 0.04:
                self.moves(self)
            if busy:
                self.count()
            for process in filter(None, self.processes):
                await self.merge(process)
                process.merging.tick()
                for shard in process.number:
                    if (second + 3 * shard) % SNAPSHOT_S == 0:
                        self.write(process, shard, closed=False)
            if second % SCRAPE_S == 0:
                self.scrape()

    def told(self) -> Counter[object]:
        """What increase() adds up to, by family."""
        found: Counter[object] = Counter()
        for name in {name for scrape in self.scrapes for name in scrape}:
            found[name[0]] += increase(scrape.get(name) for scrape in self.scrapes)
        return found

    def totals_are_whole(self) -> None:
        """Every owner's totals are those of all rollups, in the buckets that are still open."""
        for process in filter(None, self.processes):
            for shard in process.number:
                expected = totals_of(self.shards[shard].rollups)
                found = process.merging.totals[shard]
                oldest = max(expected.buckets, default=0) - 300_000
                expected.forget_before(oldest)
                found.forget_before(oldest)
                assert (found.cells, found.money, found.outcomes) == (
                    expected.cells,
                    expected.money,
                    expected.outcomes,
                )


def totals_of(rollups: list[bytes]) -> Totals:
    """What rollups add up to, each once."""
    totals = Totals()
    for data in rollups:
        totals.add(decode_rollup(data))
    return totals


def restart(deployment: Deployment) -> None:
    """A worker dies and is back at once, with its shards."""
    deployment.crash(deployment.rng.randrange(ADDRESSES))
    deployment.assign()


def move(deployment: Deployment) -> None:
    """A shard moves in order."""
    deployment.owner_of[deployment.rng.randrange(SHARDS)] = deployment.rng.randrange(ADDRESSES)
    deployment.assign()


def fail_over(deployment: Deployment) -> None:
    """A worker dies, and another has its shards from then on."""
    dead, heir = deployment.rng.sample(range(ADDRESSES), 2)
    deployment.crash(dead)
    deployment.owner_of = [heir if address == dead else address for address in deployment.owner_of]
    deployment.assign()


def anything(deployment: Deployment) -> None:
    """Any of these."""
    deployment.rng.choice([restart, move, fail_over])(deployment)


async def played(seed: int, moves: Callable[[Deployment], None]) -> Deployment:
    """Seven minutes around midnight, and a quiet while in which all is told."""
    deployment = Deployment(seed, moves)
    await deployment.run(SECONDS, busy=True)
    await deployment.run(150, busy=False)
    return deployment


def assert_never_down(deployment: Deployment, *, resets: bool) -> None:
    """From scrape to scrape a series goes up, or (if that is allowed) starts again from zero."""
    last: dict[Series, int] = {}
    for scrape in deployment.scrapes:
        for name, value in scrape.items():
            assert value >= last.get(name, 0) or (resets and value == 0)
            last[name] = value


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_is_lost_where_workers_come_back(seed: int) -> None:
    """Killed at any moment and back at their address: counters go on, and the increases are the truth."""
    deployment = await played(seed, restart)
    assert deployment.crashes
    assert deployment.told() == deployment.truth
    assert_never_down(deployment, resets=False)
    deployment.totals_are_whole()


@pytest.mark.parametrize("seed", range(20, 28))
async def test_nothing_is_lost_where_shards_move(seed: int) -> None:
    """In order: the old owner tells what it counted, the new one the rest."""
    deployment = await played(seed, move)
    assert deployment.told() == deployment.truth
    assert_never_down(deployment, resets=False)
    deployment.totals_are_whole()


@pytest.mark.parametrize("seed", range(40, 52))
async def test_nothing_is_told_twice_whatever_happens(seed: int) -> None:
    """Crashes, fail-overs and moves in any order: totals are whole, increases never more than the truth."""
    deployment = await played(seed, anything)
    told = deployment.told()
    assert all(told[family] <= counted for family, counted in deployment.truth.items())
    # Lost is at most what the dead ones merged after their last scrape or snapshot.
    assert all(told[family] > 0.8 * counted for family, counted in deployment.truth.items())
    assert_never_down(deployment, resets=True)
    deployment.totals_are_whole()
