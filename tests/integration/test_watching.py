"""Workers on Apache Kafka watch what they count: one at a time, and what it says is said once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from alerts.incident import ScopePart, StepPart, decode_incident, encode_incident
from alerts.model import Kind, Reason
from streams.clock import SystemClock
from streams.codec import encode_rollup
from streams.worker.entry import create_topics
from streams.worker.watching import Watching
from tests.integration.test_end_to_end import workers, write
from tests.support.clock import ManualClock
from tests.support.listener import Listener
from tests.support.logs_of_rollups import BUCKET, Speaker
from tests.support.producing import Message, produce
from tests.support.rollups import T0
from tests.support.steady_shop import visits
from tests.support.workers import Deployment, read_topic, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from alerts.incident import Incident
    from streams.closed import ClosedBucket
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

MINUTE = 60_000
HEALTHY_MS, BROKEN_MS = 75 * MINUTE, 6 * MINUTE
PATIENCE_S = 180
HAS_CLICKSTREAM = 'funnelwatch_assigned_partitions{topic="%s"}'
PAYMENTS = (Kind.NODE_BREAK, Kind.CONVERSION_DROP)
# Event time runs a hundred times as fast as the clock here: nobody is idle, nobody is waited for long.
QUICK = {
    "TOPICS__PARTITIONS": "2",
    "TOPICS__ROLLUP_SHARDS": "2",
    "COUNTING__IDLE_TIMEOUT": "2m",
    "COUNTING__SILENCE_TIMEOUT": "2m",
    "WATCH__PATIENCE": "3s",
    "WATCH__MIN_HISTORY": "1m",
    "WATCH__SNAPSHOT_INTERVAL": "10s",
    # Who stops need not wait for a scrape.
    "METRICS__ZERO_HOLD": "0s",
    "METRICS__VANISH_HOLD": "0s",
}


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own, its topics created."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, QUICK)
    await create_topics(made.settings())
    return made


def patient(deployment: Deployment) -> Deployment:
    """Events of minutes ago and a clock of today: a worker on a busy machine must not look like silence."""
    return replace(deployment, overrides={**deployment.overrides, "WATCH__PATIENCE": "40s"})


class Shop:
    """A shop that is open now; its payments break before the end."""

    def __init__(self) -> None:
        now_ms = SystemClock().now_ms()
        self.broken_ms = now_ms - BROKEN_MS
        self._records = visits(self.broken_ms - HEALTHY_MS, now_ms, self.broken_ms)
        self._healthy = sum(record.event_time_ms < self.broken_ms for record in self._records)

    async def is_healthy(self, deployment: Deployment) -> None:
        """Write what came before."""
        await write(deployment, self._records[: self._healthy])

    async def breaks(self, deployment: Deployment) -> None:
        """Write the rest."""
        await write(deployment, self._records[self._healthy :])


async def incidents(deployment: Deployment) -> list[Incident]:
    """All that was told so far, in order."""
    records = (await read_topic(deployment.bootstrap_servers, deployment.settings().topics.incidents))[0]
    return [decode_incident(record.value) for record in records]


async def opened(deployment: Deployment) -> list[Incident]:
    """Those that were opened, data apart."""
    return [
        one
        for one in await incidents(deployment)
        if one.reason is Reason.OPENED and one.kind is not Kind.DATA_OUTAGE
    ]


def value(worker: WorkerProcess, metric: str) -> float:
    """A metric without labels; 0 before there is any."""
    if not worker.ready():
        return 0.0
    lines = (line.split() for line in worker.metrics().splitlines())
    return next((float(line[1]) for line in lines if line and line[0] == metric), 0.0)


async def judged(worker: WorkerProcess, older_ms: int = 0) -> None:
    """Wait until a worker watches and has judged all there is: what is not older than this and two minutes."""

    def up_to_date() -> bool:
        return (
            value(worker, "funnelwatch_watching") == 1
            and value(worker, "funnelwatch_watch_lag_records") == 0
            and 0 < value(worker, "funnelwatch_watch_delay_seconds") < 120 + older_ms / 1000
        )

    await until(lambda: asyncio.to_thread(up_to_date), seconds=PATIENCE_S, what="the watcher is up to date")


def assert_told_once(found: Sequence[Incident]) -> None:
    """No record of an incident stands there twice."""
    told = [(one.id, one.revision) for one in found]
    assert len(set(told)) == len(told)


async def test_a_broken_payment_is_one_incident(deployment: Deployment) -> None:
    """Payments that all fail are told once, as what they are, where they are and since when."""
    shop = Shop()
    with workers(deployment, "a") as (worker,):
        await shop.is_healthy(deployment)
        await shop.breaks(deployment)
        await until(lambda: opened(deployment), seconds=PATIENCE_S, what="an incident")
        await judged(worker)
        page = await asyncio.to_thread(worker.metrics)
    (incident,) = await opened(deployment)
    # Told within the first half minute, while some that were tried before still get paid.
    assert incident.kind in PAYMENTS
    assert incident.step == StepPart("order", "paid")
    assert [(part.dimension, part.key) for part in incident.scope] == [("all", "all")]
    assert abs(incident.since_ms - shop.broken_ms) < MINUTE
    assert 'funnelwatch_incident_active{dimension="all"' in page
    assert "funnelwatch_window_conversion_ratio{" in page
    assert_told_once(await incidents(deployment))


async def test_a_watcher_that_was_killed_goes_on(deployment: Deployment) -> None:
    """Killed while an incident is open, between snapshots: the next one knows it, and opens it no more."""
    deployment = patient(deployment)
    shop = Shop()
    with workers(deployment, "a") as (first,):
        await shop.is_healthy(deployment)
        await until(lambda: has_snapshot(first), seconds=PATIENCE_S, what="a snapshot")
        await shop.breaks(deployment)
        await until(lambda: opened(deployment), seconds=PATIENCE_S, what="an incident")
        first.process.kill()
    before = await opened(deployment)
    with workers(deployment, "b") as (second,):
        await judged(second)
        page = await asyncio.to_thread(second.metrics)
    assert await opened(deployment) == before
    assert 'funnelwatch_incident_active{dimension="all"' in page
    assert_told_once(await incidents(deployment))


async def test_a_watcher_that_lost_everything_goes_on(deployment: Deployment) -> None:
    """Without the snapshot, and with other settings: what is open goes on under its id, what is gone is over."""
    shop = Shop()
    with workers(deployment, "a") as (first,):
        await shop.is_healthy(deployment)
        await shop.breaks(deployment)
        await until(lambda: opened(deployment), seconds=PATIENCE_S, what="an incident")
        await judged(first)
        first.process.kill()
    before = await opened(deployment)
    known = next(one for one in await incidents(deployment) if one.id == before[0].id)
    gone = msgspec.structs.replace(
        known, id="gone", kind=Kind.TRAFFIC_DROP, step=None, scope=(ScopePart("slot", "closed"),), revision=1
    )
    await produce(
        deployment.bootstrap_servers,
        [Message(deployment.settings().topics.incidents, encode_incident(gone), key=b"gone", partition=0)],
    )
    changed = {
        "TOPICS__WATCH": f"{deployment.prefix}anew",
        "WATCH__TOLERANCE": "0.2",
        "WATCH__REOPEN_WITHIN": "10s",
    }
    deployment = replace(deployment, overrides={**deployment.overrides, **changed})
    await create_topics(deployment.settings())

    async def over() -> list[Incident]:
        return [one for one in await incidents(deployment) if one.id == "gone" and not one.open]

    with workers(deployment, "b") as (second,):
        await until(over, seconds=PATIENCE_S, what="what is gone is over")
        await judged(second)
        page = await asyncio.to_thread(second.metrics)
    assert [one for one in await opened(deployment) if one.id != "gone"] == before
    last = [one for one in await incidents(deployment) if one.id == known.id][-1]
    assert (last.open, last.opened_at_ms, last.since_ms) == (True, known.opened_at_ms, known.since_ms)
    # Data may be late as well on a busy machine.
    active = [line for line in page.splitlines() if line.startswith("funnelwatch_incident_active{")]
    assert len([line for line in active if 'kind="data_outage"' not in line]) == 1
    assert_told_once(await incidents(deployment))


async def has_snapshot(worker: WorkerProcess) -> bool:
    """Whether a watcher has written one down that holds anything."""
    return await asyncio.to_thread(value, worker, "funnelwatch_watch_snapshot_bytes") > 10_000


async def test_one_watches_and_another_takes_over(deployment: Deployment) -> None:
    """Of two workers one watches; when it leaves, the other does, and what breaks meanwhile is told once."""
    # A source partition without records is waited for: not so long that the silence is an incident itself.
    deployment = replace(deployment, overrides={**deployment.overrides, "WATCH__PATIENCE": "15s"})
    shop = Shop()
    with workers(deployment, "a", "b") as both:

        def settled() -> bool:
            """Both have partitions, so none of them changes hands while the shop is read."""
            watching = sorted(value(worker, "funnelwatch_watching") for worker in both)
            return watching == [0, 1] and all(
                value(worker, HAS_CLICKSTREAM % deployment.clickstream) == 1 for worker in both
            )

        async def one_of_them() -> bool:
            return await asyncio.to_thread(settled)

        await until(one_of_them, seconds=PATIENCE_S, what="one of them watches")
        await shop.is_healthy(deployment)
        left, heir = sorted(both, key=lambda worker: -value(worker, "funnelwatch_watching"))
        # Not to the last bucket: until then the sources would be silent so long that this is an incident itself.
        await judged(left, BROKEN_MS + 5 * MINUTE)
        await asyncio.gather(asyncio.to_thread(left.stop), shop.breaks(deployment))
        await until(lambda: opened(deployment), seconds=PATIENCE_S, what="an incident")
        await judged(heir)
    (incident,) = await opened(deployment)
    assert incident.kind in PAYMENTS
    assert_told_once(await incidents(deployment))


@asynccontextmanager
async def watching(deployment: Deployment, listener: Listener) -> AsyncIterator[Watching]:
    """A watcher's edge without a worker around it, at the time of the rollups: silence ends no bucket."""
    settings = deployment.settings()
    made = Watching(settings, lambda *_: listener, ManualClock(T0), CollectorRegistry())
    try:
        yield made
    finally:
        await made.stop()


