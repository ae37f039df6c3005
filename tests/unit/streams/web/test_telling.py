"""Promotions with their targets: what was sold, and what the pace wants by now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.core.windows import Sale, Windows
from streams.judged import Pace
from streams.promotions import Calendar, Phase, PhaseSpan, Promotion, Targets
from streams.web import telling
from streams.web.capturing import Capturing
from streams.web.moment import Moment, Standing
from streams.web.promotion_clocks import clocks
from streams.web.words import WORDS
from tests.support.clock import ManualClock
from tests.support.live import T0, Judging, Stage
from tests.support.window_oracle import BUCKET, Buckets

HOUR = 3_600_000
SPANS = (PhaseSpan(Phase.STEADY, T0, T0 + HOUR),)
TARGETS = Targets(orders=100, revenue_minor=1_000_000, currency="CNY", conversion=0.2)


def moment(scope: dict[str, frozenset[str]] | None = None, **fields: Any) -> Moment:
    """A quarter of an hour into a sale in which six orders a minute are paid, one of them by the slot ``b``."""
    promotion = Promotion("D11", T0, T0 + HOUR, SPANS, scope or {}, TARGETS)
    windows, made = Windows(sales=[Sale("D11", T0, T0 + HOUR, scope or {})]), Buckets()
    counts: dict[tuple[str, str, int], int] = {}
    for dimension, key, paid in (("all", "all", 6), ("slot", "a", 5), ("slot", "b", 1)):
        counts |= {(dimension, key, 17): 10 * paid, (dimension, key, 6): paid, (dimension, key, 22): paid}
    for number in range(90):
        windows.take(made.close(T0 + number * BUCKET, counts))
    capturing = Capturing(Judging(), ManualClock(0))
    capturing.refresh(windows)
    assert capturing.picture is not None
    paces = {"D11": Pace((0.0, 0.4, 0.6, 0.8, 1.0), 0.1)}
    picture = replace(capturing.picture, judged=replace(capturing.picture.judged, paces=paces))
    found = Stage(buckets=1).sources.moment()
    return replace(found, now_ms=T0 + HOUR // 4, picture=picture, calendar=Calendar([promotion]), **fields)


def test_targets_beside_their_pace() -> None:
    """A quarter of the time, by which the pace wants two fifths; conversion has no pace."""
    (found,) = telling.promotions(moment()).promotions
    assert found.phase == "steady"
    orders, revenue, conversion = found.targets
    assert (orders.so_far, orders.by_now) == (540, 40.0)
    assert (revenue.by_now, revenue.exponent) == (400_000.0, 2)
    assert conversion.so_far == pytest.approx(0.1)
    assert conversion.by_now == 0.2


def test_a_scope_counts_its_keys_only() -> None:
    """Of several dimensions the one that sold most."""
    (found,) = telling.promotions(moment({"slot": frozenset({"b"})})).promotions
    assert found.targets[0].so_far == 90
    assert found.scope == {"slot": ("b",)}


def test_a_worker_that_does_not_watch_knows_the_calendar_only() -> None:
    """It says nothing of what was sold rather than 0."""
    asked = replace(moment(), picture=None, standing=Standing(watching=False, ready=True))
    (found,) = telling.promotions(asked).promotions
    assert [target.so_far for target in found.targets] == [None] * 3


def test_clocks_of_what_runs_and_what_is_near() -> None:
    """In words; what is behind its pace is called so."""
    words, zone = WORDS["en"], "UTC"
    (clock,) = clocks(moment(), words, ZoneInfo(zone))
    assert clock["clock"] == "ends in 45 min"
    assert [target["late"] for target in clock["targets"]] == [False, False, True]
    soon = clocks(replace(moment(), now_ms=T0 - HOUR), words, ZoneInfo(zone))
    assert soon[0]["clock"] == "starts in 1 h"
    assert clocks(replace(moment(), now_ms=T0 + HOUR), words, ZoneInfo(zone)) == []
