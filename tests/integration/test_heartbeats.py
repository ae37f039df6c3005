"""Heartbeats through Apache Kafka: written, counted as what they are, and heard by who watches."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerts.model import Kind
from streams.clock import SystemClock
from streams.errors import KafkaUnreachable, TopicError
from streams.heartbeats import is_heartbeat
from streams.worker.entry import create_topics
from streams.worker.heartbeat import Heart
from tests.integration.test_end_to_end import workers
from tests.integration.test_watching import BROKEN_MS, QUICK, Shop, incidents, judged
from tests.support.workers import Deployment, read_topic, until

if TYPE_CHECKING:
    from pathlib import Path

    from alerts.incident import Incident
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own."""
    return Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, {"TOPICS__PARTITIONS": "2"})


async def beats(deployment: Deployment) -> list[int]:
    """Heartbeats in each partition of both topics."""
    topics = (deployment.clickstream, deployment.orders)
    read = [await read_topic(deployment.bootstrap_servers, topic) for topic in topics]
    return [
        sum(is_heartbeat(record.value) for record in part)
        for parts in read
        for _, part in sorted(parts.items())
    ]


async def run(deployment: Deployment, *arguments: str) -> asyncio.subprocess.Process:
    """The command."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "streams.cli",
        "heartbeat",
        *arguments,
        env=deployment.environment(),
        stderr=asyncio.subprocess.PIPE,
    )


async def test_one_into_every_partition(deployment: Deployment) -> None:
    """With --once; and without, until a signal ends it, which is no failure."""
    await create_topics(deployment.settings())
    assert await (await run(deployment, "--once")).wait() == 0
    assert await beats(deployment) == [1, 1, 1, 1]
    process = await run(deployment)
    assert process.stderr is not None
    async for line in process.stderr:
        if b"heartbeats" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert await beats(deployment) == [2, 2, 2, 2]


async def test_what_is_wrong_is_said(deployment: Deployment) -> None:
    """A topic that is missing, by its name; a Kafka that does not answer."""
    heart = Heart(deployment.settings(), SystemClock())
    with pytest.raises(TopicError, match=deployment.clickstream):
        await heart.beat()
    await heart.stop()
    nowhere = Deployment("127.0.0.1:1", deployment.prefix, deployment.folder).settings()
    heart = Heart(nowhere, SystemClock())
    with pytest.raises(KafkaUnreachable):
        await heart.beat()
    await heart.stop()


async def outages(deployment: Deployment) -> list[Incident]:
    """Records of incidents about the data."""
    return [one for one in await incidents(deployment) if one.kind is Kind.DATA_OUTAGE]


async def test_a_quiet_shop_and_a_dead_topic(deployment: Deployment) -> None:
    """While they come, a shop in which nothing happens is no outage; when they stop, it is named as one."""
    deployment = replace(deployment, overrides=QUICK)
    await create_topics(deployment.settings())
    shop, heart = Shop(), Heart(deployment.settings(), SystemClock())
    with workers(deployment, "a") as (worker,):
        await shop.is_healthy(deployment)
        await judged(worker, BROKEN_MS)
        quiet_since = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < quiet_since + 40:
            assert await heart.beat() == 4
            await asyncio.sleep(4)  # the pace of the command
        assert await outages(deployment) == []
        await until(lambda: outages(deployment), seconds=240, what="an outage")
        page = await asyncio.to_thread(worker.metrics)
    await heart.stop()
    assert (await outages(deployment))[0].detail == "heartbeat"
    assert 'outcome="heartbeat"' in page
