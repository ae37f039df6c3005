"""Workers to scrape, and what Prometheus makes of the samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from streams.metrics.catalog import Family
from streams.metrics.key_series import KeySeries, KeySeriesSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from streams.metrics.key_series import ExportSnapshot

# The library's strict parser, which carries no types.
read_openmetrics: Callable[[str], Iterable[Metric]] = text_string_to_metric_families
# 2025-11-11, 12:00 UTC
NOON_MS = 1_762_862_400_000
DAY_MS = 86_400_000
SETTINGS = KeySeriesSettings(
    total_shards=4,
    topics=("clickstream", "orders"),
    max_keys=8,
    waiting_keys=100,
    vanish_hold_ms=20_000,
)
EVERY_SHARD = frozenset(range(4))


def owner(settings: KeySeriesSettings = SETTINGS, **changes: object) -> KeySeries:
    """A worker that owns every shard since noon."""
    series = KeySeries(replace(settings, **changes))  # type: ignore[arg-type]
    series.own(EVERY_SHARD, NOON_MS)
    return series


def values(snapshot: ExportSnapshot, family: Family = Family.EVENTS) -> dict[tuple[str, ...], int]:
    """The exported values of one family by (dimension, key, label ...)."""
    return {
        (dimension, key, *labels): value
        for dimension, key, cells in snapshot.keys
        for labels, value in cells[family].items()
    }


def keys(snapshot: ExportSnapshot, dimension: str = "sku") -> set[str]:
    """The keys of a dimension that have any series, without ``(other)``."""
    return {key for name, key, cells in snapshot.keys if name == dimension and any(cells)} - {"(other)"}


def settled(series: KeySeries, now_ms: int) -> ExportSnapshot:
    """A snapshot after every hold is over; scrapes at ``now_ms`` and a minute later."""
    series.snapshot(now_ms)
    return series.snapshot(now_ms + 60_000)


def clicks(series: KeySeries, counts: dict[str, int], dimension: str = "sku", shard: int = 0) -> None:
    """Counts clicks of several keys of one shard."""
    series.add_many(shard, Family.EVENTS, dimension, ("click",), list(counts), list(counts.values()))


def increase(samples: Iterable[int | None]) -> int:
    """What PromQL adds up over all samples of a series, without extrapolation. None: not scraped."""
    total, before = 0, None
    for value in samples:
        if value is None:
            continue
        if before is not None:
            total += value - before if value >= before else value
        before = value
    return total
