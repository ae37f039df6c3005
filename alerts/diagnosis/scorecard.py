"""Where traffic should go: each key's place in the exposure x conversion matrix.

| | converts better | converts worse |
|---|---|---|
| much exposed | ``star`` | ``wasted_traffic`` |
| little exposed | ``hidden_gem`` | ``tail`` |

The lines between are medians of one dimension, weighted so that keys with next to no data do not
draw them: the conversion that half of all entries are above, each key's rate first shrunk to the
common one, and the exposure that half of all exposures are above (in a shop where a few keys have
most of the traffic that is what "much" means). A key is placed only when its Wilson interval lies
wholly on one side of the conversion line, and only once the line would have given it
``LEAST_CONVERSIONS`` (below that the interval is too narrow): three lucky orders make no gem.
What is not placed is ``unclear``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# Half width of intervals in normal deviations: one key in a hundred on the line is placed by chance.
DEVIATIONS: Final = 2.576
# Entries at the common rate that each key is given before its rate helps to draw the line.
PSEUDO_ENTRIES: Final = 100.0
LEAST_CONVERSIONS: Final = 5.0


class Quadrant(StrEnum):
    """Where a key stands."""

    STAR = "star"
    HIDDEN_GEM = "hidden_gem"
    WASTED_TRAFFIC = "wasted_traffic"
    TAIL = "tail"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Places of one dimension's keys.

    Attributes:
        quadrants: by key.
        exposure_line: exposures from which a key is much exposed.
        conversion_line: rate above which a key converts better.
        lower: lower ends of the intervals of the rates, shape (keys,).
        upper: upper ends, shape (keys,).
    """

    quadrants: tuple[Quadrant, ...]
    exposure_line: float
    conversion_line: float
    lower: F64
    upper: F64


def scorecard(exposures: F64, entries: F64, conversions: F64, *, deviations: float = DEVIATIONS) -> Scorecard:
    """Places every key of a dimension.

    Args:
        exposures: how often each key was shown, shape (keys,).
        entries: visitors that could convert (clicks), shape (keys,).
        conversions: those that did, shape (keys,); more than entries counts as all of them.
        deviations: half width of the intervals, in normal deviations.
    """
    converted = np.minimum(conversions, entries)
    line = _conversion_line(entries, converted)
    exposure_line = _weighted_median(exposures, exposures)
    lower, upper = wilson(converted, entries, deviations)
    much = exposures >= exposure_line
    enough = entries * line >= LEAST_CONVERSIONS
    quadrants = _quadrants(much, enough & (lower > line), enough & (upper < line))
    return Scorecard(quadrants, exposure_line, line, lower, upper)


def wilson(conversions: F64, entries: F64, deviations: float) -> tuple[F64, F64]:
    """Interval of a rate (Wilson 1927), elementwise; from 0 to 1 where there are no entries."""
    known = np.maximum(entries, 1.0)
    rate = conversions / known
    squared = deviations**2
    middle = rate + squared / (2.0 * known)
    half = deviations * np.sqrt(rate * (1.0 - rate) / known + squared / (4.0 * known**2))
    scale = 1.0 + squared / known
    some = entries > 0.0
    lower = np.where(some, np.maximum((middle - half) / scale, 0.0), 0.0)
    return lower, np.where(some, np.minimum((middle + half) / scale, 1.0), 1.0)


def _conversion_line(entries: F64, conversions: F64) -> float:
    total = float(entries.sum())
    common = float(conversions.sum()) / total if total else 0.0
    shrunk = (conversions + PSEUDO_ENTRIES * common) / (entries + PSEUDO_ENTRIES)
    return _weighted_median(shrunk, entries)


def _weighted_median(values: F64, weights: F64) -> float:
    """The value at which half of the weight is reached; zero without weight."""
    if not weights.sum():
        return 0.0
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(reached, reached[-1] / 2.0)]])


def _quadrants(much: Bools, better: Bools, worse: Bools) -> tuple[Quadrant, ...]:
    placed = {
        (True, True): Quadrant.STAR,
        (False, True): Quadrant.HIDDEN_GEM,
        (True, False): Quadrant.WASTED_TRAFFIC,
        (False, False): Quadrant.TAIL,
    }
    return tuple(
        placed[shown, good] if good or bad else Quadrant.UNCLEAR
        for shown, good, bad in zip(much.tolist(), better.tolist(), worse.tolist(), strict=True)
    )
