"""The cap on keys: who is shown, for how long, and where the rest is counted."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta, timezone

from streams.metrics.key_series import EVENTS, REVENUE, VISITORS, KeySeries
from tests.unit.streams.metrics.scrapes import (
    DAY_MS,
    EVERY_SHARD,
    NOON_MS,
    SETTINGS,
    clicks,
    keys,
    owner,
    settled,
    values,
)

MIDNIGHT_MS = NOON_MS + DAY_MS // 2
OTHER = ("sku", "(other)", "click")


def skus(count: int, first: int = 0) -> dict[str, int]:
    """SKUs with rising traffic: s0 1, s1 2 ..."""
    return {f"s{number}": number + 1 for number in range(first, first + count)}


def names(first: int, count: int) -> set[str]:
    """The names of such SKUs."""
    return {f"s{number}" for number in range(first, first + count)}


def test_all_keys_are_shown_at_once_while_they_fit() -> None:
    """With room for all, nothing goes to (other), not even between two ticks."""
    series = owner()
    clicks(series, skus(8))
    assert keys(series.snapshot(NOON_MS)) == names(0, 8)
    assert values(settled(series, NOON_MS))[OTHER] == 0


def test_of_too_many_keys_the_busiest_get_half_the_places_at_first() -> None:
    """In the first minute traffic says little; the other half is kept for those who earn it."""
    series = owner()
    clicks(series, skus(20))
    series.tick(NOON_MS)
    assert keys(series.snapshot(NOON_MS)) == names(16, 4)
    series.tick(NOON_MS + 59_999)
    assert keys(series.snapshot(NOON_MS + 59_999)) == names(16, 4)
    series.tick(NOON_MS + 60_000)
    assert keys(series.snapshot(NOON_MS + 60_000)) == names(12, 8)


def test_a_key_judged_at_the_tick_keeps_what_it_counted_since_it_arrived() -> None:
    """Counts wait for the verdict for at most a tick; every increment then stands in one series."""
    series = owner()
    clicks(series, skus(20))
    series.tick(NOON_MS)
    seen = values(settled(series, NOON_MS))
    assert [seen["sku", f"s{number}", "click"] for number in range(16, 20)] == [17, 18, 19, 20]
    assert seen[OTHER] == sum(skus(16).values())


def test_a_key_that_enters_later_counts_from_that_moment() -> None:
    """What it counted before stays in (other), so that the sum over keys never jumps."""
    series = owner()
    clicks(series, skus(20))
    series.tick(NOON_MS)
    series.tick(NOON_MS + 60_000)
    clicks(series, {"s12": 100})
    seen = values(settled(series, NOON_MS + 60_000))
    assert seen["sku", "s12", "click"] == 100
    assert seen[OTHER] == sum(skus(16).values())


def test_a_waiting_key_counts_into_other_in_every_family() -> None:
    """Nothing disappears: events, visitors and money of keys not shown are in (other)."""
    series = owner()
    clicks(series, skus(20))
    series.tick(NOON_MS)
    series.add(0, VISITORS, "sku", "s0", ("click",), 2)
    series.add(0, REVENUE, "sku", "s0", ("CNY", "paid"), 99)
    snapshot = settled(series, NOON_MS)
    assert values(snapshot, VISITORS)[OTHER] == 2
    assert values(snapshot, REVENUE)["sku", "(other)", "CNY", "paid"] == 99


def test_a_shown_key_stays_while_busier_ones_wait() -> None:
    """For ten minutes, in which nobody knows who is busy; charts keep their lines."""
    series = owner()
    clicks(series, skus(8))
    series.tick(NOON_MS)
    clicks(series, {"rocket": 1_000_000})
    for second in range(0, 600, 10):
        series.tick(NOON_MS + second * 1000)
    assert keys(series.snapshot(NOON_MS + 599_999)) == names(0, 8)


def test_none_takes_no_place() -> None:
    """(none) is not a key of the shop; it is shown beside them."""
    series = owner()
    clicks(series, skus(8) | {"(none)": 3})
    assert keys(series.snapshot(NOON_MS)) == names(0, 8) | {"(none)"}


def test_the_cap_holds_per_dimension() -> None:
    """Banners do not take places from SKUs."""
    series = owner()
    clicks(series, skus(8))
    clicks(series, skus(8), dimension="banner")
    snapshot = series.snapshot(NOON_MS)
    assert keys(snapshot, "sku") == keys(snapshot, "banner") == names(0, 8)


def test_a_worker_has_the_share_of_places_that_it_has_of_the_shards() -> None:
    """The cap is one for the whole deployment."""
    series = KeySeries(SETTINGS)
    series.own(frozenset({0}), NOON_MS)
    clicks(series, skus(3))
    series.tick(NOON_MS)
    series.tick(NOON_MS + 60_000)
    assert keys(series.snapshot(NOON_MS + 60_000)) == names(1, 2)


def test_a_share_of_less_than_one_place_is_one() -> None:
    """Every worker shows something."""
    series = owner(max_keys=1)
    series.own(frozenset({0}), NOON_MS)
    clicks(series, skus(2))
    series.tick(NOON_MS)
    assert keys(series.snapshot(NOON_MS)) == {"s1"}


def test_gained_shards_compete_on_equal_terms() -> None:
    """New places go to the busiest since all shards were here, after a minute of watching."""
    series = KeySeries(SETTINGS)
    series.own(frozenset({0, 1}), NOON_MS)
    clicks(series, skus(20), shard=0)
    series.tick(NOON_MS)
    series.tick(NOON_MS + 60_000)
    now_ms = NOON_MS + 100_000
    series.own(EVERY_SHARD, now_ms)
    clicks(series, {"s0": 1, "new1": 5, "new2": 6, "new3": 7, "new4": 8}, shard=2)
    series.tick(now_ms)
    assert keys(series.snapshot(now_ms)) == names(16, 4)
    series.tick(now_ms + 60_000)
    assert keys(series.snapshot(now_ms + 60_000)) == names(16, 4) | {"new1", "new2", "new3", "new4"}


def test_a_lost_shard_takes_its_waiting_keys_along() -> None:
    """Keys that are counted elsewhere no longer count as seen here."""
    series = KeySeries(SETTINGS)
    series.own(EVERY_SHARD, NOON_MS)
    clicks(series, skus(20), shard=0)
    clicks(series, {"mine": 1}, shard=1)
    series.tick(NOON_MS)
    series.own(frozenset({1}), NOON_MS + 1_000)
    series.tick(NOON_MS + 1_000)
    assert series.snapshot(NOON_MS + 1_000).tracked["sku"] == 1
    assert series.snapshot(NOON_MS + 1_000).shown["sku"] == 1


def test_unjudged_counts_of_a_lost_shard_are_not_lost() -> None:
    """They were counted here as the owner: with too many keys to know which have a place, (other) tells them."""
    series = owner()
    clicks(series, skus(9), shard=0)
    series.own(frozenset({1}), NOON_MS)
    assert values(settled(series, NOON_MS))[OTHER] == sum(skus(9).values())


def test_at_midnight_the_set_is_chosen_anew_from_the_day_that_ended() -> None:
    """The busiest of the day enter, keys without a place leave after the hold."""
    series = owner()
    clicks(series, skus(8))
    series.tick(NOON_MS)
    clicks(series, {"rocket": 99, "s7": 500})
    series.tick(NOON_MS + 60_000)
    series.tick(MIDNIGHT_MS - 1)
    assert "rocket" not in keys(series.snapshot(MIDNIGHT_MS - 1))
    series.tick(MIDNIGHT_MS)
    assert keys(series.snapshot(MIDNIGHT_MS)) == names(0, 8) | {"rocket"}
    series.snapshot(MIDNIGHT_MS + 20_000)
    series.tick(MIDNIGHT_MS + 40_000)
    assert keys(series.snapshot(MIDNIGHT_MS + 40_000)) == names(1, 7) | {"rocket"}


def test_the_day_is_the_local_one() -> None:
    """A shop in Shanghai changes its set at its own midnight."""
    series = owner(zone=timezone(timedelta(hours=8)))
    clicks(series, skus(8))
    series.tick(NOON_MS)
    clicks(series, {"rocket": 1000})
    series.tick(NOON_MS + 60_000)
    series.tick(MIDNIGHT_MS - 8 * 3_600_000)
    assert "rocket" in keys(series.snapshot(MIDNIGHT_MS - 8 * 3_600_000))


def test_a_key_that_left_counts_into_other_and_its_series_stands_still() -> None:
    """It is frozen for the hold, then gone; no increment is told twice."""
    series = owner()
    clicks(series, skus(8))
    series.tick(NOON_MS)
    clicks(series, {"rocket": 1000})
    settled(series, NOON_MS + 60_000)
    series.tick(MIDNIGHT_MS)
    clicks(series, {"s0": 7})
    series.tick(MIDNIGHT_MS + 1_000)
    seen = values(series.snapshot(MIDNIGHT_MS + 1_000))
    assert (seen["sku", "s0", "click"], seen[OTHER]) == (1, 1007)


def test_a_key_shown_again_goes_on_from_its_old_value() -> None:
    """It begins where it was last seen; what it counted meanwhile stays in (other)."""
    series = owner(max_keys=1)
    clicks(series, {"a": 5})
    settled(series, NOON_MS)
    clicks(series, {"b": 50})
    series.tick(NOON_MS + 60_000)
    series.tick(MIDNIGHT_MS)
    settled(series, MIDNIGHT_MS)
    series.tick(MIDNIGHT_MS + 60_000)
    assert keys(series.snapshot(MIDNIGHT_MS + 60_000)) == {"b"}
    clicks(series, {"a": 70})
    now_ms = MIDNIGHT_MS + DAY_MS
    series.tick(now_ms)
    series.tick(now_ms + 60_000)
    clicks(series, {"a": 2})
    snapshots = [series.snapshot(now_ms + at) for at in (60_000, 79_999, 80_000)]
    assert [values(snapshot)["sku", "a", "click"] for snapshot in snapshots] == [5, 5, 7]
    assert values(snapshots[-1])[OTHER] == 70 + 50


def test_keys_without_traffic_leave_at_midnight_even_if_there_is_room() -> None:
    """Yesterday's SKUs must not keep today's from a place."""
    series = owner()
    clicks(series, {"a": 5, "b": 5})
    series.tick(NOON_MS)
    settled(series, NOON_MS)
    for day in range(2):
        series.tick(MIDNIGHT_MS + day * DAY_MS)
        clicks(series, {"b": 1})
    series.tick(MIDNIGHT_MS + DAY_MS + 30_000)
    assert keys(series.snapshot(MIDNIGHT_MS + DAY_MS + 30_000)) == {"b"}


def test_a_day_that_ends_in_the_warm_up_waits_for_its_end() -> None:
    """Ten seconds of traffic before midnight do not decide a whole day."""
    series = KeySeries(SETTINGS)
    series.own(EVERY_SHARD, MIDNIGHT_MS - 10_000)
    clicks(series, skus(20))
    series.tick(MIDNIGHT_MS - 10_000)
    clicks(series, {"s0": 1000})
    series.tick(MIDNIGHT_MS)
    assert keys(series.snapshot(MIDNIGHT_MS)) == names(16, 4)
    series.tick(MIDNIGHT_MS + 50_000)
    assert keys(series.snapshot(MIDNIGHT_MS + 50_000)) == names(13, 7) | {"s0"}


def test_a_clock_set_back_across_midnight_does_not_choose_twice() -> None:
    """A correction by milliseconds must not throw out the day's set."""
    series = owner()
    clicks(series, skus(8))
    series.tick(NOON_MS)
    series.tick(MIDNIGHT_MS)
    series.tick(MIDNIGHT_MS - 5)
    series.tick(MIDNIGHT_MS + 5)
    assert series.snapshot(MIDNIGHT_MS + 5).shown["sku"] == 8


