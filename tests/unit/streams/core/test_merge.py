"""Rollups into totals: each number of a life counts once, whatever comes twice, late or never."""

from __future__ import annotations

import itertools
import pickle
from typing import TYPE_CHECKING

import pytest

from streams.core.merge import (
    Applied,
    MoneyKey,
    PartitionMerge,
    SeenNumbers,
    ShardMerge,
    Totals,
    column_of,
)
from streams.results import VERSION, Fence
from tests.support.rollups import T0, Counts, rollup

if TYPE_CHECKING:
    from streams.results import Rollup

A, B = ("slot", "A"), ("slot", "B")
CLICK = 1
PAID = ("slot", "A", "CNY", "paid")
APPLIED, REPEATED, STALE = Applied.APPLIED, Applied.REPEATED, Applied.STALE


def clicks(count: int) -> Counts:
    """So many clicks of slot A."""
    return {A: {CLICK: count}}


def clicked(totals: Totals, bucket_ms: int = T0) -> int:
    """Clicks of slot A."""
    return totals.cells[bucket_ms, *A][CLICK]


def total(rollups: list[Rollup]) -> int:
    """Clicks of slot A after rollups, taken in by one shard from the start."""
    merge, totals = ShardMerge(), Totals()
    for one in rollups:
        if merge.apply(one) is APPLIED:
            totals.add(one)
    return clicked(totals) if totals.cells else 0


# --- numbers seen --------------------------------------------------------------------------------


def test_a_number_is_new_once() -> None:
    """The second time it was there."""
    seen = SeenNumbers()
    assert [seen.add(number) for number in (3, 3, 4, 3, 4)] == [True, False, True, False, False]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_numbers_may_come_in_any_order(order: tuple[int, ...]) -> None:
    """Each is new once, and with all of them there nothing is missing."""
    seen = SeenNumbers()
    assert all(seen.add(number) for number in order)
    assert seen.missing == 0
    assert not any(seen.add(number) for number in order)


def test_missing_are_the_numbers_in_between() -> None:
    """Not those before the lowest, nor those after the highest."""
    seen = SeenNumbers()
    assert seen.missing == 0
    found = []
    for number in (7, 8, 10, 14, 9, 12, 5, 11, 13, 6):
        seen.add(number)
        found.append(seen.missing)
    assert found == [0, 0, 1, 4, 3, 2, 3, 2, 1, 0]


@pytest.mark.parametrize("order", [1, -1], ids=["ascending", "descending"])
def test_a_long_run_takes_no_memory(order: int) -> None:
    """Nearly always there is one run, however long."""
    seen = SeenNumbers()
    for number in range(50_000)[::order]:
        assert seen.add(number)
    assert len(pickle.dumps(seen)) < 200
    assert seen.missing == 0
    assert not seen.add(0)
    assert not seen.add(49_999)
    assert seen.add(50_000)


def test_beyond_a_thousand_gaps_the_oldest_are_given_up() -> None:
    """Memory stays bounded; what comes for a gap that was given up is taken for a repetition."""
    seen = SeenNumbers()
    for number in range(0, 10_000, 2):
        assert seen.add(number)
    assert 990 <= seen.missing <= 1_000
    assert not seen.add(1)
    assert not seen.add(7_001)
    assert seen.add(9_997)
    assert seen.add(8_101)
    assert not seen.add(0)
    assert not seen.add(9_998)
    assert seen.add(10_000)


# --- one source partition ------------------------------------------------------------------------


def test_a_rollup_counts_once() -> None:
    """At least once is enough: the second time is seen to be one, by its number and nothing else."""
    merge = PartitionMerge()
    assert merge.apply(rollup(clicks(5))) is APPLIED
    assert merge.apply(rollup(clicks(5))) is REPEATED
    assert merge.apply(rollup(clicks(5), sequence=1)) is APPLIED
    assert merge.apply(rollup(clicks(9), bucket_ms=T0 + 10_000, sequence=1)) is REPEATED


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_rollups_does_not_matter(order: tuple[int, ...]) -> None:
    """Three flushes of one bucket in any order, with repetitions, add up to what was counted."""
    flushes = [rollup(clicks(count), sequence=number) for number, count in enumerate((5, 2, 5))]
    shuffled = [flushes[at] for at in order]
    assert total(shuffled) == 12
    assert total(shuffled + shuffled[::-1]) == 12


