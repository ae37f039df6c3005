"""The counting side acknowledges what is counted and sent, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from streams.codec import decode_rollup
from streams.core.merge import Applied, ShardMerge, Totals
from streams.core.ordering import Patience
from streams.core.pipeline import SourcePartition
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.errors import DeadLetterLimit
from streams.events import MAX_RECORD_BYTES, Record, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.metrics.pipeline import PipelineMetrics
from streams.worker.batching import Position
from streams.worker.counting import Counting, CountingTopics
from streams.worker.publishing import Outbox
from tests.support.builders import HOUR, T0, at, click, paid, stream
from tests.support.clock import ManualClock
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.results import Rollup

CLICKSTREAM, ORDERS = "clickstream", "orders"
SETTINGS = CountingSettings()
BOUND = SETTINGS.max_out_of_orderness_ms
IDLE_MS, SILENCE_MS = 2_000, 30_000


class Bench:
    """A counting side with one partition, on a wire and a clock of the test's own."""

    def __init__(self, stop_after: int | None = None, *, shards: int = 1, clock_ms: int = at(HOUR)) -> None:
        self.wire, self.clock, self.acked = Wire(), ManualClock(clock_ms), list[str]()
        self.outbox = Outbox(self.wire)
        funnel = Funnel()
        vocabulary = Vocabulary(funnel, key_objection, max_keys=SETTINGS.max_tracked_keys, shards=shards)
        form = NativeFormat(funnel=funnel, extra_fields=())
        self.counting = Counting(
            topics=CountingTopics((CLICKSTREAM, ORDERS), "rollups", "deadletter"),
            decoders=[create_columns(form, vocabulary)] * 2,
            vocabulary=vocabulary,
            settings=SETTINGS,
            clock=self.clock,
            outbox=self.outbox,
            metrics=PipelineMetrics(CollectorRegistry(), topics=(CLICKSTREAM, ORDERS)),
            patience=Patience(IDLE_MS, SILENCE_MS),
            stop_after=stop_after,
        )
        self.assigned = self.counting.assign(0)
        self.position = Position(None, None, None)

    def take(
        self, name: str, values: Sequence[bytes | None], *, topic: str = CLICKSTREAM, first: int = 0
    ) -> None:
        """One batch comes in; ``name`` is noted when it is acknowledged."""
        records = [record._replace(offset=record.offset + first) for record in stream(values)]
        self.counting.take(topic, 0, RecordBatch.of(records), lambda: self.acked.append(name))

    def settle(self) -> None:
        """Both topics have nothing left for so long that all that waits is due."""
        self.clock.advance(SILENCE_MS)
        self.position = Position(10, 10, None)

    async def flush(self) -> bool:
        """What is due is counted and sent."""
        return await self.counting.flush(lambda *_: self.position)

    def rollups(self) -> list[Rollup]:
        """The rollups that have arrived, in their order."""
        return [decode_rollup(message.value) for message in self.wire.arrived if message.topic == "rollups"]

    def counted(self) -> int:
        """Records whose outcome has arrived in rollups, as the owners of their shards count them."""
        merges, totals = dict[int, ShardMerge](), Totals()
        for rollup in self.rollups():
            if merges.setdefault(rollup.shard, ShardMerge()).apply(rollup) is Applied.APPLIED:
                totals.add(rollup)
        return sum(totals.outcomes.values())


def numbers(rollups: Sequence[Rollup]) -> dict[tuple[int, int, int], list[int]]:
    """(source partition, generation, shard) -> sequence numbers in the order of arrival."""
    found: dict[tuple[int, int, int], list[int]] = {}
    for rollup in rollups:
        found.setdefault((rollup.partition, rollup.generation, rollup.shard), []).append(rollup.sequence)
    return found


async def test_a_batch_is_acknowledged_when_all_of_it_is_counted() -> None:
    """Not when it is taken in, and not when only some of it is past both topics' bounds."""
    bench = Bench()
    bench.take("first", [click("v1", 0), click("v1", 10_000)])
    assert await bench.flush()
    bench.take("second", [paid("v1", 12_000)], topic=ORDERS)
    assert await bench.flush()
    assert bench.acked == []
    bench.take("third", [click("v1", 30_000)], first=2)
    bench.take("fourth", [paid("v1", 30_000)], topic=ORDERS, first=1)
    assert await bench.flush()
    assert bench.acked == ["first", "second"]


async def test_what_kafka_has_not_taken_is_not_acknowledged() -> None:
    """The rollups must be with the broker first; they go again with the next flush."""
    bench = Bench()
    bench.take("first", [click("v1", 0)])
    bench.settle()
    bench.wire.closed = KafkaConnectionError("gone")
    assert not await bench.flush()
    assert bench.acked == []
    bench.wire.closed = None
    assert await bench.flush()
    assert bench.acked == ["first"]
    assert {message.topic for message in bench.wire.arrived} == {"rollups"}


