"""Rows of the live table: the truth, at once, with names and without."""

from __future__ import annotations

from streams.funnel import Funnel
from streams.metrics.key_series import ORDERS, REVENUE
from streams.metrics.top_rows import TopRow
from tests.unit.streams.metrics.scrapes import NOON_MS, clicks, owner


def test_top_rows_are_the_busiest_keys_with_their_true_totals() -> None:
    """A live table shows the truth at once; holds are for Prometheus."""
    series = owner()
    clicks(series, {"a": 5, "b": 9, "c": 1})
    series.add(0, ORDERS, "sku", "b", ("paid",), 1)
    series.add(0, REVENUE, "sku", "b", ("CNY", "paid"), 3990)
    series.tick(NOON_MS)
    rows = series.top_rows("sku", 2)
    assert [row.key for row in rows] == ["b", "a"]
    nodes = dict.fromkeys(Funnel().nodes, 0)
    assert rows[0] == TopRow(
        "b",
        events=nodes | {"click": 9},
        visitors={node: 0 for node in nodes if node != "exposure"},
        orders={"paid": 1, "cancelled": 0, "refunded": 0},
        revenue={("CNY", "paid"): 3990},
    )


def test_reserved_keys_stand_apart_from_the_top() -> None:
    """(none) and (other) are no keys of the shop; each is told once it counted something."""
    series = owner(max_keys=1)
    clicks(series, {"a": 5, "(none)": 50})
    series.tick(NOON_MS)
    assert [row.key for row in series.top_rows("sku", 9)] == ["a"]
    assert [row.key for row in series.unnamed_rows("sku")] == ["(none)"]
    clicks(series, {"b": 7})
    assert [(row.key, row.events["click"]) for row in series.unnamed_rows("sku")] == [
        ("(none)", 50),
        ("(other)", 7),
    ]


def test_keys_with_as_many_events_stand_in_the_order_of_their_names() -> None:
    """A table that is drawn again does not jump."""
    series = owner()
    clicks(series, {"b": 5, "c": 5, "a": 5})
    series.tick(NOON_MS)
    assert [row.key for row in series.top_rows("sku", 2)] == ["a", "b"]
