"""The counting contract, one rule per test: tiny streams, expectations worked out by hand.

Every test runs twice: on the core, through ``count_records``, and on the slow oracle, so that the
oracle that judges the core on random traffic stands on the same hand-made ground.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from streams.core.settings import CountingSettings
from streams.events import Reason, Record
from streams.replay import count_records
from tests.support.builders import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    at,
    cancelled,
    click,
    event,
    exposure,
    line,
    order,
    paid,
    refunded,
    stream,
    view,
)
from tests.support.counted import ORDERS, Counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.counted import Count

WINDOW = 30 * MINUTE


# --- 1. accepted once ----------------------------------------------------------------------------


def test_an_id_seen_again_is_a_duplicate(count: Count) -> None:
    """An event_id seen again in the same topic-partition is counted once."""
    counted = count([click(t=0, event_id="x"), click(t=0, event_id="x")])
    assert counted.outcomes() == {"accepted": 1, "duplicate": 1}
    assert counted.events("click") == {"all": 1}


@pytest.mark.parametrize(
    ("later", "outcomes"), [(HOUR, {"accepted": 1, "duplicate": 1}), (HOUR + 1, {"accepted": 2})]
)
def test_the_dedupe_horizon_is_inclusive(count: Count, later: int, outcomes: dict[str, int]) -> None:
    """Exactly the horizon apart is a duplicate, a millisecond more is a new event."""
    assert count([click(t=0, event_id="x"), click(t=later, event_id="x")]).outcomes() == outcomes


def test_the_horizon_reaches_back_as_well(count: Count) -> None:
    """A late event more than the horizon before the accepted one is no duplicate of it."""
    values = [click(t=100_000, event_id="x"), exposure(t=110_000), click(t=80_000, event_id="x")]
    assert count(values, dedupe_horizon_ms=20_000).outcomes() == {"accepted": 2, "duplicate": 1}
    assert count(values, dedupe_horizon_ms=19_999).outcomes() == {"accepted": 2, "late": 1}


def test_ids_belong_to_their_topic(count: Count) -> None:
    """The same id in the other topic is another event."""
    counted = count([click(event_id="x")], [paid(event_id="x")])
    assert (counted.outcomes(), counted.outcomes(ORDERS)) == ({"accepted": 1}, {"accepted": 1})


def test_the_first_in_processing_order_counts(count: Count) -> None:
    """Of two events with one id the earlier by event time counts, not the earlier by offset."""
    counted = count([click(t=2_000, event_id="x", slot="A"), click(t=1_000, event_id="x", slot="B")])
    assert counted.events("click", "slot") == {"B": 1}


def test_of_two_at_one_time_the_lower_offset_counts(count: Count) -> None:
    """Equal event times: the offset decides which of two events with one id counts."""
    counted = count([click(event_id="x", slot="A"), click(event_id="x", slot="B")])
    assert counted.events("click", "slot") == {"A": 1}


def test_a_duplicate_does_not_prolong_the_memory(count: Count) -> None:
    """The horizon runs from the accepted event, not from the duplicate."""
    values = [click(t=t, event_id="x") for t in (0, 10_000, 10_001)]
    assert count(values, dedupe_horizon_ms=10_000).outcomes() == {"accepted": 2, "duplicate": 1}


def test_the_horizon_runs_from_the_last_accepted_event(count: Count) -> None:
    """After the id was accepted anew, only that event's time is compared."""
    seen = [click(t=0, event_id="x"), click(t=20_000, event_id="x"), exposure(t=30_000)]
    counted = count([*seen, click(t=1_000, event_id="x")], dedupe_horizon_ms=10_000)
    assert counted.outcomes() == {"accepted": 3, "late": 1}


def test_late_events_are_remembered_too(count: Count) -> None:
    """The id of a late event that was counted makes the next one a duplicate."""
    values = [exposure(t=MINUTE), click(t=0, event_id="x"), click(t=0, event_id="x")]
    assert count(values).outcomes() == {"accepted": 1, "late": 1, "duplicate": 1}


def test_what_was_turned_away_is_not_remembered(count: Count) -> None:
    """Ids of invalid, unmapped, future and too late records are free."""
    ahead = Record(2, T0, click(t=10 * MINUTE, event_id="c"))
    turned_away = [click(event_id="a", slot=7), event("scroll", event_id="b"), ahead]
    too_late = [exposure(t=HOUR), click(t=0, event_id="d")]
    again = [click(t=HOUR, event_id=name) for name in "abcd"]
    counted = count([*turned_away, *too_late, *again])
    assert counted.outcomes() == {"invalid": 1, "unmapped": 1, "future": 1, "too_late": 1, "accepted": 5}


# --- 2. processing order -------------------------------------------------------------------------


def test_events_are_processed_by_event_time(count: Count) -> None:
    """A click read after a view but before it in event time is the view's click."""
    assert count([view(t=2_000), click(t=1_000, slot="A")]).events("view", "slot") == {"A": 1}


def test_both_topics_are_merged_by_event_time(count: Count) -> None:
    """An order finds the click of the other topic, and only one that came before it."""
    counted = count(
        [click("v1", t=10 * MINUTE, slot="A"), click("v2", t=20 * MINUTE, slot="B")],
        [paid("v1", t=15 * MINUTE, order_id="O1"), paid("v2", t=16 * MINUTE, order_id="O2")],
    )
    assert counted.events("paid", "slot") == {"A": 1, "(none)": 1}


def test_ties_go_to_the_clickstream(count: Count) -> None:
    """At one event time the clickstream comes before orders."""
    assert count([click(slot="A")], [paid()]).events("paid", "slot") == {"A": 1}


def test_ties_within_a_topic_go_by_offset(count: Count) -> None:
    """At one event time and in one topic the offset decides."""
    assert count([view(), click(slot="A")]).events("view", "slot") == {"(none)": 1}
    assert count([click(slot="A"), view()]).events("view", "slot") == {"A": 1}


