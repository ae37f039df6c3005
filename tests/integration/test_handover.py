"""Counting state goes from one owner of a source partition to the next through Apache Kafka, whole or not at all."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from streams.core.ordering import UNREAD
from streams.errors import CodecError, TopicError
from streams.events import RecordBatch
from streams.worker.app import Worker
from streams.worker.entry import create_topics
from streams.worker.handover import Chunk, Marker
from tests.support.builders import at, click, paid, stream
from tests.support.clock import ManualClock
from tests.support.workers import Deployment, merged_counts, read_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from streams.events import Record
    from streams.worker.counting import AssignedPartition
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka

MARKER = msgspec.msgpack.Decoder(Marker).decode
CHUNK = msgspec.msgpack.Decoder(Chunk).decode
ENCODE = msgspec.msgpack.encode


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """Topics of this test's own."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(made.settings())
    return made


@asynccontextmanager
async def owner(deployment: Deployment, clock_ms: int) -> AsyncIterator[Worker]:
    """A worker's parts, connected; its app is not started, so nothing but the test moves partitions."""
    worker = Worker(deployment.settings(), ManualClock(clock_ms))
    await worker.producer.connect(lambda _: None)
    try:
        yield worker
    finally:
        await worker.producer.stop()


class Acks:
    """Counts acknowledgements."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """Count one more."""
        self.count += 1


def feed(
    worker: Worker, number: int, values: list[bytes], acks: Acks, *, topic: int = 0, first: int = 0
) -> None:
    """Let a worker take in records of one source partition."""
    records = [record._replace(offset=record.offset + first) for record in stream(values)]
    worker.counting.take(worker.sources[topic], number, RecordBatch.of(records), acks)


def state(assigned: AssignedPartition) -> tuple[object, ...]:
    """What a state says, whichever process holds it."""
    counts = assigned.counts
    sizes = {name: size for name, size in counts.nbytes().items() if name != "waiting"}
    return assigned.next_offset, counts.newest, counts.waiting, counts.counted_until, sizes


async def give(worker: Worker, *numbers: int) -> None:
    """Hand partitions over, as before a rebalance."""
    held = [worker.counting.partitions[number] for number in numbers]
    for number in numbers:
        worker.counting.drop(number)
    await worker.handover.give(held)


async def test_the_next_owner_knows_what_the_last_one_knew(deployment: Deployment) -> None:
    """State, offsets and what waits to be ordered survive; batches are acknowledged once that is written."""
    acks = Acks()
    async with owner(deployment, 1_000) as first:
        await first.handover.take([0, 1])
        feed(first, 0, [click("v1", 0, slot="top"), click("v2", 9_000)], acks)
        feed(first, 0, [paid("v1", 20)], acks, topic=1, first=70)
        feed(first, 1, [click("v3", 0), click("v4", 1), click("v5", 2)], acks)
        first.counting.partitions[0].counts.process(at(6_000))
        before = {number: state(first.counting.partitions[number]) for number in (0, 1)}
        assert acks.count == 0
        await give(first, 0, 1)
        assert acks.count == 3
    async with owner(deployment, 2_000) as second:
        await second.handover.take([1, 0])
        assert {number: state(second.counting.partitions[number]) for number in (0, 1)} == before
        assert before[0][0] == [2, 71]
        assert before[1][0] == [3, None]
        feed(second, 0, [paid("v1", 9_100, order_id="O2")], acks, topic=1, first=71)
        second.counting.partitions[0].counts.drain()
        await give(second, 0)
    # The orders of v1 find the click that the first owner saw: under its slot, not under (none).
    money = (await merged_counts(deployment)).money
    assert {key[1]: value for key, value in money.items() if key[0] == "slot"} == {"top": (2, 200)}


async def test_the_next_life_is_newer_though_its_clock_is_behind(deployment: Deployment) -> None:
    """Rollups of the next owner are not taken for those of a life that is over: all of them count."""
    generations = []
    for place, clock_ms in enumerate((5_000, 1_000, 1_000)):
        async with owner(deployment, clock_ms) as worker:
            await worker.handover.take([0])
            assigned = worker.counting.partitions[0]
            generations.append(assigned.rollups.generation)
            feed(worker, 0, [click(f"v{place}", place)], Acks(), first=place)
            assigned.counts.drain()
            await give(worker, 0)
    assert generations == [5_000, 5_001, 5_002]
    assert (await merged_counts(deployment)).outcomes == {("clickstream", "accepted"): 3}


async def test_the_next_life_is_newer_though_the_last_one_was_killed(deployment: Deployment) -> None:
    """It wrote down its generation before it counted, so a clock behind changes nothing."""
    async with owner(deployment, 5_000) as killed:
        await killed.handover.take([0, 1])
    async with owner(deployment, 1_000) as second:
        await second.handover.take([0])
        assert second.counting.partitions[0].rollups.generation == 5_001


async def test_where_nothing_was_handed_over_counting_begins(deployment: Deployment) -> None:
    """A partition without state begins from nothing; no state at all is asked for when there are no partitions."""
    async with owner(deployment, 1_000) as worker:
        await worker.handover.take([])
        assert worker.counting.partitions == {}
        await worker.handover.take([2])
        assigned = worker.counting.partitions[2]
        assert (assigned.next_offset, assigned.counts.newest) == ([None, None], (UNREAD, UNREAD))


@pytest.mark.slow
async def test_a_large_state_and_a_small_one_after_it(deployment: Deployment) -> None:
    """A state of over 20 MB goes in many chunks; those it leaves behind do not trouble the small one after it."""
    waiting = 400_000
    async with owner(deployment, 1_000) as first:
        await first.handover.take([0])
        feed(first, 0, [click("v1", 0)] * waiting, Acks())
        await give(first, 0)
    records = (await read_topic(deployment.bootstrap_servers, f"{deployment.prefix}.state"))[0]
    assert len(records) > 20
    assert sum(len(record.value or b"") for record in records) > 20 << 20
    async with owner(deployment, 2_000) as second:
        await second.handover.take([0])
        assert len(second.counting.partitions[0].counts.snapshot()) > 20 << 20
        assert second.counting.partitions[0].counts.waiting == waiting
        assert second.counting.partitions[0].next_offset == [waiting, None]
    async with owner(deployment, 3_000) as third:
        third.counting.assign(0)
        feed(third, 0, [click("v1", 0)], Acks())
        await give(third, 0)
    async with owner(deployment, 4_000) as fourth:
        await fourth.handover.take([0])
        assert fourth.counting.partitions[0].next_offset == [1, None]


def without_chunk(records: list[Record]) -> list[Record]:
    """A tombstone where a chunk was, as deleting it leaves."""
    return [record._replace(value=None) for record in records if record.key == b"chunk/0/0"]


def of_another_state(records: list[Record]) -> list[Record]:
    """An older chunk, as an interrupted hand-over leaves."""
    chunks = [record for record in records if record.key == b"chunk/0/0"]
    return [
        record._replace(value=ENCODE(Chunk(7, CHUNK(record.value).data))) for record in chunks if record.value
    ]


def damaged(records: list[Record]) -> list[Record]:
    """One bit flipped."""
    found = []
    for record in records:
        if record.key == b"chunk/0/0" and record.value:
            chunk = CHUNK(record.value)
            data = bytes([*chunk.data[:-1], chunk.data[-1] ^ 1])
            found.append(record._replace(value=ENCODE(Chunk(chunk.generation, data))))
    return found


def of_another_version(records: list[Record]) -> list[Record]:
    """The marker of a program to come."""
    markers = [record for record in records if record.key == b"marker/0"]
    return [record._replace(value=ENCODE(["v9", {"chunks": 1}])) for record in markers]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without_chunk, "chunk 1 of 1 is missing"),
        (of_another_state, "chunk 1 of 1 is of another state"),
        (damaged, "damaged: its checksum is wrong"),
        (of_another_version, "of another version or damaged"),
    ],
)
async def test_a_state_that_is_not_whole_is_refused(
    deployment: Deployment, harm: Callable[[list[Record]], list[Record]], said: str
) -> None:
    """Nobody counts on from half a state: the error says which partition of which topic, and what to do."""
    async with owner(deployment, 1_000) as first:
        await first.handover.take([0, 1])
        feed(first, 0, [click("v1", 0)], Acks())
        feed(first, 1, [click("v2", 0)], Acks())
        await give(first, 0, 1)
    topic = f"{deployment.prefix}.state"
    records = (await read_topic(deployment.bootstrap_servers, topic))[0]
    producer = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers)
    await producer.start()
    for record in harm(records):
        await producer.send_and_wait(topic, record.value, key=record.key, partition=0)
    await producer.stop()
    async with owner(deployment, 2_000) as second:
        with pytest.raises(CodecError) as refused:
            await second.handover.take([0])
        assert said in str(refused.value)
        assert f"{topic}: state of partition 0" in str(refused.value)
        assert "delete the records of that partition" in str(refused.value)
        # Another partition's state is whole.
        await second.handover.take([1])
        assert second.counting.partitions.keys() == {1}


async def test_without_the_state_topic_nothing_is_counted(deployment: Deployment) -> None:
    """A missing partition of the state topic is an error at once, not a wait."""
    async with owner(deployment, 1_000) as worker:
        with pytest.raises(TopicError, match=r"\.state: no partition 9"):
            await worker.handover.take([0, 9])


async def test_what_cannot_be_written_is_not_acknowledged(deployment: Deployment) -> None:
    """A hand-over that Kafka does not take raises, and the batches stay unacknowledged."""
    acks = Acks()
    async with owner(deployment, 1_000) as first:
        first.counting.assign(9)  # the state topic has no such partition
        feed(first, 9, [click("v1", 0)], acks)
        with pytest.raises((TopicError, AssertionError)):
            await give(first, 9)
        assert acks.count == 0