def test_a_lost_rollup_is_seen_to_be_missing() -> None:
    """From the next one on, until it comes; only its own counts are lacking."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5)))
    assert merge.missing == 0
    merge.apply(rollup(clicks(5), sequence=3))
    assert merge.missing == 2
    assert merge.apply(rollup(clicks(2), sequence=1)) is APPLIED
    assert merge.missing == 1
    assert merge.apply(rollup(clicks(2), sequence=2)) is APPLIED
    assert merge.missing == 0


def test_who_takes_over_counts_exactly_the_rest() -> None:
    """Whoever starts with a later number needs no value from before, and misses nothing."""
    flushes = [rollup(clicks(count), sequence=number) for number, count in enumerate((5, 2, 5))]
    for cut in range(4):
        assert total(flushes[:cut]) + total(flushes[cut:]) == 12
        merge = PartitionMerge()
        assert [merge.apply(flush) for flush in flushes[cut:]] == [APPLIED] * (3 - cut)
        assert merge.missing == 0


# --- generations ---------------------------------------------------------------------------------


def test_generations_may_start_from_zero() -> None:
    """A replay has a single life."""
    assert total([rollup(clicks(5), generation=0)]) == 5


def test_an_older_generation_changes_nothing() -> None:
    """A worker that was thought dead keeps writing: nobody listens, whatever the number."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), generation=2))
    assert [merge.apply(rollup(clicks(100), generation=1, sequence=n)) for n in (0, 1, 9)] == [STALE] * 3
    assert merge.missing == 0
    assert merge.apply(rollup(clicks(5), generation=2, sequence=1)) is APPLIED


def test_a_newer_generation_adds_to_the_older_one() -> None:
    """The next owner numbers its rollups anew; what was counted before stays counted."""
    lives = [rollup(clicks(5)), rollup(clicks(3), generation=2), rollup(clicks(1), generation=2, sequence=1)]
    assert total(lives) == 9
    assert total([*lives, *lives]) == 9


def test_a_newer_generation_forgets_the_numbers_of_the_older() -> None:
    """Also those that were missing: they cannot come any more."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5), sequence=1))
    merge.apply(rollup(clicks(5), sequence=4))
    assert merge.apply(rollup(clicks(2), generation=2, sequence=1)) is APPLIED
    assert merge.missing == 0
    assert merge.apply(rollup(clicks(2), generation=2, sequence=4)) is APPLIED
    assert merge.apply(rollup(clicks(2), generation=1, sequence=2)) is STALE


def test_generations_may_leave_numbers_out() -> None:
    """They are told by the clock: any higher one follows."""
    lives = [1, 1_762_689_600_000, 1_762_689_600_001]
    assert total([rollup(clicks(5), generation=life) for life in lives]) == 15


# --- fences --------------------------------------------------------------------------------------


def test_behind_a_fence_an_older_life_counts_nothing() -> None:
    """Whatever its number, known or not; what came before the fence counts."""
    merge = PartitionMerge()
    assert merge.apply(rollup(clicks(5))) is APPLIED
    merge.fence(2)
    assert [merge.apply(rollup(clicks(5), sequence=n)) for n in (0, 1, 9)] == [STALE] * 3
    assert merge.missing == 0
    assert merge.apply(rollup(clicks(5), generation=2)) is APPLIED


def test_the_next_life_sends_what_may_not_have_come() -> None:
    """Under the numbers of the life before: what had come is known, what had not counts."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5)))
    merge.apply(rollup(clicks(5), sequence=1))
    merge.fence(2)
    again = [merge.apply(rollup(clicks(5), sequence=n, written_by=2)) for n in (1, 2, 2)]
    assert again == [REPEATED, APPLIED, REPEATED]
    assert merge.apply(rollup(clicks(5), generation=2)) is APPLIED