def test_offsets_may_have_holes(count: Count) -> None:
    """Order among ties is by the record's offset; compaction and aborted batches leave holes."""
    stamp = at(HOUR)
    counted = count([Record(7, stamp, click(slot="A")), Record(1_000, stamp, view())])
    assert counted.events("view", "slot") == {"A": 1}


def test_an_empty_topic_does_not_hold_the_other_back(count: Count) -> None:
    """With nothing to read in one topic the other is counted in full."""
    assert count([], [paid(t=t, order_id=f"O{t}") for t in (0, MINUTE, HOUR)]).events("paid") == {"all": 3}
    assert count([click(t=t) for t in (0, MINUTE, HOUR)]).events("click") == {"all": 3}


def test_nothing_counts_to_nothing(count: Count) -> None:
    """Two empty topics give empty tables."""
    tables = count().tables
    assert (dict(tables.cells), dict(tables.money)) == ({}, {})
    assert (dict(tables.outcomes), dict(tables.reasons)) == ({}, {})


@pytest.mark.parametrize("sizes", [[1], [1, 7], [100], [2, 1, 1]])
def test_fetch_sizes_do_not_matter(sizes: list[int]) -> None:
    """However the two topics are cut into batches, a late order finds the same click."""
    clickstream = stream([click(t=t * SECOND, slot=f"s{t}") for t in range(0, 40, 2)])
    orders = stream([paid(t=t * SECOND, order_id=f"O{t}") for t in (39, 3, 21, 38)])
    calls: list[int] = []

    def fetch() -> int:
        calls.append(1)
        return sizes[len(calls) % len(sizes)]

    counted = Counted(count_records(clickstream, orders, CountingSettings(), fetch=fetch))
    # The two late orders (3 and 21 behind 39) come after the click at 34, which is too new for them.
    assert counted.events("paid", "slot") == {"s38": 2, "(none)": 2}
    assert counted.outcomes(ORDERS) == {"accepted": 2, "late": 2}
    assert calls


# --- 3. late, too late, future -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind", "outcome"),
    [(5_000, "accepted"), (5_001, "late"), (10 * MINUTE, "late"), (10 * MINUTE + 1, "too_late")],
)
def test_lateness_is_measured_from_the_newest_read(count: Count, behind: int, outcome: str) -> None:
    """Exactly the bound is in time, exactly the allowed lateness is late, one more is too late."""
    counted = count([exposure(t=HOUR), click(t=HOUR - behind)])
    assert counted.outcomes() == dict(Counter(["accepted", outcome]))
    assert counted.events("click") == ({} if outcome == "too_late" else {"all": 1})


def test_a_late_event_counts_in_its_own_bucket(count: Count) -> None:
    """Lateness changes the place in line, not the bucket."""
    assert count([exposure(t=MINUTE), click(t=1_000)]).buckets("click") == {0: 1}


def test_lateness_knows_only_its_own_topic(count: Count) -> None:
    """Orders far behind the clickstream are in time if they are in time for orders."""
    counted = count([click(t=2 * HOUR)], [paid(t=0), paid(t=1_000, order_id="O2")])
    assert counted.outcomes(ORDERS) == {"accepted": 2}


def test_the_newest_is_a_running_maximum(count: Count) -> None:
    """Older events in between do not turn the newest back."""
    values = [click(t=t * SECOND) for t in (60, 56, 57, 54)]
    assert count(values).outcomes() == {"accepted": 3, "late": 1}


def test_a_late_event_is_ordered_just_the_bound_behind_the_newest(count: Count) -> None:
    """The late click (newest 100 s, so ordered at 95 s) is seen by a view at 96 s, not by one at 94 s."""
    values = [
        view(t=94 * SECOND, sku="before"),
        exposure(t=100 * SECOND),
        click(t=80 * SECOND, slot="A"),
        view(t=96 * SECOND, sku="after"),
    ]
    counted = count(values)
    assert counted.outcomes() == {"accepted": 3, "late": 1}
    assert counted.events("view", "slot") == {"(none)": 1, "A": 1}


@pytest.mark.parametrize(("view_first", "slot"), [(True, "(none)"), (False, "A")])
def test_a_late_event_ties_by_offset(count: Count, view_first: bool, slot: str) -> None:  # noqa: FBT001
    """At an ordering time that equals another event's time the offset decides."""
    tied, late = view(t=95 * SECOND), click(t=80 * SECOND, slot="A")
    first, second = (tied, late) if view_first else (late, tied)
    assert count([exposure(t=100 * SECOND), first, second]).events("view", "slot") == {slot: 1}


def test_a_late_event_precedes_the_other_topic_at_a_tie(count: Count) -> None:
    """A late click ordered at 95 s comes before an order at 95 s."""
    clickstream = [exposure(t=100 * SECOND), click(t=80 * SECOND, slot="A")]
    assert count(clickstream, [paid(t=95 * SECOND)]).events("paid", "slot") == {"A": 1}
    assert count(clickstream, [paid(t=95 * SECOND - 1)]).events("paid", "slot") == {"(none)": 1}


@pytest.mark.parametrize(("ahead", "outcome"), [(5 * MINUTE, "accepted"), (5 * MINUTE + 1, "future")])
def test_future_is_measured_from_the_record_timestamp(count: Count, ahead: int, outcome: str) -> None:
    """Exactly max_future ahead of Kafka's timestamp is fine, one more is future and not counted."""
    counted = count([Record(0, T0, click(t=ahead))])
    assert counted.outcomes() == {outcome: 1}
    assert counted.events("click") == ({"all": 1} if outcome == "accepted" else {})


