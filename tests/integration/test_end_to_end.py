"""Two workers on Apache Kafka count exactly what an independent oracle counts."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streams.clock import SystemClock
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.demo.sinks import KafkaSink
from streams.worker.entry import create_topics
from tests.support import oracle
from tests.support.workers import Deployment, WorkerProcess, merged_counts, read_topic, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from streams.demo.simulator import SimulatedRecord
    from streams.replay import Counts
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

RATE = 1_000
# What comes after a silence is counted after what was waiting: no pause of this test's is to be one.
NO_SILENCE = {"COUNTING__IDLE_TIMEOUT": "90s", "COUNTING__SILENCE_TIMEOUT": "90s"}


def shop_traffic(seed: int, seconds: int) -> list[SimulatedRecord]:
    """A small shop, so that visitors come back and keys collide.

    It is open now: Kafka deletes records older than a topic's retention, whenever they came.
    """
    start_ms = SystemClock().now_ms() - seconds * 1000
    shop = ShopSettings(seed=seed, slots=12, banners=10, skus=60, visitors=3_000)
    return list(
        simulate(TrafficSettings(start_ms=start_ms, rate=RATE, duration_ms=seconds * 1000, shop=shop))
    )


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own, its topics created."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(made.settings())
    return made


async def truth(deployment: Deployment) -> oracle.OracleResult:
    """What the oracle counts of the records as they stand in Kafka."""
    clickstream = await read_topic(deployment.bootstrap_servers, deployment.clickstream)
    orders = await read_topic(deployment.bootstrap_servers, deployment.orders)
    return oracle.add(
        oracle.count(clickstream[number], orders[number], oracle.OracleSettings()) for number in clickstream
    )


async def all_counted(deployment: Deployment, expected: oracle.OracleResult) -> bool:
    """Whether every record has an outcome."""
    counts = await merged_counts(deployment)
    return sum(counts.outcomes.values()) >= sum(expected.outcomes.values())


def differences(counts: Counts, expected: oracle.OracleResult) -> list[str]:
    """Where counts and truth differ, for humans."""
    found = []
    for name in ("cells", "money", "outcomes"):
        ours, theirs = dict(getattr(counts, name)), dict(getattr(expected, name))
        found += [
            f"{name} {key}: {ours.get(key)} instead of {theirs.get(key)}"
            for key in sorted(set(ours) | set(theirs), key=str)
            if ours.get(key) != theirs.get(key)
        ]
    return found


async def assert_exact(deployment: Deployment) -> None:
    """Wait until everything is counted, then compare to the unit."""
    expected = await truth(deployment)
    assert expected.cells
    await until(lambda: all_counted(deployment, expected), seconds=180, what="every record has an outcome")
    assert differences(await merged_counts(deployment), expected) == []


async def write(deployment: Deployment, records: Sequence[SimulatedRecord], *, chunks: int = 1) -> None:
    """Write records in so many portions, with a breath between them."""
    topics = {"clickstream": deployment.clickstream, "orders": deployment.orders}
    size = len(records) // chunks + 1
    async with KafkaSink(deployment.bootstrap_servers, topics=topics) as sink:
        for start in range(0, len(records), size):
            await sink.write(records[start : start + size])
            await asyncio.sleep(0)


@contextlib.contextmanager
def workers(deployment: Deployment, *names: str) -> Iterator[list[WorkerProcess]]:
    """Workers that are stopped at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(WorkerProcess(deployment, name)) for name in names]


async def test_one_worker_counts_exactly(deployment: Deployment) -> None:
    """A backlog of a real-looking shop, defects and all, is counted to the unit."""
    await write(deployment, shop_traffic(seed=1, seconds=60))
    with workers(deployment, "a"):
        await assert_exact(deployment)


async def test_workers_that_come_and_go_count_exactly(deployment: Deployment) -> None:
    """Partitions that move between workers while events flow take their state along."""
    deployment = replace(deployment, overrides={**deployment.overrides, **NO_SILENCE})
    records = shop_traffic(seed=2, seconds=90)
    third = len(records) // 3
    with workers(deployment, "a") as (first,):
        await write(deployment, records[:third])
        await until(first.ready, seconds=30, what="the first worker is ready")
        with workers(deployment, "b") as (second,):
            await write(deployment, records[third : 2 * third])
            await until(second.ready, seconds=60, what="the second worker is ready")
        # The second one has left: its partitions are back with the first.
        await write(deployment, records[2 * third :])
        await assert_exact(deployment)


async def test_a_restart_counts_on(deployment: Deployment) -> None:
    """A worker that was stopped in the middle goes on where it stopped."""
    records = shop_traffic(seed=3, seconds=60)
    half = len(records) // 2
    await write(deployment, records[:half])
    with workers(deployment, "a") as (first,):
        await until(first.ready, seconds=30, what="the worker is ready")
    await write(deployment, records[half:])
    with workers(deployment, "again"):
        await assert_exact(deployment)