async def told(deployment: Deployment) -> list[bytes]:
    """What stands in the topic of incidents, but for the keys."""
    records = (await read_topic(deployment.bootstrap_servers, deployment.settings().topics.incidents))[0]
    return [record.value or b"" for record in records]


async def speak(deployment: Deployment, buckets: range) -> None:
    """One source partition counts on, in both shards."""
    speakers = [Speaker(shard=shard, sequence=buckets.start) for shard in range(2)]
    await produce(
        deployment.bootstrap_servers,
        [
            Message(
                deployment.rollups,
                encode_rollup(it.says((n + 1) * BUCKET, {("all", "all"): {1: n + 1}}, bucket=n)),
                partition=it.shard,
            )
            for n in buckets
            for it in speakers
        ],
    )


async def test_judging_that_fails_begins_again(deployment: Deployment) -> None:
    """A bucket at which it failed is judged once it can be; what was told before is not told again."""
    failing = [20]

    def look(closed: ClosedBucket) -> None:
        if failing and closed.start_ms >= T0 + failing[0] * BUCKET:
            failing.clear()
            raise ZeroDivisionError

    await speak(deployment, range(40))
    async with watching(deployment, Listener(look)) as watched:
        await watched.assigned(mine=True)
        await until(lambda: told_all(deployment, 39), seconds=30, what="all buckets")
    lines = await told(deployment)
    assert len(set(lines)) == len(lines)
    assert not failing