@pytest.mark.parametrize(
    "rejected",
    [
        Record(0, T0, click(t=10 * HOUR)),
        Record(0, at(20 * HOUR), event("scroll", t=10 * HOUR)),
        Record(0, at(20 * HOUR), click(t=10 * HOUR, slot="")),
    ],
    ids=["future", "unmapped", "invalid"],
)
def test_rejected_records_move_nothing(count: Count, rejected: Record) -> None:
    """Invalid, unmapped and future records make nothing behind them late."""
    outcomes = count([rejected, click(t=0)]).outcomes()
    assert outcomes.pop("accepted") == 1
    assert len(outcomes) == 1


def test_duplicates_move_the_newest(count: Count) -> None:
    """A duplicate has been read: what lies behind it is late."""
    values = [click(t=0, event_id="x"), click(t=20 * SECOND, event_id="x"), click(t=14 * SECOND)]
    assert count(values).outcomes() == {"accepted": 1, "duplicate": 1, "late": 1}


def test_late_events_do_not_lower_the_newest(count: Count) -> None:
    """An event as late as the one before it is late as well."""
    assert count([click(t=MINUTE), click(t=0), click(t=0)]).outcomes() == {"accepted": 1, "late": 2}


def test_the_first_outcome_that_applies(count: Count) -> None:
    """Invalid, unmapped, future, too_late, duplicate, late: in this order."""
    stamp = at(2 * HOUR)
    counted = count(
        [
            Record(0, stamp, click(t=HOUR, event_id="x")),
            Record(1, T0, event("scroll", t=HOUR, slot="")),  # invalid, though unmapped and future
            Record(2, T0, event("scroll", t=HOUR)),  # unmapped, though future
            Record(3, at(-HOUR), click(t=0, event_id="x")),  # future, though too late and seen
            Record(4, stamp, click(t=0, event_id="x")),  # too late, though seen
            Record(5, stamp, click(t=HOUR - MINUTE, event_id="x")),  # seen; in processing order first
        ]
    )
    assert counted.outcomes() == {
        "late": 1,
        "invalid": 1,
        "unmapped": 1,
        "future": 1,
        "too_late": 1,
        "duplicate": 1,
    }


def test_a_late_repetition_is_a_duplicate(count: Count) -> None:
    """Duplicate comes before late."""
    values = [click(t=0, event_id="x"), exposure(t=MINUTE), click(t=0, event_id="x")]
    assert count(values).outcomes() == {"accepted": 2, "duplicate": 1}


# --- 4. nodes and keys ---------------------------------------------------------------------------


def test_every_event_belongs_to_the_node_of_its_name(count: Count) -> None:
    """One event of each node, each counted once in its node."""
    nodes = ("exposure", "click", "view", "cart", "checkout")
    orders = [order("order", "v1", 0, line()), paid(t=0)]
    counted = count([event(node) for node in nodes], orders)
    assert [counted.events(node) for node in (*nodes, "order", "paid")] == [{"all": 1}] * 7


@pytest.mark.parametrize("name", ["payment_attempt", "payment_failed", "cancelled", "refunded"])
def test_order_outcomes_are_no_nodes(count: Count, name: str) -> None:
    """Order outcomes are accepted and appear in no node count."""
    counted = count([], [order(name, currency=None)])
    assert counted.outcomes(ORDERS) == {"accepted": 1}
    assert dict(counted.tables.cells) == {}


def test_any_node_may_come_in_either_topic(count: Count) -> None:
    """A purchase in the clickstream and a click in orders count as they would at home."""
    counted = count([paid(t=2_000, slot=None)], [click(t=1_000, slot="A")])
    assert counted.events("paid", "slot") == {"A": 1}
    assert counted.amounts("paid", "slot") == {"A": (1, 100)}


def test_keys_are_the_events_own_values(count: Count) -> None:
    """One event counts once under its key of each dimension, and under all."""
    counted = count([exposure(slot="A", banner="b", sku="S")])
    assert dict(counted.tables.cells) == {
        (dimension, key, "exposure", T0): (1, 0)
        for dimension, key in (("all", "all"), ("slot", "A"), ("banner", "b"), ("sku", "S"))
    }


def test_a_missing_key_is_none(count: Count) -> None:
    """An event that carries no key of a dimension counts under (none); null is missing."""
    counted = count(
        [b'{"event_id":"1","event_time":1762689600000,"event":"exposure","visitor_id":"v","slot":null}']
    )
    assert [counted.events("exposure", dimension) for dimension in ("slot", "banner", "sku")] == [
        {"(none)": 1}
    ] * 3


def test_distinct_skus_count_once_each(count: Count) -> None:
    """A list exposure counts once for each distinct SKU and once in all."""
    counted = count([exposure(sku=["S", "T", "S"])])
    assert counted.events("exposure", "sku") == {"S": 1, "T": 1}
    assert counted.events("exposure") == {"all": 1}


def test_an_orders_keys_are_those_of_its_lines(count: Count) -> None:
    """Three lines, two SKUs, two slots: one event for each distinct key."""
    lines = (line("S", slot="A"), line("S", slot="A"), line("T", slot="B"))
    counted = count([], [order("order", "v1", 0, *lines)])
    assert counted.events("order", "sku") == {"S": 1, "T": 1}
    assert counted.events("order", "slot") == {"A": 1, "B": 1}
    assert counted.events("order", "banner") == {"(none)": 1}


def test_a_bucket_is_ten_seconds_of_event_time(count: Count) -> None:
    """Buckets are half-open: the last millisecond belongs, the next starts a bucket."""
    counted = count([exposure(t=t) for t in (0, 9_999, 10_000)])
    assert counted.buckets("exposure") == {0: 2, 10_000: 1}


