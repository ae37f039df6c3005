"""Whether a promotion will miss its target: said only if chance cannot bring it there any more.

The share of the promotion's sales that is usually done by now (its expected pace, by the time of day,
phases and all) is ``share``. What was sold so far is that share of the final sum, up to chance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from alerts.model import EVERYWHERE, Finding, Kind, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

_MINUTE_MS: Final = 60_000
# One-sided, one in 1,000 each time that it is asked.
_Z: Final = 3.09
# Earlier a projection is more guess than sum.
_LEAST_SHARE: Final = 0.05


class Projection(NamedTuple):
    """The final sum as it looks now, with the ends of its credible interval."""

    low: float
    final: float
    high: float


def project(so_far: float, share: float, per_unit: float = 1.0, *, z: float = _Z) -> Projection | None:
    """What the final sum will be; None while it is too early to say.

    The pace so far goes on as planned. Its uncertainty and that of what is still to come are both
    in the interval; they are those of a sum of independent orders.

    Args:
        so_far: orders, or money in minor units.
        share: of the final sum that is expected by now, 0 to 1.
        per_unit: variance over mean of the sum: for orders 1 or their overdispersion, for money the
            mean of squared order values over the mean order value.
        z: half width of the interval in standard deviations.
    """
    if share < _LEAST_SHARE:
        return None
    share = min(share, 1.0)
    left = (1 - share) / share
    final = so_far * (1 + left)
    # With nothing sold there is no telling better than one order.
    mean = max(so_far, per_unit)
    spread = z * math.sqrt(per_unit * mean * (left**2 + left))
    # z^2/2 skews the interval as a gamma's is: small sums may rise by more than they may fall.
    lift = per_unit * z * z / 2 * left
    return Projection(max(so_far, final - spread + lift), final, final + spread + lift)


def behind_target(
    promotion: str,
    *,
    so_far: float,
    share: float,
    target: float,
    started_ms: int,
    at_ms: int,
    per_unit: float = 1.0,
    scope: Sequence[Place] = EVERYWHERE,
) -> Finding | None:
    """A finding if even the upper end of the projected final sum is below the target.

    Args:
        promotion: its name, the finding's detail.
        so_far: orders or money since it began.
        share: of the final sum that is expected by now.
        target: for the whole promotion, in the same unit.
        started_ms: when it began.
        at_ms: now.
        per_unit: see :func:`project`.
        scope: of the promotion.
    """
    projection = project(so_far, share, per_unit)
    if projection is None or projection.high >= target:
        return None
    return Finding(
        kind=Kind.PROMOTION_BEHIND_TARGET,
        scope=tuple(scope),
        step=None,
        since_ms=started_ms,
        at_ms=at_ms,
        observed=so_far,
        expected=target * min(share, 1.0),
        entries=0.0,
        evidence=_Z**2 / 2,
        threshold=_Z**2 / 2,
        one_in_ms=math.inf,
        detail=promotion,
    )


def on_target(so_far: float, share: float, target: float, per_unit: float = 1.0) -> bool:
    """The mirror test: as it looks now the target will be met."""
    projection = project(so_far, share, per_unit)
    return projection is not None and projection.final >= target
