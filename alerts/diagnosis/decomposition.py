"""GMV = clicks x CVR x AOV: how much of its change each factor made, in whole minor units.

The parts are Shapley values of the product's three factors (Shorrocks 2013): each factor's effect,
averaged over the orders in which the factors can change. They are computed in rationals and rounded
by largest remainder, so they add up to the change of GMV to the unit, always.

A rate that cannot be had (no clicks, no orders) is taken as unchanged, so nothing is put down to it.
Money that the product then cannot hold (orders without a click; money without an order) goes to
``conversion`` and ``order_value``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


class Trade(NamedTuple):
    """What happened in a period: visitors or clicks, paid orders, GMV in minor units. All whole."""

    clicks: int
    orders: int
    revenue_minor: int


@dataclass(frozen=True, slots=True)
class GmvChange:
    """A change of GMV by its factors, minor units; they add up to it."""

    traffic: int
    conversion: int
    order_value: int

    @property
    def total(self) -> int:
        """After less before."""
        return self.traffic + self.conversion + self.order_value

    def as_dict(self) -> dict[str, int]:
        """By the words of ``Diagnosis.decomposition``."""
        return {"traffic": self.traffic, "conversion": self.conversion, "order_value": self.order_value}


def decompose(before: Trade, after: Trade) -> GmvChange:
    """The change from ``before`` to ``after`` by factor.

    For periods of unequal length scale one of them first: counts here are compared as they are.
    """
    conversion = _both(_over(before.orders, before.clicks), _over(after.orders, after.clicks))
    order_value = _both(_over(before.revenue_minor, before.orders), _over(after.revenue_minor, after.orders))
    traffic = (Fraction(before.clicks), Fraction(after.clicks))
    parts = [
        _effect(traffic, conversion, order_value),
        _effect(conversion, traffic, order_value),
        _effect(order_value, traffic, conversion),
    ]
    orphan_orders = _orphan_orders(after, order_value[1]) - _orphan_orders(before, order_value[0])
    orphan_money = _orphan_money(after) - _orphan_money(before)
    parts[1] += orphan_orders
    parts[2] += orphan_money
    return GmvChange(*rounded(parts))


def rounded(parts: list[Fraction]) -> list[int]:
    """Whole numbers next to ``parts`` with the same sum, which must be whole (largest remainder)."""
    floors = [part.numerator // part.denominator for part in parts]
    missing = int(sum(parts) - sum(floors))
    by_remainder = sorted(range(len(parts)), key=lambda at: (floors[at] - parts[at], at))
    for at in by_remainder[:missing]:
        floors[at] += 1
    return floors


def _over(count: int, base: int) -> Fraction | None:
    return Fraction(count, base) if base else None


def _both(before: Fraction | None, after: Fraction | None) -> tuple[Fraction, Fraction]:
    """A factor before and after; where it cannot be had, as it was or became."""
    known = before if before is not None else after
    if known is None:
        return Fraction(0), Fraction(0)
    return known if before is None else before, known if after is None else after


def _effect(
    changed: tuple[Fraction, Fraction], one: tuple[Fraction, Fraction], other: tuple[Fraction, Fraction]
) -> Fraction:
    """Shapley value of one factor of a product of three."""
    alone = one[0] * other[0] + one[1] * other[1]
    between = one[0] * other[1] + one[1] * other[0]
    return (changed[1] - changed[0]) * (alone / 3 + between / 6)


def _orphan_orders(trade: Trade, order_value: Fraction) -> Fraction:
    return trade.orders * order_value if trade.orders and not trade.clicks else Fraction(0)


def _orphan_money(trade: Trade) -> int:
    return 0 if trade.orders else trade.revenue_minor
