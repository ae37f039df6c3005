"""The log first, then the rollups, then the acknowledgements; nothing of a life that is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.worker.log_entries import Life, Marker, decode_entry, encode_entry, life_key
from streams.worker.publishing import Outgoing
from tests.support.builders import click, paid
from tests.support.state_log import TOPIC
from tests.support.wire import LOST, Arrival, Wire

if TYPE_CHECKING:
    from streams.worker.assigned import AssignedPartition
from tests.unit.streams.worker.counting_bench import ORDERS, Bench, numbers, turns


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
