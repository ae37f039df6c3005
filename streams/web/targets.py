"""How far a promotion is: each of its targets, what was sold of it, and what the pace wants by now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import EXPONENTS
from streams.funnel import ALL
from streams.web import answers as a
from streams.web.picture import EVENTS, VISITORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.promotions import Promotion
    from streams.web.picture import Picture, Window

_CLICK: Final = 1


def targets(picture: Picture | None, promotion: Promotion) -> Iterator[a.Target]:
    """Each target that the promotion has; ``so_far`` and ``by_now`` are None while they are not known.

    Args:
        picture: what was counted; None in a worker that does not watch.
        promotion: of the calendar.
    """
    window = None if picture is None else picture.windows.get(f"promotion:{promotion.name}")
    sold = None if picture is None or window is None else _sold(picture, window, promotion)
    share = 0.0 if picture is None else _share_by_now(picture, promotion)
    targets = promotion.targets
    if targets.orders is not None:
        yield a.Target(
            name="orders",
            target=targets.orders,
            so_far=None if sold is None else sold[0],
            by_now=_by_now(targets.orders, share),
        )
    if targets.revenue_minor is not None and targets.currency is not None:
        same = picture is not None and picture.currency == targets.currency
        yield a.Target(
            name="revenue",
            target=targets.revenue_minor,
            so_far=sold[1] if sold is not None and same else None,
            by_now=_by_now(targets.revenue_minor, share),
            currency=targets.currency,
            exponent=EXPONENTS[targets.currency],
        )
    if targets.conversion is not None:
        yield a.Target(
            name="conversion",
            target=targets.conversion,
            so_far=sold[2] if sold is not None else None,
            by_now=targets.conversion,
        )


def _by_now(target: float, share: float | None) -> float | None:
    return None if share is None else round(target * share, 2)


def _share_by_now(picture: Picture, promotion: Promotion) -> float | None:
    """Share of the target that the pace wants by now; None while the pace is not known."""
    pace = picture.judged.paces.get(promotion.name)
    if pace is None:
        return None
    length_ms = promotion.end_ms - promotion.start_ms
    return pace.share(min(max((picture.end_ms - promotion.start_ms) / length_ms, 0.0), 1.0))


def _sold(picture: Picture, window: Window, promotion: Promotion) -> tuple[int, int, float | None]:
    """Paid orders, their amount, and conversion; of a scope over several dimensions the one that sold most."""
    scopes = promotion.scope or {ALL: frozenset({ALL})}
    found = [_sold_by(picture, window, dimension, sorted(keys)) for dimension, keys in scopes.items()]
    return max(found, key=lambda one: one[0])


def _sold_by(
    picture: Picture, window: Window, dimension: str, keys: Sequence[str]
) -> tuple[int, int, float | None]:
    counts, paid = window.counts.get(dimension), window.paid.get(dimension)
    if counts is None:
        return 0, 0, None
    wanted, names = frozenset(keys), picture.names[dimension]
    numbers = np.array([at for at in range(len(counts)) if names[at] in wanted], dtype=np.int64)
    sums = counts[numbers].sum(axis=0)
    amount = 0 if paid is None else int(paid[numbers[numbers < len(paid)], 1].sum())
    clicks, payers = int(sums[VISITORS, _CLICK]), int(sums[VISITORS, -1])
    return int(sums[EVENTS, -1]), amount, payers / clicks if clicks else None
