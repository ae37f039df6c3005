"""The newest sixteen clicks of each key, remembered and in the batch."""

from __future__ import annotations

import pytest

from streams.core.clicks import Clicks
from streams.core.touches import MAX_TOUCHES, RecentClicks, one_per_event
from tests.support.columns import i32, i64, u64

T0 = 1_762_689_600_000
FOREVER_BACK = -(1 << 62)


def clicks(*some: tuple[int, int, int, int]) -> Clicks:
    """Clicks as (key, place, time after T0, slot); the banner is the slot."""
    keys, place, time, slot = zip(*some, strict=True) if some else ((),) * 4
    return Clicks(u64(*keys), i64(*place), T0 + i64(*time), i32(*slot), i32(*slot))


def before(recent: RecentClicks, batch: Clicks, key: int, place: int) -> list[tuple[int, int]]:
    """(time after T0, slot) of the clicks before one question, the newest first."""
    found = recent.before(batch, u64(key), i64(place))
    assert found.slot.tolist() == found.banner.tolist()
    pairs = zip(found.time[:, 0].tolist(), found.slot[:, 0].tolist(), strict=True)
    return [(time - T0, slot) for time, slot in pairs if time > 0]


def test_without_clicks_there_is_no_answer() -> None:
    """Neither remembered nor in the batch; no question has no answer either."""
    assert before(RecentClicks(), clicks(), 5, 0) == []
    assert RecentClicks().before(clicks(), u64(), i64()).time.size == 0
    assert RecentClicks().before(clicks((5, 0, 1, 1)), u64(), i64()).time.shape[1] == 0


def test_a_question_sees_the_clicks_before_it_in_the_batch() -> None:
    """Those behind it are not there yet, those of other keys are not its."""
    batch = clicks((5, 0, 10, 1), (7, 1, 11, 2), (5, 3, 12, 3), (5, 4, 9, 4))
    assert before(RecentClicks(), batch, 5, 2) == [(10, 1)]
    assert before(RecentClicks(), batch, 5, 5) == [(12, 3), (10, 1), (9, 4)]
    assert before(RecentClicks(), batch, 9, 5) == []


def test_questions_come_in_any_mix() -> None:
    """Each column answers one, and is filled up with NEVER."""
    batch = clicks((5, 0, 10, 1), (5, 2, 12, 2), (7, 3, 11, 3))
    found = RecentClicks().before(batch, u64(7, 5, 5, 9), i64(4, 1, 3, 4))
    assert found.slot.T.tolist()[1][0] == 1
    assert [[time - T0 for time in column if time > 0] for column in found.time.T.tolist()] == [
        [11],
        [10],
        [12, 10],
        [],
    ]


def test_remembered_and_fresh_clicks_are_one_list() -> None:
    """By time; of equal times the one processed last is the newest."""
    recent = RecentClicks()
    recent.remember(clicks((5, 0, 10, 1), (5, 1, 30, 2), (5, 2, 10, 3)), FOREVER_BACK)
    assert before(recent, clicks(), 5, 0) == [(30, 2), (10, 3), (10, 1)]
    batch = clicks((5, 0, 10, 4), (5, 1, 20, 5))
    whole = [(30, 2), (20, 5), (10, 4), (10, 3), (10, 1)]
    assert before(recent, batch, 5, 2) == whole
    recent.remember(batch, FOREVER_BACK)
    assert before(recent, clicks(), 5, 0) == whole


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("batches", [1, 4, 40])
def test_the_newest_are_kept(step: int, batches: int) -> None:
    """By event time, whether they come in order or the newest first, in one batch or in many."""
    recent = RecentClicks()
    some = [(5, place, 100 + step * place, 100 + step * place) for place in range(40)]
    size = 40 // batches
    for start in range(0, 40, size):
        recent.remember(clicks(*some[start : start + size]), FOREVER_BACK)
    newest = sorted((time for _, _, time, _ in some), reverse=True)[:MAX_TOUCHES]
    assert before(recent, clicks(), 5, 0) == [(time, time) for time in newest]
    assert before(RecentClicks(), clicks(*some), 5, 99) == [(time, time) for time in newest]


def test_asking_changes_nothing() -> None:
    """Clicks of a batch are taken in by remembering, not by asking."""
    recent = RecentClicks()
    assert before(recent, clicks((5, 0, 10, 1)), 5, 1) == [(10, 1)]
    assert before(recent, clicks(), 5, 0) == []


def test_remembering_nothing_is_allowed() -> None:
    """A batch without clicks leaves all as it is."""
    recent = RecentClicks()
    recent.remember(clicks(), FOREVER_BACK)
    assert recent.slots.live(FOREVER_BACK)[0].size == 0
    assert recent.slots.changes(range(0), FOREVER_BACK).base_ms is None


def test_clicks_before_the_cutoff_give_way() -> None:
    """Each on its own: what is left is the newest end, however the oldest are overwritten."""
    recent = RecentClicks()
    recent.remember(clicks(*[(5, n, n, n) for n in range(10)]), FOREVER_BACK)
    recent.remember(clicks((5, 0, 20, 20)), T0 + 8)
    needed = [pair for pair in before(recent, clicks(), 5, 0) if pair[0] >= 8]
    assert needed == [(20, 20), (9, 9), (8, 8)]


def test_expired_clicks_make_room_for_others() -> None:
    """A stream of visitors leaves a table as large as those of one window need."""
    recent = RecentClicks()
    for batch in range(50):
        start = batch * 1_000
        many = [(start + n + 2, n, start + n, 1) for n in range(1_000)]
        recent.remember(clicks(*many), T0 + start - 1_000)
    assert recent.nbytes < 20 * 8 * 2_048
    assert before(recent, clicks(), 50_001, 0) == [(49_999, 1)]


def test_a_robot_leaves_no_more_than_sixteen_entries() -> None:
    """Bounded per key, whatever the batch."""
    recent = RecentClicks()
    recent.remember(clicks(*[(5, n, n, 1) for n in range(50_000)]), FOREVER_BACK)
    assert recent.slots.live(FOREVER_BACK)[0].size == MAX_TOUCHES


def test_a_click_is_one_for_each_key() -> None:
    """Of its lines with one key the last stays; lines of other events and keys stay all."""
    some = clicks((5, 0, 1, 1), (5, 1, 2, 2), (6, 1, 2, 3), (5, 1, 2, 4), (5, 2, 3, 5))
    single = one_per_event(some)
    assert sorted(zip(single.place.tolist(), single.keys.tolist(), single.slot.tolist(), strict=True)) == [
        (0, 5, 1),
        (1, 5, 4),
        (1, 6, 3),
        (2, 5, 5),
    ]
    assert single.place.tolist() == sorted(single.place.tolist())
    lone = clicks((5, 0, 1, 1), (5, 1, 1, 1))
    assert one_per_event(lone) is lone
    assert one_per_event(clicks()).keys.size == 0
