"""Sums into figures, against sums done in the head."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.promotions import Phase, Targets
from streams.report.data import Money
from streams.report.figures import last_time, money_of, phases_of, speaker
from tests.support.reported import D9, D11, MINUTE, PRICE, START, data_of, gathering_of, sale, week
from tests.support.window_oracle import Buckets


def test_the_funnel_of_the_sale() -> None:
    """Events of exposures, visitors of the rest; the warm-up is not in it."""
    figures = data_of().sale
    assert figures.entries == (360_000, 36_000, 3_600, 3_600, 3_600, 3_600, 3_600)
    assert figures.orders == 3_600
    assert figures.money == (Money("CNY", 3_600, 3_600 * PRICE, 0, 0, 0, 0),)
    assert figures.conversion.ratio == figures.step(0).ratio == pytest.approx(0.1)
    assert figures.revenue("CNY") == 3_600 * PRICE
    assert figures.revenue("USD") == figures.revenue(None) == 0


def test_each_phase_with_what_it_lifted() -> None:
    """Against the evening before: 2.5 times the clicks, twice the conversion."""
    phases = data_of().phases
    assert [phase.phase for phase in phases] == [Phase.WARMUP, Phase.OPEN, Phase.STEADY, Phase.LAST_HOUR]
    assert [phase.figures.orders for phase in phases] == [600, 1_200, 1_800, 600]
    assert [phase.expected.traffic for phase in phases] == [1.0, 2.0, 2.0, 2.0]
    for phase in phases:
        assert phase.earlier is not None
        assert phase.days == 1
        assert phase.figures.clicks / phase.earlier.clicks == pytest.approx(2.5)
        assert phase.figures.conversion.ratio / phase.earlier.conversion.ratio == pytest.approx(2.0)


def test_a_phase_that_was_recorded_in_part_is_not_compared() -> None:
    """Half a phase over a whole evening would be half a lift."""
    cut_ms = START + 10 * MINUTE
    data = data_of(closed for closed in week() if closed.start_ms < cut_ms)
    assert [phase.earlier is not None for phase in data.phases] == [True, False, False, False]
    assert data.phases[1].seen == pytest.approx(0.5)
    assert data.until_ms == cut_ms


def test_targets_and_when_they_were_reached() -> None:
    """Revenue after 58.3 minutes, told at the end of its step; orders never."""
    orders, revenue, conversion = data_of().targets
    assert (orders.wanted, orders.reached, orders.reached_at_ms) == (4_000, 3_600, None)
    assert (revenue.reached, revenue.currency) == (3_600 * PRICE, "CNY")
    assert revenue.reached_at_ms == START + 58.5 * MINUTE
    assert conversion.wanted == 0.12
    assert conversion.reached == pytest.approx(0.1)
    assert data_of(promotion=replace(D11, targets=Targets())).targets == ()


def test_the_last_time_as_long_after_its_start() -> None:
    """The last one was over after forty minutes, so forty minutes of both are compared."""
    last = data_of().last
    assert last is not None
    assert (last.name, last.compared_ms, last.seen) == ("D9", 40 * MINUTE, 1.0)
    assert (last.now.orders, last.then.orders) == (2_400, 1_200)


def test_a_last_time_while_the_sale_runs() -> None:
    """As far as this one was recorded."""
    data = data_of(closed for closed in week() if closed.start_ms < START + 7 * MINUTE)
    assert data.last is not None
    assert data.last.compared_ms == 7 * MINUTE
    assert (data.last.now.orders, data.last.then.orders) == (420, 210)


def test_a_last_time_that_nobody_recorded() -> None:
    """Then there is its name, and no comparison."""
    data = data_of(closed for closed in week() if closed.start_ms > D9.end_ms)
    assert data.last is not None
    assert (data.last.compared_ms, data.last.seen, data.last_curve) == (0, 0.0, None)
    assert last_time(gathering_of(others=()), "all", START) is None


def test_of_a_scope_the_dimension_that_sold_most_speaks() -> None:
    """They overlap, so they are not added up."""
    scoped = sale(scope={"sku": frozenset({"S"}), "slot": frozenset({"b", "c"})})
    gathering = gathering_of(scoped, others=())
    for closed in week(Buckets()):
        gathering.take(closed)
    assert speaker(gathering) == "slot"
    phase = next(phases_of(gathering, "slot"))
    assert phase.figures.clicks == 60 * 40


def test_money_by_currency() -> None:
    """The one with the most paid first; what was given back stands beside it."""
    sums = {("CNY", "paid"): (1, 5), ("USD", "paid"): (2, 9), ("CNY", "refunded"): (1, 4)}
    assert money_of(sums) == (Money("USD", 2, 9, 0, 0, 0, 0), Money("CNY", 1, 5, 0, 0, 1, 4))