def test_a_life_that_counted_nothing_passes_on_what_it_had_to_send() -> None:
    """The last rollups may be of a life long before."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5)))
    merge.fence(2)
    merge.fence(3)
    assert merge.apply(rollup(clicks(5), sequence=1, written_by=2)) is STALE
    assert merge.apply(rollup(clicks(5), sequence=0, written_by=3)) is REPEATED
    assert merge.apply(rollup(clicks(5), sequence=1, written_by=3)) is APPLIED


def test_nothing_is_sent_again_after_a_lifes_own() -> None:
    """A life sends first what was before it; what comes later under older numbers is a repetition."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5)))
    merge.fence(2)
    merge.apply(rollup(clicks(5), generation=2))
    assert merge.apply(rollup(clicks(5), sequence=1, written_by=2)) is STALE
    assert merge.apply(rollup(clicks(5), sequence=1, written_by=3)) is STALE
    assert merge.apply(rollup(clicks(5), generation=2, sequence=1)) is STALE


def test_a_rollup_is_a_fence_too() -> None:
    """Fences are kept as long as rollups, and lost with them."""
    merge = PartitionMerge()
    merge.apply(rollup(clicks(5)))
    assert merge.apply(rollup(clicks(5), sequence=1, written_by=2)) is APPLIED
    assert merge.apply(rollup(clicks(5), sequence=2)) is STALE
    assert merge.apply(rollup(clicks(5), sequence=2, written_by=2)) is APPLIED


def test_a_late_fence_fences_nothing() -> None:
    """That of a life that is over already."""
    merge = PartitionMerge()
    merge.fence(3)
    merge.fence(2)
    assert merge.apply(rollup(clicks(5), generation=2)) is STALE
    assert merge.apply(rollup(clicks(5), generation=3)) is APPLIED


def test_a_fence_is_one_partitions() -> None:
    """A new life of one partition says nothing about the others."""
    merge = ShardMerge()
    merge.fence(Fence(VERSION, partition=1, generation=9, shard=0))
    assert merge.apply(rollup(clicks(5), partition=1)) is STALE
    assert merge.apply(rollup(clicks(5))) is APPLIED


# --- a shard and its totals ----------------------------------------------------------------------


def test_source_partitions_are_merged_apart() -> None:
    """The same number of two partitions is two rollups, and each misses its own."""
    merge = ShardMerge()
    assert merge.missing(0) == 0
    assert merge.apply(rollup(clicks(5), partition=0)) is APPLIED
    assert merge.apply(rollup(clicks(3), partition=1)) is APPLIED
    assert merge.apply(rollup(clicks(3), partition=1)) is REPEATED
    merge.apply(rollup(clicks(3), partition=1, sequence=5))
    assert [merge.missing(partition) for partition in (0, 1, 2)] == [0, 4, 0]


def test_a_generation_is_one_partitions() -> None:
    """A new life of one partition says nothing about the others."""
    flushes = [
        rollup(clicks(5)),
        rollup(clicks(1), partition=1, generation=9),
        rollup(clicks(2), sequence=1),
    ]
    assert total(flushes) == 8


def test_totals_add_up_per_bucket_and_key() -> None:
    """Counts and money by bucket, outcomes over all of them."""
    totals = Totals()
    for bucket_ms in (T0, T0, T0 + 10_000):
        totals.add(rollup({A: {1: 2, 17: 1}}, {PAID: (1, 100)}, {(0, "accepted"): 3}, bucket_ms=bucket_ms))
    assert totals.cells == {(T0, *A): {1: 4, 17: 2}, (T0 + 10_000, *A): {1: 2, 17: 1}}
    assert totals.money == {(T0, MoneyKey(*PAID)): (2, 200), (T0 + 10_000, MoneyKey(*PAID)): (1, 100)}
    assert totals.outcomes == {(0, "accepted"): 9}


