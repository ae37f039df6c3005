"""Places change hands within a day: for a key that surged, in order, and without losing a count."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from streams.metrics.catalog import Family
from streams.metrics.key_series import KeySeries
from streams.metrics.measuring import EXCHANGE_MS
from tests.unit.streams.metrics.scrapes import (
    EVERY_SHARD,
    NOON_MS,
    SETTINGS,
    clicks,
    increase,
    keys,
    owner,
    settled,
    values,
)

OTHER = ("sku", "(other)", "click")
DUE_MS = NOON_MS + EXCHANGE_MS
ROCKET = ("sku", "rocket", "click")
SHOWN = {f"s{number}" for number in range(8)}


def crowded() -> KeySeries:
    """Eight shown keys, s0 with 10 clicks to s7 with 80, and one that surges while it waits."""
    series = owner()
    clicks(series, {f"s{number}": 10 * number + 10 for number in range(8)})
    series.tick(NOON_MS)
    clicks(series, {"rocket": 1_000})
    series.tick(NOON_MS + 60_000)
    settled(series, NOON_MS + 60_000)
    return series


def test_a_key_that_surges_is_shown_within_ten_minutes() -> None:
    """It takes the place of the least busy one, not before they were measured for long enough."""
    series = crowded()
    series.tick(DUE_MS - 1)
    assert keys(series.snapshot(DUE_MS - 1)) == SHOWN
    series.tick(DUE_MS)
    snapshot = series.snapshot(DUE_MS)
    assert keys(snapshot) == SHOWN | {"rocket"}
    assert snapshot.shown["sku"] == 8
    assert {row.key for row in series.top_rows("sku", 20)} == SHOWN - {"s0"} | {"rocket"}


def test_the_winner_begins_at_zero_and_is_held_there() -> None:
    """What it counted while it waited stays in (other); from now on nothing of it goes there."""
    series = crowded()
    series.tick(DUE_MS)
    clicks(series, {"rocket": 7})
    told = [values(series.snapshot(DUE_MS + at)) for at in (0, 19_999, 20_000)]
    assert [seen[ROCKET] for seen in told] == [0, 0, 7]
    assert [seen[OTHER] for seen in told] == [1_000] * 3


def test_the_loser_stands_still_until_it_was_scraped_and_vanishes() -> None:
    """Its increments go to (other), beginning with the next one."""
    series = crowded()
    series.tick(DUE_MS)
    clicks(series, {"s0": 5})
    series.tick(DUE_MS + 19_999)
    seen = values(series.snapshot(DUE_MS + 19_999))
    assert (seen["sku", "s0", "click"], seen[OTHER]) == (10, 1_005)
    series.tick(DUE_MS + 20_000)
    assert keys(series.snapshot(DUE_MS + 20_000)) == SHOWN - {"s0"} | {"rocket"}


def test_a_loser_that_surges_takes_a_place_back_and_goes_on_from_its_old_value() -> None:
    """It is measured over the whole period, and Prometheus sees no reset."""
    series = crowded()
    series.tick(DUE_MS)
    series.tick(DUE_MS + 60_000)
    clicks(series, {"s0": 90})
    series.tick(DUE_MS + EXCHANGE_MS)
    assert values(series.snapshot(DUE_MS + EXCHANGE_MS))["sku", "s0", "click"] == 10
    clicks(series, {"s0": 1})
    assert values(series.snapshot(DUE_MS + EXCHANGE_MS + 20_000))["sku", "s0", "click"] == 11


def test_places_are_not_passed_to_and_fro() -> None:
    """Two equally busy keys and one place between them: it changes hands once at most."""
    series = owner(max_keys=1, waiting_keys=4)
    now_ms, holders = NOON_MS, []
    for _ in range(12):
        clicks(series, {"a": 300, "b": 310})
        series.tick(now_ms)
        holders += [row.key for row in series.top_rows("sku", 5)]
        now_ms += EXCHANGE_MS
    assert holders == ["b"] * 12


def test_a_shard_that_comes_back_does_not_bring_a_loser_along() -> None:
    """The place that the shard left is for the key that had it."""
    series = owner(max_keys=4)
    clicks(series, {"a": 1, "b": 200}, shard=0)
    clicks(series, {"c": 200, "d": 200}, shard=1)
    series.tick(NOON_MS)
    clicks(series, {"rocket": 1_000}, shard=1)
    series.tick(NOON_MS + 60_000)
    series.tick(DUE_MS)
    series.own(frozenset({1, 2, 3}), DUE_MS + 1_000)
    series.own(EVERY_SHARD, DUE_MS + 2_000)
    assert {row.key for row in series.top_rows("sku", 5)} == {"b", "c", "d", "rocket"}


def test_a_new_measurement_is_ten_minutes_old_before_places_change() -> None:
    """Keys of a shard that just came were not counted here before; nobody can say who is busier."""
    series = crowded()
    series.own(frozenset({0}), NOON_MS + 300_000)
    series.own(EVERY_SHARD, NOON_MS + 301_000)
    clicks(series, {"rocket": 1_000})
    series.tick(DUE_MS)
    assert "rocket" not in keys(series.snapshot(DUE_MS))
    series.tick(DUE_MS + 301_000)
    assert "rocket" in keys(series.snapshot(DUE_MS + 301_000))


def test_pinned_keys_have_no_place_to_lose() -> None:
    """(none) stays, however idle."""
    series = crowded()
    clicks(series, {"(none)": 1})
    series.tick(DUE_MS)
    series.tick(DUE_MS + EXCHANGE_MS)
    assert [row.key for row in series.unnamed_rows("sku")] == ["(none)", "(other)"]


@pytest.mark.parametrize("seed", range(4))
def test_the_sum_of_increases_is_what_was_counted_while_places_change(seed: int) -> None:
    """Two hours in which other keys are busy every ten minutes: not one count is lost or told twice."""
    rng, truth, scrapes = random.Random(seed), Counter[str](), []
    series = KeySeries(SETTINGS)
    series.own(EVERY_SHARD, NOON_MS)
    shown = set()
    for second in range(0, 7_500, 5):
        now_ms = NOON_MS + second * 1_000
        if second < 7_200:
            favourite = second // 400
            for number in (favourite, favourite + 1, rng.randrange(60)):
                value = rng.randrange(1, 9)
                series.add(number % 4, Family.EVENTS, "sku", f"k{number}", ("click",), value)
                truth["events"] += value
        series.tick(now_ms)
        if second % 15 == 0:
            scrapes.append(values(series.snapshot(now_ms)))
            shown |= {name for name in scrapes[-1] if name[0] == "sku"}
            assert len({row.key for row in series.top_rows("sku", 99)}) <= 8
    told = sum(increase(scrape.get(name) for scrape in scrapes) for name in shown)
    assert told == truth["events"]
    assert len({key for _, key, _ in shown}) > 8 + len(("(other)", "(none)"))
