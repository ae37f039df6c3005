"""Metrics of keys at the default caps: counting, snapshot and page, beside the client library.

    python tests/benchmarks/bench_metrics.py

prints one JSON document. The library does the same work in the usual way: one ``Counter`` per family,
``labels(...).inc()`` for each increment, ``generate_latest`` for each scrape.
"""

from __future__ import annotations

import json
import os
import platform
import time
from statistics import median
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest

from streams.funnel import DEFAULT_NODES
from streams.metrics.catalog import KEY_FAMILIES, Family
from streams.metrics.exposition import TEXT, Exposition
from streams.metrics.key_series import STATUSES, ExportSnapshot, KeySeries, KeySeriesSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = {"slot": 200, "banner": 200, "sku": 200, "all": 1}
Increment = tuple[Family, str, str, tuple[str, ...]]
ROUNDS = 7


def increments() -> Iterator[Increment]:
    """One increment of every series of a shop that uses up the default caps."""
    for dimension, count in KEYS.items():
        for key in (f"{dimension}-{number}" for number in range(count)):
            name = "all" if dimension == "all" else key
            yield from ((Family.EVENTS, dimension, name, (node,)) for node in DEFAULT_NODES)
            yield from ((Family.VISITORS, dimension, name, (node,)) for node in DEFAULT_NODES[1:])
            yield from ((Family.ORDERS, dimension, name, (status,)) for status in STATUSES)
            yield from ((Family.REVENUE, dimension, name, ("CNY", kind)) for kind in STATUSES)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Median CPU time of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


class Ours:
    """Increments handed over as they come from a merge: many rows of one family and dimension."""

    def __init__(self, series: list[Increment]) -> None:
        self.key_series = KeySeries(KeySeriesSettings(total_shards=1))
        self.key_series.own(frozenset({0}), 0)
        self.now_ms = 0
        self.batches: dict[tuple[Family, str], list[tuple[str, tuple[str, ...], int]]] = {}
        for family, dimension, key, labels in series:
            self.batches.setdefault((family, dimension), []).append((key, labels, 3))
        self.exposition = Exposition(CollectorRegistry(), self.snapshot)

    def snapshot(self) -> ExportSnapshot:
        """As at a scrape, some time after the last one."""
        self.now_ms += 15_000
        return self.key_series.snapshot(self.now_ms)

    def count_one_by_one(self) -> None:
        """Through ``add``."""
        for (family, dimension), rows in self.batches.items():
            for key, labels, value in rows:
                self.key_series.add(0, family, dimension, key, labels, value)

    def count(self) -> None:
        """Through ``add_many``."""
        for (family, dimension), rows in self.batches.items():
            self.key_series.add_many(0, family, dimension, rows)

    def page(self) -> bytes:
        """A whole scrape without HTTP."""
        return self.exposition.capture()(TEXT)


class Library:
    """The same by prometheus_client alone."""

    def __init__(self, series: list[Increment]) -> None:
        self.registry = CollectorRegistry()
        self.counters = [
            Counter(spec.family, spec.help, spec.labels, registry=self.registry) for spec in KEY_FAMILIES
        ]
        self.series = series

    def count(self) -> None:
        """Through ``labels(...).inc()``."""
        for family, dimension, key, labels in self.series:
            self.counters[family].labels(dimension, key, *labels).inc(3)

    def page(self) -> bytes:
        """A whole scrape without HTTP."""
        return generate_latest(self.registry)


def check_equal(ours: Ours, library: Library) -> None:
    """Both pages say the same, or the times say nothing."""
    samples = {line for line in library.page().splitlines() if not line.startswith(b"#")}
    missing = samples - set(ours.page().splitlines())
    if missing:
        raise SystemExit(f"{len(missing)} samples differ, such as {min(missing)!r}")


def measure() -> dict[str, object]:
    """Medians, and how many times as fast as the library ours is."""
    series = list(increments())
    ours, library = Ours(series), Library(series)
    for side in (ours, library):
        side.count()
    ours.key_series.tick(0)
    start = time.process_time()
    ours.snapshot()  # every series is new and held
    first_snapshot = time.process_time() - start
    ours.snapshot()
    ours.snapshot()
    check_equal(ours, library)
    count, one, reference_count = (
        cpu_seconds(work) / len(series) for work in (ours.count, ours.count_one_by_one, library.count)
    )
    page, reference_page = cpu_seconds(ours.page), cpu_seconds(library.page)
    return {
        "benchmark": "metrics",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "series": len(series),
        "page_bytes": len(ours.page()),
        "first_snapshot_ms": round(first_snapshot * 1e3, 2),
        "snapshot_ms": round(cpu_seconds(ours.snapshot) * 1e3, 2),
        "page_ms": round(page * 1e3, 1),
        "reference_page_ms": round(reference_page * 1e3, 1),
        "page_ratio": round(reference_page / page, 1),
        "add_many_ns": round(count * 1e9),
        "add_ns": round(one * 1e9),
        "reference_inc_ns": round(reference_count * 1e9),
        "add_many_ratio": round(reference_count / count, 1),
    }


if __name__ == "__main__":
    without_created: Callable[[], None] = disable_created_metrics  # it carries no types
    without_created()
    print(json.dumps(measure(), indent=2))
