"""Ten-second counts: cumulative, with what changed since the last flush."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.core.buckets import COLUMN_BITS, COLUMN_MASK, VISITORS, BucketChange, OpenBuckets, bucket_of
from tests.support.columns import i64

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = 10_000, 20_000
MONEY = (1, 7, "CNY", "paid")
OUTCOME = (0, "accepted")


def cells(change: BucketChange, dimension: int = 0) -> dict[int, tuple[int, int]]:
    """Cell -> (value, previous)."""
    columns = [column.tolist() for column in change.cells[dimension]]
    return {cell: (value, previous) for cell, value, previous in zip(*columns, strict=True)}


def count(buckets: OpenBuckets, bucket: int, some: Sequence[int], dimension: int = 0) -> None:
    """One for each cell, all in one bucket."""
    buckets.count(dimension, i64(*[bucket] * len(some)), i64(*some))


def test_the_layout_of_a_cell_never_changes() -> None:
    """Rollups carry its column: a stage, or sixteen and a node for visitors."""
    assert (COLUMN_BITS, COLUMN_MASK, VISITORS) == (5, 0b11111, 16)


def test_a_bucket_starts_at_a_multiple_of_ten_seconds() -> None:
    """Half-open: the start belongs to it, the end to the next."""
    assert [bucket_of(time) for time in (0, 9_999, 10_000, -1)] == [0, 0, 10_000, -10_000]


def test_a_flush_names_what_changed() -> None:
    """Each cell once, with its value and the value at the flush before."""
    buckets = OpenBuckets(2)
    count(buckets, A, [5, 5, 6])
    count(buckets, A, [5], dimension=1)
    (change,) = buckets.flush(0)
    assert (change.bucket_ms, change.part) == (A, 0)
    assert cells(change) == {5: (2, 0), 6: (1, 0)}
    assert cells(change, 1) == {5: (1, 0)}


def test_values_are_cumulative() -> None:
    """The next flush has the new total, and only the cells that changed."""
    buckets = OpenBuckets(1)
    count(buckets, A, [5, 5, 6])
    buckets.flush(0)
    count(buckets, A, [5])
    assert cells(buckets.flush(0)[0]) == {5: (3, 2)}


def test_no_change_no_flush() -> None:
    """An open bucket in which nothing happened is not named."""
    buckets = OpenBuckets(1)
    count(buckets, A, [5])
    buckets.flush(0)
    assert buckets.flush(0) == []
    assert len(buckets) == 1


def test_counting_nothing_opens_nothing() -> None:
    """No cells, no bucket."""
    buckets = OpenBuckets(1)
    count(buckets, A, [])
    assert len(buckets) == 0


def test_cells_of_one_call_may_lie_in_several_buckets() -> None:
    """Each is counted in its own; buckets are flushed in the order of time."""
    buckets = OpenBuckets(1)
    buckets.count(0, i64(B, A, B), i64(5, 5, 6))
    first, second = buckets.flush(0)
    assert (first.bucket_ms, cells(first)) == (A, {5: (1, 0)})
    assert (second.bucket_ms, cells(second)) == (B, {5: (1, 0), 6: (1, 0)})


def test_buckets_that_end_by_the_limit_are_closed() -> None:
    """A bucket that ends at the limit is closed, one that ends after it is not."""
    buckets = OpenBuckets(1)
    buckets.count(0, i64(A, B), i64(5, 5))
    buckets.flush(B)
    assert len(buckets) == 1
    buckets.flush(B + 9_999)
    assert len(buckets) == 1
    buckets.flush(B + 10_000)
    assert len(buckets) == 0


def test_a_closed_bucket_opens_a_new_part() -> None:
    """Its values start again from zero: parts add up."""
    buckets = OpenBuckets(1)
    count(buckets, A, [5, 5])
    (first,) = buckets.flush(B)
    count(buckets, A, [5])
    (second,) = buckets.flush(B)
    assert (first.part, second.part) == (0, 1)
    assert cells(second) == {5: (1, 0)}


def test_parts_are_numbered_from_the_first_on() -> None:
    """A later life goes on from a number of its own."""
    buckets = OpenBuckets(1, first_part=40)
    buckets.count(0, i64(A, B), i64(5, 5))
    assert [change.part for change in buckets.flush(0)] == [40, 41]


def test_open_from_is_the_oldest_part_that_may_change() -> None:
    """Parts below it are final; with none open it is the number of the next."""
    buckets = OpenBuckets(1)
    assert buckets.open_from == 0
    count(buckets, B, [5])
    count(buckets, A, [5])
    assert buckets.open_from == 0
    buckets.flush(B)  # closes A, part 1
    assert buckets.open_from == 0
    buckets.flush(B + 10_000)
    assert buckets.open_from == 2


def test_money_is_orders_and_their_amount() -> None:
    """Cumulative as well, with both values before."""
    buckets = OpenBuckets(1)
    buckets.add_money(A, MONEY, 100)
    buckets.add_money(A, MONEY, 0)
    (change,) = buckets.flush(0)
    assert change.money == [(MONEY, 2, 100, 0, 0)]
    buckets.add_money(A, MONEY, 5)
    buckets.add_money(A, MONEY, 6)
    assert buckets.flush(0)[0].money == [(MONEY, 4, 111, 2, 100)]
    assert buckets.flush(0) == []


def test_outcomes_are_records() -> None:
    """Cumulative too; only outcomes that changed are named."""
    buckets = OpenBuckets(1)
    buckets.add_outcome(A, OUTCOME, 3)
    buckets.add_outcome(A, (1, "late"), 1)
    assert buckets.flush(0)[0].outcomes == [(OUTCOME, 3, 0), ((1, "late"), 1, 0)]
    buckets.add_outcome(A, OUTCOME, 2)
    buckets.add_outcome(A, OUTCOME, 1)
    assert buckets.flush(0)[0].outcomes == [(OUTCOME, 6, 3)]


def test_keys_of_money_are_apart() -> None:
    """By dimension, key, currency and kind."""
    buckets = OpenBuckets(1)
    keys = [
        MONEY,
        (2, 7, "CNY", "paid"),
        (1, 8, "CNY", "paid"),
        (1, 7, "USD", "paid"),
        (1, 7, "CNY", "refunded"),
    ]
    for amount, key in enumerate(keys, 1):
        buckets.add_money(A, key, amount)
    assert buckets.flush(0)[0].money == [(key, 1, amount, 0, 0) for amount, key in enumerate(keys, 1)]


def test_more_cells_than_are_held_back_are_counted_all_the_same() -> None:
    """Cells are counted in bulk: often enough that memory stays bounded, with few keys and with many."""
    buckets = OpenBuckets(2)
    few, many = np.arange(100_000) % 7, np.arange(100_000) * 1_000
    for _ in range(4):
        buckets.count(0, np.full(few.size, A), few)
        buckets.count(1, np.full(many.size, A), many)
    count(buckets, A, [8])
    (change,) = buckets.flush(0)
    assert sum(value for value, _ in cells(change).values()) == 400_001
    assert cells(change)[8] == (1, 0)
    assert cells(change)[3] == (4 * int(np.count_nonzero(few == 3)), 0)
    assert change.cells[1][0].size == 100_000
    assert set(change.cells[1][1].tolist()) == {4}
