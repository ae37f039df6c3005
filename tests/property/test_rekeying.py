"""Republishing and the filter behind it, on a log where all goes wrong that may.

The log here keeps Kafka's promises and no others: a batch is appended whole or not at all; an
acknowledgement may be lost; what was given up may land later, at any time, once.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from aiokafka.errors import KafkaConnectionError
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.core.interleaving import FOREVER, Interleaving
from streams.core.pace import Pace
from streams.core.republished import Republished, origin_of
from streams.events import Record, RecordBatch
from streams.formats.visitors import NativeVisitors
from streams.heartbeats import encode_heartbeat, is_heartbeat
from streams.worker.positions import Position
from streams.worker.rekeying import Rekeying, RekeyTopics
from tests.support.builders import at, click
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from streams.worker.batch_producer import KeyedRecord

TOPICS = RekeyTopics(("raw", "raw.orders"), ("keyed", "keyed.orders"))
KEYED = 2
RAW = 2


class KeyedLog:
    """The keyed topics, and what is still on its way to them."""

    def __init__(self, rng: Random, *, calm: bool = False) -> None:
        self.rng = rng
        self.calm = calm
        self.records: dict[int, list[Record]] = defaultdict(list)
        self.late: list[tuple[int, list[KeyedRecord]]] = []

    def append(self, partition: int, records: Sequence[KeyedRecord]) -> None:
        """What Kafka does with a batch."""
        into = self.records[partition]
        for record in records:
            into.append(Record(len(into), 7, record.value, record.key, tuple(record.headers)))

    def land(self) -> None:
        """Something that was given up arrives."""
        if self.late:
            self.append(*self.late.pop(self.rng.randrange(len(self.late))))


class Deliverer:
    """One writer's connection to the log."""

    def __init__(self, log: KeyedLog) -> None:
        self.log = log

    async def partitions_of(self, topic: str) -> int:
        """Of either kind."""
        return KEYED if topic in TOPICS.keyed else RAW

    async def deliver(self, topic: str, partition: int, records: Sequence[KeyedRecord]) -> int:
        """Append, or not, and say so, or not."""
        await asyncio.sleep(0)
        log = self.log
        batch = list(records[: log.rng.randint(1, 3)])
        fate = "arrives" if log.calm else log.rng.choice(["arrives", "arrives", "unheard", "late", "lost"])
        if log.rng.random() < 0.3:
            log.land()
        if fate in ("arrives", "unheard"):
            log.append(partition, batch)
        if fate == "late":
            log.late.append((partition, batch))
        if fate != "arrives":
            raise KafkaConnectionError(fate)
        return len(batch)

    async def discard(self) -> None:
        """What is under way stays under way."""


def rekeying(log: KeyedLog) -> Rekeying:
    """A writer."""
    return Rekeying(
        topics=TOPICS,
        readers=[NativeVisitors(), NativeVisitors()],
        producer=Deliverer(log),
        clock=ManualClock(at(10_000_000)),
        pace=Pace(2_500, 10_000),
        max_future_ms=300_000,
        patience_ms=30_000,
        monotonic=lambda: 0.0,
    )


def nothing_left(_topic: str, _partition: int) -> Position:
    """All is read."""
    return Position(0, 0, None)


class Group:
    """The raw topic, what is committed of it, and who reads it."""

    def __init__(self, rng: Random, log: KeyedLog, raw: list[list[Record]]) -> None:
        self.rng, self.log, self.raw = rng, log, raw
        self.committed = [0] * RAW
        self.epoch = 0
        self.members: list[Rekeying] = []

    def acks(self, partition: int, end: int) -> Callable[[], None]:
        """Counts in this generation only, as the consumer has it."""
        epoch = self.epoch

        def ack() -> None:
            if epoch == self.epoch:
                assert end >= self.committed[partition]
                self.committed[partition] = end

        return ack

    async def join(self, *, takes: int | None = None) -> Rekeying:
        """A new owner, who takes in what is not committed."""
        self.epoch += 1
        member = rekeying(self.log)
        await member.assigned([TP(topic, number) for topic in TOPICS.raw for number in range(RAW)])
        for number, records in enumerate(self.raw):
            start = self.committed[number]
            stop = len(records) if takes is None else min(start + takes, len(records))
            while start < stop:
                end = min(start + self.rng.randint(1, 5), stop)
                member.take("raw", number, RecordBatch.of(records[start:end]), self.acks(number, end))
                start = end
        self.members.append(member)
        return member


