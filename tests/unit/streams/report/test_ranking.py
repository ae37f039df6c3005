"""Best and worst keys, and the scorecard of a dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts.diagnosis.scorecard import Quadrant
from streams.core.merge import MoneyKey
from streams.report.keyed import KeyedSums
from streams.report.outline import Times
from streams.report.ranking import dimensions_of
from tests.support.reported import CLICK, EXPOSURE, MINUTE, ORDERS, PAID, START
from tests.support.window_oracle import Buckets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.report.data import DimensionFigures

NODES = 7
# Exposures, clicks, paid: 10 % convert all together.
SHOP = {
    "star": (90_000, 9_000, 1_500),
    "usual": (60_000, 20_000, 2_000),
    "gem": (5_000, 900, 250),
    "waste": (95_000, 9_500, 400),
    "weak": (4_000, 1_100, 30),
    "lucky": (30, 3, 3),
    "(none)": (1_000, 1_300, 0),
    "never": (0, 0, 0),
}


def sums(shop: Mapping[str, tuple[int, int, int]] = SHOP) -> KeyedSums:
    """Of slots; an order is CNY 0.07."""
    found, counts = KeyedSums(Times(START, START + MINUTE), {}), dict[tuple[str, str, int], int]()
    for key, numbers in shop.items():
        counts |= {("slot", key, EXPOSURE): numbers[0], ("slot", key, CLICK): numbers[1]}
        counts |= {("slot", key, PAID): numbers[2], ("slot", key, ORDERS): numbers[2]}
    found.take(written := Buckets().close(START, counts))
    assert written.names["slot"]
    return found


def figures(then: KeyedSums | None = None) -> DimensionFigures:
    """The one dimension."""
    [found] = dimensions_of(sums(), then, NODES, None)
    return found


def test_best_and_worst_are_sure_and_in_the_order_of_what_they_bring() -> None:
    """Three clicks and three orders lead nothing; orders that have no slot are no slot."""
    found = figures()
    assert [key.key for key in found.best] == ["star", "gem", "lucky"]
    assert [key.key for key in found.worst] == ["waste", "weak"]
    assert found.best[0].beyond == pytest.approx(1_500 - 9_000 * found.all_rate)
    assert found.all_rate == pytest.approx(4_183 / 41_803)
    assert found.known == 6


def test_quadrants() -> None:
    """Each key that surely is on one side of the lines; the lucky one is not sure."""
    found = figures()
    assert {key.key: key.quadrant.value for key in found.points} == {
        "star": "star",
        "gem": "hidden_gem",
        "waste": "wasted_traffic",
        "weak": "tail",
        "lucky": "unclear",
        "usual": "unclear",
    }
    assert found.quadrants == dict.fromkeys(Quadrant, 1) | {Quadrant.UNCLEAR: 2}
    assert [key.key for key in found.named[Quadrant.HIDDEN_GEM]] == ["gem"]


def test_most_revenue_first() -> None:
    """By what was paid in the currency; the names decide between equals."""
    keyed = sums()
    for key, amount in (("gem", 5), ("star", 9), ("weak", 5)):
        keyed.pay(START, MoneyKey("slot", key, "CNY", "paid"), 1, amount)
    [found] = dimensions_of(keyed, None, NODES, "CNY")
    assert [(key.key, key.revenue) for key in found.most] == [("star", 9), ("gem", 5), ("weak", 5)]


def test_the_last_time_beside_it() -> None:
    """By name; of a key that had no clicks then nothing is known."""
    found = figures(then=sums({"gem": (10, 10, 1), "star": (10, 0, 0)}))
    gem, star = (next(key for key in found.points if key.key == name) for name in ("gem", "star"))
    assert gem.last is not None
    assert gem.last.ratio == pytest.approx(0.1)
    assert star.last is None


def test_a_dimension_without_traffic_is_left_out() -> None:
    """An empty part would say nothing."""
    assert [*dimensions_of(sums({"never": (0, 0, 0)}), None, NODES, None)] == []


def test_points_are_bounded() -> None:
    """Twenty thousand dots would be megabytes; the most exposed ones are shown."""
    many = sums({f"s{number}": (number + 1, 5, 1) for number in range(1_000)})
    [found] = dimensions_of(many, None, NODES, None)
    assert len(found.points) == 300
    assert found.points[0].key == "s999"
    assert found.known == 1_000
