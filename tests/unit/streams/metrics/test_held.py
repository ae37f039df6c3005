"""Counters that begin at a value Prometheus has seen."""

from __future__ import annotations

from streams.metrics.held import HeldCounters

CLICK = ("click",)
HOLD_MS = 20_000


def counted(value: int) -> HeldCounters:
    """Counters of two families, with so many clicks in the second."""
    counters = HeldCounters(2)
    counters.add(1, CLICK, value)
    return counters


def shown(counters: HeldCounters, now_ms: int) -> int:
    """The clicks that an export shows."""
    return counters.export(now_ms, HOLD_MS)[1][CLICK]


def test_a_new_series_is_zero_from_its_first_export_until_the_hold_has_passed() -> None:
    """The hold counts from the first export, not from birth, and ends exactly when it has passed."""
    counters = counted(7)
    seen = {at: shown(counters, at) for at in (50_000, 60_000, 69_999, 70_000)}
    assert seen == {50_000: 0, 60_000: 0, 69_999: 0, 70_000: 7}


def test_a_series_born_later_is_held_on_its_own() -> None:
    """Each series begins at 0, also beside one that is told already."""
    counters = counted(7)
    shown(counters, 0)
    counters.add(1, ("paid",), 3)
    assert counters.export(20_000, HOLD_MS)[1] == {CLICK: 7, ("paid",): 0}
    assert counters.export(40_000, HOLD_MS)[1] == {CLICK: 7, ("paid",): 3}


def test_a_series_born_during_a_hold_has_its_own_first_export() -> None:
    """A hold that runs already does not shorten that of a newer series."""
    counters = counted(7)
    shown(counters, 0)
    counters.add(1, ("paid",), 3)
    shown(counters, 19_000)
    assert counters.export(21_000, HOLD_MS)[1] == {CLICK: 7, ("paid",): 0}


def test_a_series_that_reappears_begins_where_it_was_last_seen() -> None:
    """What was counted while nobody looked is a step that Prometheus sees."""
    counters = counted(7)
    shown(counters, 0)
    assert shown(counters, 20_000) == 7
    counters.reappear()
    counters.add(1, CLICK, 5)
    assert [shown(counters, at) for at in (90_000, 100_000, 110_000)] == [7, 7, 12]


def test_a_series_that_vanished_before_it_was_seen_reappears_at_zero() -> None:
    """The value held is the one last exported, not the true one, or the true one would be lost."""
    counters = counted(7)
    counters.reappear()
    assert [shown(counters, at) for at in (0, 20_000)] == [0, 7]


def test_an_export_is_a_copy() -> None:
    """Counting goes on while a thread renders."""
    counters = counted(1)
    shown(counters, 0)
    export = counters.export(20_000, HOLD_MS)
    counters.add(1, CLICK, 1)
    assert export[1] == {CLICK: 1}


def test_starting_a_series_twice_changes_nothing() -> None:
    """A closed label set may be completed at any time."""
    counters = counted(7)
    counters.start(1, CLICK)
    shown(counters, 0)
    assert shown(counters, 20_000) == 7


def test_absorbing_adds_series_by_series() -> None:
    """Nothing of the other's counts is lost, new labels included."""
    counters, other = counted(7), counted(5)
    other.add(0, CLICK, 2)
    counters.absorb(other)
    assert counters.cells == ({CLICK: 2}, {CLICK: 12})


def test_holding_ends_with_the_last_hold() -> None:
    """Whoever waits for the truth to have been told can see when that was."""
    counters = counted(7)
    shown(counters, 1_000)
    assert (counters.holding, counters.settled_ms) == (True, 0)
    shown(counters, 21_000)
    assert (counters.holding, counters.settled_ms) == (False, 21_000)
