"""The report as plain data: everything that it says, in no words and no markup.

Times are ms since the epoch, half-open; money is in minor units. Rates have their counts and a 95 %
interval (:mod:`streams.core.ratios`); the first step compares events, later ones visitors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from streams.core.ratios import ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.diagnosis.scorecard import Quadrant
    from alerts.incident import Incident
    from streams.core.ratios import Ratio
    from streams.promotions import Lift, Phase, Promotion
    from streams.report.outline import Times


class Money(NamedTuple):
    """Orders and amounts of one currency."""

    currency: str
    paid_orders: int
    paid: int
    cancelled_orders: int
    cancelled: int
    refunded_orders: int
    refunded: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted in a time.

    Attributes:
        entries: what came to each node: events of the first, visitors of the others.
        orders: paid orders.
        money: by currency, the one with the most paid first.
    """

    entries: tuple[int, ...]
    orders: int
    money: tuple[Money, ...]

    @property
    def clicks(self) -> int:
        """Visitors who clicked."""
        return self.entries[1]

    @property
    def paid(self) -> int:
        """Visitors who paid."""
        return self.entries[-1]

    @property
    def conversion(self) -> Ratio:
        """Of clicks into paid."""
        return ratio(self.paid, self.clicks)

    def step(self, number: int) -> Ratio:
        """Of the node of a number into the next."""
        return ratio(self.entries[number + 1], self.entries[number])

    def in_currency(self, currency: str | None) -> Money | None:
        """Money of a currency; None if there is none."""
        return next((money for money in self.money if money.currency == currency), None)

    def revenue(self, currency: str | None) -> int:
        """What was paid in a currency."""
        money = self.in_currency(currency)
        return money.paid if money else 0


@dataclass(frozen=True, slots=True)
class PhaseFigures:
    """One phase.

    Attributes:
        seen: share of its time that was recorded.
        expected: what the plan says that it lifts.
        days: so many days before is ``earlier``, the same time on the clock without a promotion.
        earlier: None where it is not known.
    """

    phase: Phase
    times: Times
    figures: Figures
    seen: float
    expected: Lift
    days: int = 0
    earlier: Figures | None = None


class Target(NamedTuple):
    """One target: ``orders``, ``revenue`` or ``conversion``; when it was reached, if it was."""

    word: str
    wanted: float
    reached: float
    reached_at_ms: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class LastTime:
    """The last promotion beside this one.

    Attributes:
        name: of the last promotion; ``times`` is its own.
        compared_ms: so long after the start of each is compared; 0 if nothing is recorded of both.
        now: this one in that time; ``then`` is the last one.
        seen: share of the last one's time that was recorded.
    """

    name: str
    times: Times
    compared_ms: int
    now: Figures
    then: Figures
    seen: float


class KeyFigures(NamedTuple):
    """One key from start to end of the sale.

    ``beyond`` is how many more paid than would have at the rate of all keys together; ``last`` is the
    conversion at the last promotion, None where that is not known.
    """

    key: str
    exposures: int
    clicks: int
    orders: int
    revenue: int
    conversion: Ratio
    beyond: float
    quadrant: Quadrant
    last: Ratio | None = None


@dataclass(frozen=True, slots=True)
class DimensionFigures:
    """A dimension's keys.

    Attributes:
        known: how many keys had any traffic.
        all_rate: conversion of all keys together.
        most: those with the most revenue.
        best: those that convert surely better than all together, most orders gained first.
        worst: those that convert surely worse, most orders lost first.
        quadrants: how many keys stand where.
        named: of each quadrant, the keys with the most clicks.
        points: keys with the most exposures, for the chart.
        exposure_line: from here on a key is much exposed.
        conversion_line: above it a key converts better.
    """

    dimension: str
    known: int
    all_rate: float
    most: tuple[KeyFigures, ...]
    best: tuple[KeyFigures, ...]
    worst: tuple[KeyFigures, ...]
    quadrants: Mapping[Quadrant, int]
    named: Mapping[Quadrant, tuple[KeyFigures, ...]]
    points: tuple[KeyFigures, ...]
    exposure_line: float
    conversion_line: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A promotion over time, step by step.

    Attributes:
        edges: n + 1 ends of steps.
        clicks: visitors who clicked in each step, as are ``paid`` those who paid.
        orders: paid orders in each step, as is ``revenue`` what they brought.
    """

    edges: tuple[int, ...]
    clicks: tuple[int, ...]
    paid: tuple[int, ...]
    orders: tuple[int, ...]
    revenue: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """How far the numbers can be believed.

    Attributes:
        records: read while the promotion was on, by (topic: 0 clickstream, 1 orders; outcome).
        seen: share of the promotion's time that was recorded.
        buckets: ten seconds that were closed; ``incomplete`` ones did not wait for all partitions.
        gaps: times without any, the first ones; ``missing_ms`` is how long all of them are.
        about_data: incidents about data, not about the shop.
    """

    records: Mapping[tuple[int, str], int]
    seen: float
    buckets: int
    incomplete: int
    gaps: tuple[Times, ...]
    missing_ms: int
    about_data: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class ReportData:
    """See the module.

    Attributes:
        until_ms: event time up to which it was recorded, at most its end.
        counted_as: the dimension whose keys, ``counted_keys`` many, are summed up; ``all`` of a
            promotion without scope.
        nodes: of the funnel.
        currency: that of the target, else the one with the most paid; None if nothing was.
        sale: from start to end.
        incidents: about the shop, in the order of time; those of which there are more are counted in
            ``more_incidents``.
        lost: by currency, over all incidents that stand for themselves.
    """

    promotion: Promotion
    until_ms: int
    counted_as: str
    counted_keys: int
    nodes: tuple[str, ...]
    currency: str | None
    sale: Figures
    sale_seen: float
    phases: tuple[PhaseFigures, ...]
    targets: tuple[Target, ...]
    last: LastTime | None
    curve: Curve
    last_curve: Curve | None
    dimensions: tuple[DimensionFigures, ...]
    incidents: tuple[Incident, ...]
    more_incidents: int
    lost: Mapping[str, int]
    quality: Quality
