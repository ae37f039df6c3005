"""The label budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from streams.metrics.labels import (
    Candidate,
    Waiting,
    busiest,
    exchanges,
    idlest,
    local_day,
    open_places,
)


@pytest.mark.parametrize(
    ("shown", "seen", "warming", "room"),
    [
        (0, 10, True, 10),  # all fit: no reason to wait
        (0, 11, True, 5),  # too many: half of the places while nothing is known of them
        (0, 11, False, 10),
        (7, 11, True, 0),  # more than half were shown while they fitted
        (7, 11, False, 3),
        (12, 12, False, 0),  # places can shrink below what is shown
    ],
)
def test_open_places(shown: int, seen: int, room: int, *, warming: bool) -> None:
    """All at once while all fit; else half of the places first, the rest after the warm-up."""
    assert open_places(10, shown, seen, warming=warming) == room


def test_a_single_place_is_given_during_the_warm_up() -> None:
    """Half of one place is still one."""
    assert open_places(1, 0, 5, warming=True) == 1


def test_busiest_goes_by_traffic_and_then_by_name() -> None:
    """Ties are broken alike in every run."""
    candidates = [Candidate(1, "c", 0), Candidate(5, "b", 0), Candidate(1, "a", 0)]
    assert [candidate.key for candidate in busiest(candidates, 2)] == ["b", "a"]


def test_idlest_leaves_first_whom_busiest_would_take_last() -> None:
    """Choosing anew and exchanging agree about ties."""
    candidates = [Candidate(1, "c", 0), Candidate(5, "b", 0), Candidate(1, "a", 0)]
    assert [candidate.key for candidate in idlest(candidates, 2)] == ["c", "a"]
    assert [candidate.key for candidate in reversed(busiest(candidates, 3))] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("waits", "shows", "moves"),
    [(100, 50, True), (100, 51, False), (99, 0, False), (2_000, 1_001, False), (2_000, 1_000, True)],
)
def test_a_place_changes_hands_for_twice_the_events(waits: int, shows: int, *, moves: bool) -> None:
    """And for a hundred at least: of few events none can tell who is busy."""
    pairs = exchanges([Candidate(waits, "w", 0)], [Candidate(shows, "s", 1)], 8)
    assert pairs == [(Candidate(waits, "w", 0), Candidate(shows, "s", 1))] * moves


@pytest.mark.parametrize(("places", "most"), [(1, 1), (8, 1), (19, 1), (20, 2), (200, 20)])
def test_a_tenth_of_the_places_changes_hands_at_a_time(places: int, most: int) -> None:
    """The busiest who wait against the least busy who are shown; one where a tenth is less."""
    waiting = [Candidate(1_000 + number, f"w{number:03}", 0) for number in range(places)]
    shown = [Candidate(number, f"s{number:03}", 0) for number in range(places)]
    pairs = exchanges(waiting, shown, places)
    assert [(winner.key, loser.key) for winner, loser in pairs] == [
        (f"w{places - 1 - number:03}", f"s{number:03}") for number in range(most)
    ]


def test_the_local_day_is_that_of_the_zone() -> None:
    """16:00 UTC is midnight in Shanghai."""
    midnight = datetime(2025, 11, 10, 16, tzinfo=UTC)
    shanghai = timezone(timedelta(hours=8))
    at_ms = int(midnight.timestamp() * 1000)
    assert local_day(at_ms, shanghai) == local_day(at_ms - 1, shanghai) + 1
    assert local_day(at_ms, UTC) == local_day(at_ms - 1, UTC)


def waiting(*candidates: Candidate, limit: int = 4) -> Waiting:
    """A table with these keys."""
    table = Waiting(limit)
    for candidate in candidates:
        table.put(candidate)
    return table


def test_waiting_keys_are_counted_under_their_shard() -> None:
    """Where they are; a shard without any has none."""
    table = waiting(Candidate(1, "a", 0))
    table.of(0)["a"] += 2
    assert table.of(1) == {}
    assert list(table) == [Candidate(3, "a", 0)]


def test_beyond_the_limit_the_idle_half_is_forgotten() -> None:
    """Memory is bounded and the busy keys are kept."""
    table = waiting(*(Candidate(traffic, f"k{traffic}", traffic % 2) for traffic in (5, 1, 4, 2, 3)))
    assert sorted(table) == [Candidate(4, "k4", 0), Candidate(5, "k5", 1)]
    assert len(table) == 2


def test_of_equally_idle_keys_half_the_limit_is_kept() -> None:
    """A flood of keys seen once must not make the table forget that there are too many keys."""
    table = waiting(*(Candidate(1, f"k{number}", 0) for number in range(5)))
    assert len(table) == len(list(table)) == 2


def test_keys_of_lost_shards_are_forgotten() -> None:
    """Their traffic goes elsewhere."""
    table = waiting(Candidate(1, "a", 0), Candidate(1, "b", 1), Candidate(1, "c", 2))
    table.drop(frozenset({0, 2, 3}))
    assert (list(table), len(table)) == ([Candidate(1, "b", 1)], 1)


def test_a_new_period_keeps_keys_and_drops_their_traffic() -> None:
    """Keys of different shards are compared over the same time."""
    table = waiting(Candidate(9, "a", 0), Candidate(5, "b", 1))
    table.restart()
    assert sorted(table) == [Candidate(0, "a", 0), Candidate(0, "b", 1)]


def test_removing_a_key_that_does_not_wait_changes_nothing() -> None:
    """Shown keys are taken off without asking whether they waited."""
    table = waiting(Candidate(9, "a", 0))
    table.remove(Candidate(0, "b", 0))
    table.remove(Candidate(0, "b", 7))
    assert len(table) == 1
    table.remove(Candidate(0, "a", 0))
    assert len(table) == 0
