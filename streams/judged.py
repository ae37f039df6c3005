"""What the watcher expected, bucket by bucket: plain data for whoever shows it. No decision stands on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

__all__ = ["NOTHING_JUDGED", "Judged", "Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """When a promotion sells: shares of the final sum by the end of equal steps, from 0 to 1.

    ``slack`` is by how much they may be wrong, relative, while nothing is sold yet.
    """

    shares: tuple[float, ...]
    slack: float

    def share(self, of_time: float) -> float:
        """Share that is expected after a part of the promotion's time, both 0 to 1."""
        return float(np.interp(of_time, np.linspace(0.0, 1.0, len(self.shares)), self.shares))


@dataclass(frozen=True, slots=True)
class Judged:
    """The newest buckets that were judged, oldest first, of every key but the SKUs'.

    Attributes:
        keys: (dimension, key) of each row.
        end_ms: end of the newest bucket; 0 if there is none.
        buckets: what entered each step, what reached its end, and what was expected to: shape
            (buckets, 3, rows, steps).
        dispersion: variance of counts over their mean, shape (rows, steps).
        monitored: whether what is expected is known well enough to be shown, shape (rows, steps).
        paces: of promotions that run and have targets, by name.
    """

    keys: tuple[tuple[str, str], ...]
    end_ms: int
    buckets: F32
    dispersion: F64
    monitored: NDArray[np.bool_]
    paces: Mapping[str, Pace] = field(default_factory=dict)


NOTHING_JUDGED = Judged(
    (), 0, np.zeros((0, 3, 0, 0), np.float32), np.zeros((0, 0)), np.zeros((0, 0), np.bool_)
)
