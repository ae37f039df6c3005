"""The batch transport on Apache Kafka: whole batches, in order, none lost, none twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError
from faust.types import TP

from streams.worker.batching import Position
from streams.worker.fetching import MAX_BATCH_RECORDS
from tests.integration.conftest import skip_if_unavailable
from tests.support.apache_kafka import KafkaCluster
from tests.support.batch_reader import BatchReader, commit, committed, create, fill, load, producing
from tests.support.workers import read_topic, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import TopicNames

pytestmark = pytest.mark.kafka

UNKNOWN = Position(None, None, None)


# --------------------------------------------------------------------------- what arrives


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
    await create(kafka.bootstrap_servers, topic, config={"max.message.bytes": "2000000"})
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


# --------------------------------------------------------------------------- acknowledging


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


# --------------------------------------------------------------------------- holding back


async def test_throttled_partitions_lose_nothing(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Throttling stops one partition and not the other; taken up again, no record is missing."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic, 2)
    held = {TP(topic, 0)}
    async with BatchReader(kafka.bootstrap_servers, topic_names("g"), topic, buffered=2) as reader:
        async with load(kafka.bootstrap_servers, topic, 2) as written:
            for _ in range(30):
                reader.consumer.throttle(held)
                # What is on its way when throttling begins still arrives.
                await asyncio.sleep(0.02)
                reader.consumer.unthrottle(held)
                await asyncio.sleep(0.01)
            reader.consumer.throttle(held)
            await until(
                lambda: reader.consumer.read_position(topic, 0).next_offset is not None,
                seconds=10,
                what="calm",
            )
            stands_at = reader.offsets()[topic, 0][-1]
            other = reader.offsets()[topic, 1][-1]
            await until(lambda: reader.offsets()[topic, 1][-1] > other + 400, seconds=20, what="the other")
            assert reader.offsets()[topic, 0][-1] == stands_at
            reader.consumer.unthrottle(held)
        await reader.takes(sum(written))
    assert [reader.offsets()[topic, number] for number in (0, 1)] == [list(range(count)) for count in written]


async def test_a_position_not_known_is_no_reason_to_crash(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """Faust's watch over stuck partitions finds none while Kafka is asked, and of partitions that have gone."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    async with BatchReader(kafka.bootstrap_servers, topic_names("g"), topic) as reader:
        await reader.takes(10)
        thread: Any = reader.consumer._thread  # noqa: SLF001  # aiokafka has no public way
        assignment = thread.aiokafka_consumer._subscription.subscription.assignment  # noqa: SLF001  # likewise
        assignment.state_value(TopicPartition(topic, 0))._position = None  # noqa: SLF001  # likewise
        for partition in (0, 9):
            reader.consumer.verify_event_path(time.monotonic(), TP(topic, partition))


