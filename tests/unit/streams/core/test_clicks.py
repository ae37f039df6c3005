"""The newest click of each key, remembered and in the batch."""

from __future__ import annotations

import numpy as np

from streams.core.clicks import NEVER, Clicks, NewestClicks
from tests.support.columns import i32, i64, u64

T0 = 1_762_689_600_000
FOREVER_BACK = -(1 << 62)


def clicks(*some: tuple[int, int, int, int, int]) -> Clicks:
    """Clicks as (key, place, time after T0, slot, banner)."""
    keys, place, time, slot, banner = zip(*some, strict=True) if some else ((),) * 5
    return Clicks(u64(*keys), i64(*place), T0 + i64(*time), i32(*slot), i32(*banner))


def answers(found: Clicks) -> list[tuple[int, int, int] | None]:
    """(time after T0, slot, banner) per question, None where there is no click."""
    return [
        None if time < 0 else (time - T0, slot, banner)
        for time, slot, banner in zip(
            found.time.tolist(), found.slot.tolist(), found.banner.tolist(), strict=True
        )
    ]


def before(newest: NewestClicks, batch: Clicks, key: int, place: int) -> tuple[int, int, int] | None:
    """The answer to one question."""
    return answers(newest.before(batch, u64(key), i64(place)))[0]


def test_without_clicks_there_is_no_answer() -> None:
    """Neither remembered nor in the batch."""
    assert before(NewestClicks(), clicks(), 5, 0) is None


def test_a_question_sees_the_clicks_before_it_in_the_batch() -> None:
    """Those behind it are not there yet, those of other visitors are not its."""
    batch = clicks((5, 0, 10, 1, 2), (7, 1, 11, 3, 4), (5, 3, 12, 5, 6))
    assert before(NewestClicks(), batch, 5, 2) == (10, 1, 2)
    assert before(NewestClicks(), batch, 5, 4) == (12, 5, 6)
    assert before(NewestClicks(), batch, 9, 4) is None


def test_the_newest_is_by_event_time() -> None:
    """An older click that comes later does not replace a newer one."""
    batch = clicks((5, 0, 20, 1, 1), (5, 1, 10, 2, 2))
    assert before(NewestClicks(), batch, 5, 2) == (20, 1, 1)


def test_of_two_at_one_time_the_later_processed_wins() -> None:
    """In one batch, and against what is remembered."""
    newest = NewestClicks()
    first, second = clicks((5, 0, 10, 1, 1), (5, 1, 10, 2, 2)), clicks((5, 0, 10, 3, 3))
    assert before(newest, first, 5, 2) == (10, 2, 2)
    newest.remember(first, FOREVER_BACK)
    assert before(newest, clicks(), 5, 0) == (10, 2, 2)
    assert before(newest, second, 5, 1) == (10, 3, 3)
    newest.remember(second, FOREVER_BACK)
    assert before(newest, clicks(), 5, 0) == (10, 3, 3)


def test_a_remembered_click_yields_only_to_a_newer_one() -> None:
    """Also when the older one comes a batch later."""
    newest = NewestClicks()
    newest.remember(clicks((5, 0, 20, 1, 1)), FOREVER_BACK)
    older = clicks((5, 0, 10, 2, 2))
    assert before(newest, older, 5, 1) == (20, 1, 1)
    newest.remember(older, FOREVER_BACK)
    assert before(newest, clicks(), 5, 0) == (20, 1, 1)


def test_asking_changes_nothing() -> None:
    """Clicks of a batch are taken in by remembering, not by asking."""
    newest = NewestClicks()
    assert before(newest, clicks((5, 0, 10, 1, 1)), 5, 1) == (10, 1, 1)
    assert before(newest, clicks(), 5, 0) is None


def test_remembering_nothing_is_allowed() -> None:
    """A batch without clicks leaves all as it is."""
    newest = NewestClicks()
    size = newest.nbytes
    newest.remember(clicks(), FOREVER_BACK)
    assert newest.nbytes == size


def test_a_click_before_the_cutoff_may_be_replaced_by_an_older_one() -> None:
    """What nobody can ask for any more is as good as none."""
    newest = NewestClicks()
    newest.remember(clicks((5, 0, 20, 1, 1)), FOREVER_BACK)
    newest.remember(clicks((5, 0, 10, 2, 2)), T0 + 21)
    assert before(newest, clicks(), 5, 0) == (10, 2, 2)


def test_questions_come_in_any_mix() -> None:
    """Several questions of several visitors, each against the clicks before it."""
    batch = clicks((5, 1, 10, 1, 1), (7, 2, 11, 2, 2), (5, 4, 12, 3, 3), (7, 6, 9, 4, 4))
    found = NewestClicks().before(batch, u64(5, 7, 5, 5, 7, 9), i64(0, 3, 3, 5, 7, 8))
    assert answers(found) == [None, (11, 2, 2), (10, 1, 1), (12, 3, 3), (11, 2, 2), None]


def test_taking_clicks_takes_every_column() -> None:
    """In the order of the index."""
    taken = clicks((5, 0, 1, 2, 3), (7, 4, 5, 6, 8)).take(np.array([1, 0]))
    assert [column.tolist() for column in taken] == [[7, 5], [4, 0], [T0 + 5, T0 + 1], [6, 2], [8, 3]]


def test_never_is_before_every_window() -> None:
    """An absent click is outside of any window that an event time can have."""
    assert NEVER < -(10**18)