def test_keys_and_columns_are_apart() -> None:
    """By dimension, key and column: the first and the last column of a key are still its own."""
    counts: Counts = {A: {0: 5, 31: 2}, B: {0: 1, 31: 7}, ("banner", "A"): {1: 4}}
    totals = Totals()
    totals.add(rollup(counts))
    assert totals.cells == {(T0, *name): cells for name, cells in counts.items()}


def test_every_rollup_has_its_own_list_of_keys() -> None:
    """A key is known by its name, wherever it stands in the list."""
    totals = Totals()
    totals.add(rollup({A: {1: 1}, B: {1: 10}}))
    totals.add(rollup({B: {1: 20}, ("slot", "C"): {1: 100}, A: {1: 2}}, bucket_ms=T0 + 10_000))
    totals.add(rollup({B: {1: 30}}))
    assert totals.cells == {
        (T0, *A): {1: 1},
        (T0, *B): {1: 40},
        (T0 + 10_000, *B): {1: 20},
        (T0 + 10_000, "slot", "C"): {1: 100},
        (T0 + 10_000, *A): {1: 2},
    }


def test_sums_of_money_are_apart() -> None:
    """By dimension, key, currency and kind; a free order is an order."""
    keys = [PAID, ("slot", "A", "CNY", "refunded"), ("slot", "A", "USD", "paid"), ("sku", "A", "CNY", "paid")]
    totals = Totals()
    for number in range(2):
        totals.add(rollup(money={key: (1, at * number) for at, key in enumerate(keys)}))
    assert totals.money == {(T0, MoneyKey(*key)): (2, at) for at, key in enumerate(keys)}


def test_records_alone_are_of_no_bucket() -> None:
    """A rollup of outcomes opens none."""
    totals = Totals()
    totals.add(rollup(outcomes={(0, "accepted"): 3, (1, "late"): 1}))
    assert (totals.buckets, totals.outcomes) == ({}, {(0, "accepted"): 3, (1, "late"): 1})


def test_totals_forget_old_buckets() -> None:
    """Those that start before the time; outcomes are of no bucket and stay."""
    totals = Totals()
    for bucket_ms in (T0, T0 + 10_000):
        totals.add(rollup(clicks(2), {PAID: (1, 100)}, {(0, "accepted"): 3}, bucket_ms=bucket_ms))
    totals.forget_before(T0 + 10_000)
    assert list(totals.cells) == [(T0 + 10_000, *A)]
    assert list(totals.money) == [(T0 + 10_000, MoneyKey(*PAID))]
    assert totals.outcomes == {(0, "accepted"): 6}


def test_keys_keep_their_counts_when_buckets_are_forgotten() -> None:
    """Some of them or all: what comes then is counted under its own name."""
    totals = Totals()
    totals.add(rollup({A: {1: 1}, B: {1: 10}}))
    totals.add(rollup({B: {1: 20}}, bucket_ms=T0 + 10_000))
    totals.forget_before(T0 + 10_000)
    totals.add(rollup({("slot", "C"): {1: 100}, B: {1: 5}}, bucket_ms=T0 + 10_000))
    assert totals.cells == {(T0 + 10_000, *B): {1: 25}, (T0 + 10_000, "slot", "C"): {1: 100}}
    totals.forget_before(T0 + 20_000)
    assert totals.cells == {}
    totals.add(rollup({B: {1: 3}, A: {1: 4}}))
    assert totals.cells == {(T0, *B): {1: 3}, (T0, *A): {1: 4}}


def test_a_column_says_stage_and_whether_it_counts_visitors() -> None:
    """Sixteen columns of events, then those of visitors."""
    assert [column_of(cell) for cell in (0, 15, 16, 22)] == [(0, False), (15, False), (0, True), (6, True)]
