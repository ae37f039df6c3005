"""Which changes are looked for: one CUSUM for each, and how its height reads as evidence.

Every component looks for one ratio. It is held against the nearest ratio that is still normal
(``1 - tolerance`` or ``1 + tolerance``), so within the tolerance its sum does not grow. How often it
cries wolf is reckoned not at that edge but as far off as the expectation may be wrong (``margin``: its
see ``margin_for``). That is what makes a tolerance cheap: a guarantee at its very edge doubles the
delay of a 30 % drop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.detectors.arl import drop_law, reference, surge_law

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

# False alarms grow by about exp(40 to 60 nats x error) with an expectation that is too high, more with
# higher thresholds. Over errors spread normally with standard error u that is, in the mean, as with a
# fixed error of 20 to 30 u^2; from about 3 % on a fixed error of u is the milder of the two.
_MARGIN_PER_SQUARE = 30.0
MIN_RATIO = 0.02  # a dead series still gets stragglers, which must not kill the evidence


class Way(IntEnum):
    """Direction of a change; the number is its place on the last axis of arrays."""

    DOWN = 0
    UP = 1


class Component(NamedTuple):
    """One CUSUM: ``sign * (observed - slope * expected)``, never below zero, in events.

    Evidence of a height is ``rate * height + offset``: the log of how many expected events pass,
    nothing being wrong, before any component of its direction reaches the like.
    """

    way: Way
    ratio: float
    slope: float
    rate: float
    offset: float

    @property
    def sign(self) -> int:
        """-1 where missing events are evidence."""
        return 1 if self.way is Way.UP else -1


@dataclass(frozen=True, slots=True)
class SequentialSettings:
    """What is looked for.

    Attributes:
        tolerance: relative change below which nothing counts as evidence.
        drops: (ratio, weight) below ``1 - tolerance``; the ratio is raised to ``MIN_RATIO``. A weight is
            the component's share of false alarms. Components cry wolf together, so the default weights
            of a direction add up to more than one; a test by simulation holds them to the budget.
        surges: likewise above ``1 + tolerance``.

    Raises:
        ValueError: a tolerance out of (0, 1), a ratio within it, or a weight not above zero.
    """

    tolerance: float = 0.10
    drops: tuple[tuple[float, float], ...] = ((0.78, 0.95), (0.5, 0.4), (MIN_RATIO, 0.1))
    surges: tuple[tuple[float, float], ...] = ((1.3, 0.85), (2.2, 0.35), (6.0, 0.1))

    def __post_init__(self) -> None:
        """Refuse what cannot be calibrated."""
        if not 0 < self.tolerance < 1:
            raise ValueError(f"a tolerance must be in (0, 1): {self.tolerance}")
        if any(weight <= 0 for _, weight in (*self.drops, *self.surges)):
            raise ValueError("a weight must be above zero")
        if any(ratio >= 1 - self.tolerance for ratio, _ in self.drops):
            raise ValueError("a drop's ratio lies within the tolerance")
        if any(ratio <= 1 + self.tolerance for ratio, _ in self.surges):
            raise ValueError("a surge's ratio lies within the tolerance")

    def components(self, margin: float = 0.0) -> tuple[Component, ...]:
        """All components, drops first, calibrated for an expectation that is wrong by ``margin``.

        A margin beyond the tolerance is the tolerance: further off nothing is calibrated.
        """
        wrong = min(max(margin, 0.0), self.tolerance)
        drops = (_drop(max(ratio, MIN_RATIO), weight, self.tolerance, wrong) for ratio, weight in self.drops)
        surges = (_surge(ratio, weight, self.tolerance, wrong) for ratio, weight in self.surges)
        return (*drops, *surges)


def margin_for(uncertainty: F64 | float) -> F64:
    """Error of the expectation to calibrate for, when its standard error is so large (both relative)."""
    known = np.maximum(uncertainty, 0.0)
    return np.asarray(known * np.minimum(_MARGIN_PER_SQUARE * known, 1.0))


def _drop(ratio: float, weight: float, tolerance: float, margin: float) -> Component:
    slope = reference(ratio, 1 - tolerance)
    law = drop_law(slope, 1 - margin)
    return Component(Way.DOWN, ratio, slope, law.rate, law.offset + math.log(weight))


def _surge(ratio: float, weight: float, tolerance: float, margin: float) -> Component:
    slope = reference(ratio, 1 + tolerance)
    law = surge_law(slope, 1 + margin)
    return Component(Way.UP, ratio, slope, law.rate, law.offset + math.log(weight))
