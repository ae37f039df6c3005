"""Batches leave aiokafka's fetch results whole, in order and checked, whatever the record format."""

from __future__ import annotations

import gc
import struct
import weakref
from typing import TYPE_CHECKING

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException, TopicAuthorizationFailedError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.worker.fetching import drain, take_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events import RecordBatch

TP = TopicPartition("clicks", 3)
GZIP = 1


def kafka_batch(first: int, count: int, *, codec: int = 0, skip: Sequence[int] = ()) -> bytes:
    """One Kafka batch of today's format, as a broker stores it; ``skip`` are offsets compacted away."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        if first + number not in skip:
            builder.append(number, 1_000 + first + number, b"k", b"v%d" % (first + number), [("h", b"x")])
    data = bytearray(builder.build())
    # The broker gives the offsets; they are outside the checksum.
    struct.pack_into(">q", data, 0, first)
    return bytes(data)


def legacy_batch(magic: int, first: int, count: int, codec: int = 0) -> bytes:
    """Records of a format before Kafka 0.11."""
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for number in range(first, first + count):
        builder.append(number, 1_000 + number, b"k", b"v%d" % number)
    return bytes(builder.build())


def fetched(data: bytes, position: int = 0) -> FetchResult:
    """A fetch response that came for a position."""
    assignment = Assignment([TP])
    assignment.state_value(TP).seek(position)
    records = PartitionRecords(
        TP, MemoryRecords(data), [], position, None, None, True, READ_COMMITTED
    )  # aiokafka's signature
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


def position_of(result: FetchResult) -> int:
    """Where reading goes on."""
    return int(result._assignment.state_value(TP).position)  # noqa: SLF001  # aiokafka has no public way


def offsets(batch: RecordBatch | None) -> list[int]:
    """Offsets of a batch that is there."""
    assert batch is not None
    assert list(batch.values) == [b"v%d" % offset for offset in batch.offsets]
    return list(batch.offsets)


async def test_whole_kafka_batches_up_to_the_limit() -> None:
    """Taking stops behind the Kafka batch that reaches the limit, and goes on there."""
    result = fetched(kafka_batch(0, 3) + kafka_batch(3, 3, codec=GZIP) + kafka_batch(6, 3))
    assert offsets(take_batch(result, 4)) == [0, 1, 2, 3, 4, 5]
    assert (position_of(result), result.has_more()) == (6, True)
    assert offsets(take_batch(result, 4)) == [6, 7, 8]
    assert (position_of(result), result.has_more()) == (9, False)


async def test_columns_and_raw_records_agree() -> None:
    """Offsets without gaps are a range; timestamps, values, keys and headers belong to their offsets."""
    batch = take_batch(fetched(kafka_batch(5, 2), 5), 100)
    assert batch is not None
    assert batch.offsets == range(5, 7)
    assert batch.timestamps == [1_005, 1_006]
    record = batch.record(1)
    assert (record.offset, record.key, record.value, record.headers) == (6, b"k", b"v6", (("h", b"x"),))


async def test_gaps_are_kept() -> None:
    """Where compaction took records out, the offsets say so."""
    batch = take_batch(fetched(kafka_batch(0, 6, skip=[1, 4]) + kafka_batch(9, 1)), 100)
    assert offsets(batch) == [0, 2, 3, 5, 9]


async def test_a_position_inside_a_batch() -> None:
    """What lies before the position asked for is left out."""
    result = fetched(kafka_batch(0, 10), 7)
    assert offsets(take_batch(result, 100)) == [7, 8, 9]
    assert position_of(result) == 10


async def test_an_empty_batch_moves_the_position() -> None:
    """A batch of which compaction left nothing but its end: no batch comes out, reading goes on behind it."""
    result = fetched(kafka_batch(0, 5), 5)
    assert take_batch(result, 100) is None
    assert (position_of(result), result.has_more()) == (5, False)


@pytest.mark.parametrize("codec", [0, GZIP])
@pytest.mark.parametrize("magic", [0, 1])
async def test_formats_of_old(magic: int, codec: int) -> None:
    """Records older than Kafka 0.11 are read too; the oldest have no time, which is -1."""
    result = fetched(legacy_batch(magic, 0, 4, codec), 2)
    batch = take_batch(result, 100)
    assert offsets(batch) == [2, 3]
    assert batch is not None
    assert list(batch.timestamps) == ([1_002, 1_003] if magic else [-1, -1])
    assert batch.record(0).headers == ()
    assert position_of(result) == 4


async def test_a_wrong_checksum() -> None:
    """A damaged batch raises, says where, and leaves the position before it."""
    damaged = bytearray(kafka_batch(3, 3))
    damaged[-1] ^= 1
    result = fetched(kafka_batch(0, 3) + bytes(damaged))
    assert offsets(take_batch(result, 3)) == [0, 1, 2]
    with pytest.raises(CorruptRecordException, match=r"clicks.*checksum wrong behind offset 3"):
        take_batch(result, 3)
    assert position_of(result) == 3


async def test_what_was_read_is_gone_at_once() -> None:
    """Megabytes of fetched data do not wait for the garbage collector, which seldom comes."""
    result = fetched(kafka_batch(0, 3))
    source = weakref.ref(result._partition_records)  # noqa: SLF001  # aiokafka has no public way
    gc.disable()
    try:
        take_batch(result, 3)
        assert source() is None
    finally:
        gc.enable()


class Fetcher:
    """As much of aiokafka's fetcher as holds fetched results; it asks for more when told to."""

    def __init__(self, results: dict[TopicPartition, object]) -> None:
        self._records = dict(results)
        self._subscriptions = self
        self._wait_consume_future = None
        self.asked_for_more = 0

    def left(self) -> set[TopicPartition]:
        """Partitions of which results are still there."""
        return set(self._records)

    def is_assigned(self, tp: TopicPartition) -> bool:
        """All partitions but one."""
        return int(tp.partition) != 9

    def _notify(self, _: object) -> None:
        self.asked_for_more += 1


