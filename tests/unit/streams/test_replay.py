"""Recorded events through the counting path, and the counts as lines.

That the counts are the contract's is shown in test_contract_rules.py and against the oracle.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from streams.core.settings import CountingSettings
from streams.formats.ga4 import Ga4Format
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.replay import Counts, Replay, count_records
from tests.support.bad_records import valid
from tests.support.builders import MINUTE, T0, click, event, line, paid, stream, view

SETTINGS = CountingSettings()
COUNTS = Counts(
    cells={("slot", "B", "click", T0): (3, 2), ("all", "all", "click", T0): (3, 2)},
    money={("sku", "A", "CNY", "paid", T0): (1, 100)},
    outcomes={("clickstream", "accepted"): 3},
    reasons=Counter({("orders", "not_json"): 1}),
)


def test_counts_of_partitions_add_up() -> None:
    """Each number of each table; what only one has stays."""
    sums = Counts()
    for _ in range(2):
        sums.add(COUNTS)
    sums.add(Counts(cells={("all", "all", "view", T0): (1, 1)}, outcomes={("orders", "late"): 1}))
    assert sums.cells == {
        ("slot", "B", "click", T0): (6, 4),
        ("all", "all", "click", T0): (6, 4),
        ("all", "all", "view", T0): (1, 1),
    }
    assert sums.money == {("sku", "A", "CNY", "paid", T0): (2, 200)}
    assert sums.outcomes == {("clickstream", "accepted"): 6, ("orders", "late"): 1}
    assert sums.reasons == {("orders", "not_json"): 2}


def test_adding_leaves_the_other_alone() -> None:
    """Counts that were added are not shared."""
    sums = Counts()
    sums.add(COUNTS)
    sums.cells.clear()
    sums.reasons.clear()
    assert len(COUNTS.cells) == 2
    assert len(COUNTS.reasons) == 1


def test_lines_are_sorted_json() -> None:
    """First the counts, then the money, so that two runs can be compared as files."""
    assert [json.loads(line) for line in COUNTS.lines()] == [
        {"dimension": d, "key": k, "node": "click", "bucket_ms": T0, "events": 3, "visitors": 2}
        for d, k in (("all", "all"), ("slot", "B"))
    ] + [
        {
            "dimension": "sku",
            "key": "A",
            "currency": "CNY",
            "kind": "paid",
            "bucket_ms": T0,
            "orders": 1,
            "amount_minor": 100,
        }
    ]


def test_both_topics_are_counted() -> None:
    """Cells by node name, money by kind, outcomes by topic."""
    counts = count_records(
        stream([click(slot="A", sku="X")]), stream([paid("v1", 0, line("X", "2.50"))]), SETTINGS
    )
    assert counts.cells["slot", "A", "paid", T0] == (1, 1)
    assert counts.money["sku", "X", "CNY", "paid", T0] == (1, 250)
    assert counts.outcomes == {("clickstream", "accepted"): 1, ("orders", "accepted"): 1}


def test_only_nodes_are_cells() -> None:
    """Payment attempts are outcomes of a step and in no table of nodes."""
    counts = count_records([], stream([event("payment_attempt", order_id="O1"), paid(t=1)]), SETTINGS)
    assert {node for _, _, node, _ in counts.cells} == {"paid"}


def test_reasons_are_told_by_topic() -> None:
    """For every record that is invalid or unmapped."""
    counts = count_records(stream([b"{", None, event("scroll")]), stream([b"{"]), SETTINGS)
    assert counts.reasons == {
        ("clickstream", "not_json"): 1,
        ("clickstream", "tombstone"): 1,
        ("clickstream", "unknown_event"): 1,
        ("orders", "not_json"): 1,
    }


def test_late_and_future_records_have_no_reason() -> None:
    """Nothing is wrong with what they say."""
    counts = count_records(
        stream([click(t=60 * MINUTE), click(t=0), click(t=120 * MINUTE)], kafka_ms=60 * MINUTE), [], SETTINGS
    )
    assert counts.outcomes == {
        ("clickstream", "accepted"): 1,
        ("clickstream", "too_late"): 1,
        ("clickstream", "future"): 1,
    }
    assert counts.reasons == {}


def test_each_topic_may_have_a_format() -> None:
    """A GA4 clickstream beside native orders."""
    funnel = Funnel()
    formats = (Ga4Format(funnel=funnel), NativeFormat(funnel=funnel))
    record = stream([valid("ga4.click")], kafka_ms=10**9)
    counts = Replay(SETTINGS, funnel=funnel, formats=formats).run(record, stream([paid()]))
    assert counts.outcomes == {("clickstream", "accepted"): 1, ("orders", "accepted"): 1}
    assert (
        sum(events for (d, _, node, _), (events, _) in counts.cells.items() if (d, node) == ("all", "click"))
        == 1
    )


def test_the_number_of_keys_is_bounded() -> None:
    """By the same setting as live."""
    settings = CountingSettings(max_tracked_keys=2)
    counts = count_records(stream([click(sku=f"S{n}") for n in range(5)]), [], settings)
    assert {key: events for (d, key, _, _), (events, _) in counts.cells.items() if d == "sku"} == {
        "S0": 1,
        "S1": 1,
        "(other)": 3,
    }


def test_extra_dimensions_are_fields_of_their_name() -> None:
    """In the native format, if no other is given."""
    funnel = Funnel(extra_dimensions=("channel",))
    counts = count_records(stream([click(channel="app")]), [], SETTINGS, funnel=funnel)
    assert counts.cells["channel", "app", "click", T0] == (1, 1)


def test_a_long_replay_flushes_on_the_way() -> None:
    """More events than are held back at once: totals are those of one flush at the end."""
    number = 140_000
    values: list[Any] = [
        b'{"event_id":"%d","event_time":%d,"event":"view","visitor_id":"v%d"}' % (n, T0 + n, n % 9)
        for n in range(number)
    ]
    counts = count_records(stream(values), stream([view(t=number)]), SETTINGS)
    assert sum(events for (d, *_), (events, _) in counts.cells.items() if d == "all") == number + 1
    assert counts.outcomes == {("clickstream", "accepted"): number, ("orders", "accepted"): 1}
    assert sum(visitors for (d, *_), (_, visitors) in counts.cells.items() if d == "all") == 9
