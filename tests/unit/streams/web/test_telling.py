"""Promotions with their targets: what was sold, and what the pace wants by now."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from streams.web import telling
from streams.web.moment import Standing
from streams.web.promotion_clocks import clocks
from streams.web.words import WORDS
from tests.support.live import T0
from tests.support.targeted_sale import HOUR, a_quarter_in


def test_targets_beside_their_pace() -> None:
    """A quarter of the time, by which the pace wants two fifths; conversion has no pace."""
    (found,) = telling.promotions(a_quarter_in()).promotions
    assert found.phase == "steady"
    orders, revenue, conversion = found.targets
    assert (orders.so_far, orders.by_now) == (540, 40.0)
    assert (revenue.by_now, revenue.exponent) == (400_000.0, 2)
    assert conversion.so_far == pytest.approx(0.1)
    assert conversion.by_now == 0.2


def test_a_scope_counts_its_keys_only() -> None:
    """Of several dimensions the one that sold most."""
    (found,) = telling.promotions(a_quarter_in({"slot": frozenset({"b"})})).promotions
    assert found.targets[0].so_far == 90
    assert found.scope == {"slot": ("b",)}


def test_a_worker_that_does_not_watch_knows_the_calendar_only() -> None:
    """It says nothing of what was sold rather than 0."""
    asked = replace(a_quarter_in(), picture=None, standing=Standing(watching=False, ready=True))
    (found,) = telling.promotions(asked).promotions
    assert [target.so_far for target in found.targets] == [None] * 3


def test_clocks_of_what_runs_and_what_is_near() -> None:
    """In words; what is behind its pace is called so."""
    words, zone = WORDS["en"], "UTC"
    (clock,) = clocks(a_quarter_in(), words, ZoneInfo(zone))
    assert clock["clock"] == "ends in 45 min"
    assert [target["late"] for target in clock["targets"]] == [False, False, True]
    soon = clocks(replace(a_quarter_in(), now_ms=T0 - HOUR), words, ZoneInfo(zone))
    assert soon[0]["clock"] == "starts in 1 h"
    assert clocks(replace(a_quarter_in(), now_ms=T0 + HOUR), words, ZoneInfo(zone)) == []
