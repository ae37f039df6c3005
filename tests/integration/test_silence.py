"""Brokers that fall silent and leaders that change, on three brokers of Apache Kafka.

A topic is silent if its broker said so lately; a broker that says nothing says nothing of the topic.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from streams.worker.batching import Position
from tests.support.batch_reader import BatchReader, administering, committed, create, fill, load
from tests.support.workers import until

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


async def leaders(bootstrap_servers: str, topic: str) -> dict[int, int]:
    """The number of the broker that leads each partition, as ``KafkaCluster`` counts them."""
    async with administering(bootstrap_servers) as admin:
        (described,) = await admin.describe_topics([topic])
        return {part["partition"]: part["leader"] - 1 for part in described["partitions"]}


async def test_a_broker_that_falls_silent(kafka_three: KafkaCluster, topic_names: TopicNames) -> None:
    """Its partitions are not known to have nothing left, however often one asks; those of other brokers are."""
    topic, address = topic_names("clicks"), kafka_three.bootstrap_servers
    await create(address, topic, 3)
    for partition in range(3):
        await fill(address, topic, [b"x"] * 10, partition)
    led_by = await leaders(address, topic)
    assert sorted(led_by.values()) == [0, 1, 2]
    read = Position(10, 10, 10)
    patient = {"broker_session_timeout": 60.0}
    async with BatchReader(address, topic_names("g"), topic, settings=patient) as reader:

        def of(partition: int) -> Position:
            return reader.consumer.read_position(topic, partition)

        await until(lambda: [of(number) for number in range(3)] == [read] * 3, seconds=20, what="the end")
        await asyncio.to_thread(kafka_three.pause_broker, led_by[0])
        try:
            await until(
                lambda: of(0) == Position(None, 10, 10), seconds=20, what="silence not to be believed"
            )
            heard = time.monotonic() - of(0).age_ms / 1000
            await fill(address, topic, [b"x"] * 5, 1)
            await until(lambda: of(1) == Position(15, 15, 15), seconds=20, what="the others to go on")
            assert of(2) == read
            assert of(2).age_ms < of(0).age_ms
            assert time.monotonic() - of(0).age_ms / 1000 == pytest.approx(heard, abs=0.01)
        finally:
            await asyncio.to_thread(kafka_three.resume_broker, led_by[0])
        await until(lambda: of(0) == read, seconds=60, what="the broker's word")
        assert reader.breaks == []


async def test_a_change_of_leaders_is_no_break(kafka_three: KafkaCluster, topic_names: TopicNames) -> None:
    """Leaders are killed and come back under load: no healthy partition is ever taken for a new one."""
    topic, group, address = topic_names("clicks"), topic_names("g"), kafka_three.bootstrap_servers
    await create(address, topic, 3, replicas=3)
    settings = {"broker_session_timeout": 30.0}
    async with BatchReader(address, group, topic, settings=settings) as reader:
        async with load(address, topic, 3) as written:
            for victim in (1,):
                await reader.takes(reader.count() + 300)
                await asyncio.to_thread(kafka_three.kill_broker, victim)
                seen = {number: len(reader.offsets()[topic, number]) for number in range(3)}
                await until(
                    lambda: all(len(reader.offsets()[topic, n]) > seen[n] + 60 for n in seen),  # noqa: B023  # used up at once
                    seconds=60,
                    what="all partitions under other leaders",
                )
                await asyncio.to_thread(kafka_three.start_broker, victim)
        await reader.takes(sum(written), seconds=60)
        assert reader.breaks == []
        assert reader.offsets() == {(topic, n): list(range(count)) for n, count in enumerate(written)}
    assert await committed(address, group, topic, range(3)) == written
