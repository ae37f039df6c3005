"""Frozen settings of the counting core. Durations are milliseconds of event time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BUCKET_MS = 10_000
AttributionModel = Literal["last", "first", "linear"]


@dataclass(frozen=True, slots=True)
class CountingSettings:
    """The numbers in the counting contract; the defaults are the contract's."""

    max_out_of_orderness_ms: int = 5_000
    allowed_lateness_ms: int = 600_000
    max_future_ms: int = 300_000
    dedupe_horizon_ms: int = 3_600_000
    attribution_window_ms: int = 1_800_000
    attribution: AttributionModel = "last"
    max_tracked_keys: int = 100_000
    remembered_orders: int = 200_000
    combinations: bool = True
