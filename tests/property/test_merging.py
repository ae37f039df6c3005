"""Rollups may be repeated, overtake each other and change hands: the totals stay the same.

The rollups are real ones: counted in :class:`BucketCounts`, flushed, numbered by a
:class:`RollupWriter` per life, and sent through the codec to the owners of two shards.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.closed import Progress
from streams.codec import decode_rollup, encode_rollup
from streams.core.buckets import COLUMN_BITS, BucketCounts, Tally
from streams.core.merge import Applied, SeenNumbers, ShardMerge, Totals
from streams.core.vocabulary import Vocabulary
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from streams.results import RollupWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.results import Rollup

T0 = 1_762_689_600_000
BUCKET = 10_000
SHARDS = 2
VOCABULARY = Vocabulary(Funnel(), key_objection, shards=SHARDS)
SKUS = [VOCABULARY.sku[name] for name in "ABCD"]
APPLIED, REPEATED, STALE = Applied.APPLIED, Applied.REPEATED, Applied.STALE


class Counted(NamedTuple):
    """One thing that was counted, in a bucket after T0."""

    bucket: int
    sku: int
    what: str  # "event", "money" or "outcome"
    column: int


# What was counted before each flush of a life.
Life = list[list[Counted]]


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
LIVES = st.lists(st.lists(st.lists(COUNTED, max_size=6), min_size=1, max_size=5), min_size=1, max_size=3)


def rollups_of(lives: Sequence[Life], partition: int = 0, first: int = 1) -> list[Rollup]:
    """Every rollup in the order in which it is written; lives are generations from ``first`` on."""
    written = []
    for generation, flushes in enumerate(lives, first):
        buckets, writer = BucketCounts(4), RollupWriter(VOCABULARY, partition, generation)
        for counted in flushes:
            for one in counted:
                _count(buckets, one)
            flush = writer.rollups(buckets.flush(), T0, Progress(T0, T0, idle=False))
            written += [decode_rollup(encode_rollup(rollup)) for rollup in flush]
    return written


def _count(buckets: BucketCounts, counted: Counted) -> None:
    start = T0 + counted.bucket * BUCKET
    if counted.what == "event":
        cell = counted.sku << COLUMN_BITS | counted.column
        buckets.count(3, np.array([start]), np.array([cell], dtype=np.int64))
    elif counted.what == "money":
        buckets.add_money(start, (3, counted.sku, "CNY", "paid"), counted.column * 100)
    else:
        buckets.add_outcome(start, (counted.column % 2, "accepted"), 1)


def truth(lives: Sequence[Life]) -> Sums:
    """What was counted, added up by hand."""
    sums = Sums({}, {}, {})
    for counted in (one for flushes in lives for flush in flushes for one in flush):
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


class Owner:
    """Whoever owns both shards, from nothing; several may add to the same totals."""

    def __init__(self, totals: Totals | None = None) -> None:
        self.shards = [ShardMerge() for _ in range(SHARDS)]
        self.totals = Totals() if totals is None else totals

    def take(self, rollup: Rollup) -> Applied:
        """Take in a rollup; what became of it."""
        applied = self.shards[rollup.shard].apply(rollup)
        if applied is APPLIED:
            self.totals.add(rollup)
        return applied

    def missing(self, partition: int = 0) -> int:
        """Rollups that have not come though others after them did."""
        return sum(shard.missing(partition) for shard in self.shards)


def merged(rollups: Iterable[Rollup], into: Totals | None = None) -> Totals:
    """Totals of one owner that begins with the first of these rollups."""
    owner = Owner(into)
    for rollup in rollups:
        owner.take(rollup)
    return owner.totals


# --- rollups -------------------------------------------------------------------------------------


@given(lives=LIVES)
def test_numbers_have_no_gap(lives: list[Life]) -> None:
    """Per life and shard they go up from zero one by one, in the order in which rollups are written."""
    numbers: dict[tuple[int, int], list[int]] = {}
    for rollup in rollups_of(lives):
        numbers.setdefault((rollup.generation, rollup.shard), []).append(rollup.sequence)
    assert numbers == {life: list(range(len(found))) for life, found in numbers.items()}


@given(life=LIVES.map(lambda lives: lives[0]), data=st.data())
def test_any_order_and_any_repetition(life: Life, data: st.DataObject) -> None:
    """Within a life rollups may come in any order and several times: each counts the first time."""
    written = rollups_of([life])
    repeated = written + (data.draw(st.lists(st.sampled_from(written), max_size=10)) if written else [])
    owner, seen = Owner(), set[tuple[int, int]]()
    for rollup in data.draw(st.permutations(repeated)):
        name = (rollup.shard, rollup.sequence)
        assert owner.take(rollup) is (REPEATED if name in seen else APPLIED)
        seen.add(name)
    assert sums_of(owner.totals) == truth([life])
    assert owner.missing() == 0


@given(lives=LIVES, data=st.data())
def test_repetitions_of_anything_before(lives: list[Life], data: st.DataObject) -> None:
    """In order, with anything seen before repeated at any time: the totals are what was counted.

    A repetition is told to be one, or to be of a life that is over.
    """
    written, owner = rollups_of(lives), Owner()
    newest = dict[int, int]()
    for at, rollup in enumerate(written):
        assert owner.take(rollup) is APPLIED
        newest[rollup.shard] = rollup.generation
        for again in data.draw(st.lists(st.sampled_from(written[: at + 1]), max_size=3)):
            assert owner.take(again) is (STALE if again.generation < newest[again.shard] else REPEATED)
    assert sums_of(owner.totals) == truth(lives)
    assert owner.missing() == 0


@given(lives=LIVES, data=st.data())
def test_takeovers_at_any_place(lives: list[Life], data: st.DataObject) -> None:
    """Each owner starts from nothing, in the midst of a flush too; what all of them counted adds up.

    Nobody misses what went to the owner before.
    """
    written = rollups_of(lives)
    cuts = data.draw(st.sets(st.integers(0, len(written))))
    totals = Totals()
    for start, end in itertools.pairwise(sorted({0, len(written), *cuts})):
        owner = Owner(totals)
        for rollup in written[start:end]:
            assert owner.take(rollup) is APPLIED
        assert owner.missing() == 0
    assert sums_of(totals) == truth(lives)


@given(lives=LIVES, steps=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6))
def test_what_is_read_again_changes_nothing(lives: list[Life], steps: list[tuple[int, int]]) -> None:
    """An owner may go back to any place it has read before and read on from there, over lives too."""
    written, owner, place = rollups_of(lives), Owner(), 0
    for back, onward in steps:
        start = max(place - back, 0)
        for rollup in written[start : start + onward]:
            owner.take(rollup)
        place = min(start + onward, len(written))
    for rollup in written[place:]:
        owner.take(rollup)
    assert sums_of(owner.totals) == truth(lives)
    assert owner.missing() == 0


@given(lives=LIVES, data=st.data())
def test_a_dead_life_that_keeps_writing_changes_nothing(lives: list[Life], data: st.DataObject) -> None:
    """Rollups of an older generation, seen or unseen, after the first of a newer one."""
    older, newer = rollups_of(lives), rollups_of([lives[0]], first=len(lives) + 1)
    known = data.draw(st.integers(0, len(older)))
    owner = Owner()
    for rollup in older[:known] + newer:
        assert owner.take(rollup) is APPLIED
    for rollup in older:
        if any(rollup.shard == new.shard for new in newer):
            assert owner.take(rollup) is STALE
    assert sums_of(owner.totals) == sums_of(merged(newer, merged(older[:known])))
    assert owner.missing() == 0


@given(some=st.lists(LIVES, min_size=2, max_size=3), data=st.data())
def test_source_partitions_may_be_read_in_any_interleaving(
    some: list[list[Life]], data: st.DataObject
) -> None:
    """Partitions know nothing of each other: only the order of lives within each matters."""
    queues = [rollups_of(lives, partition, first=9 - 4 * partition) for partition, lives in enumerate(some)]
    turns = data.draw(st.permutations([at for at, queue in enumerate(queues) for _ in queue]))
    waiting = [iter(queue) for queue in queues]
    owner = Owner()
    for at in turns:
        assert owner.take(next(waiting[at])) is APPLIED
    assert sums_of(owner.totals) == truth([life for lives in some for life in lives])


@given(life=LIVES.map(lambda lives: lives[0]), data=st.data())
def test_what_is_lost_is_missing(life: Life, data: st.DataObject) -> None:
    """Until it comes: whatever else came before and after it. What came is counted."""
    written = rollups_of([life])
    lost = data.draw(st.sets(st.integers(0, max(len(written) - 1, 0))))
    owner = Owner()
    for at in data.draw(st.permutations(range(len(written)))):
        if at not in lost:
            owner.take(written[at])
    came = [
        {rollup.sequence for at, rollup in enumerate(written) if at not in lost and rollup.shard == shard}
        for shard in range(SHARDS)
    ]
    assert owner.missing() == sum(max(some) - min(some) + 1 - len(some) for some in came if some)
    kept = [rollup for at, rollup in enumerate(written) if at not in lost]
    expected = Totals()
    for rollup in kept:
        expected.add(rollup)
    assert sums_of(owner.totals) == sums_of(expected)
    for at in lost & set(range(len(written))):
        assert owner.take(written[at]) is APPLIED
    assert sums_of(owner.totals) == truth([life])
    assert owner.missing() == 0


@given(lives=LIVES, data=st.data())
def test_rollups_add_up_in_any_order(lives: list[Life], data: st.DataObject) -> None:
    """Totals are sums: commutative and associative, whatever was asked of them in between."""
    totals = Totals()
    for rollup in data.draw(st.permutations(rollups_of(lives))):
        totals.add(rollup)
        if data.draw(st.booleans()):
            assert sums_of(totals) == sums_of(totals)
    assert sums_of(totals) == truth(lives)


# --- numbers and tallies against plain Python ----------------------------------------------------


@given(numbers=st.lists(st.one_of(st.integers(0, 12), st.integers(0, 2**70)), max_size=40))
def test_seen_numbers_are_a_set(numbers: list[int]) -> None:
    """With the numbers missing between the lowest and the highest."""
    seen, model = SeenNumbers(), set[int]()
    assert seen.missing == 0
    for number in numbers:
        assert seen.add(number) is (number not in model)
        model.add(number)
        assert seen.missing == max(model) - min(model) + 1 - len(model)
    for number in range(14):
        assert seen.add(number) is (number not in model)


CELLS = st.lists(st.one_of(st.integers(0, 20), st.integers(0, 2**50)), max_size=30)


@given(parts=st.lists(st.tuples(CELLS, st.booleans()), max_size=6))
def test_a_tally_is_a_counter(parts: list[tuple[list[int], bool]]) -> None:
    """Whatever the cells, once each or as often as stands beside them; distinct and ascending."""
    tally, model = Tally(), Counter[int]()
    for cells, weighted in parts:
        times = [cell % 7 + 1 if weighted else 1 for cell in cells]
        tally.add(np.array(cells, dtype=np.int64), np.array(times, dtype=np.int64) if weighted else None)
        for cell, often in zip(cells, times, strict=True):
            model[cell] += often
        found = [column.tolist() for column in tally.counts()]
        assert list(zip(*found, strict=True)) == sorted(model.items())
