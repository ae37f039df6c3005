"""Counters that outlive the process: what is told when, what is written down, and who continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.errors import CodecError
from streams.metrics.catalog import Family
from streams.metrics.held import HeldCounters
from streams.metrics.key_series import KeySeries
from streams.metrics.series_part import Carried, decode_series, encode_series
from tests.unit.streams.metrics.scrapes import EVERY_SHARD, NOON_MS, SETTINGS, clicks, values

if TYPE_CHECKING:
    from streams.metrics.series_part import SeriesPart

MINUTE = 60_000
CLICKS = ("click",)


def worker(
    shards: frozenset[int] = EVERY_SHARD, carried: dict[int, Carried | None] | None = None
) -> KeySeries:
    """A worker whose counters outlive it."""
    series = KeySeries(SETTINGS)
    series.outlive()
    series.own(shards, NOON_MS, carried)
    return series


def told(series: KeySeries, now_ms: int, key: str = "A") -> int | None:
    """Clicks of a SKU as a scrape sees them."""
    return values(series.snapshot(now_ms)).get(("sku", key, "click"))


def keep(series: KeySeries, *shards: int) -> dict[int, SeriesPart]:
    """Writes shards down; through bytes."""
    found = {}
    for shard in shards:
        found[shard] = decode_series(encode_series(series.write(shard)))
        series.written(shard)
    return found


def carried(parts: dict[int, SeriesPart], *, mine: bool) -> dict[int, Carried | None]:
    """What comes with the shards of a dead owner."""
    return {shard: Carried(part, mine) for shard, part in parts.items()}


def settled() -> KeySeries:
    """A worker whose SKU A has 5 clicks, all told and written down."""
    series = worker()
    clicks(series, {"A": 5})
    told(series, NOON_MS)
    told(series, NOON_MS + MINUTE)
    keep(series, 0)
    assert told(series, NOON_MS + MINUTE) == 5
    return series


# --- one counter ---------------------------------------------------------------------------------


def test_a_gated_hold_ends_when_that_is_written_down() -> None:
    """Time alone does not end it, and writing down before its time does not either."""
    counters = HeldCounters(1, gated=True)
    counters.add(0, CLICKS, 5)
    assert counters.export(0, 20)[0] == {CLICKS: 0}
    assert counters.write() == ([(0, CLICKS, 5)], [(0, CLICKS, 0)])
    counters.written(10)
    assert counters.export(20, 20)[0] == {CLICKS: 0}
    assert counters.ripe
    assert counters.write() == ([(0, CLICKS, 5)], [])
    assert counters.export(30, 20)[0] == {CLICKS: 0}
    counters.written(30)
    assert counters.export(30, 20)[0] == {CLICKS: 5}
    assert not counters.holding


def test_a_counter_that_is_taken_up_is_held_as_it_was() -> None:
    """From the next export on, whatever time has passed; the others are shown as they are."""
    counters = HeldCounters(1)
    counters.take_up([(0, CLICKS, 5), (0, ("view",), 3)], [(0, CLICKS, 2)])
    assert counters.export(0, 20)[0] == {CLICKS: 2, ("view",): 3}
    assert counters.export(20, 20)[0] == {CLICKS: 5, ("view",): 3}


def test_what_was_not_told_can_be_given_up() -> None:
    """Somebody else tells it."""
    counters = HeldCounters(1)
    counters.add(0, CLICKS, 5)
    counters.retreat()
    assert (counters.cells[0], counters.holding) == ({CLICKS: 0}, False)


# --- what is told --------------------------------------------------------------------------------


def test_a_new_series_is_told_after_it_is_written_down() -> None:
    """Who counts it anew after a crash must know that nobody has seen it."""
    series = worker()
    clicks(series, {"A": 5})
    assert told(series, NOON_MS) == 0
    assert told(series, NOON_MS + MINUTE) == 0
    assert series.waits(0)
    keep(series, 0)
    assert not series.waits(0)
    assert told(series, NOON_MS + MINUTE) == 5
    clicks(series, {"A": 1})
    assert told(series, NOON_MS + MINUTE) == 6


def test_other_is_told_after_it_is_written_down() -> None:
    """Which keys it holds is decided by the moment; a successor may decide otherwise."""
    series = settled()
    clicks(series, {"(other)": 7})
    assert told(series, NOON_MS + MINUTE, "(other)") == 0
    assert series.waits(0)
    part = series.write(0)
    assert told(series, NOON_MS + MINUTE, "(other)") == 0
    series.written(0)
    assert told(series, NOON_MS + MINUTE, "(other)") == 7
    assert [share.values for share in part.other if share.values] == [[(0, CLICKS, 7)]]


# --- who continues -------------------------------------------------------------------------------


def test_counters_go_on_where_they_were_shown() -> None:
    """Once all is read again that the dead one had read, and no sooner: then as if nothing had happened."""
    parts = keep(settled(), 0)
    heir = worker(carried=carried(parts, mine=True))
    assert heir.snapshot(NOON_MS).keys == ()
    clicks(heir, {"A": 2})
    assert told(heir, NOON_MS + 1) is None
    heir.caught_up(0)
    assert told(heir, NOON_MS + 2) == 7


def test_counters_begin_anew_elsewhere() -> None:
    """From zero, and what the dead one may have shown is left out."""
    parts = keep(settled(), 0)
    heir = worker(carried=carried(parts, mine=False))
    clicks(heir, {"A": 2, "B": 3})
    heir.caught_up(0)
    clicks(heir, {"A": 1})
    told(heir, NOON_MS)
    told(heir, NOON_MS + MINUTE)
    keep(heir, 0)
    assert told(heir, NOON_MS + MINUTE) == 1
    assert told(heir, NOON_MS + MINUTE, "B") == 3


def test_what_nobody_was_shown_is_told_elsewhere() -> None:
    """A series that was still held counts for whoever has the shard next."""
    series = worker()
    clicks(series, {"A": 5})
    told(series, NOON_MS)
    heir = worker(carried=carried(keep(series, 0), mine=False))
    clicks(heir, {"A": 2})
    heir.caught_up(0)
    told(heir, NOON_MS)
    told(heir, NOON_MS + MINUTE)
    keep(heir, 0)
    assert told(heir, NOON_MS + MINUTE) == 7


def test_all_shards_must_come_back_for_counters_to_go_on() -> None:
    """``(other)`` is of all of them: less than it was would be read as a reset to that."""
    series = settled()
    clicks(series, {"(other)": 7}, shard=1)
    parts = keep(series, 0, 1)
    heir = worker(frozenset({1}), carried({1: parts[1]}, mine=True))
    heir.caught_up(1)
    assert told(heir, NOON_MS, "(other)") == 0
    whole = worker(carried=carried(parts, mine=True))
    whole.caught_up(0)
    assert told(whole, NOON_MS, "(other)") is None
    whole.caught_up(1)
    assert (told(whole, NOON_MS), told(whole, NOON_MS, "(other)")) == (5, 7)


def test_only_a_process_that_begins_continues() -> None:
    """One that has shown counters of its own would show less or more than it did."""
    parts = keep(settled(), 0)
    heir = worker(frozenset({1}))
    heir.own(frozenset({0, 1}), NOON_MS, carried(parts, mine=True))
    assert told(heir, NOON_MS, "(other)") == 0


def test_of_unknown_owners_everything_is_left_out() -> None:
    """Somebody had the shard and wrote nothing down: what he read may have been shown, all of it."""
    heir = worker(carried={0: Carried(None, mine=False)})
    clicks(heir, {"A": 2})
    heir.add_records(0, "orders", "accepted", 4)
    heir.caught_up(0)
    clicks(heir, {"B": 1})
    assert heir.record_totals()["orders", "accepted"] == 0
    assert told(heir, NOON_MS) is None
    assert told(heir, NOON_MS, "B") == 0


def test_who_was_replaced_tells_nothing_more() -> None:
    """His successor tells what was held; his own series are gone at once."""
    series = settled()
    clicks(series, {"B": 3, "(other)": 2})
    series.own(frozenset(), NOON_MS + MINUTE, None, frozenset({0}))
    after = NOON_MS + 9 * MINUTE
    assert [told(series, after, key) for key in ("A", "B", "(other)")] == [None, None, 0]


def test_damaged_series_are_refused() -> None:
    """Cut anywhere, or with a counter below zero."""
    data = encode_series(settled().write(0))
    for end in range(0, len(data), 7):
        with pytest.raises(CodecError, match="damaged"):
            decode_series(data[:end])
    part = settled().write(0)
    part.keys[0].values.append((int(Family.EVENTS), CLICKS, -1))
    with pytest.raises(CodecError, match="below zero"):
        decode_series(encode_series(part))
