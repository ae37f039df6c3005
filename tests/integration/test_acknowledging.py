"""Acknowledgements and commits of batches, on Apache Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from faust.types import TP

from tests.support.batch_reader import BatchReader, committed, create, fill

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


async def test_the_commit_never_passes_a_batch_without_acknowledgement(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """Batches acknowledged out of order are committed up to the first that is not; the rest comes again."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    async with BatchReader(kafka.bootstrap_servers, group, topic, acks=False) as reader:
        for number in range(5):
            await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
            await reader.takes(10 * (number + 1))
        batches = list(reader.taken)
        assert len(batches) == 5
        for number, expected in ((4, None), (1, None), (0, 20), (2, 30)):
            batches[number].ack()
            await reader.consumer.commit_and_end_transactions()
            assert await committed(kafka.bootstrap_servers, group, topic) == [expected]
    async with BatchReader(kafka.bootstrap_servers, group, topic) as reader:
        await reader.takes(20)
        assert reader.offsets() == {(topic, 0): list(range(30, 50))}
    assert await committed(kafka.bootstrap_servers, group, topic) == [50]


async def test_faust_may_acknowledge_by_itself(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """An agent that leaves it to Faust commits as well, and nothing is kept of what is committed."""
    topic, group = topic_names("rollups"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 1_000, max_batch_size=500)
    small = {"consumer_max_fetch_size": 1_000}
    async with BatchReader(kafka.bootstrap_servers, group, topic, acks=None, settings=small) as reader:
        await reader.takes(1_000)
        await reader.consumer.commit_and_end_transactions()
        assert len(reader.taken) > 10
        kept = (reader.consumer._acked, reader.consumer._acked_index, reader.consumer._spans[TP(topic, 0)])  # noqa: SLF001  # nowhere else
        assert [sum(map(bool, kept[0].values())), sum(map(bool, kept[1].values())), len(kept[2])] == [0, 0, 0]
    assert await committed(kafka.bootstrap_servers, group, topic) == [1_000]


async def test_what_is_acknowledged_while_leaving_is_committed(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """Stopping awaits before_revoke and commits what it acknowledges, though a commit is under way already."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    async with BatchReader(kafka.bootstrap_servers, group, topic, acks=False) as reader:
        for number in range(2):
            await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
            await reader.takes(10 * (number + 1))

        under_way: list[asyncio.Task[bool]] = []

        async def acknowledge(tps: set[TP]) -> None:
            assert tps == {TP(topic, 0)}
            reader.taken[0].ack()
            under_way.append(asyncio.get_running_loop().create_task(reader.consumer.commit()))
            await asyncio.sleep(0)
            reader.taken[1].ack()

        reader.consumer.before_revoke = acknowledge
    assert await committed(kafka.bootstrap_servers, group, topic) == [20]