def test_extra_dimensions_are_counted_like_any_other(count: Count) -> None:
    """A configured event field has its own keys, events and visitors, (none) if missing."""
    values = [view(t=0, channel="app"), view(t=1, channel="app"), view(t=2)]
    counted = count(values, extra_dimensions=("channel",))
    assert counted.events("view", "channel") == {"app": 2, "(none)": 1}
    assert counted.visitors("view", "channel") == {"app": 1, "(none)": 1}


def test_the_funnel_is_configuration(count: Count) -> None:
    """A name that the configured funnel does not hold is unmapped."""
    counted = count([view(), click()], nodes=("exposure", "click", "order", "paid"))
    assert counted.outcomes() == {"unmapped": 1, "accepted": 1}
    assert counted.reasons() == {"unknown_event": 1}


# --- 5. attribution ------------------------------------------------------------------------------


def test_a_slot_on_the_event_wins(count: Count) -> None:
    """Own values beat the click, each field for itself."""
    counted = count([click(t=0, slot="A", banner="a"), view(t=1, slot="B")])
    assert counted.events("view", "slot") == {"B": 1}
    assert counted.events("view", "banner") == {"a": 1}


def test_the_last_click_on_the_same_sku_comes_first(count: Count) -> None:
    """A newer click on another SKU does not take over."""
    counted = count([click(t=0, sku="S", slot="A"), click(t=1, sku="T", slot="B"), view(t=2, sku="S")])
    assert counted.events("view", "slot") == {"A": 1}


def test_else_the_last_click_on_anything(count: Count) -> None:
    """Without a click on the SKU the visitor's newest click is used."""
    counted = count([click(t=0, sku="S", slot="A"), click(t=1, sku="T", slot="B"), view(t=2, sku="U")])
    assert counted.events("view", "slot") == {"B": 1}


def test_a_view_without_sku_takes_the_last_click(count: Count) -> None:
    """An event with no SKU uses the visitor's newest click, whatever its SKU."""
    counted = count([click(t=0, sku="S", slot="A"), click(t=1, slot="B"), view(t=2)])
    assert counted.events("view", "slot") == {"B": 1}


def test_without_a_click_there_is_none(count: Count) -> None:
    """Nobody else's click is taken."""
    assert count([click("v2", t=0, slot="A"), view("v1", t=1)]).events("view", "slot") == {"(none)": 1}


@pytest.mark.parametrize(("age", "slot"), [(WINDOW, "A"), (WINDOW + 1, "(none)")])
@pytest.mark.parametrize("sku", ["S", None])
def test_the_window_is_inclusive(count: Count, age: int, slot: str, sku: str | None) -> None:
    """A click exactly the window before counts, a millisecond more is too old."""
    assert count([click(t=0, slot="A", sku=sku), view(t=age, sku=sku)]).events("view", "slot") == {slot: 1}


def test_an_old_click_on_the_sku_gives_way(count: Count) -> None:
    """Beyond the window the SKU's click is passed over for the newest click."""
    values = [click(t=0, sku="S", slot="A"), click(t=MINUTE, sku="T", slot="B"), view(t=WINDOW + 1, sku="S")]
    assert count(values).events("view", "slot") == {"B": 1}


def test_only_the_newest_click_is_kept(count: Count) -> None:
    """A late view before the newest click finds nothing: the older click is forgotten."""
    values = [click(t=0, slot="A"), click(t=10_000, slot="B"), exposure(t=MINUTE), view(t=5_000)]
    assert count(values).events("view", "slot") == {"(none)": 1}


def test_a_click_at_the_very_time_is_before(count: Count) -> None:
    """The window ends at the event's own time, inclusive: a late view at the click's time takes it."""
    values = [click(t=5_000, slot="A"), exposure(t=MINUTE), view(t=5_000)]
    assert count(values).events("view", "slot") == {"A": 1}


@pytest.mark.parametrize("sku", ["S", None])
def test_an_older_click_processed_later_does_not_replace(count: Count, sku: str | None) -> None:
    """The newest click, also on a SKU, is the newest by event time, not by arrival."""
    values = [
        click(t=30_000, slot="A", sku=sku),
        exposure(t=MINUTE),
        click(t=0, slot="B", sku=sku),
        click(t=MINUTE, slot="C", sku="T") if sku else None,
        view(t=MINUTE, sku=sku),
    ]
    assert count(values).events("view", "slot") == {"A": 1}


@pytest.mark.parametrize("sku", ["S", None])
def test_a_click_at_equal_time_replaces(count: Count, sku: str | None) -> None:
    """Of two clicks at one time, also on one SKU, the one processed later is the newest."""
    first, second = click(slot="A", sku=sku), click(slot="B", sku=sku)
    other = click(t=1, slot="C", sku="T") if sku else None
    assert count([first, second, other, view(t=2, sku=sku)]).events("view", "slot") == {"B": 1}
    assert count([first, other, view(t=2, sku=sku)], [second]).events("view", "slot") == {"B": 1}


def test_both_fields_come_from_one_click(count: Count) -> None:
    """The chosen click without a slot gives (none); no other click is asked."""
    values = [click(t=0, sku="T", slot="A", banner="a"), click(t=1, sku="S", banner="b"), view(t=2, sku="S")]
    counted = count(values)
    assert counted.events("view", "slot") == {"(none)": 1}
    assert counted.events("view", "banner") == {"b": 1}


def test_a_click_on_several_skus_is_the_newest_of_each(count: Count) -> None:
    """Each SKU of a click points at it."""
    values = [
        click(t=0, sku="S", slot="A"),
        click(t=1, sku=["S", "T"], slot="B"),
        click(t=2, sku="U", slot="C"),
        view(t=3, sku="S"),
        view(t=4, sku="T"),
    ]
    assert count(values).events("view", "slot") == {"B": 2}


