"""Workers that are really stuck end with a status that says so, on Apache Kafka; those that are not go on."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.batch_reader import create, fill
from tests.support.processes import Process
from tests.support.workers import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import MakeKafkaCluster, TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


async def stuck(servers: str, names: TopicNames, folder: Path, what: str, timeout_s: int = 6) -> Process:
    """A worker that has read ten records and is stuck now."""
    topic = names("clicks")
    await create(servers, topic)
    await fill(servers, topic, [b"x"] * 10)
    arguments = ["-m", "tests.support.stuck_worker", servers, names("g"), topic, what, str(timeout_s)]
    process = Process(f"stuck worker ({what})", [sys.executable, *arguments], log=folder / "worker.log")
    await until(
        lambda: "stuck" in process.log_tail(1_000).splitlines(), seconds=60, what="the worker to be stuck"
    )
    return process


@pytest.mark.parametrize(
    ("what", "said", "status"),
    [
        ("agent", "stalled for 6 s: agent ", {1, 70}),
        ("fetching", "stalled for 6 s: fetching ", {1, 70}),
        ("reader", "stalled for 6 s: reader", {70}),
        ("loop", "worker ended: the event loop hangs", {70}),
    ],
)
async def test_a_stuck_worker_ends(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path, what: str, said: str, status: set[int]
) -> None:
    """It says what stands still and ends with a status that is not 0, also if it cannot end in order any more."""
    with await stuck(kafka.bootstrap_servers, topic_names, tmp_path, what) as process:
        await fill(kafka.bootstrap_servers, topic_names("clicks"), [b"x"] * 10)
        assert await asyncio.to_thread(process.wait, 60) in status
        assert said in process.log_tail(1_000)


async def test_a_worker_without_work_or_without_kafka_goes_on(
    kafka_cluster: MakeKafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """An idle topic, and a broker that has gone, are no stalls of ours; back again, it reads on."""
    mine = kafka_cluster()
    with await stuck(mine.bootstrap_servers, topic_names, tmp_path, "nothing") as process:
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(process.wait, 9)
        await asyncio.to_thread(mine.kill_broker, 0)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(process.wait, 12)
        await asyncio.to_thread(mine.start_broker, 0)
        await fill(mine.bootstrap_servers, topic_names("clicks"), [b"x"] * 10)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(process.wait, 12)
