"""The counting side acknowledges what is counted and sent, and nothing else."""

from __future__ import annotations

import asyncio

from streams.closed import Progress
from streams.codec import decode_rollup
from streams.worker.batching import Position
from tests.support.builders import at, click, paid
from tests.support.state_log import TOPIC
from tests.support.wire import Wire
from tests.unit.streams.worker.counting_bench import CLICKSTREAM, IDLE_MS, ORDERS, SILENCE_MS, Bench, numbers


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
