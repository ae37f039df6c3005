"""Metrics of keys at the default caps: counting, snapshot and page, beside the client library.

The library does the same work in the usual way: one ``Counter`` per family, ``labels(...).inc()`` for
each increment, ``generate_latest`` for each scrape.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    enable_created_metrics,
    generate_latest,
)

from streams.funnel import DEFAULT_NODES
from streams.metrics.catalog import KEY_FAMILIES, Family
from streams.metrics.exposition import TEXT, Exposition
from streams.metrics.key_series import STATUSES, ExportSnapshot, KeySeries, KeySeriesSettings
from tests.benchmarks import reporting

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
        self.batches: dict[tuple[Family, str, tuple[str, ...]], list[str]] = {}
        for family, dimension, key, labels in series:
            self.batches.setdefault((family, dimension, labels), []).append(key)
        self.exposition = Exposition(CollectorRegistry(), self.snapshot)

    def snapshot(self) -> ExportSnapshot:
        """As at a scrape, some time after the last one."""
        self.now_ms += 15_000
        return self.key_series.snapshot(self.now_ms)

    def count_one_by_one(self) -> None:
        """Through ``add``."""
        for (family, dimension, labels), names in self.batches.items():
            for key in names:
                self.key_series.add(0, family, dimension, key, labels, 3)

    def count(self) -> None:
        """Through ``add_many``."""
        for (family, dimension, labels), names in self.batches.items():
            self.key_series.add_many(0, family, dimension, labels, names, [3] * len(names))

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


def missing(ours: Ours, library: Library) -> set[bytes]:
    """Samples on the library's page that are not on ours."""
    samples = {line for line in library.page().splitlines() if not line.startswith(b"#")}
    return samples - set(ours.page().splitlines())


def first_snapshot_s(ours: Ours) -> float:
    """CPU time of the snapshot in which every series is new and held."""
    ours.key_series.tick(0)
    start = time.process_time()
    ours.snapshot()
    return time.process_time() - start


def per_increment_ns(work: Callable[[], object], series: list[Increment]) -> int:
    """CPU time of one increment."""
    return round(cpu_seconds(work) / len(series) * 1e9)


def measure(ours: Ours, library: Library, series: list[Increment]) -> dict[str, Any]:
    """Medians of both."""
    return {
        "series": len(series),
        "page_bytes": len(ours.page()),
        "snapshot_ms": round(cpu_seconds(ours.snapshot) * 1e3, 2),
        "page_ms": round(cpu_seconds(ours.page) * 1e3, 1),
        "library_page_ms": round(cpu_seconds(library.page) * 1e3, 1),
        "add_many_ns": per_increment_ns(ours.count, series),
        "add_ns": per_increment_ns(ours.count_one_by_one, series),
        "library_inc_ns": per_increment_ns(library.count, series),
    }


@pytest.fixture
def _without_created() -> Iterator[None]:
    """As the worker exports: no ``_created`` series."""
    # Both carry no types.
    disable: Callable[[], None] = disable_created_metrics
    enable: Callable[[], None] = enable_created_metrics
    disable()
    yield
    enable()


@pytest.mark.usefixtures("_without_created")
def test_page_of_all_keys() -> None:
    """Both pages say the same, or the times would say nothing."""
    series = list(increments())
    ours, library = Ours(series), Library(series)
    for side in (ours, library):
        side.count()
    first_ms = round(first_snapshot_s(ours) * 1e3, 2)
    ours.snapshot()
    ours.snapshot()
    assert missing(ours, library) == set()
    figures = {"first_snapshot_ms": first_ms, **measure(ours, library, series)}
    path = reporting.write("metrics_page", figures)
    show(figures)
    print(f"written to {path}")


def show(figures: dict[str, Any]) -> None:
    """The table."""
    page, add = figures["library_page_ms"], figures["library_inc_ns"]
    reporting.show(
        f"Metrics, {figures['series']:,} series, page of {figures['page_bytes']:,} bytes",
        ("", "Funnelwatch", "client library", "times"),
        [
            ("page, ms", figures["page_ms"], page, f"{page / figures['page_ms']:.1f}"),
            ("increment, ns", figures["add_many_ns"], add, f"{add / figures['add_many_ns']:.1f}"),
        ],
        f"snapshot on the event loop {figures['snapshot_ms']} ms, the first {figures['first_snapshot_ms']} ms",
    )
