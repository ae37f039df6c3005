"""Targets of promotions that run: asked of the windows each minute, told while they will be missed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alerts.model import EVERYWHERE, Kind, Place
from alerts.promotion_targets import PromotionTargets, Worth
from streams.core.merge import MoneyKey
from streams.core.windows import Sale, Windows
from streams.funnel import DEFAULT_NODES
from streams.measures import WindowMeasures
from streams.promotions import Calendar, Phase, PhaseSpan, Promotion, Targets
from tests.support.window_oracle import BUCKET, Buckets

if TYPE_CHECKING:
    from alerts.model import Recovered, Rooted
    from tests.support.window_oracle import Counts

NOON = 1_762_689_600_000
HOUR = 360
CLICK, PAID_VISITORS, PAID = 17, 22, 6
WORTH = Worth(1.0, 1.0)


def sale(targets: Targets, scope: dict[str, frozenset[str]] | None = None, hours: int = 2) -> Promotion:
    """A promotion from noon on."""
    end_ms = NOON + hours * HOUR * BUCKET
    return Promotion("D11", NOON, end_ms, (PhaseSpan(Phase.STEADY, NOON, end_ms),), scope or {}, targets)


class Shop:
    """Ten clicks a bucket, and as many paid orders of 100 in slot ``a`` as a bucket says."""

    def __init__(self, promotion: Promotion) -> None:
        self.calendar = Calendar([promotion])
        self.windows = Windows(sales=[Sale("D11", promotion.start_ms, promotion.end_ms, promotion.scope)])
        self.targets = PromotionTargets(DEFAULT_NODES)
        self.worth: Worth | None = WORTH
        self.written = Buckets()

    def sell(self, buckets: range, orders: int) -> list[tuple[list[Rooted], list[Recovered]]]:
        """What is said at the end of each bucket; they are counted from noon on."""
        return [self._close(NOON + number * BUCKET, orders) for number in buckets]

    def _close(self, at_ms: int, orders: int) -> tuple[list[Rooted], list[Recovered]]:
        counts: Counts = {}
        for place in (("all", "all"), ("slot", "a")):
            counts |= {(*place, CLICK): 10, (*place, PAID): orders, (*place, PAID_VISITORS): orders}
        counts |= {("slot", "b", PAID): 1}
        money = {
            MoneyKey(*place, "CNY", "paid"): (orders, 100 * orders)
            for place in (("all", "all"), ("slot", "a"))
        }
        closed = self.written.close(at_ms, counts, money=money)
        self.windows.take(closed)
        span = (closed.start_ms, closed.end_ms)
        return self.targets.judge(self.calendar, span, WindowMeasures(self.windows), self.worth)


def told(said: list[tuple[list[Rooted], list[Recovered]]]) -> list[int]:
    """How many findings there are at the end of each bucket."""
    return [len(rooted) for rooted, _ in said]


TARGETS = [
    (Targets(orders=3_000), 3_000),
    (Targets(revenue_minor=300_000, currency="CNY"), 300_000),
    (Targets(conversion=0.4), None),
]


@pytest.mark.parametrize(("targets", "target"), TARGETS, ids=["orders", "revenue", "conversion"])
@pytest.mark.parametrize("scope", [None, {"slot": frozenset({"a"})}], ids=["everything", "slot"])
def test_half_of_the_pace_is_told(
    targets: Targets, target: int | None, scope: dict[str, frozenset[str]] | None
) -> None:
    """Two a bucket come to 1,440 in all; told before the end, repeated, and over with the promotion."""
    shop = Shop(sale(targets, scope))
    said = shop.sell(range(2 * HOUR), 2)
    first = told(said).index(1)
    # A conversion is held against the clicks of half an hour ago.
    assert 30 <= first < (HOUR if target else 3 * HOUR // 2)
    assert set(told(said)[first:]) == {1}
    ((rooted,), _) = said[-1]
    finding = rooted.finding
    assert (finding.kind, finding.since_ms) == (Kind.PROMOTION_BEHIND_TARGET, NOON)
    assert finding.at_ms == NOON + 2 * HOUR * BUCKET
    assert finding.scope == ((Place("slot", "a"),) if scope else EVERYWHERE)
    assert rooted.promotion == "D11"
    assert target is None or finding.expected == pytest.approx(target)
    ((found, (over,)),) = shop.sell(range(2 * HOUR, 2 * HOUR + 1), 2)
    assert (found, over.detail, over.scope) == ([], finding.detail, finding.scope)


@pytest.mark.parametrize(("targets", "target"), TARGETS, ids=["orders", "revenue", "conversion"])
def test_the_pace_that_it_takes_is_not(targets: Targets, target: int | None) -> None:
    """Five a bucket are 3,600: nothing is ever told."""
    assert set(told(Shop(sale(targets)).sell(range(2 * HOUR + 2), 5))) == {0}
    assert target != 0


def test_over_when_the_target_looks_met() -> None:
    """After a bad first hour a very good one; it is not told again."""
    shop = Shop(sale(Targets(orders=3_000)))
    assert told(shop.sell(range(HOUR), 2))[-1] == 1
    said = shop.sell(range(HOUR, 2 * HOUR), 12)
    assert [len(over) for _, over in said].count(1) == 1
    assert told(said)[-1] == 0


def test_nothing_is_said_of_what_was_not_seen_or_is_not_believed() -> None:
    """A beginning that nobody counted; data that is bad, which neither tells nor takes back."""
    assert set(told(Shop(sale(Targets(orders=3_000))).sell(range(90, 2 * HOUR), 1))) == {0}
    shop = Shop(sale(Targets(orders=3_000)))
    assert told(shop.sell(range(HOUR), 2))[-1] == 1
    shop.worth = None
    assert shop.sell(range(HOUR, HOUR + 6), 2) == [([], [])] * 6
    shop.worth = WORTH
    assert told(shop.sell(range(HOUR + 6, HOUR + 12), 2))[-1] == 1


def test_a_longer_sale_has_another_pace_and_a_target_may_go() -> None:
    """Both at once, from one bucket to the next; what was told of a target that is gone is over."""
    shop = Shop(sale(Targets(orders=3_000, conversion=0.9)))
    assert told(shop.sell(range(HOUR), 2))[-1] == 2
    shop.calendar = Calendar([sale(Targets(orders=3_000), hours=8)])
    said = shop.sell(range(HOUR, HOUR + 6), 2)
    assert told(said)[-1] == 0
    assert sum(len(over) for _, over in said) == 2


def test_a_restart_says_the_same() -> None:
    """From plain data, over MessagePack."""
    one = Shop(sale(Targets(orders=3_000, conversion=0.9)))
    one.sell(range(HOUR), 2)
    state: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(one.targets.snapshot()))
    other = PromotionTargets(DEFAULT_NODES)
    other.restore(state)
    assert msgspec.msgpack.encode(other.snapshot()) == msgspec.msgpack.encode(one.targets.snapshot())
    before, one.targets = one.targets, other
    heard = one.sell(range(HOUR, HOUR + 1), 2)
    assert [replace(r.finding) for r in heard[0][0]] == [
        r.finding
        for r in before.judge(
            one.calendar,
            (NOON + HOUR * BUCKET, NOON + (HOUR + 1) * BUCKET),
            WindowMeasures(one.windows),
            WORTH,
        )[0]
    ]