def test_each_sku_is_attributed_on_its_own(count: Count) -> None:
    """A view of two SKUs counts under the slots of both clicks, once each."""
    values = [click(t=0, sku="S", slot="A"), click(t=1, sku="T", slot="B"), view(t=2, sku=["S", "T", "S"])]
    assert count(values).events("view", "slot") == {"A": 1, "B": 1}


def test_each_line_is_attributed_on_its_own(count: Count) -> None:
    """Own slot, click on the SKU, newest click: three lines, three ways."""
    clickstream = [click(t=0, sku="S", slot="A"), click(t=1, sku="T", slot="B")]
    lines = (line("S"), line("T", slot="C"), line("U"))
    counted = count(clickstream, [paid("v1", 2, *lines)])
    assert counted.events("paid", "slot") == {"A": 1, "C": 1, "B": 1}


def test_a_slot_on_the_order_is_its_lines_own(count: Count) -> None:
    """A slot on the event wins over the click for lines that have none; the line's own comes first."""
    lines = (line("S"), line("T", slot="C"))
    counted = count([click(t=0, slot="A")], [paid("v1", 1, *lines, slot="B")])
    assert counted.events("paid", "slot") == {"B": 1, "C": 1}


def test_clicks_and_exposures_stand_as_they_are(count: Count) -> None:
    """A click or exposure without slot is under (none), whatever was clicked before."""
    counted = count([click(t=0, slot="A"), click(t=1), exposure(t=2)])
    assert counted.events("click", "slot") == {"A": 1, "(none)": 1}
    assert counted.events("exposure", "slot") == {"(none)": 1}


def test_a_slotless_click_is_still_the_newest(count: Count) -> None:
    """The last click counts even if it says nothing about its place."""
    assert count([click(t=0, slot="A"), click(t=1), view(t=2)]).events("view", "slot") == {"(none)": 1}


def test_only_clicks_give_places(count: Count) -> None:
    """Exposures and views with a slot attribute nothing."""
    counted = count([exposure(t=0, slot="A"), view(t=1, slot="B"), view(t=2)])
    assert counted.events("view", "slot") == {"B": 1, "(none)": 1}


def test_a_duplicate_click_gives_no_place(count: Count) -> None:
    """What is not counted attributes nothing."""
    values = [click(t=0, event_id="x", slot="A"), click(t=1, event_id="x", slot="B"), view(t=2)]
    assert count(values).events("view", "slot") == {"A": 1}


def test_a_late_click_gives_its_place(count: Count) -> None:
    """A late click is a click: what is processed after it finds it, if it lies in the window."""
    values = [exposure(t=5 * MINUTE), click(t=0, slot="A"), view(t=WINDOW), view(t=WINDOW + 1, sku="S")]
    assert count(values).events("view", "slot") == {"A": 1, "(none)": 1}


# --- 6. visitors ---------------------------------------------------------------------------------


def test_a_visitor_counts_once_per_node(count: Count) -> None:
    """Two views of one visitor are two events and one visitor; the click counts for itself."""
    counted = count([click(t=0), view(t=1), view(t=2), view("v2", t=3)])
    assert (counted.events("view"), counted.visitors("view")) == ({"all": 3}, {"all": 2})
    assert counted.visitors("click") == {"all": 1}


def test_a_visitor_counts_once_per_key(count: Count) -> None:
    """Once in all, once per slot, once under (none)."""
    counted = count([click(t=t, slot=slot) for t, slot in enumerate(("A", "B", "A", None, None))])
    assert counted.visitors("click") == {"all": 1}
    assert counted.visitors("click", "slot") == {"A": 1, "B": 1, "(none)": 1}


@pytest.mark.parametrize(("age", "visitors"), [(WINDOW, 1), (WINDOW + 1, 2)])
def test_a_visitor_counts_again_after_the_window(count: Count, age: int, visitors: int) -> None:
    """Exactly the window later is the same visit, a millisecond more a new one."""
    assert count([view(t=0), view(t=age)]).visitors("view") == {"all": visitors}


def test_the_window_runs_from_the_last_count(count: Count) -> None:
    """A view that is not counted does not prolong the visit."""
    assert count([view(t=0), view(t=20 * MINUTE), view(t=31 * MINUTE)]).visitors("view") == {"all": 2}


def test_a_late_event_before_the_count_adds_no_visitor(count: Count) -> None:
    """It is not counted and leaves the mark where it is."""
    values = [
        view(t=MINUTE),
        exposure(t=2 * MINUTE),
        view(t=0),
        view(t=WINDOW + MINUTE),  # within the window of the mark, not of the late one
        view(t=WINDOW + MINUTE + 1),
    ]
    counted = count(values)
    assert (counted.outcomes()["late"], counted.visitors("view")) == (1, {"all": 2})


def test_before_the_count_is_never_a_new_visit(count: Count) -> None:
    """A late event more than the window before the mark is not counted either."""
    values = [view(t=MINUTE), exposure(t=2 * MINUTE), view(t=0)]
    assert count(values, attribution_window_ms=SECOND).visitors("view") == {"all": 1}


def test_a_visitor_stays_marked_for_late_events(count: Count) -> None:
    """A late event within the window of a mark is no new visitor, however far the newest has come."""
    values = [view(t=0), exposure(t=WINDOW + 9 * MINUTE), view(t=WINDOW)]
    counted = count(values)
    assert (counted.outcomes(), counted.visitors("view")) == ({"accepted": 2, "late": 1}, {"all": 1})


def test_exposures_have_no_visitors(count: Count) -> None:
    """Exposures count events only."""
    assert count([exposure("v1"), exposure("v2")]).visitors("exposure") == {"all": 0}


def test_a_duplicate_makes_no_visitor(count: Count) -> None:
    """What is not counted marks nobody: v2's repeated id neither counts nor marks."""
    counted = count([view("v1", t=0, event_id="x"), view("v2", t=1, event_id="x"), view("v2", t=2)])
    assert counted.visitors("view") == {"all": 2}
    assert counted.events("view") == {"all": 2}


