"""The batch transport on Apache Kafka: whole batches, in order, none lost, none twice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from streams.worker.batching import Position
from streams.worker.fetching import MAX_BATCH_RECORDS
from tests.support.batch_reader import BatchReader, commit, committed, create, fill, producing
from tests.support.workers import until

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


async def test_batches_come_whole_and_in_order(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Each partition's records reach the agent in offset order, each once, whatever the size of a fetch."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic, 2)
    for partition in (0, 1):
        await fill(kafka.bootstrap_servers, topic, [b"x" * 100] * 3_000, partition, max_batch_size=2_000)
    small = {"consumer_max_fetch_size": 10_000}
    async with BatchReader(kafka.bootstrap_servers, topic_names("g"), topic, settings=small) as reader:
        await reader.takes(6_000)
        assert reader.offsets() == {(topic, number): list(range(3_000)) for number in (0, 1)}
        assert len(reader.taken) > 40
        assert list(reader.app.agents) == ["read"]


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd", "snappy", None])
async def test_records_survive_unchanged(
    kafka: KafkaCluster, topic_names: TopicNames, codec: str | None
) -> None:
    """Values up to 1 MB, keys, headers, times and tombstones arrive as written, under each compression."""
    topic = topic_names("clicks")
    await create(
        kafka.bootstrap_servers, topic, config={"max.message.bytes": "2000000", "retention.ms": "-1"}
    )
    values = [b"small", None, b"", bytes(range(256)) * 4_096, b"after"]
    headers = [("reason", b"\xff\x00"), ("empty", b"")]
    async with producing(
        kafka.bootstrap_servers, compression_type=codec, max_request_size=2_000_000, linger_ms=20
    ) as producer:
        for number, value in enumerate(values):
            await producer.send(
                topic, value, key=b"k%d" % number, headers=headers, timestamp_ms=1_000 + number
            )
    async with BatchReader(kafka.bootstrap_servers, topic_names("g"), topic) as reader:
        await reader.takes(len(values))
        records = [taken.batch.record(at) for taken in reader.taken for at in range(len(taken.batch.offsets))]
    assert [record.value for record in records] == values
    assert [record.key for record in records] == [b"k0", b"k1", b"k2", b"k3", b"k4"]
    assert {record.headers for record in records} == {tuple(headers)}
    assert [record.timestamp_ms for record in records] == [1_000, 1_001, 1_002, 1_003, 1_004]


async def test_a_huge_kafka_batch_comes_in_parts(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """One Kafka batch may hold any number of records; the agent gets bearable parts of it, all of it."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic)
    count = 5 * MAX_BATCH_RECORDS
    await fill(kafka.bootstrap_servers, topic, [b""] * count, max_batch_size=900_000, linger_ms=2_000)
    async with BatchReader(kafka.bootstrap_servers, topic_names("g"), topic) as reader:
        await reader.takes(count)
        assert reader.offsets() == {(topic, 0): list(range(count))}
        assert max(len(taken.batch.offsets) for taken in reader.taken) <= 2 * MAX_BATCH_RECORDS


async def test_what_was_rolled_back_was_never_there(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Records of aborted transactions and control batches do not arrive, and their offsets are committed over."""
    topic, group = topic_names("orders"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    async with producing(kafka.bootstrap_servers, transactional_id=topic_names("t")) as producer:
        for number in range(6):
            with contextlib.suppress(ZeroDivisionError):
                async with producer.transaction():
                    await producer.send_and_wait(topic, b"%d" % number, partition=0)
                    await producer.send_and_wait(topic, b"%d" % number, partition=0)
                    assert number % 2 or 1 // 0
        async with BatchReader(kafka.bootstrap_servers, group, topic) as reader:
            await reader.takes(6)
            # Each transaction: two records and a marker.
            assert reader.offsets() == {(topic, 0): [3, 4, 9, 10, 15, 16]}
            values = [value for taken in reader.taken for value in taken.batch.values]
            assert values == [b"1", b"1", b"3", b"3", b"5", b"5"]
            await until(
                lambda: reader.consumer.read_position(topic, 0) == Position(18, 18, 17),
                seconds=10,
                what="the end",
            )
            async with producer.transaction():
                await producer.send_and_wait(topic, b"open", partition=0)
                await until(
                    lambda: reader.consumer.read_position(topic, 0) == Position(18, 18, 17),
                    seconds=10,
                    what="an open transaction is not to be read",
                )
            await reader.takes(7)
    assert await committed(kafka.bootstrap_servers, group, topic) == [19]


async def test_an_offset_committed_inside_a_kafka_batch(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Kafka sends the whole batch an offset lies in; what lies before the offset does not arrive again."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 100, linger_ms=500)
    await commit(kafka.bootstrap_servers, group, topic, 42)
    async with BatchReader(kafka.bootstrap_servers, group, topic) as reader:
        await reader.takes(58)
        assert reader.offsets() == {(topic, 0): list(range(42, 100))}


async def test_a_topic_made_anew_is_read_from_its_start(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """An offset committed beyond the end of a topic hides no record, and commits follow the topic."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    await commit(kafka.bootstrap_servers, group, topic, 1_000)
    async with BatchReader(kafka.bootstrap_servers, group, topic) as reader:
        await reader.takes(10)
        assert reader.offsets() == {(topic, 0): list(range(10))}
    assert await committed(kafka.bootstrap_servers, group, topic) == [10]
