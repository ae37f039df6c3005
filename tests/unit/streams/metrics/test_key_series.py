"""Series of keys: what is counted, what is exported, and what happens when shards move."""

from __future__ import annotations

import pytest

from streams.errors import ConfigError
from streams.events import Outcome
from streams.funnel import Funnel
from streams.metrics.key_series import EVENTS, ORDERS, REVENUE, VISITORS, KeySeries, KeySeriesSettings
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

CLICK = ("sku", "a", "click")


def test_every_family_is_counted_by_its_labels() -> None:
    """Events and visitors by node, orders by status, money by currency and kind."""
    series = owner()
    series.add(0, EVENTS, "sku", "a", ("click",), 2)
    series.add(0, EVENTS, "sku", "a", ("click",), 3)
    series.add(0, VISITORS, "sku", "a", ("click",), 1)
    series.add(0, ORDERS, "sku", "a", ("paid",), 1)
    series.add(0, REVENUE, "sku", "a", ("CNY", "paid"), 3990)
    snapshot = settled(series, NOON_MS)
    assert values(snapshot)[CLICK] == 5
    assert values(snapshot, VISITORS)[CLICK] == 1
    assert values(snapshot, ORDERS)["sku", "a", "paid"] == 1
    assert values(snapshot, REVENUE)["sku", "a", "CNY", "paid"] == 3990


def test_a_negative_increment_is_refused() -> None:
    """Prometheus would read a reset and draw a spike."""
    series = owner()
    with pytest.raises(ValueError, match="never goes down"):
        series.add(0, EVENTS, "sku", "a", ("click",), -1)
    with pytest.raises(ValueError, match="never goes down"):
        series.add_records(0, "orders", "accepted", -1)


def test_increments_of_a_shard_that_is_not_owned_are_ignored() -> None:
    """Its owner counts them; counted here too, sums would hold them twice."""
    series = KeySeries(SETTINGS)
    series.own(frozenset({1}), NOON_MS)
    clicks(series, {"a": 1}, shard=0)
    series.add_records(0, "orders", "accepted", 1)
    snapshot = settled(series, NOON_MS)
    assert keys(snapshot) == set()
    assert snapshot.records["orders", "accepted"] == 0


def test_an_unknown_shard_is_refused() -> None:
    """A shard beyond the total is a mistake of the caller's, not a share of the places."""
    with pytest.raises(ValueError, match="no such shard"):
        owner().own(frozenset({4}), NOON_MS)


def test_total_and_other_are_there_at_zero_from_the_start() -> None:
    """Their first step is then not held back; every node, so that zero is a value and not absence."""
    snapshot = KeySeries(SETTINGS).snapshot(NOON_MS)
    nodes = Funnel().nodes
    assert {labels for labels in values(snapshot) if labels[0] == "all"} == {("all", "all", n) for n in nodes}
    assert {labels for labels in values(snapshot) if labels[0] == "sku"} == {
        ("sku", "(other)", n) for n in nodes
    }
    assert ("all", "all", "exposure") not in values(snapshot, VISITORS)
    assert set(values(snapshot).values()) == {0}


def test_the_total_counts_on_from_its_zero_without_a_hold() -> None:
    """A worker scraped while idle tells the first second of traffic at once."""
    series = owner()
    settled(series, NOON_MS)
    series.add(2, EVENTS, "all", "all", ("click",), 5)
    assert values(series.snapshot(NOON_MS + 61_000))["all", "all", "click"] == 5


def test_record_counts_exist_from_the_start_for_every_outcome() -> None:
    """Outcomes are a closed set, so no first step of theirs is held back."""
    series = owner()
    assert settled(series, NOON_MS).records == {
        (topic, outcome.value): 0 for topic in ("clickstream", "orders") for outcome in Outcome
    }
    series.add_records(3, "orders", "late", 4)
    assert series.snapshot(NOON_MS + 61_000).records["orders", "late"] == 4


