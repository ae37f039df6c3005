"""Which keys were let through recently: dedupe (both ways) and visitor marks (forwards only)."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.recent import RecentKeys
from tests.support.columns import i64, u64

T0 = 1_762_689_600_000
NEVER = -(1 << 62)
WINDOW = 10


def admit(memory: RecentKeys, *times: int, key: int = 5) -> list[bool]:
    """Rows of one key in one batch, times after T0."""
    keys = np.full(len(times), key, dtype=np.uint64)
    admitted: list[bool] = memory.admit(keys, T0 + i64(*times), NEVER).tolist()
    return admitted


def marks() -> RecentKeys:
    """Memory that looks back only."""
    return RecentKeys(WINDOW, both_ways=False)


def ids() -> RecentKeys:
    """Memory that looks both ways."""
    return RecentKeys(WINDOW, both_ways=True)


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize(("later", "admitted"), [(0, False), (WINDOW, False), (WINDOW + 1, True)])
def test_a_key_is_let_through_again_only_after_the_window(
    both_ways: bool,  # noqa: FBT001  # a parameter of the table
    later: int,
    admitted: bool,  # noqa: FBT001  # likewise
) -> None:
    """Exactly the window apart is still too soon."""
    memory = RecentKeys(WINDOW, both_ways=both_ways)
    assert admit(memory, 0) == [True]
    assert admit(memory, later) == [admitted]


@pytest.mark.parametrize(("earlier", "admitted"), [(WINDOW, False), (WINDOW + 1, True)])
def test_both_ways_lets_older_rows_through(earlier: int, admitted: bool) -> None:  # noqa: FBT001  # from the table
    """A late event more than the horizon before the remembered one is no duplicate of it."""
    memory = ids()
    assert admit(memory, 100) == [True]
    assert admit(memory, 100 - earlier) == [admitted]


def test_forwards_only_never_lets_older_rows_through() -> None:
    """A visitor counted at a later time is not counted before it."""
    memory = marks()
    assert admit(memory, 100) == [True]
    assert admit(memory, 0) == [False]


def test_a_row_that_is_not_let_through_leaves_no_trace() -> None:
    """The window runs from the last row let through."""
    memory = marks()
    assert admit(memory, 0) == [True]
    assert admit(memory, WINDOW) == [False]
    assert admit(memory, WINDOW + 1) == [True]


def test_rows_of_one_batch_see_those_before_them() -> None:
    """In one batch it goes row by row, as if each came alone."""
    assert admit(marks(), 0, 5, 11, 12, 22, 30, 33) == [True, False, True, False, True, False, True]


def test_the_first_of_equal_rows_is_let_through() -> None:
    """Of one id twice in one batch the first counts."""
    assert admit(ids(), 3, 3, 0) == [True, False, False]


def test_keys_do_not_touch_each_other() -> None:
    """Each key has its own time."""
    memory = marks()
    admitted = memory.admit(u64(5, 7, 5, 7), T0 + i64(0, 0, 11, 1), NEVER)
    assert admitted.tolist() == [True, True, True, False]


def test_an_empty_batch_is_let_through_as_it_is() -> None:
    """No rows, no verdicts."""
    assert marks().admit(u64(), i64(), NEVER).size == 0


def test_what_is_older_than_the_cutoff_is_forgotten() -> None:
    """Memory is of what the window can still ask for, however many keys pass by."""
    memory = marks()
    before = memory.nbytes
    for batch in range(30):
        keys = np.arange(batch * 400 + 1, batch * 400 + 401, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        now = T0 + batch * 100
        assert memory.admit(keys, np.full(400, now), now - WINDOW).all()
    assert memory.nbytes == before
