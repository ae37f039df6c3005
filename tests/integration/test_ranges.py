"""A range of a topic is read once, whole, without a group: what replays stand on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from streams.errors import TopicError
from streams.events import Record
from streams.worker.ranges import partitions_of, read_range
from tests.support.batch_reader import create, fill, producing
from tests.support.processes import free_ports

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


def options(kafka: KafkaCluster) -> dict[str, Any]:
    """What every client is told."""
    return {"bootstrap_servers": kafka.bootstrap_servers}


async def times(kafka: KafkaCluster, topic: str) -> None:
    """Ten records, one per second from 1000 s on, the fourth out of order."""
    async with producing(kafka.bootstrap_servers) as producer:
        for second in (0, 1, 2, 30, 4, 5, 6, 7, 8, 9):
            await producer.send_and_wait(
                topic, b"%d" % second, key=b"k", partition=0, timestamp_ms=1_000_000 + second * 1_000
            )


async def test_a_range_by_time(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Every record whose time is in the half-open range and no other, though times are out of order."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic)
    await times(kafka, topic)

    async def read(start: int, end: int | None) -> list[int]:
        return [record.offset for record in await read_range(options(kafka), topic, 0, start, end)]

    assert await read(0, None) == list(range(10))
    assert await read(1_002_000, None) == list(range(2, 10))
    assert await read(0, 1_002_000) == [0, 1]
    assert await read(1_000_500, 1_002_001) == [1, 2]
    assert await read(1_002_000, 1_002_000) == []
    assert await read(9_999_999_999, None) == []
    assert await read(1_005_000, 1_009_000) == [5, 6, 7, 8]
    assert await read(1_010_000, None) == [3]


async def test_records_as_they_stand(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Keys, times, headers and tombstones are there; what was rolled back is not, nor is an empty topic an error."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic, 2)
    async with producing(kafka.bootstrap_servers, transactional_id=topic_names("t")) as producer:
        with contextlib.suppress(ZeroDivisionError):
            async with producer.transaction():
                await producer.send(topic, b"rolled back", partition=0)
                assert 1 // 0
        async with producer.transaction():
            await producer.send(topic, None, key=b"k", partition=0, headers=[("h", b"v")], timestamp_ms=7_000)
    assert await read_range(options(kafka), topic, 0, 0, None) == [
        Record(2, 7_000, None, b"k", (("h", b"v"),))
    ]
    assert await read_range(options(kafka), topic, 1, 0, None) == []


async def test_the_partitions_of_topics(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """All numbers that any of the topics has; a topic that is missing is named."""
    await create(kafka.bootstrap_servers, topic_names("clicks"), 3)
    await create(kafka.bootstrap_servers, topic_names("orders"), 2)
    names = [topic_names("clicks"), topic_names("orders")]
    assert await partitions_of(options(kafka), names) == [0, 1, 2]
    with pytest.raises(TopicError, match="missing: no such topic"):
        await partitions_of(options(kafka), [topic_names("missing")])


async def test_a_partition_that_is_not_there(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A range of a partition that one of the topics lacks is empty, not a wait."""
    await create(kafka.bootstrap_servers, topic_names("orders"), 1)
    await fill(kafka.bootstrap_servers, topic_names("orders"), [b"x"])
    assert await read_range(options(kafka), topic_names("orders"), 2, 0, None) == []


async def test_a_range_is_read_from_its_first_kept_record(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """A topic many fetches long is read to its end."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x" * 1_000] * 5_000)
    records = await read_range(options(kafka), topic, 0, 0, None)
    assert [record.offset for record in records] == list(range(5_000))


async def test_kafka_out_of_reach() -> None:
    """Nobody answers: the error says where."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(TopicError, match=f"kafka unreachable: {address}"):
        await read_range({"bootstrap_servers": address}, "clicks", 0, 0, None)