def good() -> FetchResult:
    """Three records of one Kafka batch, and another."""
    return fetched(kafka_batch(0, 3))


def bad() -> FetchResult:
    """A damaged Kafka batch, and a good one behind it."""
    damaged = bytearray(kafka_batch(0, 3))
    damaged[-1] ^= 1
    return fetched(bytes(damaged) + kafka_batch(3, 3))


FIRST, SECOND = TopicPartition("clicks", 1), TopicPartition("clicks", 2)


def refuse(tp: TopicPartition) -> None:
    """Nothing here is refused by the broker."""
    raise AssertionError(tp)


async def test_an_error_waits_until_what_is_good_is_out() -> None:
    """What was taken of one partition is not lost to another's error, and nothing behind the error comes out."""
    fetcher = Fetcher({FIRST: good(), SECOND: bad()})
    taken: set[TopicPartition] = set()
    assert list(drain(fetcher, {FIRST, SECOND}, taken, refuse)) == [FIRST]
    assert taken == {FIRST, SECOND}
    # The damaged result is gone: it is fetched again, from where it begins, and raises again.
    assert (fetcher.left(), fetcher.asked_for_more) == (set(), 2)
    fetcher = Fetcher({SECOND: bad(), FIRST: good()})
    with pytest.raises(CorruptRecordException):
        drain(fetcher, {FIRST, SECOND}, set(), refuse)
    assert fetcher.left() == {FIRST}


async def test_an_error_of_the_fetch_is_raised() -> None:
    """A topic that may not be read, for one."""
    error = FetchError(error=TopicAuthorizationFailedError("clicks"), backoff=0)
    with pytest.raises(TopicAuthorizationFailedError):
        drain(Fetcher({FIRST: error}), {FIRST}, set(), refuse)


async def test_partitions_not_asked_for_stay() -> None:
    """Throttled ones keep their results; those of partitions that have gone are thrown away."""
    gone = TopicPartition("clicks", 9)
    fetcher = Fetcher({FIRST: good(), SECOND: good(), gone: good()})
    taken: set[TopicPartition] = set()
    assert list(drain(fetcher, {FIRST}, taken, refuse)) == [FIRST]
    assert fetcher.left() == {SECOND}
    assert taken == {FIRST}


async def test_a_result_of_another_position_is_useless() -> None:
    """After a seek what was fetched before is thrown away, and fetched anew."""
    result = good()
    result._assignment.state_value(TP).seek(1)  # noqa: SLF001  # aiokafka has no public way
    fetcher = Fetcher({TP: result})
    assert drain(fetcher, {TP}, set(), refuse) == {}
    assert (fetcher.left(), fetcher.asked_for_more) == (set(), 1)
