"""How long after the node before a visitor is counted at a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.lags import LAG_EDGES_S, lag_bins
from streams.core.settings import CountingSettings
from streams.replay import count_records
from tests.support import oracle
from tests.support.builders import MINUTE, SECOND, click, event, paid, stream, view
from tests.support.columns import i64
from tests.support.inner import InnerCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WINDOW = CountingSettings().attribution_window_ms


def by_core(clicks: Sequence[bytes], orders: Sequence[bytes], fetch: Callable[[], int]) -> InnerCounts:
    """What the core counts, read in batches of such sizes."""
    found = InnerCounts()
    count_records(stream(clicks), stream(orders), CountingSettings(), fetch=fetch, tell=found.take)
    return found


def lags(clicks: Sequence[bytes], orders: Sequence[bytes] = ()) -> dict[str, dict[str, int]]:
    """Node -> bin -> visitors; the same by the oracle, and in one batch as event by event."""
    whole = by_core(clicks, orders, lambda: 1_000).cells
    assert by_core(clicks, orders, lambda: 1).cells == whole
    assert oracle.count(stream(clicks), stream(orders)).inner == whole
    found: dict[str, dict[str, int]] = {}
    for (dimension, key, node, _), (_, visitors) in whole.items():
        if dimension == "(lag)" and visitors:
            nodes = found.setdefault(node, {})
            nodes[key] = nodes.get(key, 0) + visitors
    return found


def test_bins_begin_at_their_edges() -> None:
    """A millisecond before the next one is the last of a bin; the last bin has no end."""
    edges = [1_000 * edge for edge in LAG_EDGES_S]
    assert lag_bins(i64(*edges)).tolist() == list(range(len(edges)))
    assert lag_bins(i64(*[edge - 1 for edge in edges[1:]])).tolist() == list(range(len(edges) - 1))
    assert lag_bins(i64(10**12)).tolist() == [len(edges) - 1]


def test_a_lag_runs_from_the_node_before() -> None:
    """Not from the click; and the click itself has none, nor what skipped a node."""
    clicks = [click("v1", 0), view("v1", 3 * SECOND), event("cart", "v1", 70 * SECOND)]
    clicks += [click("v2", 80 * SECOND), event("cart", "v2", 81 * SECOND)]
    assert lags(clicks) == {"view": {"2": 1}, "cart": {"60": 1}}


@pytest.mark.parametrize(("lag", "key"), [(0, "0"), (999, "0"), (1_000, "1"), (WINDOW, "1800")])
def test_a_mark_counts_within_the_window(lag: int, key: str) -> None:
    """Both ends inclusive."""
    assert lags([click(t=0), view(t=lag)]) == {"view": {key: 1}}


def test_a_mark_from_before_the_window_is_none() -> None:
    """One millisecond more, and nothing is known of the visitor."""
    assert lags([click(t=0), view(t=WINDOW + 1)]) == {}


def test_a_lag_runs_from_when_the_visitor_was_counted() -> None:
    """A second click within the window is not counted, and moves nothing; one after it does."""
    assert lags([click(t=0), click(t=MINUTE), view(t=2 * MINUTE)]) == {"view": {"120": 1}}
    again = [click(t=0), view(t=10 * MINUTE), click(t=WINDOW + 1), view(t=10 * MINUTE + WINDOW + 1)]
    assert lags(again) == {"view": {"600": 2}}


def test_only_the_counted_have_a_lag() -> None:
    """Who views twice within the window is one visitor with one lag."""
    assert lags([click(t=0), view(t=SECOND), view(t=MINUTE)]) == {"view": {"1": 1}}


def test_what_is_processed_later_plays_no_part() -> None:
    """A click before the view that came too late to be in order: the view had no lag, nor has it now."""
    late = [view(t=MINUTE), view("v2", 90 * SECOND), click(t=50 * SECOND)]
    assert lags(late) == {}


def test_a_mark_of_later_event_time_is_none() -> None:
    """The late view lies before the click that it was processed after."""
    assert lags([click(t=MINUTE), view("v2", 2 * MINUTE), view("v1", 30 * SECOND)]) == {}


def test_orders_have_lags_too() -> None:
    """From the checkout on, whichever topic they come in; of one visitor each."""
    clicks = [event("checkout", "v1", 0), event("checkout", "v2", 0)]
    bought = {"items": [{"sku": "A", "price": "1"}], "currency": "CNY"}
    orders = [event("order", "v1", 5 * SECOND, order_id="O1", **bought), paid("v1", 35 * SECOND)]
    assert lags(clicks, orders) == {"order": {"5": 1}, "paid": {"30": 1}}