def test_a_key_shown_late_is_judged_by_its_whole_day() -> None:
    """What it counted while it waited speaks for it at midnight."""
    series = owner()
    clicks(series, skus(20))
    series.tick(NOON_MS)
    series.tick(NOON_MS + 60_000)
    series.tick(MIDNIGHT_MS)
    assert {row.key for row in series.top_rows("sku", 20)} == names(12, 8)


def test_a_new_day_begins_without_yesterdays_waiting_keys() -> None:
    """A key of yesterday must not be in the way of those of today."""
    series = owner()
    clicks(series, skus(20))
    series.tick(NOON_MS)
    series.tick(NOON_MS + 60_000)
    series.tick(MIDNIGHT_MS)
    assert series.snapshot(MIDNIGHT_MS).tracked["sku"] == 8


def test_a_shard_that_comes_back_another_day_brings_no_key_of_yesterday() -> None:
    """A shown key stays for its day; on the next one it competes like any other."""
    series = owner()
    clicks(series, {"a": 5}, shard=0)
    clicks(series, {"b": 5}, shard=1)
    settled(series, NOON_MS)
    series.tick(NOON_MS + 60_000)
    series.own(frozenset({1}), NOON_MS + 61_000)
    series.tick(NOON_MS + 100_000)
    series.tick(MIDNIGHT_MS)
    series.own(EVERY_SHARD, MIDNIGHT_MS + 1_000)
    assert keys(series.snapshot(MIDNIGHT_MS + 1_000)) == {"b"}


