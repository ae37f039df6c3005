"""Ten-second counts: what was added since the last flush, and nothing else."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.core.buckets import (
    COLUMN_BITS,
    COLUMN_MASK,
    VISITORS,
    BucketChange,
    BucketCounts,
    Tally,
    bucket_of,
)
from tests.support.columns import i64

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B, C = 10_000, 20_000, 30_000
MONEY = (1, 7, "CNY", "paid")
OUTCOME = (0, "accepted")


def cells(change: BucketChange, dimension: int = 0) -> dict[int, int]:
    """Cell -> how many were added."""
    columns = [column.tolist() for column in change.cells[dimension]]
    return dict(zip(*columns, strict=True))


def count(buckets: BucketCounts, bucket: int, some: Sequence[int], dimension: int = 0) -> None:
    """One for each cell, all in one bucket."""
    buckets.count(dimension, i64(*[bucket] * len(some)), i64(*some))


def flushed(buckets: BucketCounts) -> list[BucketChange]:
    """A flush, read to its end."""
    return list(buckets.flush())


def test_the_layout_of_a_cell_never_changes() -> None:
    """Rollups carry its column: a stage, or sixteen and a node for visitors."""
    assert (COLUMN_BITS, COLUMN_MASK, VISITORS) == (5, 0b11111, 16)


def test_a_bucket_starts_at_a_multiple_of_ten_seconds() -> None:
    """Half-open: the start belongs to it, the end to the next."""
    assert [bucket_of(time) for time in (0, 9_999, 10_000, -1)] == [0, 0, 10_000, -10_000]


# --- how often each cell was named ---------------------------------------------------------------


def expected(parts: Sequence[tuple[list[int], list[int] | None]]) -> list[tuple[int, int]]:
    """Distinct cells, ascending, and how often each was named, added up one by one."""
    named: Counter[int] = Counter()
    for some, times in parts:
        for cell, often in zip(some, times or [1] * len(some), strict=True):
            named[cell] += often
    return sorted(named.items())


def counted(tally: Tally) -> list[tuple[int, int]]:
    """What the tally says."""
    some, times = tally.counts()
    assert some.dtype == times.dtype == np.dtype(np.int64)
    return list(zip(some.tolist(), times.tolist(), strict=True))


@pytest.mark.parametrize(
    ("scale", "first"), [(1, 0), (1, 10**12), (1_000_003, 0)], ids=["dense", "dense and high", "sparse"]
)
@pytest.mark.parametrize("weighted", ["never", "always", "at times"])
def test_a_tally_is_exact_after_several_bulk_counts(scale: int, first: int, weighted: str) -> None:
    """Cells close together or far apart, named once or often at a time, again in every part."""
    rng = np.random.default_rng(7)
    tally, parts = Tally(), list[tuple[list[int], list[int] | None]]()
    for number in range(12):  # 720,000 cells: more than two bulks
        some = rng.integers(0, 500 + 40 * number, 60_000) * scale + first
        often = weighted == "always" or (weighted == "at times" and number % 3 == 1)
        times = rng.integers(1, 2**33, some.size) if often else None
        tally.add(some, times)
        parts.append((some.tolist(), None if times is None else times.tolist()))
        if number in (0, 6):
            assert counted(tally) == expected(parts)
    assert counted(tally) == expected(parts)


def test_asking_a_tally_changes_nothing() -> None:
    """It may be asked at any time, and be added to afterwards."""
    tally = Tally()
    tally.add(i64(5, 6, 5))
    assert counted(tally) == counted(tally) == [(5, 2), (6, 1)]
    tally.add(i64(6), i64(4))
    assert counted(tally) == counted(tally) == [(5, 2), (6, 5)]


def test_an_empty_tally_has_no_cells() -> None:
    """Never named anything, or nothing, with weights or without."""
    tally = Tally()
    assert counted(tally) == []
    tally.add(i64())
    assert counted(tally) == []
    tally.add(i64(), i64())
    assert counted(tally) == []
    tally.add(i64(3))
    assert counted(tally) == [(3, 1)]


def test_a_tally_holds_no_more_than_a_bulk_and_its_cells() -> None:
    """Without a flush memory stays bounded: ten million named cells are not kept."""
    few = np.arange(100_000, dtype=np.int64) % 7
    tally = Tally()
    tracemalloc.start()
    try:
        for _ in range(100):
            tally.add(few.copy())
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4_000_000
    assert sum(times for _, times in counted(tally)) == 10_000_000


# --- counts by bucket ----------------------------------------------------------------------------


def test_a_flush_names_what_was_counted() -> None:
    """Each cell once, ascending, with how often it was counted, by dimension."""
    buckets = BucketCounts(2)
    count(buckets, A, [6, 5, 5])
    count(buckets, A, [5], dimension=1)
    (change,) = buckets.flush()
    assert change.bucket_ms == A
    assert [column.tolist() for column in change.cells[0]] == [[5, 6], [2, 1]]
    assert cells(change, 1) == {5: 1}
    assert (change.money, change.outcomes) == ([], [])


def test_a_flush_leaves_nothing() -> None:
    """The next one has only what was counted since: counts are added up, never compared."""
    buckets = BucketCounts(1)
    count(buckets, A, [5, 5, 6])
    flushed(buckets)
    assert len(buckets) == 0
    count(buckets, A, [5])
    assert [cells(change) for change in flushed(buckets)] == [{5: 1}]


def test_nothing_counted_nothing_flushed() -> None:
    """Neither at first nor after a flush."""
    buckets = BucketCounts(1)
    assert flushed(buckets) == []
    count(buckets, A, [5])
    flushed(buckets)
    assert flushed(buckets) == []


def test_counting_nothing_opens_nothing() -> None:
    """No cells, no bucket."""
    buckets = BucketCounts(1)
    count(buckets, A, [])
    assert len(buckets) == 0
    assert flushed(buckets) == []


def test_cells_of_one_call_may_lie_in_several_buckets() -> None:
    """Each is counted in its own; buckets are flushed in the order of time."""
    buckets = BucketCounts(1)
    buckets.count(0, i64(C, A, B, B, C), i64(5, 5, 5, 6, 5))
    assert len(buckets) == 3
    assert [(change.bucket_ms, cells(change)) for change in flushed(buckets)] == [
        (A, {5: 1}),
        (B, {5: 1, 6: 1}),
        (C, {5: 2}),
    ]


def test_a_bucket_of_long_ago_comes_again() -> None:
    """Whatever is counted in it later is one more thing to add, in its place in time; nothing closes it."""
    buckets = BucketCounts(1)
    count(buckets, C, [5])
    flushed(buckets)
    count(buckets, C, [6])
    count(buckets, A, [5, 5])
    assert [(change.bucket_ms, cells(change)) for change in flushed(buckets)] == [(A, {5: 2}), (C, {6: 1})]


def test_what_is_counted_while_a_flush_is_read_is_of_the_next() -> None:
    """A flush takes everything when it is asked for, though it is read bit by bit."""
    buckets = BucketCounts(1)
    buckets.count(0, i64(A, B), i64(5, 5))
    flush = buckets.flush()
    buckets.count(0, i64(A, B), i64(6, 6))
    first = next(flush)
    buckets.count(0, i64(B), i64(7))
    buckets.add_outcome(B, OUTCOME, 1)
    assert [cells(change) for change in (first, *flush)] == [{5: 1}, {5: 1}]
    assert [cells(change) for change in flushed(buckets)] == [{6: 1}, {6: 1, 7: 1}]


def test_money_is_orders_and_their_amount() -> None:
    """Added up from flush to flush; a free order is an order."""
    buckets = BucketCounts(1)
    buckets.add_money(A, MONEY, 100)
    buckets.add_money(A, MONEY, 0)
    assert [change.money for change in flushed(buckets)] == [[(MONEY, 2, 100)]]
    buckets.add_money(A, MONEY, 5)
    buckets.add_money(A, MONEY, 6)
    buckets.add_money(B, MONEY, 7)
    assert [change.money for change in flushed(buckets)] == [[(MONEY, 2, 11)], [(MONEY, 1, 7)]]
    assert flushed(buckets) == []


def test_outcomes_are_records() -> None:
    """By topic and outcome, what came since the last flush."""
    buckets = BucketCounts(1)
    buckets.add_outcome(A, OUTCOME, 3)
    buckets.add_outcome(A, (1, "late"), 1)
    assert [change.outcomes for change in flushed(buckets)] == [[(OUTCOME, 3), ((1, "late"), 1)]]
    buckets.add_outcome(A, OUTCOME, 2)
    buckets.add_outcome(A, OUTCOME, 1)
    assert [change.outcomes for change in flushed(buckets)] == [[(OUTCOME, 3)]]


def test_keys_of_money_are_apart() -> None:
    """By dimension, key, currency and kind."""
    buckets = BucketCounts(1)
    keys = [
        MONEY,
        (2, 7, "CNY", "paid"),
        (1, 8, "CNY", "paid"),
        (1, 7, "USD", "paid"),
        (1, 7, "CNY", "refunded"),
    ]
    for amount, key in enumerate(keys, 1):
        buckets.add_money(A, key, amount)
    assert flushed(buckets)[0].money == [(key, 1, amount) for amount, key in enumerate(keys, 1)]


def test_more_cells_than_are_held_back_are_counted_all_the_same() -> None:
    """In bulk, with few keys and with many, and each dimension on its own."""
    buckets = BucketCounts(2)
    few, many = np.arange(100_000) % 7, np.arange(100_000) * 1_000
    for _ in range(4):
        buckets.count(0, np.full(few.size, A), few)
        buckets.count(1, np.full(many.size, A), many)
    count(buckets, A, [8])
    (change,) = buckets.flush()
    assert sum(cells(change).values()) == 400_001
    assert cells(change)[8] == 1
    assert cells(change)[3] == 4 * int(np.count_nonzero(few == 3))
    assert change.cells[1][0].tolist() == many.tolist()
    assert set(change.cells[1][1].tolist()) == {4}
