"""The Apache Kafka of this suite is real, survives what tests do to it, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support import apache_kafka
from tests.support.apache_kafka import fetch_jars, find_java
from tests.support.processes import StartFailed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.conftest import MakeKafkaCluster, TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


async def _create(bootstrap: str, topic: str, *, partitions: int = 1, replicas: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, partitions, replicas)])
        assert [error[1] for error in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def _produce(bootstrap: str, topic: str, values: Sequence[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_what_is_produced_is_consumed(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """One broker takes records and gives them back in order."""
    topic = topic_names("clicks")
    await _create(kafka.bootstrap_servers, topic)
    await _produce(kafka.bootstrap_servers, topic, [b"1", b"2", b"3"])
    assert await _consume(kafka.bootstrap_servers, topic, 3) == [b"1", b"2", b"3"]


async def test_two_members_share_a_group(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A consumer group has several members, which the embedded broker cannot show."""
    topic = topic_names("clicks")
    await _create(kafka.bootstrap_servers, topic, partitions=4)
    members = [
        AIOKafkaConsumer(
            topic,
            bootstrap_servers=kafka.bootstrap_servers,
            group_id=topic_names("group"),
            heartbeat_interval_ms=100,
        )
        for _ in range(2)
    ]
    try:
        for member in members:
            await member.start()
        async with asyncio.timeout(30):
            while any(len(member.assignment()) != 2 for member in members):
                await asyncio.gather(*(member.getmany(timeout_ms=50) for member in members))
    finally:
        await asyncio.gather(*(member.stop() for member in members))


async def test_a_killed_broker_loses_nothing_that_was_acknowledged(
    kafka_cluster: MakeKafkaCluster, topic_names: TopicNames
) -> None:
    """A broker ended with SIGKILL comes back on its port with its data."""
    cluster = await asyncio.to_thread(kafka_cluster)
    topic = topic_names("orders")
    await _create(cluster.bootstrap_servers, topic)
    await _produce(cluster.bootstrap_servers, topic, [b"paid"])
    before = cluster.bootstrap_servers
    await asyncio.to_thread(cluster.kill_broker, 0)
    assert not cluster.running(0)
    await asyncio.to_thread(cluster.start_broker, 0)
    assert cluster.bootstrap_servers == before
    assert await _consume(cluster.bootstrap_servers, topic, 1) == [b"paid"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop_broker", "kill_broker"])
async def test_three_brokers_go_on_with_two(
    kafka_three: KafkaCluster, topic_names: TopicNames, end: str
) -> None:
    """A topic with three replicas is written and read while one broker is stopped, or killed."""
    topic = topic_names("orders")
    await _create(kafka_three.bootstrap_servers, topic, partitions=3, replicas=3)
    await _produce(kafka_three.bootstrap_servers, topic, [b"before"] * 6)
    await asyncio.to_thread(getattr(kafka_three, end), 1)
    assert [kafka_three.running(i) for i in range(3)] == [True, False, True]
    await _produce(kafka_three.bootstrap_servers, topic, [b"during"] * 6)
    await asyncio.to_thread(kafka_three.start_broker, 1)
    values = await _consume(kafka_three.bootstrap_servers, topic, 12)
    assert sorted(values) == [b"before"] * 6 + [b"during"] * 6


def test_a_broker_that_cannot_start_says_why(kafka_cluster: MakeKafkaCluster) -> None:
    """The error of a failed start ends with what Kafka logged."""
    with pytest.raises(StartFailed, match=r"num\.io\.threads: Not a number"):
        kafka_cluster(properties={"num.io.threads": "none"})


# A shell that starts the tests in the background has interrupts ignored, and so has what they start.
_STARTER = """
import signal, sys
from tests.support.apache_kafka import KafkaCluster
signal.signal(signal.SIGINT, signal.default_int_handler)
cluster = KafkaCluster().__enter__()
print(cluster._nodes[0].process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_broker_outlives_its_starter(kafka: KafkaCluster, how: signal.Signals, tmp_path: Path) -> None:
    """Whoever kills the test run ends its brokers too."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # a killed starter leaves its data
    ) as starter:
        assert starter.stdout is not None
        broker = int(starter.stdout.readline())
        # A pidfd, not the number: that could be somebody else's by then.
        watched = os.pidfd_open(broker)
        try:
            starter.send_signal(how)
            starter.wait(50)
            assert _ends(watched, timeout=50)
        finally:
            os.close(watched)


def _ends(pidfd: int, timeout: float) -> bool:
    """Whether the process ends within ``timeout`` seconds: its pidfd turns readable then."""
    return bool(select.select([pidfd], [], [], timeout)[0])


def test_without_java_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Java gets the reason that the summary shows."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match=r"^Apache Kafka: no java$"):
        find_java()


def test_an_old_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kafka 4 needs Java 17; an older one is named as the reason."""
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match="java is not 17 or newer"):
        find_java()


def test_without_maven_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No jars in the cache and no Maven to fetch them: the reason names Maven."""
    monkeypatch.setenv("FUNNELWATCH_KAFKA_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="no mvn"):
        fetch_jars()


def test_jars_that_maven_cannot_get_leave_no_half_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After a failed fetch the cache holds nothing that the next run could take for the jars."""
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] no such artefact'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("FUNNELWATCH_KAFKA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(Unavailable, match="no such artefact"):
        fetch_jars()
    assert not (tmp_path / "cache" / f"kafka-{apache_kafka.kafka_version()}").exists()