def test_a_new_key_is_zero_for_every_node_and_then_true() -> None:
    """First sample 0, or increase() would lose the first step."""
    series = owner()
    clicks(series, {"a": 5})
    first = values(series.snapshot(NOON_MS))
    assert {labels[2]: value for labels, value in first.items() if labels[1] == "a"} == dict.fromkeys(
        Funnel().nodes, 0
    )
    assert values(series.snapshot(NOON_MS + 19_999))[CLICK] == 0
    assert values(series.snapshot(NOON_MS + 20_000))[CLICK] == 5


def test_the_hold_outlasts_a_clock_that_is_set_back() -> None:
    """Time only passes forwards here; the hold ends after as much of it as ever."""
    series = owner()
    clicks(series, {"a": 5})
    series.snapshot(NOON_MS)
    assert values(series.snapshot(NOON_MS - 3_600_000))[CLICK] == 0
    assert values(series.snapshot(NOON_MS - 3_600_000 + 20_000))[CLICK] == 5


def test_a_lost_shard_stays_exported_for_the_hold_and_then_vanishes_whole() -> None:
    """The last step is scraped; after that no worker but the new owner exports the key."""
    series = owner()
    clicks(series, {"a": 5}, shard=0)
    clicks(series, {"b": 7}, shard=1)
    settled(series, NOON_MS)
    now_ms = NOON_MS + 100_000
    series.own(frozenset({1, 2, 3}), now_ms)
    clicks(series, {"a": 1}, shard=0)
    series.tick(now_ms + 19_999)
    assert values(series.snapshot(now_ms + 19_999))[CLICK] == 5
    series.tick(now_ms + 20_000)
    assert keys(series.snapshot(now_ms + 20_000)) == {"b"}


def test_a_series_lost_during_its_first_hold_is_told_before_it_vanishes() -> None:
    """The vanishing waits for a scrape of the true value and a hold more."""
    series = owner()
    clicks(series, {"a": 5}, shard=0)
    series.snapshot(NOON_MS)
    series.own(frozenset(), NOON_MS + 1_000)
    series.tick(NOON_MS + 21_000)
    assert values(series.snapshot(NOON_MS + 21_000))[CLICK] == 5
    series.tick(NOON_MS + 40_000)
    assert values(series.snapshot(NOON_MS + 40_000))[CLICK] == 5
    series.tick(NOON_MS + 41_000)
    assert keys(series.snapshot(NOON_MS + 41_000)) == set()


def test_a_key_not_yet_judged_when_its_shard_is_lost_keeps_its_name() -> None:
    """There was a place for it; in ``(other)`` its first events would be missing from the key for good."""
    series = owner()
    clicks(series, {"a": 5}, shard=0)
    series.own(frozenset({1, 2, 3}), NOON_MS + 1_000)
    snapshot = settled(series, NOON_MS + 1_000)
    assert values(snapshot)[CLICK] == 5
    assert keys(snapshot) == {"a"}


def test_a_lost_key_that_nobody_scrapes_is_given_up() -> None:
    """Without a scraper, keys of shards that come and go would pile up."""
    series = owner()
    clicks(series, {"a": 5}, shard=0)
    series.tick(NOON_MS)
    series.own(frozenset(), NOON_MS)
    series.tick(NOON_MS + 299_999)
    assert keys(series.snapshot(NOON_MS + 299_999)) == {"a"}
    series = owner()
    clicks(series, {"a": 5}, shard=0)
    series.tick(NOON_MS)
    series.own(frozenset(), NOON_MS)
    series.tick(NOON_MS + 300_000)
    assert keys(series.snapshot(NOON_MS + 300_000)) == set()


def test_a_shard_that_comes_back_within_the_hold_goes_on_without_a_break() -> None:
    """The series never left: it is neither held nor set back."""
    series = owner()
    clicks(series, {"a": 5})
    settled(series, NOON_MS)
    series.own(frozenset({1}), NOON_MS + 70_000)
    series.own(EVERY_SHARD, NOON_MS + 80_000)
    clicks(series, {"a": 2})
    series.tick(NOON_MS + 200_000)
    assert values(series.snapshot(NOON_MS + 200_000))[CLICK] == 7


