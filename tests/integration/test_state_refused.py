"""A state topic that takes no more, on Apache Kafka: said why, nothing lost, and no memory filled."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import orjson
import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # confluent's stub hides it

from streams.clock import SystemClock
from streams.demo.simulator import SimulatedRecord
from streams.worker.entry import create_topics
from tests.integration.test_end_to_end import all_counted, assert_exact, shop_traffic, truth, workers, write
from tests.support.state_topic import configure, name_of
from tests.support.workers import Deployment, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import MakeKafkaCluster, TopicNames
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

PATIENCE_S = 90
EVENTS = 600_000
# What may be taken in without being in a log, twice: once in a flush under way; and what is on its way besides.
MOST = 500_000
# Of three brokers, from 0.
LAST = 2
ONE_PARTITION = {
    "TOPICS__PARTITIONS": "1",
    "TOPICS__ROLLUP_SHARDS": "1",
    "WATCH__ENABLED": "off",
    # Looked at, and not scraped again: nobody is to be waited for.
    "METRICS__ZERO_HOLD": "0s",
    "METRICS__VANISH_HOLD": "0s",
}


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own, its topics created."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, ONE_PARTITION)
    await create_topics(made.settings())
    return made


def taken(worker: WorkerProcess) -> float:
    """Records that the worker has taken in so far."""
    lines = (line.rsplit(" ", 1) for line in worker.metrics().splitlines())
    return sum(float(value) for sample, value in lines if sample == "funnelwatch_batch_records_sum")


def create_log_on(deployment: Deployment, node: int) -> None:
    """Make the topic of state live on one broker alone, while all else is on three."""
    topic = NewTopic(
        name_of(deployment), 1, replica_assignment=[[node]], config={"cleanup.policy": "compact"}
    )
    admin = AdminClient({"bootstrap.servers": deployment.bootstrap_servers})
    for made in admin.create_topics([topic]).values():
        made.result()


def unready(worker: WorkerProcess) -> str:
    """Why it is not ready."""
    try:
        urllib.request.urlopen(f"http://{worker.address}/readyz", timeout=5).close()
    except urllib.error.HTTPError as answer:
        return answer.read().decode()
    return ""


def clicks(count: int) -> list[SimulatedRecord]:
    """As many clicks, ten a visitor, from now on: what came before is counted by now, for want of more."""
    now_ms = SystemClock().now_ms()
    return [
        SimulatedRecord(
            "clickstream",
            at_ms,
            at_ms,
            f"v{number // 10}".encode(),
            orjson.dumps(
                {
                    "event_id": f"e{number}",
                    "event": "click",
                    "event_time": at_ms,
                    "visitor_id": f"v{number // 10}",
                    "slot": "home",
                }
            ),
        )
        for number in range(count)
        for at_ms in (now_ms + number // 8,)
    ]


async def test_while_its_broker_is_away_it_waits(
    kafka_cluster: MakeKafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Nobody leads the log: it says so, reads no more than a bound, and goes on by itself once it can write."""
    three = kafka_cluster(3)
    replicated = {**ONE_PARTITION, "TOPICS__REPLICATION_FACTOR": "3"}
    deployment = Deployment(three.bootstrap_servers, topic_names.prefix, tmp_path, replicated)
    await asyncio.to_thread(create_log_on, deployment, LAST + 1)
    await create_topics(deployment.settings())
    with workers(deployment, "a") as (worker,):
        await write(deployment, shop_traffic(1, 5))
        before = await truth(deployment)
        await until(lambda: all_counted(deployment, before), seconds=PATIENCE_S, what="a first flush")
        await asyncio.to_thread(three.kill_broker, LAST)
        await write(deployment, clicks(EVENTS), chunks=20)

        async def reading_stands() -> bool:
            if await asyncio.to_thread(worker.ready):
                return False
            before = await asyncio.to_thread(taken, worker)
            await asyncio.sleep(3)  # nothing to wait for: it must not go on
            return before == await asyncio.to_thread(taken, worker)

        await until(reading_stands, seconds=PATIENCE_S, what="no more is read")
        assert await asyncio.to_thread(taken, worker) < MOST
        assert "kafka does not take messages" in await asyncio.to_thread(unready, worker)
        assert worker.process.running
        await asyncio.to_thread(three.start_broker, LAST)
        await assert_exact(deployment)


async def test_too_large_a_record_ends_it(deployment: Deployment) -> None:
    """A topic that will never take it: the worker ends and says which and why; the next one counts exactly."""
    with workers(deployment, "a") as (worker,):
        await write(deployment, shop_traffic(1, 5))
        before = await truth(deployment)
        await until(lambda: all_counted(deployment, before), seconds=PATIENCE_S, what="a first flush")
        await configure(deployment, "max.message.bytes", "100")
        await write(deployment, shop_traffic(2, 5))
        assert await asyncio.to_thread(worker.process.wait, PATIENCE_S) == 1
        said = worker.process.log_tail(4_000)
        assert f"{deployment.settings().topics.state}: kafka refuses a message of " in said
        assert "MessageSizeTooLargeError" in said
    await configure(deployment, "max.message.bytes", str(1 << 20))
    with workers(deployment, "b"):
        await assert_exact(deployment)