async def test_a_bucket_that_cannot_be_judged_is_left_out(deployment: Deployment) -> None:
    """Three times it is tried; then all the others are judged, each once."""
    tried = []

    def look(closed: ClosedBucket) -> None:
        if closed.start_ms == T0 + 20 * BUCKET:
            tried.append(closed)
            raise ZeroDivisionError

    await speak(deployment, range(40))
    async with watching(deployment, Listener(look)) as watched:
        await watched.assigned(mine=True)
        await until(lambda: told_all(deployment, 39), seconds=60, what="the last bucket")
    lines = await told(deployment)
    starts = [int(line.split()[1]) for line in lines if line.startswith(b"bucket")]
    assert len(set(starts)) == len(starts)
    assert {T0 + at * BUCKET for at in range(15, 40) if at != 20} <= set(starts)
    assert T0 + 20 * BUCKET not in starts
    assert len(tried) == 3


class Spoilt(Listener):
    """Fails at every bucket once it has taken up a snapshot; keeps how often that was."""

    def __init__(self) -> None:
        self.spoilt = False
        self.failures = 0
        super().__init__(self._fail)

    def begin(self, state: Any | None) -> None:
        """Take up a snapshot."""
        super().begin(state)
        self.spoilt = state is not None

    def _fail(self, _: ClosedBucket) -> None:
        if self.spoilt:
            self.failures += 1
            raise ZeroDivisionError


