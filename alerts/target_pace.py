"""Which share of what a promotion sells is usually sold by now. Pure.

The pace of the last promotion with the same scope, stretched to this one's length, if all of it is known
and it was neither half nor twice as long. Else what the hours of the day sold in the week before, times
the lifts that the phases are expected to bring; where that week is not known, all hours are alike.
None of them is certain, so whoever calls a promotion behind allows for :attr:`Pace.slack`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from alerts.measures import Sales
    from streams.promotions import Promotion

    F64 = NDArray[np.float64]

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_HOURS, _DAYS = 24, 7
_STEP_MS: Final = 300_000
_MOST_STEPS: Final = 2_016
# Fewer orders in a week, or a promotion, say nothing of hours.
_ENOUGH: Final = 100.0
# By how much a pace is wrong, relative, at the beginning.
_AS_LAST, _BY_HOURS, _FLAT = 0.1, 0.2, 0.4
_MOST_STRETCHED: Final = 2.0


class Pace(NamedTuple):
    """When a promotion sells.

    Attributes:
        shares: of the final sum by the end of each step, rising to 1; the first is 0, at the start.
        slack: by how much they may be wrong, relative, while nothing is sold yet.
    """

    shares: tuple[float, ...]
    slack: float

    def share(self, of_time: float) -> float:
        """Share that is expected after a part of the promotion's time, both 0 to 1."""
        return float(np.interp(of_time, np.linspace(0.0, 1.0, len(self.shares)), self.shares))

    def at_least(self, of_time: float) -> float:
        """The same if the pace is as slow at first as it may be; at the end it is known."""
        share = self.share(of_time)
        return share * (1.0 - self.slack * (1.0 - share))


def pace_of(
    promotion: Promotion, last: Promotion | None, sales: Sales, dimension: str, keys: Collection[str]
) -> Pace:
    """When a promotion will sell, as far as the past says.

    Args:
        promotion: that has begun.
        last: the one before it with the same scope.
        sales: orders of the past.
        dimension: of the keys that sell.
        keys: that sell.
    """
    if last is not None:
        before = _as_last(promotion, last, sales, dimension, keys)
        if before is not None:
            return before
    hours = _week_before(promotion, sales, dimension, keys)
    return Pace(_lifted(promotion, hours), _FLAT if hours is None else _BY_HOURS)


def _as_last(
    promotion: Promotion, last: Promotion, sales: Sales, dimension: str, keys: Collection[str]
) -> Pace | None:
    length = last.end_ms - last.start_ms
    stretch = (promotion.end_ms - promotion.start_ms) / length
    if not 1 / _MOST_STRETCHED < stretch < _MOST_STRETCHED:
        return None
    edges = np.linspace(last.start_ms, last.end_ms, min(length // _STEP_MS, _HOURS) + 1).astype(np.int64)
    sold = [sales.orders(dimension, keys, last.start_ms, edge) for edge in edges[1:].tolist()]
    known = [orders for orders in sold if orders is not None]
    if len(known) < len(sold) or not known or known[-1] < _ENOUGH:
        return None
    return Pace((0.0, *(orders / known[-1] for orders in known)), _AS_LAST)


def _week_before(
    promotion: Promotion, sales: Sales, dimension: str, keys: Collection[str]
) -> Sequence[float] | None:
    """Orders by hour since the promotion's start, of a day, in the days before it; None if not known."""
    hours = []
    for hour in range(_HOURS):
        starts = [promotion.start_ms - day * _DAY_MS + hour * _HOUR_MS for day in range(1, _DAYS + 1)]
        sold = [sales.orders(dimension, keys, start, start + _HOUR_MS) for start in starts]
        known = [orders for orders in sold if orders is not None]
        if not known:
            return None
        hours.append(sum(known) / len(known))
    return hours if sum(hours) >= _ENOUGH else None


def _lifted(promotion: Promotion, hours: Sequence[float] | None) -> tuple[float, ...]:
    """Shares, by what the hours sell and the phases lift."""
    steps = min(max((promotion.end_ms - promotion.start_ms) // _STEP_MS, 1), _MOST_STEPS)
    edges = np.linspace(promotion.start_ms, promotion.end_ms, steps + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    weights = np.ones(steps)
    if hours is not None:
        weights = np.array(hours)[((middles - promotion.start_ms) // _HOUR_MS).astype(np.int64) % _HOURS]
    for span in promotion.spans:
        within = (middles >= span.start_ms) & (middles < span.end_ms)
        weights[within] *= span.lift.traffic * span.lift.conversion
    sums = np.cumsum(weights)
    return (0.0, *(sums / sums[-1]).tolist())
