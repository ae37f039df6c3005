"""Standby copies of counting state on Apache Kafka: they get on, survive what breaks them, and save the reading."""

from __future__ import annotations

import asyncio
import gc
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from streams.clock import SystemClock
from streams.core.pipeline import SourcePartition
from streams.core.slots import SWEEP
from streams.demo.sinks import KafkaSink, deliver, in_real_time
from streams.events import RecordBatch
from streams.worker.app import Worker
from streams.worker.entry import create_topics
from streams.worker.log_entries import shape_of
from streams.worker.log_reader import LogReader
from streams.worker.positions import UNKNOWN
from streams.worker.standby import Standby, is_whole
from streams.worker.state_topic import StateTopic
from tests.integration.test_end_to_end import assert_exact, shop_traffic, workers, write
from tests.support.builders import click, stream
from tests.support.clock import ManualClock
from tests.support.workers import Deployment, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streams.worker.log_entries import Marker
    from tests.integration.conftest import MakeKafkaCluster, TopicNames
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

CLICKS_PER_FLUSH = 50
PATIENCE_S = 60


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """Topics of this test's own."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(made.settings())
    return made


@asynccontextmanager
async def owner(deployment: Deployment, *numbers: int) -> AsyncIterator[Worker]:
    """A worker's parts with some partitions; its app is not started, so only the test moves them."""
    worker = Worker(deployment.settings(), ManualClock())
    await worker.producer.connect(lambda _: None)
    try:
        await worker.recovery.take(numbers)
        yield worker
    finally:
        await worker.recovery.stop()
        await worker.producer.stop()


async def count_on(worker: Worker, flushes: int, clicks: int = CLICKS_PER_FLUSH) -> None:
    """So many flushes of every partition, each of clicks of visitors who were not there before."""
    for _ in range(flushes):
        for number, assigned in worker.counting.partitions.items():
            first = assigned.readings[0].next_offset or 0
            values = [click(f"v{first + i}", first + i, slot="top", sku="A") for i in range(clicks)]
            records = [record._replace(offset=first + record.offset) for record in stream(values)]
            worker.counting.take(worker.sources[0], number, RecordBatch.of(records), lambda: None)
            assigned.counts.drain()
        assert await worker.counting.flush(lambda *_: UNKNOWN)


class Follower:
    """Copies in another process's hands, so to say: with names of its own."""

    def __init__(self, deployment: Deployment) -> None:
        self._settings = deployment.settings()
        # Never connected: what it lends are the vocabulary and the settings of a worker.
        self._worker = Worker(self._settings, ManualClock())
        self.standby = Standby(self._open, self.reader, pause_seconds=0.02)
        self.begun = 0

    def _open(self) -> StateTopic:
        return StateTopic(self._settings.kafka, self._settings.topics.state, lambda _: None)

    def reader(self, newest: Marker | None) -> LogReader:
        """A reader that has read nothing."""
        self.begun += 1
        counting = self._worker.counting
        counts = SourcePartition(counting.vocabulary, counting.settings)
        shape = shape_of(counting.vocabulary, counting.settings.attribution)
        begin = newest.begin if newest is not None else None
        return LogReader(counts, counting.vocabulary, shape, begin)

    async def caught_up(self, worker: Worker, readers: dict[int, LogReader]) -> dict[int, LogReader]:
        """Follow an owner's partitions until the copies have all that it wrote; goes on with what is there."""
        ends = {number: assigned.log.behind for number, assigned in worker.counting.partitions.items()}

        # Longer and longer: where connecting takes long, a short look sees nothing.
        pause = 0.0

        async def there() -> bool:
            nonlocal readers, pause
            self.standby.follow(ends, readers)
            await asyncio.sleep(pause := pause + 0.1)
            readers = await self.standby.release()
            return all(number in readers and readers[number].offset >= end for number, end in ends.items())

        await until(there, seconds=PATIENCE_S, what="copies that have everything")
        return readers


def entries(counts: SourcePartition) -> dict[str, dict[bytes, int]]:
    """What is remembered, by table: when each key was seen."""
    found = {}
    for name, table in counts.changes(range(SWEEP), range(0)).tables.items():
        keys = [table.keys[at : at + 8] for at in range(0, len(table.keys), 8)]
        times = memoryview(table.times).cast("I").tolist()
        found[name] = {key: (table.base_ms or 0) + time for key, time in zip(keys, times, strict=True)}
    return found


