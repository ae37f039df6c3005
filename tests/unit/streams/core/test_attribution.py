"""The newest click of a visitor, and what a later event owes to it."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.attribution import NEVER, Attribution, Clicks, NewestClicks
from tests.support.columns import i32, i64, u64

WINDOW = 100
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


# --- the newest click ----------------------------------------------------------------------------


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


# --- credit --------------------------------------------------------------------------------------

VISITOR, ON_SKU, NOTHING = 5, 50, 51


def credited(by_visitor: Clicks, by_sku: Clicks, time: int, sku: int = ON_SKU) -> tuple[int, int]:
    """Slot and banner an event is owed to, asked after all clicks."""
    slot, banner = Attribution(WINDOW).credit(
        (by_visitor, by_sku), (u64(VISITOR), u64(sku)), i64(99), T0 + i64(time)
    )
    return int(slot[0]), int(banner[0])


@pytest.mark.parametrize(("time", "owed"), [(9, 0), (10, 1), (10 + WINDOW, 1), (11 + WINDOW, 0)])
def test_the_window_is_inclusive_at_both_ends(time: int, owed: int) -> None:
    """A click at the event's time counts, one exactly the window before it too, none after it."""
    click = clicks((VISITOR, 0, 10, 1, 1))
    assert credited(click, clicks(), time) == (owed, owed)


def test_a_click_on_the_same_sku_wins() -> None:
    """Even if the visitor clicked on something else since."""
    by_visitor = clicks((VISITOR, 0, 10, 1, 1), (VISITOR, 1, 20, 2, 2))
    by_sku = clicks((ON_SKU, 0, 10, 1, 1))
    assert credited(by_visitor, by_sku, 30) == (1, 1)
    assert credited(by_visitor, by_sku, 30, sku=NOTHING) == (2, 2)


def test_a_click_on_the_sku_outside_the_window_leaves_it_to_any_click() -> None:
    """The same SKU first, but only within the window."""
    by_visitor = clicks((VISITOR, 0, 10, 1, 1), (VISITOR, 1, 60, 2, 2))
    by_sku = clicks((ON_SKU, 0, 10, 1, 1))
    assert credited(by_visitor, by_sku, 10 + WINDOW) == (1, 1)
    assert credited(by_visitor, by_sku, 11 + WINDOW) == (2, 2)


def test_the_chosen_click_gives_both_fields() -> None:
    """A chosen click without a slot gives (none); the other click does not fill in."""
    by_visitor = clicks((VISITOR, 0, 20, 7, 8))
    by_sku = clicks((ON_SKU, 1, 10, 0, 9))
    assert credited(by_visitor, by_sku, 30) == (0, 9)


def test_attribution_remembers_both_kinds_of_click() -> None:
    """By visitor, and by visitor and SKU."""
    attribution = Attribution(WINDOW)
    size = attribution.nbytes
    attribution.remember((clicks((VISITOR, 0, 10, 1, 1)), clicks((ON_SKU, 0, 10, 2, 2))), FOREVER_BACK)
    for sku, owed in ((ON_SKU, 2), (NOTHING, 1)):
        slot, _ = attribution.credit((clicks(), clicks()), (u64(VISITOR), u64(sku)), i64(0), T0 + i64(20))
        assert slot.tolist() == [owed]
    assert attribution.nbytes == size > 0


def test_clicks_can_be_renumbered() -> None:
    """Slots and banners have tables of their own; times stay."""
    attribution = Attribution(WINDOW)
    attribution.remember((clicks((VISITOR, 0, 10, 1, 2)), clicks((ON_SKU, 0, 11, 2, 1))), FOREVER_BACK)
    codes = {0: i32(0, 10, 20), 1: i32(0, 100, 200)}
    attribution.renumber(lambda table, old: codes[table][old])
    assert before(attribution.by_visitor, clicks(), VISITOR, 0) == (10, 10, 200)
    assert before(attribution.by_sku, clicks(), ON_SKU, 0) == (11, 20, 100)


def test_never_is_before_every_window() -> None:
    """An absent click is outside of any window that an event time can have."""
    assert NEVER < -(10**18)
