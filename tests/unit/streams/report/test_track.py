"""Sums of some keys by time, against sums done in the head."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.report.track import Track, money_by_start
from tests.support.reported import CLICK, MINUTE, START, bucket, counts, paid
from tests.support.window_oracle import BUCKET, Buckets

EDGES = [START, START + MINUTE, START + 3 * MINUTE]
WHOLE = (EDGES[0], EDGES[-1])


def filled(keys: dict[str, frozenset[str]]) -> Track:
    """Three minutes of ten clicks every ten seconds, and half a minute before and after."""
    track, written = Track(EDGES, keys), Buckets()
    for number in range(-3, 21):
        closed = bucket(written, START + number * BUCKET, 10, 1)
        track.take(closed)
        for money in money_by_start(closed):
            track.pay(*money)
    return track


def test_each_piece_has_its_own_sums() -> None:
    """What lies outside of the edges counts nowhere."""
    track = filled({"all": frozenset({"all"})})
    assert track.counts("all", EDGES[0], EDGES[1])[CLICK] == 60
    assert track.counts("all", *WHOLE)[CLICK] == 180
    assert track.money("all", *WHOLE) == {("CNY", "paid"): (18, 36_000)}
    assert track.seen(*WHOLE) == 1.0


def test_only_the_keys_that_are_asked_for() -> None:
    """Together, of each dimension."""
    assert filled({"slot": frozenset({"b", "never seen"})}).counts("slot", *WHOLE)[CLICK] == 72
    both = filled({"slot": frozenset({"a", "b"})})
    assert both.counts("slot", *WHOLE)[CLICK] == 180
    assert both.money("slot", *WHOLE) == {}


def test_what_came_late_stands_in_its_own_time() -> None:
    """Counts and money; the closed bucket's money without it is its own."""
    track, written = Track(EDGES, {"all": frozenset({"all"})}), Buckets()
    late = (START, counts(3, 1, slots=()))
    closed = written.close(START + 2 * MINUTE, counts(10, 1, slots=()), late=[late], money=paid(2))
    closed = replace(closed, late_money=((START, paid(1)),))
    track.take(closed)
    for money in money_by_start(closed):
        track.pay(*money)
    assert track.counts("all", EDGES[0], EDGES[1])[CLICK] == 3
    assert track.counts("all", EDGES[1], EDGES[2])[CLICK] == 10
    assert track.money("all", EDGES[0], EDGES[1]) == {("CNY", "paid"): (1, 2_000)}
    assert track.money("all", *WHOLE) == {("CNY", "paid"): (2, 4_000)}


def test_how_much_was_seen() -> None:
    """A bucket is ten seconds of its piece."""
    track = Track(EDGES, {"all": frozenset({"all"})})
    track.take(bucket(Buckets(), START, 10, 1))
    assert track.seen(EDGES[0], EDGES[1]) == pytest.approx(1 / 6)
    assert track.piece(START - 1) is track.piece(EDGES[-1]) is None


def test_sums_are_between_edges() -> None:
    """Any other time is not known, and that is said."""
    with pytest.raises(ValueError, match="not in list"):
        filled({"all": frozenset({"all"})}).counts("all", START + 1, EDGES[1])
