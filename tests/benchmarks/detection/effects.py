"""What is done to a world: changes of traffic, conversion or delay, from when to when, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

FOREVER_MS = 1 << 60


class What(StrEnum):
    """What a change acts on."""

    TRAFFIC = "traffic"
    CONVERSION = "conversion"
    DELAY = "delay"
    SUCCESS = "success"  # of payment attempts
    HANG = "hang"  # payment attempts that are never resolved
    FEED = "feed"  # records are held back until the end, then come at once


@dataclass(frozen=True, slots=True)
class Effect:
    """One change.

    Attributes:
        what: acts on this.
        factor: multiplies it; for HANG the share of attempts that hang.
        start_ms: event time from which it holds.
        end_ms: until when.
        ramp_ms: it grows linearly over this long.
        where: (dimension, key number) pairs, all of which must hold; none means everywhere. For
            FEED the dimensions are ``topic`` (0 clickstream, 1 orders) and ``partition``.
        node: the later node of the step whose conversion changes.
    """

    what: What
    factor: float
    start_ms: int
    end_ms: int = FOREVER_MS
    ramp_ms: int = 0
    where: tuple[tuple[str, int], ...] = ()
    node: str = "order"

    def at(self, times_ms: I64) -> F64:
        """What it multiplies by at each time; 1 where it does not hold. Shape as given."""
        grown = np.clip((times_ms - self.start_ms) / self.ramp_ms, 0, 1) if self.ramp_ms else 1.0
        held = (times_ms >= self.start_ms) & (times_ms < self.end_ms)
        return np.where(held, 1 + (self.factor - 1) * grown, 1.0)
