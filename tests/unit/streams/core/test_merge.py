"""Rollups into totals: the largest value seen less the smallest one before, each part once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from streams.core.merge import (
    REMEMBER_MS,
    Applied,
    Increment,
    MoneyKey,
    PartitionMerge,
    ShardMerge,
    Totals,
    column_of,
)
from tests.support.rollups import T0, Counts, rollup

if TYPE_CHECKING:
    from streams.results import Rollup

A = ("slot", "A")
CLICK = 1
PAID = ("slot", "A", "CNY", "paid")


def clicks(value: int, previous: int = 0) -> Counts:
    """Clicks of slot A: cumulative value, and the value one flush before."""
    return {A: {CLICK: (value, previous)}}


def total(rollups: list[Rollup]) -> int:
    """Clicks of slot A after rollups, taken in by one shard from the start."""
    merge, totals = ShardMerge(), Totals()
    for one in rollups:
        totals.add(merge.apply(one)[1])
    cells = totals.cells.get((T0, *A))
    return cells[CLICK] if cells else 0


# --- cumulative values ---------------------------------------------------------------------------


def test_a_rollup_adds_what_is_new() -> None:
    """Its value less what it was one flush before."""
    merge = PartitionMerge()
    applied, increment = merge.apply(rollup(clicks(5)))
    assert applied is Applied.APPLIED
    assert (increment.bucket_ms, increment.counts) == (T0, {A: [(CLICK, 5)]})
    assert merge.apply(rollup(clicks(7, 5)))[1].counts == {A: [(CLICK, 2)]}


def test_a_repeated_rollup_changes_nothing() -> None:
    """At least once is enough: the second time is seen to be one."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5)))
    applied, increment = merge.apply(rollup(clicks(5)))
    assert applied is Applied.REPEATED
    assert increment == Increment(T0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_rollups_does_not_matter(order: tuple[int, ...]) -> None:
    """Three flushes of one part in any order, with repetitions, add up to the last value."""
    flushes = [rollup(clicks(5)), rollup(clicks(7, 5)), rollup(clicks(12, 7))]
    shuffled = [flushes[at] for at in order]
    assert total(shuffled) == 12
    assert total(shuffled + shuffled[::-1]) == 12


def test_a_flush_that_never_came_is_made_up_for() -> None:
    """Values are cumulative: a later flush brings what a lost one had."""
    assert total([rollup(clicks(5)), rollup(clicks(12, 7))]) == 12


def test_who_takes_over_counts_exactly_the_rest() -> None:
    """Whoever starts in mid-part counts from the value before its first rollup."""
    flushes = [rollup(clicks(5)), rollup(clicks(7, 5)), rollup(clicks(12, 7))]
    for cut in range(4):
        assert total(flushes[:cut]) + total(flushes[cut:]) == 12


def test_parts_of_a_bucket_add_up() -> None:
    """A bucket that was closed and opened again is counted in two parts."""
    assert total([rollup(clicks(5)), rollup(clicks(3), part=1)]) == 8


def test_keys_and_columns_are_apart() -> None:
    """By dimension, key and column: events and visitors of a node are two columns."""
    merge = PartitionMerge()
    counts: Counts = {A: {1: (5, 0), 17: (2, 0)}, ("slot", "B"): {1: (1, 0)}, ("banner", "A"): {1: (4, 0)}}
    _, increment = merge.apply(rollup(counts))
    assert increment.counts == {A: [(1, 5), (17, 2)], ("slot", "B"): [(1, 1)], ("banner", "A"): [(1, 4)]}


def test_only_what_grew_is_named() -> None:
    """A key whose value is known already is not in the increment."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5)))
    _, increment = merge.apply(rollup(clicks(5) | {("slot", "B"): {1: (1, 0)}}))
    assert increment.counts == {("slot", "B"): [(1, 1)]}


def test_money_grows_by_orders_and_amount() -> None:
    """Each with its own value before, once."""
    merge = PartitionMerge()
    merge.apply(rollup(money={PAID: (1, 100, 0, 0)}))
    later = rollup(money={PAID: (3, 150, 1, 100)})
    assert merge.apply(later)[1].money == [(MoneyKey(*PAID), 2, 50)]
    assert merge.apply(later) == (Applied.REPEATED, Increment(T0))


def test_orders_without_an_amount_count() -> None:
    """A free order grows the number alone."""
    assert PartitionMerge().apply(rollup(money={PAID: (1, 0, 0, 0)}))[1].money == [(MoneyKey(*PAID), 1, 0)]


def test_outcomes_grow_by_records() -> None:
    """Per topic and outcome, once."""
    merge = PartitionMerge()
    merge.apply(rollup(outcomes={(0, "accepted"): (5, 0)}))
    later = rollup(outcomes={(0, "accepted"): (9, 5), (1, "late"): (1, 0)})
    assert merge.apply(later)[1].outcomes == [(0, "accepted", 4), (1, "late", 1)]
    assert merge.apply(later)[0] is Applied.REPEATED


# --- generations ---------------------------------------------------------------------------------


def test_generations_may_start_from_zero() -> None:
    """A replay has a single life."""
    assert total([rollup(clicks(5), generation=0)]) == 5


def test_an_older_generation_changes_nothing() -> None:
    """A worker that was thought dead keeps writing: nobody listens."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), generation=2))
    applied, increment = merge.apply(rollup(clicks(100), generation=1))
    assert applied is Applied.STALE
    assert increment == Increment(T0)


def test_a_newer_generation_adds_to_the_older_one() -> None:
    """The next owner numbers its parts anew; what was counted before stays counted."""
    assert (
        total([rollup(clicks(5)), rollup(clicks(3), generation=2), rollup(clicks(4, 3), generation=2)]) == 9
    )


def test_a_newer_generation_forgets_the_parts_of_the_older() -> None:
    """Also which of them were closed long ago."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), part=7, open_from=8))
    merge.apply(rollup(clicks(1), part=9, open_from=9, until=REMEMBER_MS))
    merge.apply(rollup(clicks(2), generation=2))
    assert len(merge) == 1
    assert merge.apply(rollup(clicks(3, 2), generation=2))[0] is Applied.APPLIED


# --- forgetting ----------------------------------------------------------------------------------


def test_a_closed_part_is_remembered_for_a_while() -> None:
    """Until the source has counted a minute on, repetitions are told by their values."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), open_from=1, until=0))
    merge.apply(rollup(clicks(1), part=1, open_from=1, until=REMEMBER_MS - 1))
    assert len(merge) == 2
    assert merge.apply(rollup(clicks(5), open_from=1, until=0))[0] is Applied.REPEATED


def test_a_forgotten_part_ignores_repetitions() -> None:
    """After that minute all that comes for it is one."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), open_from=1, until=0))
    merge.apply(rollup(clicks(1), part=1, open_from=1, until=REMEMBER_MS))
    assert len(merge) == 1
    assert merge.apply(rollup(clicks(5), open_from=1, until=0)) == (Applied.REPEATED, Increment(T0))
    assert len(merge) == 1
    assert merge.apply(rollup(clicks(3, 1), part=1, open_from=1))[1].counts == {A: [(CLICK, 2)]}


def test_a_part_may_be_forgotten_with_its_own_last_rollup() -> None:
    """A source that says nothing for a minute and then repeats what it closed leaves nothing behind."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), open_from=1, until=0))
    assert merge.apply(rollup(clicks(5), open_from=1, until=REMEMBER_MS))[0] is Applied.REPEATED
    assert len(merge) == 0


def test_an_open_part_is_never_forgotten() -> None:
    """However far the source has counted, and whatever was closed behind it."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), part=0))
    merge.apply(rollup(clicks(5), part=1))
    merge.apply(rollup(clicks(1), part=2, until=100 * REMEMBER_MS))
    assert len(merge) == 3
    assert merge.apply(rollup(clicks(6, 5), part=0))[1].counts == {A: [(CLICK, 1)]}


def test_parts_are_forgotten_from_the_front() -> None:
    """A floor tells what is forgotten, so nothing above an open part may go."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(1), part=3))
    merge.apply(rollup(clicks(1), part=4, open_from=5, until=0))
    assert len(merge) == 2
    merge.apply(rollup(clicks(1), part=9, open_from=9, until=REMEMBER_MS))
    assert len(merge) == 1


def test_memory_is_of_the_parts_of_about_a_minute() -> None:
    """A day of buckets goes by and the parts at hand stay few."""
    merge = PartitionMerge()
    for part in range(8_640):
        merge.apply(rollup(clicks(1), part=part, open_from=part, until=part * 10_000))
        assert len(merge) <= 9


# --- a shard and its totals ----------------------------------------------------------------------


def test_source_partitions_are_merged_apart() -> None:
    """The same part number of two partitions is two parts."""
    assert total([rollup(clicks(5), partition=0), rollup(clicks(3), partition=1)]) == 8


def test_a_generation_is_one_partitions() -> None:
    """A new life of one partition says nothing about the others."""
    flushes = [rollup(clicks(5)), rollup(clicks(1), partition=1, generation=9), rollup(clicks(7, 5))]
    assert total(flushes) == 8


def test_totals_add_up_per_bucket_and_key() -> None:
    """Counts and money by bucket, outcomes over all of them."""
    totals = Totals()
    for bucket in (T0, T0, T0 + 10_000):
        totals.add(
            Increment(bucket, {A: [(1, 2), (17, 1)]}, [(MoneyKey(*PAID), 1, 100)], [(0, "accepted", 3)])
        )
    assert totals.cells == {(T0, *A): {1: 4, 17: 2}, (T0 + 10_000, *A): {1: 2, 17: 1}}
    assert totals.money == {(T0, MoneyKey(*PAID)): (2, 200), (T0 + 10_000, MoneyKey(*PAID)): (1, 100)}
    assert totals.outcomes == {(0, "accepted"): 9}


def test_totals_forget_old_buckets() -> None:
    """Those that start before the time; outcomes are of no bucket and stay."""
    totals = Totals()
    for bucket in (T0, T0 + 10_000):
        totals.add(Increment(bucket, {A: [(1, 2)]}, [(MoneyKey(*PAID), 1, 100)], [(0, "accepted", 3)]))
    totals.forget_before(T0 + 10_000)
    assert list(totals.cells) == [(T0 + 10_000, *A)]
    assert list(totals.money) == [(T0 + 10_000, MoneyKey(*PAID))]
    assert totals.outcomes == {(0, "accepted"): 6}


def test_a_column_says_stage_and_whether_it_counts_visitors() -> None:
    """Sixteen columns of events, then those of visitors."""
    assert [column_of(cell) for cell in (0, 15, 16, 22)] == [(0, False), (15, False), (0, True), (6, True)]