def test_a_shard_that_comes_back_brings_only_keys_for_which_there_are_places() -> None:
    """The cap is the cap."""
    series = owner(max_keys=4)
    clicks(series, {"a": 5, "b": 5}, shard=0)
    clicks(series, {"c": 5, "d": 5}, shard=1)
    settled(series, NOON_MS)
    series.own(frozenset({1, 2, 3}), NOON_MS + 61_000)
    clicks(series, {"e": 5}, shard=1)
    series.tick(NOON_MS + 61_000)
    series.own(frozenset({0, 1}), NOON_MS + 62_000)
    assert series.snapshot(NOON_MS + 62_000).shown["sku"] == 3
    series.tick(NOON_MS + 90_000)
    assert keys(series.snapshot(NOON_MS + 90_000)) == {"c", "d", "e"}


def test_places_that_come_with_a_shard_are_open_at_once() -> None:
    """A key of the new shard does not pass through (other) while there is room for it."""
    series = owner()
    series.own(frozenset({0, 1}), NOON_MS)
    clicks(series, skus(4))
    series.tick(NOON_MS)
    series.own(EVERY_SHARD, NOON_MS + 500)
    clicks(series, {"new": 5}, shard=2)
    seen = values(settled(series, NOON_MS + 500))
    assert (seen["sku", "new", "click"], seen[OTHER]) == (5, 0)