def assert_same(worker: Worker, readers: dict[int, LogReader]) -> None:
    """Copies say what the owner's partitions say."""
    assert readers.keys() == worker.counting.partitions.keys()
    for number, assigned in worker.counting.partitions.items():
        assert is_whole(readers[number])
        assert readers[number].sources == assigned.log.sources
        assert entries(readers[number].counts) == entries(assigned.counts)
        assert entries(assigned.counts)["dedupe"]


async def test_copies_get_on(deployment: Deployment) -> None:
    """Copies hold what their owners have written, also of what is written while they are followed."""
    follower = Follower(deployment)
    async with owner(deployment, 0, 1) as worker:
        await count_on(worker, 3)
        follower.standby.follow([0, 1], {})
        assert follower.standby.behind == {0, 1}
        await until(lambda: not follower.standby.behind, seconds=PATIENCE_S, what="copies")
        before = sum(follower.standby.nbytes().values())
        await count_on(worker, 20, 500)
        await until(
            lambda: sum(follower.standby.nbytes().values()) > before, seconds=PATIENCE_S, what="larger copies"
        )
        readers = await follower.caught_up(worker, await follower.standby.release())
        assert_same(worker, readers)
        assert follower.begun == 2
        assert follower.standby.nbytes() == {}


async def test_released_in_the_middle_of_reading_copies_go_on_from_there(deployment: Deployment) -> None:
    """Wherever reading is broken off, nothing is lost and nothing has to be read from the beginning."""
    follower, readers, moves = Follower(deployment), dict[int, LogReader](), set[int]()
    async with owner(deployment, 0, 1) as worker:
        # Ten chunks and more, so that reading them gives others their turn in between.
        await count_on(worker, 6, 20_000)
        ends = {number: assigned.log.behind for number, assigned in worker.counting.partitions.items()}
        for attempt in range(1, 1_000):
            follower.standby.follow([0, 1], readers)
            await asyncio.sleep(0.002 * attempt)
            readers = await follower.standby.release()
            moves.update(reader.offset for reader in readers.values())
            if all(number in readers and readers[number].offset >= end for number, end in ends.items()):
                break
        assert_same(worker, readers)
        assert len(moves) > 2


async def test_opening_broken_off_leaves_no_connection_open(deployment: Deployment) -> None:
    """Wherever a start is cancelled, what it has opened is closed."""
    settings, seen = deployment.settings(), set[bool]()
    for attempt in range(80):
        opening = asyncio.create_task(use(StateTopic(settings.kafka, settings.topics.state, lambda _: None)))
        await asyncio.sleep(0.0005 * attempt)
        opening.cancel()
        (outcome,) = await asyncio.gather(opening, return_exceptions=True)
        seen.add(isinstance(outcome, asyncio.CancelledError))
    # An unclosed connection says so when it is collected, and warnings are errors.
    gc.collect()
    assert True in seen


async def use(topic: StateTopic) -> None:
    """Open the state topic, and close it."""
    async with topic:
        pass


async def test_a_copy_that_cannot_be_read_is_made_anew(deployment: Deployment) -> None:
    """A damaged entry spoils a copy until the log begins behind it; then there is a copy again."""
    follower, topic = Follower(deployment), f"{deployment.prefix}.state"
    async with owner(deployment, 0) as worker:
        await count_on(worker, 3)
        readers = await follower.caught_up(worker, {})
        producer = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers)
        await producer.start()
        await producer.send_and_wait(topic, b"not an entry", key=b"chunk/0/0/0", partition=0)
        await producer.stop()
        follower.standby.follow([0], readers)
        await until(lambda: follower.standby.behind == {0}, seconds=PATIENCE_S, what="the damage is seen")
        assert await follower.standby.release() == {}
        damaged = worker.counting.partitions[0].log.behind
        follower.standby.follow([0], {})
        while worker.counting.partitions[0].log.begin.offset <= damaged:
            await count_on(worker, 1)
        # Markers say so from the next flush on.
        await count_on(worker, 1)
        await until(lambda: not follower.standby.behind, seconds=PATIENCE_S, what="a new copy")
        assert_same(worker, await follower.caught_up(worker, await follower.standby.release()))
        assert follower.begun > 1