def test_a_shard_that_comes_back_after_the_hold_goes_on_from_its_old_value() -> None:
    """First the old value, once more as a first sample, then the new: no decrease and no lost step."""
    series = owner()
    clicks(series, {"a": 5})
    settled(series, NOON_MS)
    series.own(frozenset({1}), NOON_MS + 70_000)
    series.tick(NOON_MS + 100_000)
    assert keys(series.snapshot(NOON_MS + 100_000)) == set()
    series.own(EVERY_SHARD, NOON_MS + 200_000)
    clicks(series, {"a": 2})
    seen = [values(series.snapshot(NOON_MS + at))[CLICK] for at in (200_000, 215_000, 230_000)]
    assert seen == [5, 5, 7]


def test_the_total_moves_with_its_shard() -> None:
    """Also ``all`` and ``(none)`` are exported by one worker only, and come back whatever the day."""
    series = owner()
    series.add(2, EVENTS, "all", "all", ("click",), 5)
    series.add(2, EVENTS, "sku", "(none)", ("click",), 5)
    settled(series, NOON_MS)
    series.own(frozenset({1}), NOON_MS + 70_000)
    series.tick(NOON_MS + 100_000)
    snapshot = series.snapshot(NOON_MS + 100_000)
    assert keys(snapshot, "all") | keys(snapshot, "sku") == set()
    tomorrow = NOON_MS + DAY_MS
    series.own(EVERY_SHARD, tomorrow)
    series.add(2, EVENTS, "all", "all", ("click",), 1)
    assert values(settled(series, tomorrow))["all", "all", "click"] == 6
    assert keys(series.snapshot(tomorrow)) == {"(none)"}


def test_other_and_records_stay_when_every_shard_is_lost() -> None:
    """They belong to the process: they never vanish while it lives."""
    series = owner()
    series.add(0, EVENTS, "sku", "(other)", ("click",), 3)
    series.add_records(0, "orders", "accepted", 4)
    series.own(frozenset(), NOON_MS + 1_000)
    series.tick(NOON_MS + DAY_MS)
    snapshot = settled(series, NOON_MS + DAY_MS)
    assert values(snapshot)["sku", "(other)", "click"] == 3
    assert snapshot.records["orders", "accepted"] == 4


def test_a_snapshot_is_a_copy() -> None:
    """It is rendered in a thread while counting goes on."""
    series = owner()
    clicks(series, {"a": 5})
    snapshot = settled(series, NOON_MS)
    clicks(series, {"a": 5})
    series.add_records(0, "orders", "accepted", 4)
    assert values(snapshot)[CLICK] == 5
    assert snapshot.records["orders", "accepted"] == 0


def test_record_totals_are_true_and_start_no_hold() -> None:
    """Looking at a live table must not use up the zero that Prometheus has to see."""
    series = owner()
    series.add_records(0, "orders", "accepted", 4)
    clicks(series, {"a": 5})
    assert series.record_totals()["orders", "accepted"] == 4
    series.top_rows("sku", 5)
    snapshot = series.snapshot(NOON_MS + 60_000)
    assert (snapshot.records["orders", "accepted"], values(snapshot)[CLICK]) == (0, 0)


def test_extra_dimensions_are_counted_like_the_others() -> None:
    """Dimensions come from the funnel."""
    series = owner(funnel=Funnel(extra_dimensions=("channel",)))
    clicks(series, {"app": 2}, dimension="channel")
    assert values(settled(series, NOON_MS))["channel", "app", "click"] == 2


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"total_shards": 0}, "topics.rollup_shards"),
        ({"total_shards": 1, "max_keys": 0}, "metrics.max_keys"),
        ({"total_shards": 1, "max_keys": 50, "waiting_keys": 99}, "metrics.waiting_keys"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, int], name: str) -> None:
    """A wrong number is a message, not a strange chart."""
    with pytest.raises(ConfigError) as refusal:
        KeySeriesSettings(**settings)  # type: ignore[arg-type]
    assert refusal.value.field == name
