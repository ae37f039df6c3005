"""Poisson log likelihood of counts under a changed factor, against the expected ones."""

from __future__ import annotations

from enum import StrEnum
from math import log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# Counts where none were expected are news, but not infinitely so: the expectation is an estimate.
LEAST_EXPECTED = 1e-6


class Direction(StrEnum):
    """Which changes are looked for."""

    DROP = "drop"
    SURGE = "surge"
    BOTH = "both"


def gains(observed: F64, expected: F64) -> F64:
    """Log likelihood gained by letting each count have its own factor, nats; never below zero.

    ``x ln(x / e) - (x - e)``, elementwise.
    """
    floor = np.maximum(expected, LEAST_EXPECTED)
    logs = np.log(np.where(observed > 0.0, observed, 1.0) / floor)
    return np.maximum(np.where(observed > 0.0, observed * logs, 0.0) - (observed - floor), 0.0)


def gain(observed: float, expected: float) -> float:
    """As ``gains``, of one count."""
    floor = max(expected, LEAST_EXPECTED)
    logged = observed * log(observed / floor) if observed > 0.0 else 0.0
    return max(logged - (observed - floor), 0.0)


def moved(observed: F64, expected: F64, direction: Direction) -> Bools:
    """Which counts are off their expectation in ``direction``."""
    if direction is Direction.DROP:
        return np.less(observed, expected)
    if direction is Direction.SURGE:
        return np.greater(observed, expected)
    return np.not_equal(observed, expected)
