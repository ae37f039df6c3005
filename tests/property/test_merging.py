"""Rollups may be repeated, overtake each other and change hands: the totals stay the same.

The rollups are real ones: counted in :class:`OpenBuckets`, flushed, and sent through the codec.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import decode_rollup, encode_rollup
from streams.core.buckets import COLUMN_BITS, OpenBuckets
from streams.core.merge import REMEMBER_MS, Applied, Increment, ShardMerge, Totals
from streams.core.vocabulary import Vocabulary
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from streams.results import RollupSource, build_rollups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.results import Rollup

T0 = 1_762_689_600_000
BUCKET = 10_000
VOCABULARY = Vocabulary(Funnel(), key_objection, shards=1)
SKUS = [VOCABULARY.sku[name] for name in "ABC"]


class Counted(NamedTuple):
    """One thing that was counted, in a bucket after T0."""

    bucket: int
    sku: int
    what: str  # "event", "money" or "outcome"
    column: int


class Flush(NamedTuple):
    """What was counted before a flush, how far time is then, and whether all is closed."""

    counted: list[Counted]
    until: int
    close_all: bool


class Sums(NamedTuple):
    """Events by (bucket, SKU, column), (orders, amount) by (bucket, SKU), records by topic."""

    events: dict[tuple[int, str, int], int]
    money: dict[tuple[int, str], tuple[int, int]]
    records: dict[int, int]


COUNTED = st.builds(
    Counted,
    st.integers(0, 3),
    st.sampled_from(SKUS),
    st.sampled_from(["event", "event", "money", "outcome"]),
    st.sampled_from([0, 1, 17]),
)


@st.composite
def histories(draw: st.DrawFn, spread_ms: int) -> list[list[Flush]]:
    """Lives of one source partition; time goes on by up to ``spread_ms`` a flush."""
    lives = []
    until = 0
    for _ in range(draw(st.integers(1, 3))):
        flushes = []
        for _ in range(draw(st.integers(1, 5))):
            until += draw(st.integers(0, spread_ms))
            flushes.append(
                Flush(draw(st.lists(COUNTED, max_size=6)), until, draw(st.sampled_from([False, False, True])))
            )
        lives.append(flushes)
    return lives


def rollups_of(lives: Sequence[Sequence[Flush]], partition: int = 0) -> list[Rollup]:
    """Every rollup in the order in which it is written; a life is a generation."""
    written = []
    for generation, flushes in enumerate(lives, 1):
        buckets = OpenBuckets(4)
        for flush in flushes:
            for counted in flush.counted:
                _count(buckets, counted)
            changes = buckets.flush(T0 + (10**12 if flush.close_all else flush.until - BUCKET))
            source = RollupSource(partition, generation, buckets.open_from, T0 + flush.until)
            written += [
                decode_rollup(encode_rollup(rollup)) for rollup in build_rollups(changes, VOCABULARY, source)
            ]
    return written


def _count(buckets: OpenBuckets, counted: Counted) -> None:
    start = T0 + counted.bucket * BUCKET
    if counted.what == "event":
        cell = counted.sku << COLUMN_BITS | counted.column
        buckets.count(3, np.array([start]), np.array([cell], dtype=np.int64))
    elif counted.what == "money":
        buckets.add_money(start, (3, counted.sku, "CNY", "paid"), counted.column * 100)
    else:
        buckets.add_outcome(start, (counted.column % 2, "accepted"), 1)


def truth(lives: Sequence[Sequence[Flush]]) -> Sums:
    """What was counted, added up by hand."""
    sums = Sums({}, {}, {})
    for counted in (counted for flushes in lives for flush in flushes for counted in flush.counted):
        start, key = T0 + counted.bucket * BUCKET, VOCABULARY.sku.names[counted.sku]
        if counted.what == "event":
            cell = (start, key, counted.column)
            sums.events[cell] = sums.events.get(cell, 0) + 1
        elif counted.what == "money":
            orders, amount = sums.money.get((start, key), (0, 0))
            sums.money[start, key] = (orders + 1, amount + counted.column * 100)
        else:
            topic = counted.column % 2
            sums.records[topic] = sums.records.get(topic, 0) + 1
    return sums


def sums_of(totals: Totals) -> Sums:
    """The same out of merged totals."""
    return Sums(
        {
            (start, key, column): events
            for (start, _, key), cells in totals.cells.items()
            for column, events in cells.items()
        },
        {(start, money.key): amounts for (start, money), amounts in totals.money.items()},
        {topic: records for (topic, _), records in totals.outcomes.items()},
    )


def merged(rollups: Iterable[Rollup], into: Totals | None = None) -> Totals:
    """Totals of one owner that begins with the first of these rollups."""
    shard, totals = ShardMerge(), Totals() if into is None else into
    for rollup in rollups:
        totals.add(shard.apply(rollup)[1])
    return totals


# A few flushes within the minute in which closed parts are remembered.
SHORT = histories(spread_ms=REMEMBER_MS // 20)
LONG = histories(spread_ms=3 * REMEMBER_MS)


@given(lives=SHORT, data=st.data())
def test_any_order_and_any_repetition(lives: list[list[Flush]], data: st.DataObject) -> None:
    """Within a life rollups may come in any order and several times, and lives are told apart."""
    for generation in range(len(lives)):
        written = [rollup for rollup in rollups_of(lives) if rollup.generation == generation + 1]
        repeated = written + data.draw(st.lists(st.sampled_from(written), max_size=10)) if written else []
        shuffled = data.draw(st.permutations(repeated))
        assert sums_of(merged(shuffled)) == truth(lives[generation : generation + 1])


@given(lives=LONG, data=st.data())
def test_repetitions_of_anything_before(lives: list[list[Flush]], data: st.DataObject) -> None:
    """In order, with anything seen before repeated at any time: the totals are what was counted.

    Also from a part long forgotten, or from an older life; a repetition is told to be one.
    """
    written = rollups_of(lives)
    shard, totals = ShardMerge(), Totals()
    for at, rollup in enumerate(written):
        totals.add(shard.apply(rollup)[1])
        for again in data.draw(st.lists(st.sampled_from(written[: at + 1]), max_size=3)):
            applied, increment = shard.apply(again)
            assert applied is not Applied.APPLIED
            totals.add(increment)
    assert sums_of(totals) == truth(lives)


@given(lives=LONG, data=st.data())
def test_takeovers_at_any_place(lives: list[list[Flush]], data: st.DataObject) -> None:
    """Each owner starts from nothing, in mid-part too; what all of them counted adds up."""
    written = rollups_of(lives)
    cuts = data.draw(st.sets(st.integers(0, len(written))))
    totals = Totals()
    for start, end in itertools.pairwise(sorted({0, len(written), *cuts})):
        merged(written[start:end], totals)
    assert sums_of(totals) == truth(lives)


@given(lives=LONG, data=st.data())
def test_a_dead_life_that_keeps_writing_changes_nothing(
    lives: list[list[Flush]], data: st.DataObject
) -> None:
    """Rollups of an older generation, seen or unseen, after the first of a newer one."""
    older = rollups_of(lives)
    newer = rollups_of([*([] for _ in lives), lives[0]])
    known = data.draw(st.integers(0, len(older)))
    shard, totals = ShardMerge(), Totals()
    for rollup in older[:known] + newer:
        totals.add(shard.apply(rollup)[1])
    if newer:
        for rollup in older:
            applied, increment = shard.apply(rollup)
            assert applied is Applied.STALE
            assert increment == Increment(rollup.bucket_ms)
    assert sums_of(totals) == sums_of(merged(newer, merged(older[:known])))


@given(some=st.lists(LONG, min_size=2, max_size=3), data=st.data())
def test_source_partitions_may_be_read_in_any_interleaving(
    some: list[list[list[Flush]]], data: st.DataObject
) -> None:
    """Partitions know nothing of each other: only the order within each matters."""
    queues = [rollups_of(lives, partition) for partition, lives in enumerate(some)]
    turns = data.draw(st.permutations([at for at, queue in enumerate(queues) for _ in queue]))
    waiting = [iter(queue) for queue in queues]
    assert sums_of(merged(next(waiting[at]) for at in turns)) == truth(
        [flush for lives in some for flush in lives]
    )


@given(lives=LONG, data=st.data())
def test_increments_add_up_in_any_order(lives: list[list[Flush]], data: st.DataObject) -> None:
    """Totals are sums: commutative and associative."""
    shard = ShardMerge()
    increments = [shard.apply(rollup)[1] for rollup in rollups_of(lives)]
    totals = Totals()
    for increment in data.draw(st.permutations(increments)):
        totals.add(increment)
    assert sums_of(totals) == truth(lives)
