"""Logs that do not go on as they were read, on Apache Kafka: what is missing is told, exactly.

Records are really deleted and topics really made anew.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from faust.types import TP

from tests.support.batch_reader import (
    BatchReader,
    commit,
    committed,
    create,
    delete_before,
    delete_topic,
    fill,
)
from tests.support.workers import until

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("by", ["the worker", "the group"])
@pytest.mark.parametrize("policy", ["earliest", "latest"])
@pytest.mark.parametrize("beginning", [40, 100])
async def test_records_deleted_while_nobody_read(
    kafka: KafkaCluster, topic_names: TopicNames, by: str, policy: str, beginning: int
) -> None:
    """Reading goes on at the oldest record there is, whatever the settings say of new groups; also if none is left."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 100, max_batch_size=300)
    await delete_before(kafka.bootstrap_servers, topic, beginning)
    settings = {"consumer_auto_offset_reset": policy}
    reader = BatchReader(kafka.bootstrap_servers, group, topic, settings=settings)
    if by == "the worker":
        reader.start_at = {TP(topic, 0): 7}
    else:
        await commit(kafka.bootstrap_servers, group, topic, 7)
    async with reader:
        await until(lambda: reader.breaks, seconds=20, what="the gap")
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 5)
        await reader.takes(105 - beginning)
        assert reader.offsets() == {(topic, 0): list(range(beginning, 105))}
        assert reader.breaks == [("gap", TP(topic, 0), 7, beginning)]
    assert await committed(kafka.bootstrap_servers, group, topic) == [105]


async def test_records_deleted_before_a_slow_worker_read_them(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """What was taken before, the gap, and what comes after it add up to the log; other partitions are not touched."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic, 2)
    for partition in (0, 1):
        await fill(kafka.bootstrap_servers, topic, [b"x" * 100] * 500, partition, max_batch_size=500)
    settings = {"consumer_max_fetch_size": 1_000}
    reader = BatchReader(kafka.bootstrap_servers, group, topic, buffered=2, settings=settings)
    reader.may_take.clear()
    async with reader:
        await until(lambda: reader.waits == 1, seconds=20, what="the agent to hold a batch")
        await delete_before(kafka.bootstrap_servers, topic, 450)
        reader.may_take.set()
        await until(lambda: reader.breaks, seconds=20, what="the gap")
        ((kind, tp, first, behind),) = reader.breaks
        assert (kind, tp, behind) == ("gap", TP(topic, 0), 450)
        assert 0 < first < 450
        await reader.takes(500 + first + 50)
        read = reader.offsets()
        assert read == {(topic, 0): [*range(first), *range(450, 500)], (topic, 1): list(range(500))}
    assert await committed(kafka.bootstrap_servers, group, topic, (0, 1)) == [500, 500]


@pytest.mark.parametrize("by", ["the worker", "the group"])
@pytest.mark.parametrize("there", [0, 10])
async def test_a_topic_made_anew_while_nobody_read(
    kafka: KafkaCluster, topic_names: TopicNames, by: str, there: int
) -> None:
    """An offset beyond the end hides no record of the new topic, and commits follow it; also if it is empty yet."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"old"] * 30)
    await delete_topic(kafka.bootstrap_servers, topic)
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"new"] * there)
    reader = BatchReader(kafka.bootstrap_servers, group, topic)
    if by == "the worker":
        reader.start_at = {TP(topic, 0): 30}
    else:
        await commit(kafka.bootstrap_servers, group, topic, 30)
    async with reader:
        await until(lambda: reader.breaks, seconds=20, what="the new log")
        await fill(kafka.bootstrap_servers, topic, [b"new"] * 5)
        await reader.takes(there + 5)
        assert reader.offsets() == {(topic, 0): list(range(there + 5))}
        assert reader.breaks == [("new log", TP(topic, 0), 30, 0)]
    assert await committed(kafka.bootstrap_servers, group, topic) == [there + 5]


@pytest.mark.parametrize("notices", ["that it is gone", "only the new one"])
async def test_a_topic_made_anew_while_it_is_read(
    kafka: KafkaCluster, topic_names: TopicNames, notices: str
) -> None:
    """The assignment ends first, so that batches of the old log and of the new never mix; then all is read."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"old"] * 30)
    made = threading.Event()

    async def hang() -> None:
        await asyncio.sleep(0)
        assert made.wait(20)

    async with BatchReader(kafka.bootstrap_servers, group, topic) as reader:
        await reader.takes(30)
        await reader.consumer.force_commit()
        # Kafka forgets what was committed of a deleted topic; a worker has its own state.
        reader.start_at = {TP(topic, 0): 30}
        hanging = None
        if notices == "only the new one":
            hanging = asyncio.create_task(reader.consumer._thread.call_thread(hang))  # noqa: SLF001  # nowhere else
        await delete_topic(kafka.bootstrap_servers, topic)
        await create(kafka.bootstrap_servers, topic)
        await fill(kafka.bootstrap_servers, topic, [b"new"] * 10)
        made.set()
        await until(lambda: reader.breaks, seconds=30, what="the new log")
        await reader.takes(40)
        assert reader.breaks == [("new log", TP(topic, 0), 30, 0)]
        assert len(reader.assigned) > 1
        values = [value for taken in reader.taken for value in taken.batch.values]
        assert values == [b"old"] * 30 + [b"new"] * 10
        if hanging is not None:
            await hanging
    assert await committed(kafka.bootstrap_servers, group, topic) == [10]
