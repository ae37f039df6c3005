"""Which changes are looked for: one CUSUM for each, and how its height reads as evidence.

Every component looks for one ratio. It is held against the nearest ratio that is still normal
(``1 - tolerance`` or ``1 + tolerance``), so within the tolerance its sum does not grow; but how often it
cries wolf is reckoned where the truth mostly lies, within ``margin`` of the expectation. That is what
makes a tolerance cheap: a guarantee at its very edge would double the delay of a 30 % drop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from alerts.detectors.arl import drop_law, reference, surge_law

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
        margin: how far a baseline may be wrong, relative, with the false-alarm budget still held.
        drops: (ratio, weight) below ``1 - tolerance``; the ratio is raised to ``MIN_RATIO``. A weight is
            the component's share of false alarms. Components overlap, so the weights of a direction
            may add up to more than one: how much more is found by simulation (``calibration``).
        surges: likewise above ``1 + tolerance``.

    Raises:
        ValueError: a ratio within the tolerance, a margin not below it, or a weight not above zero.
    """

    tolerance: float = 0.10
    margin: float = 0.03
    drops: tuple[tuple[float, float], ...] = ((0.7, 0.75), (0.45, 0.3), (MIN_RATIO, 0.15))
    surges: tuple[tuple[float, float], ...] = ((1.4, 0.7), (2.5, 0.3), (6.0, 0.15))

    def __post_init__(self) -> None:
        """Refuse what cannot be calibrated."""
        if not 0 <= self.margin < self.tolerance < 1:
            raise ValueError(f"0 <= margin < tolerance < 1: {self.margin}, {self.tolerance}")
        if any(weight <= 0 for _, weight in (*self.drops, *self.surges)):
            raise ValueError("a weight must be above zero")
        if any(ratio >= 1 - self.tolerance for ratio, _ in self.drops):
            raise ValueError("a drop's ratio lies within the tolerance")
        if any(ratio <= 1 + self.tolerance for ratio, _ in self.surges):
            raise ValueError("a surge's ratio lies within the tolerance")

    @property
    def components(self) -> tuple[Component, ...]:
        """All components, drops first."""
        drops = (_drop(max(ratio, MIN_RATIO), weight, self) for ratio, weight in self.drops)
        surges = (_surge(ratio, weight, self) for ratio, weight in self.surges)
        return (*drops, *surges)


def _drop(ratio: float, weight: float, settings: SequentialSettings) -> Component:
    slope = reference(ratio, 1 - settings.tolerance)
    law = drop_law(slope, 1 - settings.margin)
    return Component(Way.DOWN, ratio, slope, law.rate, law.offset + math.log(weight))


def _surge(ratio: float, weight: float, settings: SequentialSettings) -> Component:
    slope = reference(ratio, 1 + settings.tolerance)
    law = surge_law(slope, 1 + settings.margin)
    return Component(Way.UP, ratio, slope, law.rate, law.offset + math.log(weight))
