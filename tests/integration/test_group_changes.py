"""Members that come and go, on Apache Kafka: what each may read, and when."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from faust.types import TP

from tests.support.batch_reader import BatchReader, Holder, committed, create, fill, load
from tests.support.workers import until

if TYPE_CHECKING:
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


async def test_a_member_comes_and_goes_under_load(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """No record is lost and none is processed twice when before_revoke acknowledges all that is held."""
    topic, group, partitions = topic_names("clicks"), topic_names("g"), 4
    await create(kafka.bootstrap_servers, topic, partitions)
    second = Holder(kafka.bootstrap_servers, group, topic)
    async with Holder(kafka.bootstrap_servers, group, topic) as first:
        async with load(kafka.bootstrap_servers, topic, partitions) as written:
            await first.takes(500)
            async with second:
                await second.takes(500)
                shared = [len(first.assigned[-1]), len(second.assigned[-1])]
            await until(lambda: len(first.assigned[-1]) == partitions, seconds=20, what="its partitions back")
            await first.takes(first.count() + 500)
        await first.takes(sum(written) - second.count())
    assert sum(shared) == partitions
    assert all(shared)
    ours, theirs = first.offsets(), second.offsets()
    read = [sorted(ours.get((topic, n), []) + theirs.get((topic, n), [])) for n in range(partitions)]
    assert read == [list(range(count)) for count in written]
    # A partition that never moved was read in order throughout.
    assert all(part == sorted(part) for part in (*ours.values(), *theirs.values()))
    assert await committed(kafka.bootstrap_servers, group, topic, range(partitions)) == written


async def test_an_acknowledgement_from_before_a_rebalance_does_nothing(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """A batch that was handed out again must be acknowledged again; the old acknowledgement is a zombie's."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    async with BatchReader(kafka.bootstrap_servers, group, topic, acks=False) as reader:
        await reader.takes(10)
        async with BatchReader(kafka.bootstrap_servers, group, topic, acks=False):
            pass
        # Whether it kept the partition meanwhile is the assignor's affair.
        await until(lambda: len(reader.assigned) >= 3 and reader.settled(), seconds=20, what="a group of one")
        generation = reader.app.consumer_generation_id
        await until(lambda: reader.taken[-1].generation == generation, seconds=20, what="the batch again")
        zombie, again = reader.taken[0], reader.taken[-1]
        assert zombie.batch.offsets == again.batch.offsets
        zombie.ack()
        await reader.consumer.commit_and_end_transactions()
        assert await committed(kafka.bootstrap_servers, group, topic) == [None]
        again.ack()
        await reader.consumer.commit_and_end_transactions()
        assert await committed(kafka.bootstrap_servers, group, topic) == [10]


async def test_a_member_given_up_by_its_group_takes_nothing_back(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """A worker that slept through its session cannot commit over its successor; it joins again."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    settings = {"broker_session_timeout": 1.0}
    async with Holder(kafka.bootstrap_servers, group, topic, settings=settings) as sleeper:
        await sleeper.takes(10)

        async def sleep() -> None:
            time.sleep(3)  # noqa: ASYNC251  # the very thing: the thread that sends heartbeats hangs

        sleeping = asyncio.create_task(sleeper.consumer._thread.call_thread(sleep))  # noqa: SLF001  # nowhere else
        async with BatchReader(kafka.bootstrap_servers, group, topic) as successor:
            await successor.takes(10)
            await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
            await successor.takes(20)
            await successor.consumer.commit_and_end_transactions()
            assert not sleeping.done()
            await until(lambda: len(sleeper.assigned) >= 2, seconds=20, what="the sleeper to join again")
            assert sleeper.revoked == [{TP(topic, 0)}]
            assert await committed(kafka.bootstrap_servers, group, topic) == [20]
            assert [sleeper.app.crash_reason, successor.app.crash_reason] == [None, None]


async def test_nothing_is_read_before_the_worker_is_ready(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """Faust may end one rebalance in the middle of the next and let the flow go on: batches wait all the same."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    came: list[int] = []

    async def resume(_: set[TP]) -> None:
        reader.app.flow_control.resume()
        reader.consumer.resume_flow()

    async def get_ready(tps: set[TP]) -> None:
        before = reader.count()
        await asyncio.sleep(0.7)
        came.append(reader.count() - before)
        await BatchReader.after_assign(reader, tps)

    async with BatchReader(kafka.bootstrap_servers, group, topic, acks=False) as reader:
        await reader.takes(10)
        reader.consumer.before_revoke, reader.consumer.after_assign = resume, get_ready
        async with BatchReader(kafka.bootstrap_servers, group, topic, acks=False):
            pass
        await until(lambda: len(reader.assigned) >= 3 and reader.settled(), seconds=20, what="a group of one")
        generation = reader.app.consumer_generation_id
        await until(lambda: reader.taken[-1].generation == generation, seconds=20, what="the batch again")
    assert came == [0] * len(came)
    generations = [taken.generation for taken in reader.taken]
    assert len(generations) == len(set(generations)), "the same batch twice in one generation"


async def test_getting_ready_may_take_longer_than_a_session(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """A member that reads large states back stays in the group, and reads nothing before it is done."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    reader = BatchReader(
        kafka.bootstrap_servers, group, topic, acks=False, settings={"broker_session_timeout": 1.5}
    )
    prepared: list[int] = []

    async def prepare(tps: set[TP]) -> None:
        await asyncio.sleep(3)
        prepared.append(reader.count())
        await BatchReader.after_assign(reader, tps)

    reader.after_assign = prepare  # type: ignore[method-assign]  # in this one
    async with reader:
        await reader.takes(10)
        for taken in reader.taken:
            taken.ack()
        assert await reader.consumer.force_commit(), "not a member any more"
        assert (prepared, reader.revoked) == ([0], [])
    assert await committed(kafka.bootstrap_servers, group, topic) == [10]