async def test_an_agent_that_catches_up_does_not_end_throttling(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """A partition held back for a full queue and by throttling is read again when both are over."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x" * 1_000] * 100, max_batch_size=1_000)
    reader = BatchReader(
        kafka.bootstrap_servers,
        topic_names("g"),
        topic,
        buffered=2,
        settings={"consumer_max_fetch_size": 2_000},
    )
    held = {TP(topic, 0)}
    reader.may_take.clear()
    async with reader:
        await until(lambda: held == reader.consumer._buffered_partitions, seconds=20, what="a full queue")  # noqa: SLF001  # nowhere else
        reader.consumer.throttle(held)
        reader.may_take.set()
        await until(
            lambda: reader.consumer.read_position(topic, 0).handed_out == reader.count(),
            seconds=20,
            what="calm",
        )
        assert not reader.consumer._buffered_partitions  # noqa: SLF001  # as above
        caught_up_at = reader.count()
        await asyncio.sleep(0.5)  # nothing to wait for: it must not go on
        assert reader.count() == caught_up_at < 100
        reader.consumer.unthrottle(held)
        await reader.takes(100)
        assert reader.offsets() == {(topic, 0): list(range(100))}


async def test_a_busy_agent_stops_the_reading(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """No more than the buffered batches and one per partition wait for an agent, however much there is."""
    topic, buffered, partitions = topic_names("clicks"), 4, 3
    await create(kafka.bootstrap_servers, topic, partitions)
    for partition in range(partitions):
        await fill(kafka.bootstrap_servers, topic, [b"x" * 1_000] * 500, partition, max_batch_size=1_000)
    settings = {"consumer_max_fetch_size": 10_000}
    reader = BatchReader(
        kafka.bootstrap_servers, topic_names("g"), topic, acks=False, buffered=buffered, settings=settings
    )
    reader.may_take.clear()
    async with reader:
        await until(lambda: reader.waits == 1, seconds=20, what="the agent to hold a batch")

        def waiting() -> int:
            return sum(len(spans) for spans in reader.consumer._spans.values())  # noqa: SLF001  # nowhere else

        await until(lambda: waiting() >= buffered, seconds=20, what="the buffer to fill")
        await asyncio.sleep(1)  # nothing to wait for: it must not grow
        # In the queue, in the agent's hands, and one that waits at the queue's door.
        assert buffered <= waiting() <= buffered + 2
        reader.may_take.set()
        await reader.takes(500 * partitions)
        assert reader.offsets() == {(topic, number): list(range(500)) for number in range(partitions)}


async def test_the_position_tells_the_truth(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Unknown before anything is read and for partitions of others; then what is left, then that nothing is."""
    topic = topic_names("clicks")
    await create(kafka.bootstrap_servers, topic, 2)
    await fill(kafka.bootstrap_servers, topic, [b"x" * 1_000] * 200, max_batch_size=1_000)
    reader = BatchReader(
        kafka.bootstrap_servers,
        topic_names("g"),
        topic,
        buffered=2,
        settings={"consumer_max_fetch_size": 10_000},
    )
    reader.may_take.clear()
    assert reader.consumer.read_position(topic, 0) == UNKNOWN
    async with reader:
        position = reader.consumer.read_position
        assert position(topic, 7) == UNKNOWN
        await until(
            lambda: position(topic, 0).handed_out is not None and position(topic, 0).next_offset is not None,
            seconds=20,
            what="the first batch",
        )
        assert position(topic, 0).handed_out
        left = position(topic, 0)
        assert left.end_offset == 200
        assert left.next_offset == left.handed_out
        assert 0 < (left.next_offset or 0) < 100
        await until(lambda: position(topic, 1) == Position(0, 0, None), seconds=10, what="an empty partition")
        reader.may_take.set()
        await until(lambda: position(topic, 0) == Position(200, 200, 200), seconds=20, what="the end")
        assert reader.count() <= 200


# --------------------------------------------------------------------------- rebalance


class Holder(BatchReader):
    """Acknowledges nothing before it has to: what it holds is acknowledged when it goes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, acks=False, **kwargs)
        self.let_go = 0

    async def before_revoke(self, tps: set[TP]) -> None:
        """Acknowledge all of these partitions, after a while."""
        await super().before_revoke(tps)
        held = len(self.taken)
        await asyncio.sleep(0.3)
        assert len(self.taken) == held, "an agent got something while its partitions were going"
        for taken in self.taken[self.let_go :]:
            taken.ack()
        self.let_go = held


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


# --------------------------------------------------------------------------- what cannot go on


async def ends(reader: BatchReader, seconds: float = 20) -> BaseException | None:
    """Wait until the app ends of itself; returns why."""
    await asyncio.wait_for(reader.app.wait_until_stopped(), seconds)
    return reader.app.crash_reason


async def test_an_error_in_a_hook_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """An error while partitions come or go stops the app with that error; the hook is not asked again."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    calls: list[str] = []

    async def fail(_: set[TP]) -> None:
        calls.append("asked")
        raise ValueError("no state")

    coming = BatchReader(kafka.bootstrap_servers, group, topic)
    coming.after_assign = fail  # type: ignore[method-assign,assignment]  # in this one
    await coming.start()
    assert str(await ends(coming)) == "no state"
    await coming.stop()
    async with BatchReader(kafka.bootstrap_servers, group, topic) as going:
        await going.takes(10)
        going.consumer.before_revoke = fail
        other = BatchReader(kafka.bootstrap_servers, group, topic)
        await other.start()
        assert str(await ends(going)) == "no state"
        await other.stop()
    assert calls == ["asked", "asked"]
    assert coming.count() == 0


async def test_an_error_in_an_agent_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Faust would start the agent anew behind the batch it failed on; what it read is not committed."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    async with BatchReader(kafka.bootstrap_servers, group, topic) as reader:
        await reader.takes(10)
        reader.fails = ValueError("bad luck")
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
        assert str(await ends(reader)) == "bad luck"
    assert await committed(kafka.bootstrap_servers, group, topic) == [10]


async def test_a_group_that_refuses_us_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A group whose members speak another protocol: the app ends, it does not wait for ever."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    stranger = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap_servers, group_id=group)
    await stranger.start()
    try:
        reader = BatchReader(kafka.bootstrap_servers, group, topic)
        await reader.start()
        assert isinstance(await ends(reader), KafkaError)
        await reader.stop()
    finally:
        await stranger.stop()


@contextlib.contextmanager
def damaged(log: Path, value: bytes) -> Iterator[None]:
    """A byte of one value has changed on the broker's disk."""
    whole = log.read_bytes()
    at = whole.index(value)
    with log.open("r+b") as file:
        file.seek(at)
        file.write(b"!")
        file.flush()
        yield
        file.seek(at)
        file.write(whole[at : at + 1])


async def test_a_wrong_checksum_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A damaged batch is never handed out and never skipped; undamaged, all is read from where it stopped."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    for number in range(5):
        await fill(kafka.bootstrap_servers, topic, [b"value %d" % number] * 10)
    log = kafka.directory(0) / "data" / f"{topic}-0" / f"{0:020d}.log"
    settings = {"consumer_max_fetch_size": 200}
    # It acknowledges when it has to: also after the crash that is still committed.
    reader = Holder(kafka.bootstrap_servers, group, topic, settings=settings)
    with damaged(log, b"value 3"):
        await reader.start()
        assert isinstance(await ends(reader), CorruptRecordException)
        await reader.stop()
        assert reader.offsets()[topic, 0] == list(range(30))
        assert await committed(kafka.bootstrap_servers, group, topic) == [30]
    async with BatchReader(kafka.bootstrap_servers, group, topic) as again:
        await again.takes(20)
        assert again.offsets() == {(topic, 0): list(range(30, 50))}


# --------------------------------------------------------------------------- a broker that goes and comes


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