@pytest.mark.parametrize(
    ("position", "released"),
    [
        (Position(10, 10, None), True),
        (Position(9, 10, None), False),
        (Position(None, 10, None), False),
        (Position(None, None, None), False),
        # Read to the end, but the agent does not have it yet.
        (Position(10, 10, 10), False),
    ],
)
async def test_only_a_topic_known_to_be_empty_holds_nobody_back(
    position: Position, *, released: bool
) -> None:
    """Orders with nothing left let the clickstream go on; orders that may have something left do not."""
    bench = Bench()
    bench.take("clicks", [click("v1", 0), click("v1", 60_000)])
    bench.clock.advance(IDLE_MS)

    def at_position(topic: str, _: int) -> Position:
        return position if topic == ORDERS else Position(1, 2, 2)

    await bench.counting.flush(at_position)
    assert bench.assigned.counts.waiting == (1 if released else 2)
    assert bench.assigned.limit_ms == (at(60_000) - BOUND if released else bench.assigned.limit_ms)


async def test_what_comes_again_is_not_counted_again() -> None:
    """Records below what was taken in are skipped, but their batch is acknowledged too."""
    bench = Bench()
    bench.take("first", [click("v1", 0), click("v1", 1)])
    bench.take("again", [click("v1", 0), click("v1", 1), click("v1", 2)])
    bench.take("old", [click("v1", 0)])
    assert bench.assigned.counts.waiting == 3
    assert bench.assigned.next_offset == [3, None]
    bench.settle()
    assert await bench.flush()
    assert bench.acked == ["first", "again", "old"]


async def test_a_dead_letter_says_what_where_and_why() -> None:
    """Key, head of the value, outcome, reason, field and place of the record; a tombstone has no value."""
    bench = Bench()
    large = b"x" * (MAX_RECORD_BYTES + 1)
    records = [Record(7, T0, b"{", b"k"), Record(8, T0, None, b"gone"), Record(9, T0, large)]
    bench.counting.take(CLICKSTREAM, 0, RecordBatch.of(records), lambda: None)
    assert await bench.outbox.send()
    letters = bench.wire.arrived
    assert [letter.topic for letter in letters] == ["deadletter"] * 3
    assert [(letter.key, letter.value) for letter in letters] == [
        (b"k", b"{"),
        (b"gone", None),
        (None, large[:MAX_RECORD_BYTES]),
    ]
    assert dict(letters[0].headers) == {
        "outcome": b"invalid",
        "reason": b"not_json",
        "field": b"",
        "topic": b"clickstream",
        "partition": b"0",
        "offset": b"7",
        "timestamp": str(T0).encode(),
        "bytes": b"1",
    }
    assert [dict(letter.headers)["reason"] for letter in letters[1:]] == [b"tombstone", b"record_too_large"]
    assert dict(letters[2].headers)["bytes"] == str(len(large)).encode()


async def test_too_many_invalid_records_in_a_row_end_the_worker() -> None:
    """One that counts in between starts the row anew; the error names topic and partition."""
    bench = Bench(stop_after=4)
    bench.take("a", [b"{", b"{", b"{"])
    bench.take("b", [b"{", click("v1", 0)], first=3)
    bench.take("c", [b"{", b"{", b"{"], first=5)
    with pytest.raises(DeadLetterLimit, match="4 invalid records in a row on clickstream/0"):
        bench.take("d", [b"{"], first=8)


async def test_a_dropped_partition_sends_nothing_more() -> None:
    """What has gone to another worker is its affair."""
    bench = Bench()
    bench.take("first", [click("v1", 0)])
    bench.counting.drop(0)
    bench.counting.drop(0)
    bench.settle()
    assert await bench.flush()
    assert (bench.acked, bench.wire.arrived) == ([], [])


async def test_both_topics_count() -> None:
    """Each record of either topic gets one outcome, through rollups keyed by shard."""
    bench = Bench()
    bench.take("clicks", [click("v1", 0), click("v2", 1), b"{"])
    bench.take("orders", [paid("v1", 2)], topic=ORDERS)
    bench.settle()
    assert await bench.flush()
    assert bench.counted() == 4
    assert {message.partition for message in bench.wire.arrived if message.topic == "rollups"} == {0}


# --- rollups and lives ---------------------------------------------------------------------------


async def test_rollups_are_numbered_without_a_gap_per_shard() -> None:
    """Over flushes, those with nothing to tell too; every number once, in order, where its shard is."""
    bench = Bench(shards=4)
    for number in range(6):
        if number != 3:
            values = [click(f"v{n}", number * 60_000 + n, sku=f"S{n % (1 + number)}") for n in range(20)]
            bench.take("batch", values, first=20 * number)
        bench.settle()
        assert await bench.flush()
    found = numbers(bench.rollups())
    generation = bench.assigned.rollups.generation
    assert found == {
        (0, generation, shard): list(range(len(found[0, generation, shard]))) for shard in range(4)
    }
    assert len({len(of) for of in found.values()}) > 1
    assert all(m.partition == decode_rollup(m.value).shard for m in bench.wire.arrived)
    assert bench.counted() == 100


