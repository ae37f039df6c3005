"""The command ``funnelwatch`` against Apache Kafka: topics, simulated traffic, a replay of what lies there."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.support import oracle
from tests.support.processes import Process
from tests.support.workers import Deployment, WorkerProcess, read_topic, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

SHOP = ("--slots", "6", "--banners", "5", "--skus", "40", "--visitors", "900")
TRAFFIC = ("--seed", "6", "--rate", "150", "--duration", "60", "--start-ms", "1762689600000")


@pytest.fixture
def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own; its topics are not there yet."""
    return Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path)


async def run(deployment: Deployment, *words: str | Path) -> tuple[int, str]:
    """Exit code and output of a command."""
    log = deployment.folder / f"{words[0]}-{len(list(deployment.folder.iterdir()))}.out"
    command = [sys.executable, "-m", "streams.cli", *words]
    process = Process(f"funnelwatch {words[0]}", command, log=log, env=deployment.environment())
    code = await asyncio.to_thread(process.wait, 60)
    return code, log.read_text("utf-8")


async def delete_topic(deployment: Deployment, name: str) -> None:
    """Delete a topic and wait until it is gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([name])

        async def gone() -> bool:
            return name not in await admin.list_topics()

        await until(gone, seconds=15, what=f"{name} is gone")
    finally:
        await admin.close()


async def test_topics_are_created_once_and_verified(deployment: Deployment) -> None:
    """``create`` makes what is missing, ``verify`` says what is wrong by its exit code and by name."""
    code, said = await run(deployment, "topics", "verify")
    assert code == 1
    assert said.count(": missing: not there") == 10
    code, said = await run(deployment, "topics", "create")
    assert (code, said.count("created ")) == (0, 10)
    code, said = await run(deployment, "topics", "create")
    assert (code, said.count("exists ")) == (0, 10)
    assert await run(deployment, "topics", "verify") == (0, "")
    await delete_topic(deployment, deployment.deadletter)
    code, said = await run(deployment, "topics", "verify")
    assert code == 1
    assert [line.split(": ")[:2] for line in said.splitlines()] == [[deployment.deadletter, "missing"]]


async def test_sources_are_made_as_the_settings_keep_them(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Kafka has the retention that was set; kept for less than counting looks back, both are warned of."""
    changes = {"TOPICS__SOURCES_RETENTION": "40m", "COUNTING__DEDUPE_HORIZON": "20m"}
    deployment = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, changes)
    assert (await run(deployment, "topics", "create"))[0] == 0
    assert await run(deployment, "topics", "verify") == (0, "")
    longer = Deployment(
        kafka.bootstrap_servers, topic_names.prefix, tmp_path, {"COUNTING__DEDUPE_HORIZON": "50m"}
    )
    code, said = await run(longer, "topics", "verify")
    assert code == 0
    assert [line.split(", ")[0] for line in said.splitlines()] == [
        f"warning: {name}: retention: retention.ms=2400000" for name in (longer.clickstream, longer.orders)
    ]


async def test_a_replay_from_kafka_is_one_from_files(deployment: Deployment) -> None:
    """Simulated traffic in Kafka is that in files, and its replay equals the oracle; a range is a part of it."""
    folder, servers = deployment.folder, deployment.bootstrap_servers
    assert (await run(deployment, "topics", "create"))[0] == 0
    assert await run(deployment, "simulate", "--kafka", servers, "--fast", *TRAFFIC, *SHOP) == (0, "")
    assert await run(deployment, "simulate", "--out", folder / "files", *TRAFFIC, *SHOP) == (0, "")
    clickstream = await read_topic(servers, deployment.clickstream)
    orders = await read_topic(servers, deployment.orders)
    for name, partitions in (("clickstream", clickstream), ("orders", orders)):
        lines = (folder / "files" / f"{name}.jsonl").read_bytes().splitlines()
        assert len(lines) == sum(map(len, partitions.values()))
    truth = oracle.add(oracle.count(clickstream[number], orders[number]) for number in clickstream)
    code, said = await run(deployment, "replay", "--kafka", servers, "--counts", folder / "counts")
    assert (code, said) == (0, "".join(f"{t} {o} {n}\n" for (t, o), n in sorted(truth.outcomes.items())))
    assert (folder / "counts").read_text("utf-8").splitlines() == oracle.count_lines(truth)
    times = [record.timestamp_ms for part in (*clickstream.values(), *orders.values()) for record in part]
    middle = str((min(times) + max(times)) // 2)
    halves = [("--to-ms", middle), ("--from-ms", middle)]
    read = [sum_of(await run(deployment, "replay", "--kafka", servers, *half)) for half in halves]
    assert sum(read) == len(times)
    assert all(read)


def sum_of(result: tuple[int, str]) -> int:
    """The records that a replay had outcomes for; its counts are lines of JSON."""
    code, said = result
    assert code == 0
    return sum(int(line.rsplit(" ", 1)[1]) for line in said.splitlines() if not line.startswith("{"))


async def test_files_in_one_partition_are_the_same_replay(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """With one partition in Kafka, the replay of the topics is byte for byte that of the files."""
    deployment = Deployment(
        kafka.bootstrap_servers, topic_names.prefix, tmp_path, {"TOPICS__PARTITIONS": "1"}
    )
    servers, files = deployment.bootstrap_servers, tmp_path / "files"
    assert (await run(deployment, "topics", "create"))[0] == 0
    assert (await run(deployment, "simulate", "--kafka", servers, "--fast", *TRAFFIC, *SHOP))[0] == 0
    assert (await run(deployment, "simulate", "--out", files, *TRAFFIC, *SHOP))[0] == 0
    of_kafka = await run(deployment, "replay", "--kafka", servers, "--counts", tmp_path / "kafka")
    sources = ("--clickstream", files / "clickstream.jsonl", "--orders", files / "orders.jsonl")
    assert await run(deployment, "replay", *sources, "--counts", tmp_path / "counts") == of_kafka
    assert (tmp_path / "counts").read_bytes() == (tmp_path / "kafka").read_bytes()
    assert json.loads((tmp_path / "counts").read_bytes().splitlines()[0])["dimension"] == "all"


async def test_healthcheck_of_a_worker(deployment: Deployment) -> None:
    """It lives and is ready, by exit code; then it is gone."""
    assert (await run(deployment, "topics", "create"))[0] == 0
    with WorkerProcess(deployment, "a") as worker:
        await until(worker.ready, seconds=30, what="the worker is ready")
        for page in ("livez", "readyz"):
            assert (await run(deployment, "healthcheck", "--url", f"http://{worker.address}/{page}"))[0] == 0
    assert (await run(deployment, "healthcheck", "--url", f"http://{worker.address}/livez"))[0] == 1
