"""Static membership on Apache Kafka: a restart is no rebalance, and one instance id is one worker."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

import pytest

from streams.worker.entry import create_topics
from streams.worker.static_member import InstanceIdTaken
from tests.support.batch_reader import BatchReader, create, fill
from tests.support.workers import Deployment, WorkerProcess, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


def worker(deployment: Deployment, instance: str, run: int = 1) -> WorkerProcess:
    """A worker under an instance id."""
    deployment.overrides = {
        "KAFKA__INSTANCE_ID": instance,
        "KAFKA__SESSION_TIMEOUT": "45s",
        # A worker that was scraped waits to be scraped again before it ends.
        "METRICS__ZERO_HOLD": "1s",
        "METRICS__VANISH_HOLD": "1s",
    }
    return WorkerProcess(deployment, f"{instance}-{run}")


def metric(page: str, name: str) -> dict[str, float]:
    """The series of a family by their labels."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def assigned(page: str) -> dict[str, float]:
    """How many partitions of each topic a worker has."""
    return metric(page, "funnelwatch_assigned_partitions")


def rebalances(page: str) -> float:
    """How often a worker was assigned partitions."""
    (count,) = metric(page, "funnelwatch_rebalances_total").values()
    return count


async def test_a_restart_within_the_session_moves_nothing(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """A worker that is stopped and started again has its partitions back; the others are never revoked.

    Each in turn, so that the group's leader is among them.
    """
    deployment = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(deployment.settings())
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(worker(deployment, name)) for name in ("a", "b")}

        async def pages() -> dict[str, str]:
            return {name: await asyncio.to_thread(one.metrics) for name, one in running.items()}

        async def shared() -> bool:
            ready = [await asyncio.to_thread(one.ready) for one in running.values()]
            return all(ready) and all(sum(assigned(page).values()) for page in (await pages()).values())

        await until(shared, seconds=60, what="both workers to have partitions")
        for going, staying in (("a", "b"), ("b", "a")):
            before = await pages()
            await asyncio.to_thread(running[going].stop)
            running[going] = stack.enter_context(worker(deployment, going, 2))
            await until(shared, seconds=60, what=f"{going} again")
            after = await pages()
            assert assigned(after[going]) == assigned(before[going])
            assert assigned(after[staying]) == assigned(before[staying])
            assert rebalances(after[staying]) == rebalances(before[staying])


async def test_one_instance_id_is_one_worker(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """The older of two ends and says why; it does not take the partitions back, and the newer one reads on."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    settings = {"consumer_group_instance_id": "a"}
    older = BatchReader(kafka.bootstrap_servers, group, topic, settings=settings)
    async with older:
        await older.takes(10)
        await older.consumer.force_commit()
        async with BatchReader(kafka.bootstrap_servers, group, topic, settings=settings) as newer:
            await asyncio.wait_for(older.app.wait_until_stopped(), 30)
            assert isinstance(older.app.crash_reason, InstanceIdTaken)
            assert "'a'" in str(older.app.crash_reason)
            await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
            await newer.takes(10)
            assert newer.offsets()[topic, 0][-10:] == list(range(10, 20))
            assert newer.app.crash_reason is None
            assert len(newer.assigned) == 1
