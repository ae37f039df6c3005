"""How often a Poisson CUSUM cries wolf: a formula, not a simulation.

A CUSUM of counts adds ``slope * expected - observed`` (a drop) or ``observed - slope * expected`` (a
surge) and never falls below zero. Looked at all the time it is a Levy process with jumps of one,
reflected; the mean of its first passage of a height is known through the scale function W, whose
transform is ``1 / (slope * b - 1 + exp(-b))`` (Pistorius, J. Theoret. Probab. 17 (2004) 183; Avram,
Kyprianou, Pistorius, Ann. Appl. Probab. 14 (2004) 215)::

    drop   E[T] = integral of W over [0, height]
    surge  E[T] = W(height)^2 / W'(height) - integral of W over [0, height]

with time in expected events. Only the leading pole matters from a few nats on, so the log of the mean
time is a straight line in the height: ``Law``. Looked at only every ten seconds, and held at zero only
then, the sum is never higher than that, so the true time is longer: the law is a bound, and is met
where a bucket holds about one event or fewer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_HALVINGS = 100


class Law(NamedTuple):
    """Log of the mean number of expected events to a height: ``rate * height + offset``."""

    rate: float
    offset: float


def reference(ratio: float, edge: float) -> float:
    """Slope at which a CUSUM tells rate ``ratio`` from rate ``edge``, both relative to expected.

    At this slope the sum is their log likelihood ratio over ``abs(log(ratio / edge))``.
    """
    return (ratio - edge) / math.log(ratio / edge)


def drop_law(slope: float, actual: float = 1.0) -> Law:
    """Law of a drop's CUSUM when events come at ``actual`` times the expected rate.

    Raises:
        ValueError: the slope is not below the actual rate, so the sum would grow with nothing wrong.
    """
    if not 0 < slope < actual:
        raise ValueError(f"slope of a drop must be in (0, {actual}): {slope}")
    steep = slope / actual
    rate = _root(lambda b: steep * b - 1 + math.exp(-b), 1 / steep)
    return Law(rate, -math.log(rate * (steep - math.exp(-rate)) * actual))


def surge_law(slope: float, actual: float = 1.0) -> Law:
    """Law of a surge's CUSUM when events come at ``actual`` times the expected rate.

    Raises:
        ValueError: the slope is not above the actual rate.
    """
    if slope <= actual:
        raise ValueError(f"slope of a surge must be above {actual}: {slope}")
    steep = slope / actual
    rate = _root(lambda b: math.exp(b) - 1 - steep * b, 2 * math.log(steep) + 2)
    leading = (math.exp(rate) - steep) / (rate * (steep - 1) ** 2)
    return Law(rate, math.log(leading / actual))


def _root(rising: Callable[[float], float], high: float) -> float:
    """The positive zero of a convex function that is zero and falling at 0; ``high`` lies above it."""
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high
