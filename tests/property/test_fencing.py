"""Lives that die, are paused and wake at any point: what counts is what the state log holds, once.

A model of the protocol, in single steps that may be interleaved at will. A life of a source
partition (1) writes into the state log that it begins, (2) sends a fence to every shard, (3) reads
the log up to where it began, (4) sends the last flush there once more, and (5) counts on: a flush
goes to the log first, then its rollups go to the shards. Nobody tells a life that it is over. It sees
so when the log has acknowledged a flush and a newer life stands before it: then it sends nothing.
Until then it goes on whenever it has a turn.

Writing down that it begins must come first. If the fences did, the older life could write several
flushes between fence and beginning; all of them would count in the state, and only the last of
them in the shards.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec import decode_message, encode_fence, encode_rollup, sent_again
from streams.core.merge import Applied, ShardMerge
from streams.results import VERSION, Fence
from tests.support.rollups import rollup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.results import Rollup

SHARDS = 2
BEGIN = 0
# (life, flush of the life)
Name = tuple[int, int]


@dataclass
class Flush:
    """What stands in the state log of one flush: its rollups, as they were first sent."""

    life: int
    number: int
    sent: list[bytes]


@dataclass
class World:
    """The state log of one source partition, and its part of every shard of the rollups."""

    log: list[int | Flush] = field(default_factory=list)
    shards: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(SHARDS)])
    lives: list[Iterator[None]] = field(default_factory=list)

    def counted(self, end: int | None = None) -> list[Flush]:
        """The flushes up to there that count: each of the newest life that had begun."""
        newest, found = -1, []
        for entry in self.log[:end]:
            if isinstance(entry, int):
                newest = max(newest, entry)
            elif entry.life == newest:
                found.append(entry)
        return found

    def begin(self) -> None:
        """One more life, that has done nothing yet."""
        self.lives.append(self._life(len(self.lives)))

    def step(self, which: int) -> None:
        """A turn of a life, over or not."""
        next(self.lives[which])

    def _life(self, generation: int) -> Iterator[None]:
        self.log.append(generation)
        yield
        for shard in range(SHARDS):
            self.shards[shard].append(encode_fence(Fence(VERSION, 0, generation, shard)))
            yield
        for flush in self.counted(self.log.index(generation))[-1:]:
            for data in flush.sent:
                self._send(sent_again(data, generation))
                yield
        numbers = Counter[int]()
        for number in range(1_000):
            flush = Flush(generation, number, [])
            # One flush may have several rollups for a shard, and none for another.
            for bucket, shard in enumerate([number % SHARDS, *range(SHARDS)][: 1 + number % 3]):
                one = rollup(
                    {("slot", f"{generation}/{number}"): {0: 1}},
                    generation=generation,
                    shard=shard,
                    sequence=numbers[shard],
                    bucket_ms=bucket * 10_000,
                )
                numbers[shard] += 1
                flush.sent.append(encode_rollup(one))
            self.log.append(flush)
            yield
            while any(isinstance(life, int) and life > generation for life in self.log[: self._at(flush)]):
                yield
            for data in flush.sent:
                self._send(data)
                yield

    def _at(self, flush: Flush) -> int:
        return next(at for at, entry in enumerate(self.log) if entry is flush)

    def _send(self, data: bytes) -> None:
        message = decode_message(data)
        self.shards[message.shard].append(data)

    def finish(self) -> None:
        """A last life begins and comes to the point where it would count on."""
        self.begin()
        before = len(self.log)
        while len(self.log) < before + 2:
            self.step(-1)
        self.log.pop()


TURNS = st.lists(st.sampled_from([BEGIN, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4]), max_size=100)


def play(turns: Sequence[int]) -> World:
    """Zero begins a life, any other number gives the newest (1), the one before it (2) ... a turn."""
    world = World()
    world.begin()
    for turn in turns:
        if turn == BEGIN:
            world.begin()
        elif turn <= len(world.lives):
            world.step(-turn)
    world.finish()
    return world


def merged(shards: Sequence[Sequence[bytes]]) -> Counter[Name]:
    """How many rollups of each flush count."""
    found: Counter[Name] = Counter()
    for messages in shards:
        merge = ShardMerge()
        for data in messages:
            message = decode_message(data)
            if isinstance(message, Fence):
                merge.fence(message)
            elif merge.apply(message) is Applied.APPLIED:
                found[name_of(message)] += 1
    return found


def name_of(message: Rollup) -> Name:
    """The flush it is of."""
    (counts,) = message.counts
    life, number = counts.keys[0].split("/")
    return int(life), int(number)


def truth(world: World) -> Counter[Name]:
    """How many rollups the flushes have that count."""
    return Counter({(flush.life, flush.number): len(flush.sent) for flush in world.counted()})


@settings(max_examples=400)
@given(turns=TURNS)
def test_what_counts_is_what_the_log_holds(turns: list[int]) -> None:
    """Whoever dies, sleeps, wakes and sends on: every flush that counts does so in all its shards, once."""
    world = play(turns)
    assert merged(world.shards) == truth(world)


@settings(max_examples=200)
@given(turns=TURNS, data=st.data())
def test_deliveries_may_be_repeated(turns: list[int], data: st.DataObject) -> None:
    """A broker that takes a message twice, and a reader that goes back: nothing counts twice."""
    world = play(turns)
    repeated = []
    for messages in world.shards:
        seen: list[bytes] = []
        for at, message in enumerate(messages):
            seen.append(message)
            again = data.draw(st.lists(st.integers(0, 6), max_size=2))
            seen += [messages[max(at - back, 0)] for back in again]
        repeated.append(seen)
    assert merged(repeated) == truth(world)