async def test_what_is_sent_again_keeps_its_number() -> None:
    """A flush that Kafka did not take whole: nothing is numbered anew, so nothing is counted twice."""
    bench = Bench()
    bench.take("first", [click("v1", 0), click("v2", 20_000)])
    bench.settle()
    bench.wire.fate = [None, KafkaConnectionError("gone")]
    assert not await bench.flush()
    bench.take("second", [click("v3", 600_000)], first=2)
    bench.settle()
    assert await bench.flush()
    (found,) = numbers(bench.rollups()).values()
    assert list(dict.fromkeys(found)) == list(range(3))
    assert bench.counted() == 3


async def test_partitions_are_numbered_apart() -> None:
    """Each says whose life it tells."""
    bench = Bench()
    other = bench.counting.assign(5)
    assert other.number == 5
    for number in (0, 5):
        bench.counting.take(CLICKSTREAM, number, RecordBatch.of(stream([click("v1", 0)])), lambda: None)
    bench.settle()
    assert await bench.flush()
    assert numbers(bench.rollups()) == {
        (0, bench.assigned.rollups.generation, 0): [0],
        (5, other.rollups.generation, 0): [0],
    }


@pytest.mark.parametrize(
    ("now", "after", "generation"),
    [
        (HOUR, -1, at(HOUR)),
        (HOUR, at(0), at(HOUR)),
        (HOUR, at(HOUR), at(HOUR) + 1),
        (0, at(HOUR), at(HOUR) + 1),
    ],
)
async def test_a_life_is_newer_than_the_one_before(now: int, after: int, generation: int) -> None:
    """By the clock; where that is behind the clock of the owner before, or stands still, by one."""
    counting = Bench(clock_ms=at(now)).counting
    assert counting.assign(0, after=after).rollups.generation == generation


async def test_a_chain_of_owners_counts_everything_whatever_their_clocks_say() -> None:
    """Each begins where the last stopped; no rollup is taken for one of a life that is over."""
    state, after, arrived = None, -1, []
    for place, clock_ms in enumerate((at(2 * HOUR), at(HOUR), at(HOUR), at(0), at(3 * HOUR))):
        bench = Bench(clock_ms=clock_ms)
        counts = SourcePartition(bench.counting.vocabulary, SETTINGS)
        if state is not None:
            counts.restore(state)
        assigned = bench.counting.assign(0, counts, after=after)
        assert assigned.rollups.generation > after
        bench.take("batch", [click(f"v{place}", 10 * place)], first=place)
        assigned.counts.drain()
        await bench.counting.put_rollups(assigned)
        assert await bench.outbox.send()
        state, after = assigned.counts.snapshot(), assigned.rollups.generation
        arrived += bench.wire.arrived
    last = Bench()
    last.wire.arrived = arrived
    assert last.counted() == 5


async def test_putting_rollups_lets_others_have_their_turn() -> None:
    """History may be sparse and long: a rollup for every bucket of a day holds up nobody."""
    bench = Bench()
    bench.take("day", [click("v1", number * 10_000) for number in range(1_000)])
    bench.assigned.counts.drain()
    putting = asyncio.ensure_future(bench.counting.put_rollups(bench.assigned))
    waiting = []
    while not putting.done():
        await asyncio.sleep(0)
        waiting.append(len(bench.outbox))
    steps = [after - before for before, after in zip([0, *waiting], waiting, strict=False)]
    assert sum(steps) == 1_000
    assert max(steps) <= 100
    assert await bench.outbox.send()
    assert bench.counted() == 1_000


async def test_what_is_counted_while_rollups_are_put_is_told_by_the_next() -> None:
    """A flush that is under way takes nothing of it, and loses nothing."""
    bench = Bench()
    bench.take("day", [click("v1", number * 10_000) for number in range(200)])
    bench.assigned.counts.drain()
    putting = asyncio.ensure_future(bench.counting.put_rollups(bench.assigned))
    await asyncio.sleep(0)
    assert 0 < len(bench.outbox) < 200
    bench.take("more", [click("v2", 1_999_999)], first=200)
    bench.assigned.counts.drain()
    await putting
    assert len(bench.outbox) == 200
    await bench.counting.put_rollups(bench.assigned)
    assert await bench.outbox.send()
    assert numbers(bench.rollups()) == {(0, bench.assigned.rollups.generation, 0): list(range(201))}
    assert bench.counted() == 201
