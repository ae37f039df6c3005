"""Lists of SKUs: found by their numbers until their batch is done with, and then gone."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.rows import NO_DETAIL
from streams.core.sku_lists import MAX_LIST, SkuLists, is_list, list_number, list_numbers, list_sizes
from tests.support.columns import i32, i64


def adopt(lists: SkuLists, *some: list[int], last_ms: int = 0) -> list[int]:
    """The numbers under which a batch of lists is found."""
    sizes = i64(*map(len, some))
    numbers = list_numbers(np.cumsum(sizes) - sizes, sizes)
    codes = i32(*[code for one in some for code in one])
    here: list[int] = lists.adopt(codes, numbers, last_ms).tolist()
    return here


def test_a_list_is_told_from_a_detail_and_from_nothing() -> None:
    """Details count from zero, nothing is minus one, lists lie below."""
    numbers = i64(0, 7, NO_DETAIL, list_number(0, 1), list_number(10**9, MAX_LIST))
    assert is_list(numbers).tolist() == [False, False, False, True, True]
    assert list_sizes(numbers[3:]).tolist() == [1, MAX_LIST]


def test_lists_of_several_batches_are_found() -> None:
    """Whatever came before, and in any order."""
    lists = SkuLists()
    first = adopt(lists, [5, 6], [7])
    second = adopt(lists, [8, 9, 10])
    assert lists.codes(i64(second[0], first[1], first[0])).tolist() == [8, 9, 10, 7, 5, 6]


def test_other_rows_of_a_batch_stay_as_they_are() -> None:
    """Details and plain rows have no list."""
    lists = SkuLists()
    adopt(lists, [1, 2, 3])
    detail = lists.adopt(i32(4), i64(3, NO_DETAIL, list_number(0, 1)), 0)
    assert detail[:2].tolist() == [3, NO_DETAIL]
    assert lists.codes(detail[2:]).tolist() == [4]


def test_a_batch_without_lists_costs_nothing() -> None:
    """Nothing is kept for it."""
    lists = SkuLists()
    assert lists.adopt(i32(), i64(NO_DETAIL), 5).tolist() == [NO_DETAIL]
    assert len(lists) == 0


@pytest.mark.parametrize(("limit", "left"), [(10, 5), (11, 3), (20, 3), (21, 0)])
def test_lists_go_when_their_whole_batch_is_counted(limit: int, left: int) -> None:
    """A row at the limit still waits; what is left is found as before."""
    lists = SkuLists()
    adopt(lists, [1, 2], last_ms=10)
    (later,) = adopt(lists, [3, 4, 5], last_ms=20)
    lists.forget_before(limit)
    assert len(lists) == left
    if left:
        assert lists.codes(i64(later)).tolist() == [3, 4, 5]


def test_a_batch_that_is_done_early_waits_for_those_before_it() -> None:
    """Codes lie in one array, which is cut from the front."""
    lists = SkuLists()
    adopt(lists, [1, 2], last_ms=90)
    adopt(lists, [3], last_ms=10)
    lists.forget_before(50)
    assert len(lists) == 3


def test_memory_follows_what_waits() -> None:
    """Room grows with a crowd and is given back after it; numbers hold over both."""
    lists = SkuLists()
    little = lists.nbytes
    for _ in range(100):
        adopt(lists, list(range(1_000)), last_ms=10)
    (kept,) = adopt(lists, [41, 42], last_ms=30)
    assert lists.nbytes > 100 * little // 8
    lists.forget_before(20)
    assert lists.nbytes == little
    assert lists.codes(i64(kept)).tolist() == [41, 42]


def test_numbers_go_on_after_lists_were_dropped() -> None:
    """What comes in later is found beside what is kept."""
    lists = SkuLists()
    adopt(lists, [1, 2], last_ms=10)
    (kept,) = adopt(lists, [3, 4], last_ms=20)
    lists.forget_before(15)
    (new,) = adopt(lists, [9], last_ms=40)
    assert lists.codes(i64(new, kept)).tolist() == [9, 3, 4]
    lists.forget_before(30)
    assert (len(lists), lists.codes(i64(new)).tolist()) == (1, [9])
