"""A broker that compacts, and one that goes and comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.worker.batching import Position
from tests.integration.conftest import skip_if_unavailable
from tests.support.apache_kafka import KafkaCluster
from tests.support.batch_reader import BatchReader, committed, create, fill, load
from tests.support.workers import read_topic, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import TopicNames

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def mine() -> Iterator[KafkaCluster]:
    """A broker of this module's own, to stop and to start; it compacts at once."""
    with skip_if_unavailable():
        cluster = KafkaCluster(properties={"log.cleaner.backoff.ms": "100"})
    with cluster:
        yield cluster


async def test_compacted_offsets_are_read_over(mine: KafkaCluster, topic_names: TopicNames) -> None:
    """Offsets that compaction took out are no gaps: what is left arrives, and all is committed."""
    topic, group = topic_names("state"), topic_names("g")
    eager = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    await create(mine.bootstrap_servers, topic, config=eager)
    for keys in (10, 8, 6):
        await fill(mine.bootstrap_servers, topic, [b"x"] * keys, linger_ms=150)
        await asyncio.sleep(0.15)  # a segment must be older than this to be closed by the next write
    left = [8, 9, 16, 17, *range(18, 28)]

    async def is_compacted() -> bool:
        records = (await read_topic(mine.bootstrap_servers, topic))[0]
        return [record.offset for record in records] == left

    await fill(mine.bootstrap_servers, topic, [b"x"] * 4)
    await until(is_compacted, seconds=30, what="compaction")
    async with BatchReader(mine.bootstrap_servers, group, topic) as reader:
        await reader.takes(len(left))
        assert reader.offsets() == {(topic, 0): left}
    assert await committed(mine.bootstrap_servers, group, topic) == [28]


async def test_an_outage_under_load(mine: KafkaCluster, topic_names: TopicNames) -> None:
    """While the broker is away nothing ends and nothing is known; back again, no record is lost or repeated.

    An app that is stopped meanwhile stops in bounded time; what it could not commit is read again.
    """
    topic, group, other = topic_names("clicks"), topic_names("g"), topic_names("other")
    address = mine.bootstrap_servers
    await create(address, topic, 2)
    patient = {"broker_session_timeout": 30.0}
    async with BatchReader(address, group, topic, settings=patient) as reader:
        brief = BatchReader(address, other, topic, settings={"broker_session_timeout": 2.0})
        async with load(address, topic, 2) as written, brief as leaving:
            await reader.takes(500)
            await leaving.takes(500)
            await asyncio.to_thread(mine.kill_broker, 0)
            async with asyncio.timeout(20):
                await leaving.stop()
            await until(
                lambda: (
                    {reader.consumer.read_position(topic, number).next_offset for number in (0, 1)} == {None}
                ),
                seconds=10,
                what="the reader to notice",
            )
            before = reader.count()
            await asyncio.to_thread(mine.start_broker, 0)
            await reader.takes(before + 500)
        await reader.takes(sum(written))
        assert reader.offsets() == {
            (topic, number): list(range(count)) for number, count in enumerate(written)
        }
        assert reader.app.crash_reason is None
    assert await committed(address, group, topic, (0, 1)) == written
    async with BatchReader(address, other, topic) as again:
        for number, count in enumerate(written):
            end = Position(count, count, count)
            await until(
                lambda: again.consumer.read_position(topic, number) == end,  # noqa: B023  # used up at once
                seconds=20,
                what="the end",
            )
    for number, count in enumerate(written):
        both = leaving.offsets()[topic, number] + again.offsets()[topic, number]
        assert sorted(set(both)) == list(range(count))
