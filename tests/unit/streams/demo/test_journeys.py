"""Simulated visitors: every journey goes through its nodes in order, by the laws of delay."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.demo.circumstances import NEUTRAL
from streams.demo.journeys import Journeys
from streams.demo.scenarios import SCENARIOS, Placed, Times
from streams.demo.shop import ATTEMPT, CHECKOUT, CLICK, FAILED, ORDER, PAID, Shop, ShopSettings

if TYPE_CHECKING:
    from streams.demo.event_rows import Rows

START_MS = 1_762_689_600_000


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Everything 20,000 sessions do, each by a visitor of its own, however long it takes."""
    shop = Shop(ShopSettings())
    journeys = Journeys(shop, NEUTRAL, np.random.default_rng(11))
    sessions = np.arange(20_000)
    return journeys.events(np.full(20_000, START_MS), sessions)


def test_orders_follow_clicks_by_the_delay_law(rows: Rows) -> None:
    """Click to order is 0.7 Exp(4 min) + 0.3 Exp(40 min)."""
    clicked = defaultdict(list)
    for visitor, sku, time in rows[rows["kind"] == CLICK][["visitor", "sku", "time"]].tolist():
        clicked[visitor, sku].append(time)
    orders = rows[rows["kind"] == ORDER][["visitor", "sku", "time"]].tolist()
    # Several clicks on one SKU leave open which of them it was.
    delays = np.array([t - clicked[v, s][0] for v, s, t in orders if len(clicked[v, s]) == 1]) / 60_000
    assert len(delays) > 2_000
    # A few orders come from a direct view of the SKU that the visitor also clicked on later.
    assert float((delays < 0).mean()) < 0.005
    for minutes in (1, 4, 15, 40, 100):
        law = 1 - 0.7 * np.exp(-minutes / 4) - 0.3 * np.exp(-minutes / 40)
        assert float((delays <= minutes).mean()) == pytest.approx(law, abs=0.03)


def test_payments_are_answered_by_the_delay_law(rows: Rows) -> None:
    """An attempt is answered after Exp(12 s), or, for a few, never."""
    first: dict[int, int] = {}
    answer: dict[int, int] = {}
    for time, kind, order in sorted(rows[rows["kind"] >= ORDER][["time", "kind", "order"]].tolist()):
        if kind == ATTEMPT:
            first.setdefault(order, time)
        elif kind in (PAID, FAILED):
            answer.setdefault(order, time)
    seconds = np.array([answer[order] - first[order] for order in answer]) / 1_000
    assert 0.97 < len(answer) / len(first) < 1
    for limit in (3, 12, 30):
        assert float((seconds <= limit).mean()) == pytest.approx(1 - np.exp(-limit / 12), abs=0.03)


def test_an_order_goes_through_its_nodes_in_order(rows: Rows) -> None:
    """For one visitor and SKU no later node comes before an earlier one."""
    times: defaultdict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    chosen = rows[(rows["kind"] >= CLICK) & (rows["kind"] <= ORDER) & (rows["sku"] >= 0)]
    for visitor, sku, kind, time in chosen[["visitor", "sku", "kind", "time"]].tolist():
        seen = times[visitor, sku]
        seen[kind] = min(time, seen.get(kind, time))
    whole = [seen for seen in times.values() if ORDER in seen]
    assert len(whole) > 2_000
    disordered = sum(list(dict(sorted(seen.items())).values()) != sorted(seen.values()) for seen in whole)
    # Two journeys of one visitor with the same SKU can interleave; nothing else can.
    assert disordered / len(whole) < 0.02


def test_who_cannot_order_takes_as_long_as_ever_before() -> None:
    """A checkout that fails makes nobody decide faster: carts and checkouts are the same to the millisecond."""
    times = Times(START_MS - 60_000)
    found = [
        Journeys(Shop(ShopSettings()), Placed(SCENARIOS[name], times), np.random.default_rng(11)).events(
            np.full(5_000, START_MS), np.arange(5_000)
        )
        for name in ("S0", "S2d")
    ]
    before, orders = ([rows[rows["kind"] == kind] for rows in found] for kind in (CHECKOUT, ORDER))
    assert np.array_equal(np.sort(before[0]["time"]), np.sort(before[1]["time"]))
    assert 0 < len(orders[1]) < len(orders[0])
