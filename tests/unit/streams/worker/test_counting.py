"""The counting side acknowledges what is counted and sent, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from streams.closed import Progress
from streams.codec import decode_rollup, sent_again
from streams.core.merge import Applied, ShardMerge, Totals
from streams.core.ordering import Patience
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
from streams.worker.log_entries import Life, Marker, decode_entry, encode_entry, life_key
from streams.worker.publishing import Outbox, Outgoing
from tests.support.builders import HOUR, T0, at, click, paid, stream
from tests.support.clock import ManualClock
from tests.support.state_log import TOPIC, MemoryLog
from tests.support.wire import LOST, Arrival, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.results import Rollup
    from streams.worker.counting import AssignedPartition

CLICKSTREAM, ORDERS = "clickstream", "orders"
SETTINGS = CountingSettings()
BOUND = SETTINGS.max_out_of_orderness_ms
IDLE_MS, SILENCE_MS = 2_000, 30_000


class Bench:
    """A counting side with one partition, on a wire and a clock of the test's own.

    Args:
        wire: what is with the broker already.
        partition: the first to be counted; None for none.
    """

    def __init__(
        self,
        stop_after: int | None = None,
        *,
        shards: int = 1,
        wire: Wire | None = None,
        partition: int | None = 0,
    ) -> None:
        self.wire, self.clock, self.acked = wire or Wire(), ManualClock(at(HOUR)), list[str]()
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
        if partition is not None:
            self.assigned = self.begin(partition)
        self.position = Position(None, None, None)

    def begin(self, number: int) -> AssignedPartition:
        """A life of a source partition behind what is with the broker, fenced off from the ones before."""
        log = MemoryLog()
        log.append(Outgoing(*message[:4]) for message in self.wire.held(TOPIC, number))
        behind = len(log.entries)
        counts, state_log = log.begin(self.counting.vocabulary, SETTINGS, partition=number)
        self.wire.arrived += [Outgoing(TOPIC, number, *entry) for entry in log.entries[behind:] if entry]
        self.wire.arrived += [
            Outgoing("rollups", decode_rollup(data).shard, None, sent_again(data, state_log.generation))
            for data in log.unsent
        ]
        assigned = self.counting.assign(number, state_log, counts)
        # Where reading stands is known from the first.
        assigned.known_since_ms[:] = [self.clock.monotonic_ms()] * 2
        return assigned

    def take(
        self,
        name: str,
        values: Sequence[bytes | None],
        *,
        topic: str = CLICKSTREAM,
        first: int = 0,
        number: int = 0,
    ) -> None:
        """One batch comes in; ``name`` is noted when it is acknowledged."""
        records = [record._replace(offset=record.offset + first) for record in stream(values)]
        self.counting.take(topic, number, RecordBatch.of(records), lambda: self.acked.append(name))

    def settle(self) -> None:
        """Both topics have nothing left for so long that all that waits is due."""
        self.clock.advance(SILENCE_MS)
        self.position = Position(10, 10, None)

    async def flush(self) -> bool:
        """What is due is counted and sent."""
        return await self.counting.flush(lambda *_: self.position)

    def topics(self) -> list[str]:
        """The topics of all that has arrived behind the claim and the life, in order, repetitions left out."""
        names = [message.topic for message in self.wire.arrived[2:]]
        return [name for place, name in enumerate(names) if names[:place][-1:] != [name]]

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


async def turns() -> None:
    """Let everybody come as far as they can."""
    for _ in range(50):
        await asyncio.sleep(0)


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


async def test_the_log_goes_first_then_the_rollups_then_the_acknowledgements() -> None:
    """Rollups leave when the log has their flush, batches are acknowledged when the rollups are there."""
    bench = Bench()
    bench.take("first", [click("v1", 0)])
    bench.settle()
    bench.wire.fate = [None, LOST]
    flushing = asyncio.ensure_future(bench.flush())
    await turns()
    assert (bench.topics(), bench.acked) == ([TOPIC], [])
    (marker,) = bench.wire.under_way[1:]
    bench.wire.fate = [LOST]
    marker.set_result(Arrival(3))
    await turns()
    assert (bench.topics(), bench.acked) == ([TOPIC], [])
    bench.wire.under_way[2].set_result(Arrival(0))
    assert await flushing
    assert bench.acked == ["first"]


@pytest.mark.parametrize("stage", range(4))
async def test_what_kafka_has_not_taken_is_not_acknowledged(stage: int) -> None:
    """Chunk, marker and both rollups must be with the broker; what is not goes first with the next flush."""
    bench = Bench()
    bench.take("first", [click("v1", 0), click("v1", 20_000)])
    bench.settle()
    bench.wire.fate = [None] * stage + [KafkaConnectionError("gone")]
    assert not await bench.flush()
    assert bench.acked == []
    bench.take("second", [click("v2", 600_000)], first=2)
    bench.settle()
    assert await bench.flush()
    assert bench.acked == ["first", "second"]
    assert bench.topics() == [TOPIC, "rollups"] * 2
    (found,) = numbers(bench.rollups()).values()
    assert sorted(set(found)) == list(range(3))
    assert bench.counted() == 3
    # Whoever reads the log finds all of it, and everything in its order.
    entries = [decode_entry(message.value or b"") for message in bench.wire.held(TOPIC, 0)]
    assert list(dict.fromkeys(entry.flush for entry in entries if isinstance(entry, Marker))) == [0, 1]
    successor = Bench(wire=bench.wire)
    assert [reading.next_offset for reading in successor.assigned.readings] == [3, None]
    assert successor.counted() == 3


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


async def test_who_was_blind_has_not_seen_a_silence() -> None:
    """A topic is idle for as long as it is known to bring nothing: not knowing does not count."""
    bench = Bench()
    bench.take("clicks", [click("v1", 0), click("v1", 60_000)])

    async def flush(orders: Position) -> int:
        await bench.counting.flush(lambda topic, _: orders if topic == ORDERS else Position(1, 2, 2))
        return bench.assigned.counts.waiting

    blind, empty = Position(None, None, None), Position(0, 0, None)
    assert await flush(empty) == 2
    bench.clock.advance(IDLE_MS - 1)
    assert await flush(empty) == 2
    assert await flush(blind) == 2
    bench.clock.advance(10 * IDLE_MS)
    assert await flush(empty) == 2
    bench.clock.advance(IDLE_MS - 1)
    assert await flush(empty) == 2
    bench.clock.advance(1)
    assert await flush(empty) == 1


@pytest.mark.parametrize("jump_ms", [HOUR, -HOUR])
async def test_somebody_who_sets_the_clock_makes_no_silence(jump_ms: int) -> None:
    """Nor does it make one longer: silence is time that has really gone by."""
    bench = Bench()
    bench.take("clicks", [click("v1", 0), click("v1", 60_000)])

    async def flush() -> int:
        await bench.counting.flush(lambda topic, _: Position(topic != ORDERS, topic != ORDERS, None))
        return bench.assigned.counts.waiting

    bench.clock.jump(jump_ms)
    bench.clock.advance(IDLE_MS - 1)
    assert await flush() == 2
    bench.clock.advance(SILENCE_MS - IDLE_MS + 1)
    assert await flush() == 0


async def test_what_comes_again_is_not_counted_again() -> None:
    """Records below what was taken in are skipped, but their batch is acknowledged too: at once if nothing is new."""
    bench = Bench()
    bench.take("first", [click("v1", 0), click("v1", 1)])
    bench.take("again", [click("v1", 0), click("v1", 1), click("v1", 2)])
    bench.take("old", [click("v1", 0)])
    assert bench.assigned.counts.waiting == 3
    assert [reading.next_offset for reading in bench.assigned.readings] == [3, None]
    bench.settle()
    assert await bench.flush()
    assert bench.acked == ["old", "first", "again"]


async def test_a_dead_letter_says_what_where_and_why() -> None:
    """Key, head of the value, outcome, reason, field and place of the record; a tombstone has no value."""
    bench = Bench()
    large = b"x" * (MAX_RECORD_BYTES + 1)
    records = [Record(7, T0, b"{", b"k"), Record(8, T0, None, b"gone"), Record(9, T0, large)]
    bench.counting.take(CLICKSTREAM, 0, RecordBatch.of(records), lambda: None)
    assert await bench.outbox.send()
    letters = bench.wire.held("deadletter", None)
    assert len(letters) == 3
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


async def test_what_went_over_the_limit_is_left_to_be_read_again() -> None:
    """Once the mistake is mended those records count: neither a flush nor the end says a word of them."""
    bench = Bench(stop_after=2)
    bench.take("a", [click("v1", 0)])
    with pytest.raises(DeadLetterLimit):
        bench.take("b", [b"{", b"{"], first=1)
    await bench.flush()
    assert await bench.counting.give([0]) == []
    assert set(bench.topics()) <= {"deadletter"}
    assert bench.acked == []


async def test_what_goes_is_whole_in_the_log() -> None:
    """All that was due is counted, logged, sent and acknowledged; what waits is left to the next owner."""
    bench = Bench()
    bench.take("due", [click("v1", 0)])
    bench.take("waits", [click("v1", 60_000), click("v1", 70_000)], first=1)
    bench.take("orders", [paid("v1", 60_000)], topic=ORDERS)
    given = await bench.counting.give([0, 7])
    assert given == [bench.assigned]
    assert bench.counting.partitions == {}
    assert bench.acked == ["due"]
    successor = Bench(wire=bench.wire)
    assert [reading.next_offset for reading in successor.assigned.readings] == [1, 0]
    assert successor.counted() == 1


async def test_a_partition_that_went_sends_nothing_more() -> None:
    """What has gone to another worker is its affair."""
    bench = Bench()
    bench.take("first", [click("v1", 0)])
    assert await bench.counting.give([0])
    assert await bench.counting.give([0]) == []
    there = list(bench.wire.arrived)
    bench.settle()
    assert await bench.flush()
    assert (bench.acked, bench.wire.arrived) == ([], there)


@pytest.mark.parametrize("stage", range(3))
async def test_what_goes_without_kafka_taking_it_is_not_acknowledged(stage: int) -> None:
    """The partition goes all the same; its next owner reads again what the log does not have."""
    bench = Bench()
    bench.take("first", [click("v1", 0)])
    bench.take("orders", [paid("v1", 30_000)], topic=ORDERS)
    bench.take("second", [click("v1", 30_000)], first=1)
    bench.wire.fate = [None] * stage + [KafkaConnectionError("gone")]
    assert await bench.counting.give([0]) == []
    assert (bench.counting.partitions, bench.acked) == ({}, [])
    successor = Bench(wire=Wire(arrived=list(bench.wire.arrived)))
    logged = stage == 2
    assert [reading.next_offset for reading in successor.assigned.readings] == (
        [1, 0] if logged else [None, None]
    )
    successor.take("again", [click("v1", 0), click("v1", 30_000)])
    successor.take("again", [paid("v1", 30_000)], topic=ORDERS)
    successor.settle()
    assert await successor.flush()
    assert successor.counted() == 3


async def test_a_partition_with_a_newer_life_sends_nothing_more() -> None:
    """Somebody else wrote into its log: if that was a newer life, no rollup follows, and no acknowledgement."""
    bench = Bench()
    asked = []

    async def newer_life(assigned: AssignedPartition) -> bool:
        asked.append(assigned.log.strangers)
        return len(asked) > 1

    bench.counting.newer_life = newer_life
    for turn, (first, generation) in enumerate([(0, None), (1, 0), (2, 9)]):
        bench.take(f"{turn}", [click("v1", turn * 60_000)], first=first)
        if generation is not None:
            life = Life(generation, 2, begun=False)
            bench.wire.arrived.append(Outgoing(TOPIC, 0, life_key(life), encode_entry(life)))
        bench.settle()
        assert await bench.flush()
    assert asked == [range(4, 6), range(7, 9)]
    assert bench.acked == ["0", "1"]
    assert bench.counting.partitions == {}
    assert bench.counted() == 2


async def test_a_life_that_is_over_does_not_end_the_next_one_of_this_worker() -> None:
    """A partition that went with a flush under way is back: what comes of that flush is not its affair."""
    bench = Bench()

    async def newer_life(assigned: AssignedPartition) -> bool:
        return assigned is bench.assigned

    bench.counting.newer_life = newer_life
    bench.take("first", [click("v1", 0)])
    bench.take("orders", [paid("v1", 30_000)], topic=ORDERS)
    bench.take("second", [click("v1", 30_000)], first=1)
    bench.wire.closed = KafkaConnectionError("gone")
    assert await bench.counting.give([0]) == []
    bench.wire.closed = None
    life = Life(7, 2, begun=False)
    bench.wire.arrived.append(Outgoing(TOPIC, 0, life_key(life), encode_entry(life)))
    again = bench.begin(0)
    assert await bench.flush()
    assert bench.counting.partitions == {0: again}


async def test_a_topic_made_anew_is_read_from_where_it_begins() -> None:
    """Offsets known of it mean nothing any more; what was read of the old one still counts."""
    bench = Bench()
    bench.take("old", [click("v1", 0), click("v2", 1)], first=70)
    bench.counting.begin_anew(CLICKSTREAM, 0, 0)
    bench.counting.begin_anew(CLICKSTREAM, 9, 0)
    bench.take("new", [click("v3", 2)])
    assert [reading.next_offset for reading in bench.assigned.readings] == [1, None]
    bench.settle()
    assert await bench.flush()
    assert bench.acked == ["new"]
    assert bench.counted() == 3
    successor = Bench(wire=bench.wire)
    assert [reading.next_offset for reading in successor.assigned.readings] == [1, None]


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
            values = [
                click(f"v{n}", number * 60_000 + 1_000 * n, sku=f"S{n % (1 + number)}") for n in range(20)
            ]
            bench.take("batch", values, first=20 * number)
        bench.settle()
        assert await bench.flush()
    found = numbers(bench.rollups())
    generation = bench.assigned.rollups.generation
    assert found == {
        (0, generation, shard): list(range(len(found[0, generation, shard]))) for shard in range(4)
    }
    assert len({len(of) for of in found.values()}) > 1
    told = [message for message in bench.wire.arrived if message.topic == "rollups"]
    assert all(message.partition == decode_rollup(message.value).shard for message in told)
    assert bench.counted() == 100


async def test_a_quiet_partition_says_every_ten_seconds_how_far_it_is() -> None:
    """To every shard, through the log like all rollups; in between it writes nothing."""
    bench = Bench(shards=3)
    bench.take("first", [click("v1", 0)])
    bench.settle()
    assert await bench.flush()
    told = bench.rollups()
    done = at(0) + 1  # all that was read
    assert {(one.shard, one.progress) for one in told} == {
        (shard, Progress(done, bench.clock.now_ms(), idle=True)) for shard in range(3)
    }
    for seconds in range(1, 31):
        bench.clock.advance(1_000)
        there = len(bench.wire.arrived)
        assert await bench.flush()
        arrived = bench.wire.arrived[there:]
        assert [message.topic for message in arrived] == (
            [TOPIC, TOPIC, "rollups", "rollups", "rollups"] if seconds % 10 == 0 else []
        )
        news = [decode_rollup(message.value).progress for message in arrived[2:]]
        assert set(news) <= {Progress(done, bench.clock.now_ms(), idle=True)}
    assert bench.counted() == 1
    assert numbers(bench.rollups()) == {
        (0, bench.assigned.rollups.generation, shard): list(range(len(bench.rollups()) // 3))
        for shard in range(3)
    }


async def test_idle_is_who_waited_for_both_topics_in_vain() -> None:
    """Not while anything waits to be counted, and not any more once something has come."""
    bench = Bench()

    async def idle() -> bool:
        assert await bench.flush()
        return bench.rollups()[-1].idle

    bench.position = Position(0, 0, None)
    assert not await idle()
    bench.clock.advance(IDLE_MS - 1)
    assert not await idle()
    bench.clock.advance(1)
    assert await idle()
    bench.position = Position(1, 1, None)
    bench.take("first", [click("v1", 0)])
    assert not await idle()
    bench.clock.advance(SILENCE_MS - 1)
    assert not await idle()
    bench.clock.advance(1)
    assert await idle()
    bench.position = Position(None, None, None)
    assert not await idle()


async def test_who_lets_go_of_a_partition_does_not_know_whether_anything_is_left() -> None:
    """What it still had in its queue comes to the next owner."""
    bench = Bench()
    bench.settle()
    assert await bench.flush()
    assert bench.rollups()[-1].idle
    assert await bench.counting.give([0])
    assert not bench.rollups()[-1].idle


async def test_a_life_goes_on_from_how_far_the_one_before_was() -> None:
    """Nothing that it sends says less."""
    benches: list[Bench] = []
    for start in (0, 1):
        bench = Bench(wire=benches[0].wire if benches else None)
        benches.append(bench)
        bench.take("day", [click("v1", 3_600_000 * start + 10_000 * n) for n in range(3)], first=3 * start)
        bench.settle()
        assert await bench.flush()
    last = benches[-1]
    complete = [rollup.complete_until_ms for rollup in last.rollups() if rollup.told_at_ms]
    ends = [at(20_000) + 1, at(3_620_000) + 1]
    assert complete == sorted(complete)
    assert sorted(set(complete)) == ends
    begun = [one for one in last.rollups() if one.generation == last.assigned.rollups.generation]
    assert [one.complete_until_ms for one in begun] == [ends[0], ends[0], ends[1]]


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
    """Each says whose life it tells, and writes into its own log."""
    bench = Bench()
    other = bench.begin(5)
    assert other.number == 5
    for number in (0, 5):
        bench.take("batch", [click("v1", 0)], number=number)
    bench.settle()
    assert await bench.flush()
    assert numbers(bench.rollups()) == {
        (0, bench.assigned.rollups.generation, 0): [0],
        (5, other.rollups.generation, 0): [0],
    }
    assert [len(bench.wire.held(TOPIC, number)) for number in (0, 5)] == [4, 4]


async def test_a_chain_of_owners_counts_everything() -> None:
    """Each begins where the last stopped, killed or not; no rollup is taken for one of a life that is over."""
    wire, generations = Wire(), []
    for place in range(6):
        bench = Bench(wire=wire)
        generations.append(bench.assigned.rollups.generation)
        begin = bench.assigned.readings[0].next_offset or 0
        bench.take("batch", [click(f"v{n}", 10 * n) for n in range(begin, place + 1)], first=begin)
        if place % 2:
            bench.settle()
            assert await bench.flush()
        if place == 3:
            await bench.counting.give([0])
    assert generations == sorted(set(generations))
    assert Bench(wire=wire).counted() == 6


async def test_a_flush_lets_others_have_their_turn() -> None:
    """History may be sparse and long: a rollup for every bucket of a day holds up nobody."""
    bench = Bench()
    bench.take("day", [click("v1", number * 10_000) for number in range(1_000)])
    bench.settle()
    flushing, turns = asyncio.ensure_future(bench.flush()), 0
    while not flushing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 1_000 // 100
    assert await flushing
    assert bench.counted() == len(bench.rollups()) == 1_000


async def test_what_is_counted_during_a_flush_is_told_by_the_next() -> None:
    """A flush that is under way takes nothing of it, and loses nothing; neither do log and acknowledgements."""
    bench = Bench()
    bench.take("day", [click("v1", number * 10_000) for number in range(200)])
    bench.settle()
    flushing = asyncio.ensure_future(bench.flush())
    await asyncio.sleep(0)
    assert not flushing.done()
    bench.take("more", [click("v2", 1_999_999)], first=200)
    bench.assigned.counts.drain()
    assert await flushing
    assert (len(bench.rollups()), bench.acked) == (200, ["day"])
    successor = Bench(wire=Wire(arrived=list(bench.wire.arrived)))
    assert [reading.next_offset for reading in successor.assigned.readings] == [200, None]
    bench.settle()
    assert await bench.flush()
    assert bench.acked == ["day", "more"]
    assert numbers(bench.rollups()) == {(0, bench.assigned.rollups.generation, 0): list(range(201))}
    assert bench.counted() == 201


async def test_an_acknowledgement_without_an_offset_leaves_open_who_else_wrote() -> None:
    """All behind what is known to be ours is looked through then; while that cannot be read, nothing goes on."""
    bench, asked, answers = Bench(), list[object](), [None, False]

    async def newer_life(assigned: AssignedPartition) -> bool | None:
        asked.append(assigned.log.strangers)
        return answers.pop(0)

    bench.counting.newer_life = newer_life
    bench.take("first", [click("v1", 0)])
    bench.settle()
    bench.wire.fate = [None, LOST]
    flushing = asyncio.ensure_future(bench.flush())
    await turns()
    # The broker had it already, and does not say where.
    bench.wire.under_way[1].set_result(Arrival(-1))
    assert not await flushing
    assert (bench.topics(), bench.acked) == ([TOPIC], [])
    assert await bench.flush()
    assert (bench.topics(), bench.acked) == ([TOPIC, "rollups"], ["first"])
    assert asked == [range(2, 1 << 62)] * 2