def test_tracked_and_shown_keys_are_told() -> None:
    """An operator sees how much stands in (other)."""
    series = owner()
    clicks(series, skus(20))
    series.tick(NOON_MS)
    snapshot = series.snapshot(NOON_MS)
    assert (snapshot.tracked["sku"], snapshot.shown["sku"]) == (20, 4)
    assert "all" not in snapshot.tracked


def test_a_flood_between_two_ticks_is_judged_at_once() -> None:
    """Keys that wait for a verdict are bounded too; nothing they counted is lost."""
    series = owner(waiting_keys=16)
    clicks(series, skus(1000))
    assert values(settled(series, NOON_MS))[OTHER] > 0
    assert series.snapshot(NOON_MS + 61_000).tracked["sku"] <= 16 + 16 + 8
    series.tick(NOON_MS + 62_000)
    seen = values(settled(series, NOON_MS + 62_000))
    shown = [value for labels, value in seen.items() if labels[0] == "sku" and labels[2] == "click"]
    assert sum(shown) == sum(skus(1000).values())


def flood(series: KeySeries, chunks: range) -> None:
    """Ten thousand unknown SKUs a second."""
    for chunk in chunks:
        names = [f"fake{chunk}-{number}" for number in range(10_000)]
        series.add_many(chunk % 4, EVENTS, "sku", ("click",), names, [1] * len(names))
        series.tick(NOON_MS + chunk * 1_000)


def test_a_million_unknown_skus_only_make_other_grow() -> None:
    """Bounded memory, bounded series, no increment lost; known keys keep their places."""
    series = owner(max_keys=200, waiting_keys=20_000)
    clicks(series, {f"real{number}": 100 for number in range(150)})
    series.tick(NOON_MS)
    series.snapshot(NOON_MS)
    flood(series, range(90))
    tracemalloc.start()
    flood(series, range(90, 100))
    growth, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    snapshot = settled(series, NOON_MS + 100_000)
    seen = values(snapshot)
    clicked = [value for labels, value in seen.items() if labels[0] == "sku" and labels[2] == "click"]
    assert sum(clicked) == 1_000_000 + 150 * 100
    assert seen["sku", "real0", "click"] == 100
    assert snapshot.shown["sku"] <= 200
    assert snapshot.tracked["sku"] <= 20_200
    # All 20,000 waiting keys may have been replaced while tracing; the 100,000 that came must not be there.
    assert growth < 4_000_000


def test_keys_that_come_and_go_with_the_days_are_not_remembered_for_ever() -> None:
    """What is kept of keys no longer exported is bounded; beyond it they begin again at zero."""
    series = owner(max_keys=2, waiting_keys=4)
    now_ms = NOON_MS
    for name in (*range(10), 0):
        clicks(series, {f"d{name}": 5, f"e{name}": 5})
        settled(series, now_ms)
        now_ms += DAY_MS
        series.tick(now_ms)
        series.tick(now_ms + 60_000)
    clicks(series, {"d0": 1})
    assert values(settled(series, now_ms + 70_000))["sku", "d0", "click"] == 1
