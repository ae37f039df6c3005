"""Where reading begins: where the worker says, else where the group has committed. On Apache Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faust.types import TP

from tests.support.batch_reader import BatchReader, commit, committed, create, fill
from tests.support.workers import until

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("start_at", [0, 20, 50, 80, 100])
@pytest.mark.parametrize("before", [None, 50])
async def test_reading_begins_where_the_worker_says(
    kafka: KafkaCluster, topic_names: TopicNames, before: int | None, start_at: int
) -> None:
    """Before, at and behind what the group has committed; other partitions as committed; all is committed later."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic, 2)
    for partition in (0, 1):
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 100, partition, max_batch_size=500)
        if before is not None:
            await commit(kafka.bootstrap_servers, group, topic, before, partition)
    reader = BatchReader(kafka.bootstrap_servers, group, topic)
    reader.start_at = {TP(topic, 0): start_at}
    async with reader:
        await reader.takes(100 - start_at + 100 - (before or 0))
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
        await reader.takes(110 - start_at + 100 - (before or 0))
        expected = {(topic, 0): list(range(start_at, 110)), (topic, 1): list(range(before or 0, 100))}
        assert reader.offsets() == expected
        assert reader.breaks == []
    assert await committed(kafka.bootstrap_servers, group, topic, (0, 1)) == [110, 100]


async def test_a_commit_may_go_back(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """What is committed is what was acknowledged in this assignment, also if it lies before what was committed."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    for _ in range(2):
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 10, linger_ms=200)
    await commit(kafka.bootstrap_servers, group, topic, 18)
    small = {"consumer_max_fetch_size": 100}
    reader = BatchReader(kafka.bootstrap_servers, group, topic, acks=False, settings=small)
    reader.start_at = {TP(topic, 0): 5}
    async with reader:
        await reader.takes(15)
        reader.taken[0].ack()
    assert reader.taken[0].batch.offsets == range(5, 10)
    assert await committed(kafka.bootstrap_servers, group, topic) == [10]


async def test_a_start_is_for_one_assignment(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Sought again in the same assignment it begins there again; the next assignment begins as committed."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    reader = BatchReader(kafka.bootstrap_servers, group, topic)
    reader.start_at = {TP(topic, 0): 4}
    async with reader:
        await reader.takes(6)
        await reader.consumer.force_commit()
        await reader.consumer.perform_seek()
        await reader.takes(12)
        assert reader.offsets() == {(topic, 0): [*range(4, 10), *range(4, 10)]}
        reader.start_at = {}
        async with BatchReader(kafka.bootstrap_servers, group, topic):
            pass
        await until(lambda: len(reader.assigned) >= 3 and reader.settled(), seconds=20, what="a group of one")
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 2)
        await reader.takes(14)
        assert reader.offsets()[topic, 0][12:] == [10, 11]


@pytest.mark.parametrize(("policy", "first"), [("earliest", 0), ("latest", 10)])
async def test_without_a_start_the_settings_decide(
    kafka: KafkaCluster, topic_names: TopicNames, policy: str, first: int
) -> None:
    """A group that has committed nothing begins at the oldest or behind the newest record, as set."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    settings = {"consumer_auto_offset_reset": policy}
    async with BatchReader(kafka.bootstrap_servers, group, topic, settings=settings) as reader:
        await until(
            lambda: reader.consumer.read_position(topic, 0).next_offset == 10, seconds=20, what="the end"
        )
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 2)
        await reader.takes(12 - first)
        assert (reader.offsets(), reader.breaks) == ({(topic, 0): list(range(first, 12))}, [])