async def test_kafka_goes_away_and_comes_back(
    kafka_cluster: MakeKafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Copies wait for Kafka, also before there are any, and can be released meanwhile as they are."""
    cluster = await asyncio.to_thread(kafka_cluster)
    deployment = Deployment(cluster.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(deployment.settings())
    follower, other = Follower(deployment), Follower(deployment)
    async with owner(deployment, 0) as worker:
        await count_on(worker, 3)
        readers = await follower.caught_up(worker, {})
        follower.standby.follow([0], readers)
        await asyncio.to_thread(cluster.stop_broker, 0)
        other.standby.follow([0], {})
        await asyncio.sleep(0.5)
        readers = await follower.standby.release()
        assert_same(worker, readers)
        follower.standby.follow([0], readers)
        await asyncio.to_thread(cluster.start_broker, 0)
        await until(lambda: not other.standby.behind, seconds=PATIENCE_S, what="a copy after all")
        await until(lambda: counted_on(worker), seconds=PATIENCE_S, what="Kafka takes state again")
        for one in (follower, other):
            assert_same(worker, await one.caught_up(worker, await one.standby.release()))
        assert (follower.begun, other.begun) == (1, 1)


async def counted_on(worker: Worker) -> bool:
    """Whether the broker takes one more flush."""
    try:
        await count_on(worker, 1)
    except AssertionError:
        return False
    return True


def copied(worker: WorkerProcess) -> int:
    """Bytes of copies on a worker's page."""
    name = 'funnelwatch_state_bytes{kind="copies"} '
    lines = [line for line in worker.metrics().splitlines() if line.startswith(name)]
    return round(float(lines[0].removeprefix(name))) if lines else 0


def taken_over(log: Path) -> list[int]:
    """Bytes read for each partition that a worker took over, in order."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    return [line["bytes"] for line in lines if line["event"] == "state taken over"]


@pytest.mark.slow
async def test_a_killed_workers_partitions_are_counted_on_from_copies(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """After a SIGKILL under load the counts are exact, and the survivor has read the log's end only."""
    deployment = Deployment(
        kafka.bootstrap_servers,
        topic_names.prefix,
        tmp_path,
        {
            "COUNTING__STANDBY": "on",
            "KAFKA__SESSION_TIMEOUT": "6s",
            "KAFKA__HEARTBEAT_INTERVAL": "1s",
            # Its page is looked at here; it need not wait to be looked at again before it ends.
            "METRICS__ZERO_HOLD": "1s",
            "METRICS__VANISH_HOLD": "1s",
        },
    )
    await create_topics(deployment.settings())
    records = shop_traffic(seed=7, seconds=80)
    backlog, live = records[:50_000], records[50_000:]
    topics = {"clickstream": deployment.clickstream, "orders": deployment.orders}
    await write(deployment, backlog)
    with workers(deployment, "killed", "left") as (killed, left):
        for worker in (killed, left):
            await until(worker.ready, seconds=60, what="both workers are ready")
        await until(lambda: copied(killed) and copied(left), seconds=60, what="both have copies")
        async with KafkaSink(deployment.bootstrap_servers, topics=topics) as sink:
            flow = asyncio.create_task(deliver(in_real_time(iter(live), SystemClock(), speed=2), sink))
            await asyncio.sleep(4)
            before = taken_over(left.process.log)
            await asyncio.to_thread(killed.process.kill)
            await flow
        await assert_exact(deployment)
        read = taken_over(left.process.log)[len(before) :]
        assert len(read) >= 4
        # Lives and a flush or two; from nothing it would be all that both remember.
        assert max(read) < copied_or_counted(left) // 20
        await until(lambda: copied(left) == 0, seconds=10, what="no copy where there is nothing to copy")


def copied_or_counted(worker: WorkerProcess) -> int:
    """Bytes of all state on a worker's page."""
    lines = [line for line in worker.metrics().splitlines() if line.startswith("funnelwatch_state_bytes{")]
    return round(sum(float(line.rpartition(" ")[2]) for line in lines))