async def republish(rng: Random, raw: list[list[Record]]) -> KeyedLog:
    """Owners come and go, the earlier ones go on with what they have; in the end all has arrived."""
    log = KeyedLog(rng)
    group = Group(rng, log, raw)
    for _ in range(rng.randint(1, 4)):
        await group.join(takes=rng.randint(0, 12))
        for _ in range(rng.randint(0, 3)):
            await asyncio.gather(*(one.publish(nothing_left) for one in rng.sample(group.members, 1)))
            await asyncio.gather(*(one.publish(nothing_left) for one in group.members))
    last = await group.join()
    log.calm = True
    while not await last.publish(nothing_left):
        pass
    assert group.committed == [len(records) for records in raw]
    while log.late:
        log.land()
    for zombie in group.members:
        await zombie.publish(nothing_left)
    return log


def raw_topic(rng: Random) -> list[list[Record]]:
    """Two partitions, visitors in both, some of them nobody's, some heartbeats."""

    def value(offset: int) -> bytes | None:
        chance = rng.random()
        if chance < 0.1:
            return None
        return encode_heartbeat(at(offset)) if chance < 0.2 else click(f"v{rng.randrange(4)}", offset)

    return [
        [Record(offset, at(offset), value(offset)) for offset in range(rng.randint(0, 25))]
        for _ in range(RAW)
    ]


def seen(records: list[Record], rng: Random) -> list[Record]:
    """What the filter lets through, in batches of any size, handed from one to the next in between."""
    republished, found, start, again = Republished(), [], 0, 0
    while start < len(records):
        end = start + rng.randint(1, 6)
        batch = republished.fresh(RecordBatch.of(records[start:end]))
        found += [] if batch is None else [batch.record(index) for index in range(len(batch.offsets))]
        start = min(end, len(records))
        if rng.random() < 0.5:
            # Whoever goes on may have to read a part again; what he has counted of it he knows by himself.
            again = rng.randint(max(start - 3, again), start)
            found = [record for record in found if record.offset < again]
            state = json.loads(json.dumps(republished.state(again)))
            republished, start = Republished(), again
            republished.restore(state)
    return found


@given(st.randoms(use_true_random=False))
def test_every_record_is_seen_once(rng: Random) -> None:
    """Whatever is lost, late or sent by whom: each raw record passes the filter once, in raw order.

    A heartbeat does so in every partition.
    """
    raw = raw_topic(rng)
    log = asyncio.run(republish(rng, raw))
    places: list[tuple[int, int]] = []
    visitors: dict[bytes, set[int]] = defaultdict(set)
    for number, records in log.records.items():
        fresh = seen(records, rng)
        origins = [origin for record in fresh if (origin := origin_of(record)) is not None]
        for partition in range(RAW):
            offsets = [origin.offset for origin in origins if origin.partition == partition]
            assert offsets == sorted(offsets)
        places += [(origin.partition, origin.offset) for origin in origins]
        for record, origin in zip(fresh, origins, strict=True):
            was = raw[origin.partition][origin.offset]
            assert (record.value, record.timestamp_ms) == (was.value, was.timestamp_ms)
            if record.value is not None and not is_heartbeat(record.value):
                visitors[json.loads(record.value)["visitor_id"]].add(number)
    assert sorted(places) == [
        (number, item.offset)
        for number, part in enumerate(raw)
        for item in part
        for _ in range(KEYED if is_heartbeat(item.value) else 1)
    ]
    assert all(len(partitions) == 1 for partitions in visitors.values())


@given(st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=5))
def test_interleaving_adds_no_disorder(streams: list[list[int]]) -> None:
    """A record lies behind the newest before it by no more than in its own stream; streams keep their order."""
    waiting: Interleaving[int, list[int]] = Interleaving()
    waiting.begin(range(len(streams)))
    left = [list(stream) for stream in streams]
    out: list[tuple[int, int]] = []
    taken = [0] * len(streams)
    while any(left) or waiting.due(FOREVER, 1) is not None:
        for number, rest in enumerate(left):
            block, left[number] = rest[:3], rest[3:]
            if block:
                times = np.array(block, dtype=np.int64)
                waiting.add(number, list(range(taken[number], taken[number] + len(block))), times, 1)
                taken[number] += len(block)
        due = waiting.due(waiting.reached([n for n, rest in enumerate(left) if rest]), 4)
        if due is not None:
            flat = [
                (piece.stream, at) for piece in due.pieces for at in piece.content[piece.begin : piece.end]
            ]
            out += [flat[index] for index in due.order.tolist()]
            waiting.release(due)
    for number, stream in enumerate(streams):
        assert [at for of, at in out if of == number] == list(range(len(stream)))
    newest_of = [0] * len(streams)
    newest = 0
    for number, index in out:
        time = streams[number][index]
        newest_of[number], newest = max(newest_of[number], time), max(newest, time)
        assert newest - time <= newest_of[number] - time
