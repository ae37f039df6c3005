"""The section ``watch``: how what is counted is watched, and when it is an incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from streams.config_section import Section
from streams.config_types import Currency, FromText, ZoneName, number, span, whole
from streams.durations import HOUR, MINUTE, SECOND

ExportedWindow = Literal["1m", "5m", "15m", "1h", "day", "promotion"]
ALL_WINDOWS: Final[tuple[ExportedWindow, ...]] = ("1m", "5m", "15m", "1h", "day", "promotion")


class Watch(Section):
    """One number says how much is told, the rest follows from it.

    ``patience`` is how long a bucket waits for a source partition that is behind, ``pending_hold``
    how long a finding must last before it is told. A series is ``learning`` until it has
    ``min_history`` and ``min_conversions``. ``aov_fallback`` is what an order is worth, in minor units
    by currency, where none has been paid yet; without it such losses have no price.
    """

    enabled: bool = True
    false_alarms_per_week: Annotated[float, number(0.001, 10_000)] = 1.0
    tolerance: Annotated[float, number(0, 0.9)] = 0.10
    time_zone: ZoneName = "UTC"
    windows: Annotated[tuple[ExportedWindow, ...], FromText] = ALL_WINDOWS
    max_window_keys: Annotated[int, whole(1, 10_000)] = 50
    patience_ms: Annotated[int, span("1s", "10m")] = 15 * SECOND
    reopen_within_ms: Annotated[int, span("0s", "1d")] = 15 * MINUTE
    pending_hold_ms: Annotated[int, span("0s", "1h")] = 0
    min_history_ms: Annotated[int, span("1m", "28d")] = HOUR
    min_conversions: Annotated[int, whole(1, 1_000_000)] = 20
    aov_fallback: Annotated[
        Mapping[Currency, Annotated[int, whole(1, 10**12)]], FromText, Field(max_length=200)
    ] = {}
    snapshot_interval_ms: Annotated[int, span("10s", "1h")] = MINUTE


# What a running worker can take up; the rest of the section shapes what is built at its start.
LIVE: Final = frozenset(
    {
        *("false_alarms_per_week", "tolerance", "reopen_within_ms", "pending_hold_ms"),
        *("min_history_ms", "min_conversions", "aov_fallback"),
    }
)