def test_a_visitor_lands_in_the_bucket_of_the_event(count: Count) -> None:
    """The bucket of the counted event has the visitor, the next one only the event."""
    cells = count([view(t=0), view(t=10_000)]).tables.cells
    assert cells["all", "all", "view", T0] == (1, 1)
    assert cells["all", "all", "view", T0 + 10_000] == (1, 0)


def test_a_visitor_counts_once_for_an_event_with_a_repeated_key(count: Count) -> None:
    """Two SKUs attributed to one slot are one event and one visitor there."""
    counted = count([click(t=0, slot="A"), view(t=1, sku=["S", "T"])])
    assert (counted.events("view", "slot"), counted.visitors("view", "slot")) == ({"A": 1}, {"A": 1})


# --- bounded keys: not part of the oracle, which never forgets -----------------------------------


def test_keys_beyond_the_limit_are_other() -> None:
    """The first keys keep their names, all others share (other); all and other dimensions are exact."""
    settings = CountingSettings(max_tracked_keys=2)
    clickstream = stream([click(t=t, sku=f"S{t}", slot="A") for t in range(6)])
    orders = stream([paid("v1", 9, *(line(f"S{number}") for number in range(6)))])
    counted = Counted(count_records(clickstream, orders, settings))
    assert counted.events("click", "sku") == {"S0": 1, "S1": 1, "(other)": 4}
    assert counted.events("click", "slot") == {"A": 6}
    assert counted.events("click") == {"all": 6}
    assert counted.amounts("paid", "sku") == {"S0": (1, 100), "S1": (1, 100), "(other)": (1, 400)}
    assert counted.amounts("paid", "all") == {"all": (1, 600)}


_TRACKED = [exposure(t=0, sku=sku) for sku in ("T0", "T1", "T2")]


def test_clicks_on_skus_beyond_the_limit_are_told_apart() -> None:
    """Each view belongs to the click on its own SKU, in a list of SKUs too."""
    clicks = [click(t=t, sku=f"S{t}", slot=slot) for t, slot in enumerate("ABCA")]
    views = [view(t=10, sku="S0"), view(t=11, sku=["S1", "S2"]), view(t=12, sku="S3"), view(t=13, sku="S9")]
    settings = CountingSettings(max_tracked_keys=3)
    clickstream = stream([*_TRACKED, *clicks, *views])
    counted = Counted(count_records(clickstream, [], settings))
    assert counted.events("view", "slot") == {"A": 3, "B": 1, "C": 1}
    assert counted.events("view", "sku") == {"(other)": 4}


def test_a_refund_of_skus_beyond_the_limit_follows_the_order() -> None:
    """Under the slots its lines were paid under, not those of clicks since."""
    settings = CountingSettings(max_tracked_keys=3)
    clicks = [click(t=1, sku="S0", slot="A"), click(t=2, sku="S1", slot="B")]
    clicks += [click(t=20, sku=sku, slot="C") for sku in ("S0", "S1")]
    orders = [paid("v1", 10, line("S0"), line("S1")), refunded("v1", 30, line("S1"))]
    counted = Counted(count_records(stream([*_TRACKED, *clicks]), stream(orders), settings))
    assert counted.amounts("paid", "slot") == {"A": (1, 100), "B": (1, 100)}
    assert counted.amounts("paid", "sku") == {"(other)": (1, 200)}
    assert counted.amounts("refunded", "slot") == {"B": (1, 100)}
    assert counted.amounts("refunded", "sku") == {"(other)": (1, 100)}


# --- time may jump: what is still needed is not forgotten -----------------------------------------

# One fetch holds events from before and after a jump of time longer than any memory.
_JUMP = exposure("v9", t=20 * HOUR)


def test_a_jump_of_time_forgets_no_visit(count: Count) -> None:
    """The visit is still known to events that come before the jump in processing order."""
    assert count([view(t=0), view(t=20 * MINUTE), _JUMP]).visitors("view") == {"all": 1}


def test_a_jump_of_time_forgets_no_id(count: Count) -> None:
    """The id is still known to events that come before the jump in processing order."""
    values = [click(t=0, event_id="x"), click(t=MINUTE, event_id="x"), _JUMP]
    assert count(values).outcomes() == {"accepted": 2, "duplicate": 1}


def test_a_jump_of_time_forgets_no_click(count: Count) -> None:
    """The click is still known to events that come before the jump in processing order."""
    values = [click(t=0, slot="A", sku="S"), click(t=1, slot="B"), view(t=MINUTE, sku="S"), _JUMP]
    assert count(values).events("view", "slot") == {"A": 1}


def test_a_jump_of_time_forgets_no_order(count: Count) -> None:
    """Paid orders are remembered by number, not by age."""
    values = [paid(t=0), refunded(t=MINUTE), _JUMP, cancelled(t=20 * HOUR)]
    money = count([], values)
    assert money.amounts("refunded", "all") == {"all": (1, 100)}
    assert money.amounts("cancelled", "all") == {"all": (1, 100)}


def test_a_jump_in_one_topic_leaves_the_other_its_memory(count: Count) -> None:
    """Orders read long after a jump of the clickstream still find what preceded them."""
    clickstream = [click(t=0, slot="A"), _JUMP]
    orders = [order("order", "v1", 1_000, line()), paid(t=20 * MINUTE), paid(t=HOUR)]
    counted = count(clickstream, orders)
    assert counted.events("paid", "slot") == {"A": 1, "(none)": 1}
    assert counted.events("order", "slot") == {"A": 1}


# --- 7. money ------------------------------------------------------------------------------------


