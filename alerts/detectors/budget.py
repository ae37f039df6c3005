"""From one number, false alarms a week for everything together, to every series' threshold.

The number is shared out over levels (dimensions), within a level equally over its series; of a series'
share drops have three quarters. A series' share is a time between its false alarms; times its rate that is a number of
expected events, and the log of it is the threshold, since evidence is calibrated so
(``sequential``). No constant is tuned: the sum of all shares is the number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.detectors.components import Way

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.detectors.components import Component

    F64 = NDArray[np.float64]

WEEK_MS = 7 * 24 * 3_600_000
MINUTE_MS = 60_000
MIN_THRESHOLD = 6.0  # nats; a nearly silent series would else be judged on a single event
OTHER = "other"
# Of a series' false alarms: a drop costs money every minute, so its threshold is the lower.
WAY_SHARES = np.array([0.75, 0.25])
_LARGEST = 700.0  # nats; above, exp overflows


def _shares() -> Mapping[str, float]:
    return {"all": 0.1, "slot": 0.3, "banner": 0.3, "sku": 0.3, OTHER: 0.3}


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """How many false alarms, and where they may fall.

    Attributes:
        false_alarms_per_week: for everything together.
        shares: weight of each level (dimension); ``other`` is for any that is not named. Levels that
            are present share the number in proportion.

    Raises:
        ValueError: not above zero, or no weight for ``other``.
    """

    false_alarms_per_week: float = 1.0
    shares: Mapping[str, float] = field(default_factory=_shares)

    def __post_init__(self) -> None:
        """Refuse what gives no threshold."""
        if self.false_alarms_per_week <= 0 or any(share <= 0 for share in self.shares.values()):
            raise ValueError("false alarms per week and shares must be above zero")
        if OTHER not in self.shares:
            raise ValueError(f"no share for {OTHER!r}")

    def per_week(self, levels: Sequence[str]) -> list[float]:
        """False alarms a week of each level that is present."""
        weights = [self.shares.get(level, self.shares[OTHER]) for level in levels]
        return [self.false_alarms_per_week * weight / sum(weights) for weight in weights]


def thresholds(
    per_minute: NDArray[Any] | float, dispersion: NDArray[Any] | float, series: int, per_week: float
) -> F64:
    """Thresholds of a level's series in nats; shape of ``per_minute`` and (2,), the last axis ``Way``.

    Args:
        per_minute: expected events a minute, a long mean (a day, a week): a threshold that follows
            traffic up and down would be late when it matters.
        dispersion: variance over mean of the counts, as given to ``SequentialTest.update``.
        series: how many series of the level are judged.
        per_week: false alarms a week of the level.
    """
    effective = np.asarray(per_minute, np.float64) / np.maximum(dispersion, 1.0)
    minutes = WEEK_MS / MINUTE_MS / per_week * max(series, 1) / WAY_SHARES
    events = effective[..., np.newaxis] * minutes
    nats: F64 = np.log(np.maximum(events, math.exp(MIN_THRESHOLD)))
    return nats


def one_in_ms(evidence: float, per_minute: float, dispersion: float = 1.0) -> float:
    """Nothing being wrong, evidence like this comes once in so long on this series and direction."""
    effective = per_minute / max(dispersion, 1.0)
    return math.exp(min(evidence, _LARGEST)) / effective * MINUTE_MS if effective > 0 else math.inf


def needed(components: Sequence[Component], ratio: float, threshold: float, dispersion: float = 1.0) -> float:
    """About how many more expected events it takes to see a change to ``ratio`` of expected.

    First order: what is missing of the threshold over the evidence an expected event brings, by the
    component that is first. Infinite where no component sees it (within the tolerance).
    """
    way = Way.DOWN if ratio < 1 else Way.UP
    events = math.inf
    for component in components:
        gain = component.rate * component.sign * (ratio - component.slope)
        if component.way is way and gain > 0:
            events = min(events, (threshold - component.offset) / gain)
    return events * max(dispersion, 1.0)