async def test_a_state_that_went_wrong_is_given_up(deployment: Deployment) -> None:
    """Failing at one bucket after the other it begins without the snapshot, and all are judged; it can be asked then."""
    await speak(deployment, range(20))
    async with watching(deployment, Listener()) as watched:
        await watched.assigned(mine=True)
        await until(lambda: told_all(deployment, 19), seconds=60, what="the first buckets")
        await watched.revoked()
    await speak(deployment, range(20, 40))
    spoilt = Spoilt()
    async with watching(deployment, spoilt) as heir:
        await heir.assigned(mine=True)
        await until(lambda: told_all(deployment, 39), seconds=180, what="all buckets")
        table = await heir.reads.comparisons("all", from_node="exposure", to_node="click")
    assert spoilt.failures == 5
    starts = {int(line.split()[1]) for line in await told(deployment) if line.startswith(b"bucket")}
    assert starts == {T0 + at * BUCKET for at in range(min(starts) // BUCKET - T0 // BUCKET, 40)}
    assert table is not None
    assert [row.key for row in table.rows] == ["all"]


async def told_all(deployment: Deployment, until_bucket: int) -> bool:
    """Whether the last bucket of them was told."""
    return any(
        line.startswith(b"bucket %d " % (T0 + until_bucket * BUCKET)) for line in await told(deployment)
    )


async def test_a_rebalance_that_changes_nothing(deployment: Deployment) -> None:
    """It holds still until it is known who watches next, and goes on as if nothing had been."""
    await speak(deployment, range(20))
    async with watching(deployment, Listener()) as watched:
        await watched.assigned(mine=True)
        await until(lambda: told_all(deployment, 19), seconds=30, what="the first buckets")
        await watched.revoked()
        await speak(deployment, range(20, 30))
        await watched.assigned(mine=True)
        await until(lambda: told_all(deployment, 29), seconds=30, what="the others")
        await watched.revoked()
        await watched.assigned(mine=False)
        assert not watched.watching
    async with watching(deployment, Listener()) as heir:
        await heir.assigned(mine=True)
        await speak(deployment, range(30, 40))
        await until(lambda: told_all(deployment, 39), seconds=30, what="what came after")
    lines = await told(deployment)
    assert len(set(lines)) == len(lines)