def test_paid_adds_an_order_and_its_amount(count: Count) -> None:
    """Price times quantity, in minor units, under each key."""
    counted = count([click(t=0, slot="A", banner="b")], [paid("v1", 1, line("S", "39.90", quantity=2))])
    for dimension, key in (("all", "all"), ("slot", "A"), ("banner", "b"), ("sku", "S")):
        assert counted.money("paid", dimension) == {(key, "CNY"): (1, 7_980)}


def test_lines_with_one_key_are_one_order(count: Count) -> None:
    """Amounts of lines that share a key add up; the order counts once for it."""
    lines = (line("S", "1.00", slot="A"), line("T", "2.00", slot="A"), line("T", "4.00", slot="B"))
    counted = count([], [paid("v1", 0, *lines)])
    assert counted.amounts("paid", "all") == {"all": (1, 700)}
    assert counted.amounts("paid", "slot") == {"A": (1, 300), "B": (1, 400)}
    assert counted.amounts("paid", "sku") == {"S": (1, 100), "T": (1, 600)}
    assert counted.amounts("paid", "banner") == {"(none)": (1, 700)}


@pytest.mark.parametrize(
    ("currency", "price", "amount"),
    [
        ("CNY", {"price": "39.90"}, 3_990),
        ("CNY", {"price": "39.9"}, 3_990),
        ("CNY", {"price": "39"}, 3_900),
        ("CNY", {"price": "39.9000"}, 3_990),
        ("JPY", {"price": "500"}, 500),
        ("JPY", {"price": "500.0"}, 500),
        ("KWD", {"price": "1.234"}, 1_234),
        ("KWD", {"price": "1.2"}, 1_200),
        ("CNY", {"price": 3_990, "minor": True}, 3_990),
        ("JPY", {"price": 500, "minor": True}, 500),
        ("USD", {"price": "0.00"}, 0),
        ("USD", {"price": "0.1", "quantity": 3}, 30),
    ],
)
def test_money_is_minor_units_of_its_currency(
    count: Count, currency: str, price: dict[str, Any], amount: int
) -> None:
    """Decimal strings are scaled by the currency's decimals, minor integers taken as they are."""
    counted = count([], [paid("v1", 0, {"sku": "S", **price}, currency=currency)])
    assert counted.money("paid") == {("all", currency): (1, amount)}


def test_currencies_are_kept_apart(count: Count) -> None:
    """Two currencies are two rows, never one sum."""
    counted = count([], [paid(order_id="O1"), paid(order_id="O2", currency="USD")])
    assert counted.money("paid") == {("all", "CNY"): (1, 100), ("all", "USD"): (1, 100)}


def test_only_paid_is_revenue(count: Count) -> None:
    """Placing an order and attempts to pay move no money."""
    orders = [order("order", "v1", 0, line()), order("payment_attempt"), order("payment_failed")]
    assert dict(count([], orders).tables.money) == {}


def test_money_lands_in_the_bucket_of_its_event(count: Count) -> None:
    """A refund counts when it happens, not when the order was paid."""
    money = count([], [paid(t=0), refunded(t=MINUTE)]).tables.money
    assert {bucket - T0: kind for (*_, kind, bucket) in money} == {0: "paid", MINUTE: "refunded"}


@pytest.mark.parametrize("reverse", [refunded, cancelled])
def test_a_reversal_without_lines_takes_the_order_as_paid(
    count: Count, reverse: Callable[..., bytes]
) -> None:
    """Amount, keys and currency are those the order was paid under, whatever was clicked since."""
    kind = reverse.__name__
    lines = (line("S", "1.00"), line("T", "2.00", slot="B"))
    clickstream = [click(t=0, slot="A"), click(t=2_000, slot="C")]
    counted = count(clickstream, [paid("v1", 1_000, *lines), reverse(t=3_000)])
    assert counted.amounts(kind, "all") == {"all": (1, 300)}
    assert counted.amounts(kind, "slot") == {"A": (1, 100), "B": (1, 200)}
    assert counted.amounts(kind, "sku") == {"S": (1, 100), "T": (1, 200)}


def test_a_reversal_with_lines_brings_its_own_amount(count: Count) -> None:
    """A partial refund: its amount, the place the SKU was paid under - also against its own slot."""
    lines = (line("S", "1.00", slot="A"), line("T", "2.00", slot="B"))
    refund = refunded("v1", 3_000, line("T", "0.50", slot="elsewhere"))
    counted = count([], [paid("v1", 1_000, *lines), refund])
    assert counted.amounts("refunded", "slot") == {"B": (1, 50)}
    assert counted.amounts("refunded", "all") == {"all": (1, 50)}


def test_a_line_the_order_never_had_is_attributed(count: Count) -> None:
    """Where the place it was paid under is not known for a SKU, own slot or click decide."""
    clickstream = [click(t=2_000, slot="C")]
    refund = refunded("v1", 3_000, line("S", "0.50"), line("U", "0.25"), line("W", "0.10", slot="D"))
    counted = count(clickstream, [paid("v1", 1_000, line("S", slot="A")), refund])
    assert counted.amounts("refunded", "slot") == {"A": (1, 50), "C": (1, 25), "D": (1, 10)}


def test_a_reversal_of_an_unknown_order_is_attributed(count: Count) -> None:
    """Lines of an unknown order: own amount and currency, keys by attribution."""
    refund = refunded("v1", 1_000, line("S", "0.50"), order_id="never seen", currency="USD")
    counted = count([click(t=0, slot="A")], [refund])
    assert counted.money("refunded", "slot") == {("A", "USD"): (1, 50)}


def test_a_bare_reversal_of_an_unknown_order_counts_nothing_but_itself(count: Count) -> None:
    """One order, amount 0, currency XXX, keys by attribution of its SKUs or the newest click."""
    clickstream = [click(t=0, slot="A", sku="S"), click(t=1, slot="B")]
    counted = count(clickstream, [refunded("v1", 2), cancelled("v1", 2, sku="S")])
    assert counted.money("refunded") == {("all", "XXX"): (1, 0)}
    assert counted.money("refunded", "slot") == {("B", "XXX"): (1, 0)}
    assert counted.money("refunded", "sku") == {("(none)", "XXX"): (1, 0)}
    assert counted.money("cancelled", "slot") == {("A", "XXX"): (1, 0)}
    assert counted.money("cancelled", "sku") == {("S", "XXX"): (1, 0)}


def test_an_unknown_orders_currency_is_its_own_if_it_says_one(count: Count) -> None:
    """XXX stands only where neither the event nor the order says a currency."""
    assert count([], [refunded(currency="USD")]).money("refunded") == {("all", "USD"): (1, 0)}


def test_a_reversals_own_currency_wins(count: Count) -> None:
    """The paid order's currency stands in only where the event carries none."""
    refund = refunded("v1", 1, line("S", "0.50"), currency="USD")
    assert count([], [paid(t=0), refund]).money("refunded") == {("all", "USD"): (1, 50)}


def test_a_reversal_before_the_payment_does_not_know_it(count: Count) -> None:
    """The order must have been paid before in processing order."""
    counted = count([], [refunded(t=0), paid(t=1_000)])
    assert counted.money("refunded") == {("all", "XXX"): (1, 0)}


def test_a_duplicate_payment_is_no_revenue(count: Count) -> None:
    """The same event twice is one order."""
    counted = count([], [paid(t=0, event_id="x"), paid(t=0, event_id="x")])
    assert counted.money("paid") == {("all", "CNY"): (1, 100)}


def test_a_reversal_takes_no_visitor_out(count: Count) -> None:
    """Nodes keep their events and visitors after refund and cancellation."""
    before = count([click()], [paid(t=1)])
    after = count([click()], [paid(t=1), refunded(t=2), cancelled(t=3)])
    assert dict(after.tables.cells) == dict(before.tables.cells)
    assert after.money("paid") == before.money("paid")


def test_every_reversal_counts(count: Count) -> None:
    """Two refunds of one order are two refunds."""
    counted = count([], [paid(t=0), refunded(t=1), refunded(t=2)])
    assert counted.money("refunded") == {("all", "CNY"): (2, 200)}


def test_a_payment_in_the_clickstream_is_remembered(count: Count) -> None:
    """Which topic the payment came in does not matter to its refund."""
    counted = count([paid("v1", 0, line("S", slot="A"))], [refunded("v1", 1)])
    assert counted.amounts("refunded", "slot") == {"A": (1, 100)}


def test_the_last_orders_are_remembered(count: Count) -> None:
    """Beyond the limit the oldest payment is forgotten: its refund is one of an unknown order."""
    orders = [paid(t=t, order_id=f"O{t}") for t in range(3)]
    refunds = [refunded(t=10, order_id="O0"), cancelled(t=11, order_id="O1")]
    counted = count([], orders + refunds, remembered_orders=2)
    assert counted.money("refunded") == {("all", "XXX"): (1, 0)}
    assert counted.money("cancelled") == {("all", "CNY"): (1, 100)}


# --- 8. and 9. bad records, and nothing disappears -----------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.TOMBSTONE),
        (b"{", Reason.NOT_JSON),
        (b"\xff", Reason.NOT_UTF8),
        (b"[]", Reason.WRONG_TYPE),
        (b" " * (64 * 1024 + 1), Reason.RECORD_TOO_LARGE),
        (click(visitor_id="v" * 257), Reason.FIELD_TOO_LONG),
        (b'{"event_id":"1","event_time":1762689600000,"event":"click"}', Reason.MISSING_FIELD),
        (paid("v1", 0, line("S", "-1.00")), Reason.NEGATIVE_PRICE),
        (click(event_time=T0 // 1_000), Reason.TIME_IN_SECONDS),
        (click(event_time=T0 * 1_000), Reason.TIME_IN_MICROSECONDS),
    ],
)
def test_a_bad_record_never_stops_the_stream(count: Count, value: bytes | None, reason: Reason) -> None:
    """It is invalid with its reason, and the events around it count."""
    counted = count([click(t=0), value, click(t=1)])
    assert counted.outcomes() == {"accepted": 2, "invalid": 1}
    assert counted.reasons() == {reason: 1}
    assert counted.events("click") == {"all": 2}


def test_a_record_of_exactly_the_limit_is_read(count: Count) -> None:
    """64 KiB is allowed, as are fields of exactly 256 bytes and 500 SKUs."""
    value = click(slot="s" * 256, sku=[f"S{number}" for number in range(500)])
    padded = value + b" " * (64 * 1024 - len(value))
    counted = count([padded])
    assert counted.outcomes() == {"accepted": 1}
    assert len(counted.events("click", "sku")) == 500


def test_outcomes_add_up_to_the_records_read(count: Count) -> None:
    """One of each outcome: every record has exactly one, every rejection a reason."""
    clickstream: list[bytes | Record | None] = [
        click(t=0, event_id="x"),
        click(t=0, event_id="x"),
        None,
        event("scroll"),
        Record(4, T0, click(t=HOUR)),
        exposure(t=HOUR),
        click(t=HOUR - MINUTE),
        click(t=0),
    ]
    counted = count(clickstream, [paid(), b""])
    assert counted.outcomes() == {
        "accepted": 2,
        "duplicate": 1,
        "invalid": 1,
        "unmapped": 1,
        "future": 1,
        "late": 1,
        "too_late": 1,
    }
    assert counted.outcomes(ORDERS) == {"accepted": 1, "invalid": 1}
    assert counted.reasons() == {"tombstone": 1, "unknown_event": 1}
    assert counted.reasons(ORDERS) == {"not_json": 1}
