"""What watching costs at its bounds: 20,000 SKUs, 1,000 banners, 200 slots, buckets of ten seconds.

Rollups of :mod:`tests.benchmarks.watch_load` through the worker's own fold with the real watcher: while
all is well, and then with half of the carts going on from nowhere in the shop. CPU per bucket, of this
process alone; the snapshot, and resident memory. Wanted: under a fifth of a core, under 1 GiB.

``FUNNELWATCH_BENCH_WATCH_MINUTES`` (default 80: the hour of windows, and lateness, are full then),
``..._WATCH_INCIDENT_MINUTES`` (10), ``..._WATCH_PER_SECOND`` (2,000 events of the first node).
"""

from __future__ import annotations

import cProfile
import os
import pstats
import time
from statistics import mean, quantiles
from typing import Any, Final

from prometheus_client import CollectorRegistry

from streams.assembly import make_watcher
from streams.config import Settings, Topics, Watch
from streams.events import Record
from streams.metrics.watching import WatchMetrics
from streams.metrics.window_series import WindowSeries
from streams.worker.watch_fold import WatchFold
from tests.benchmarks import reporting
from tests.benchmarks.reporting import mib, option, say
from tests.benchmarks.watch_load import Size, WatchLoad

CART: Final = 3
PER_MINUTE: Final = 6
# Of a core, at one bucket in ten seconds; and of memory.
WANTED_SHARE: Final = 0.2
WANTED_BYTES: Final = 1 << 30
_STEADY: Final = 60


def test_a_large_shop_is_watched_within_bounds() -> None:
    """Every bucket is closed, and the incident is told."""
    resident_before = resident()
    settings = Settings(topics=Topics(rollup_shards=1), watch=Watch(min_history_ms=15 * 60_000))
    watching = Watching(settings, Size(per_s=float(option("WATCH_PER_SECOND", 2_000))))
    minutes, incident = option("WATCH_MINUTES", 80), option("WATCH_INCIDENT_MINUTES", 10)
    steady = watching.run(minutes * PER_MINUTE)[-_STEADY:]
    before = watching.told
    resident_steady = resident()
    watching.load.broken[CART] = 0.5
    broken = watching.run(incident * PER_MINUTE)
    assert watching.told > before
    began = time.process_time()
    snapshot = watching.fold.encode()
    snapshot_s = time.process_time() - began
    began = time.process_time()
    watching.restored(snapshot)
    figures = {
        "buckets": watching.number,
        "steady_ms": spread(steady),
        "incident_ms": spread(broken),
        "share_of_a_core": mean(steady) / 10_000,
        "share_with_an_incident": mean(broken) / 10_000,
        "snapshot_bytes": len(snapshot),
        "snapshot_s": snapshot_s,
        "restore_s": time.process_time() - began,
        "resident_before_bytes": resident_before,
        "resident_bytes": resident_steady,
        "resident_after_bytes": resident(),
    }
    show(figures)
    print(f"written to {reporting.write('watch_bounds', figures)}")
    if option("WATCH_PROFILE", 0):
        profile = cProfile.Profile()
        profile.runcall(watching.run, 30)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        pstats.Stats(profile).sort_stats("cumtime").print_stats(70)


class Watching:
    """A worker's watching without Kafka.

    Args:
        settings: of the deployment.
        size: of the shop.
    """

    def __init__(self, settings: Settings, size: Size) -> None:
        self._settings = settings
        self.load = WatchLoad(size)
        self.fold = self.restored(None)
        self.number = 0
        self.told = 0

    def restored(self, snapshot: bytes | None) -> WatchFold:
        """A fold that goes on from a snapshot."""
        registry = CollectorRegistry()
        watcher = make_watcher(self._settings, registry)
        return WatchFold(
            self._settings, watcher, WatchMetrics(registry), WindowSeries(expected=watcher.expected), snapshot
        )

    def run(self, buckets: int) -> list[float]:
        """CPU of each of the next buckets, ms: decoding, closing, windows and judging."""
        found = []
        for _ in range(buckets):
            records = [
                Record(2 * self.number + at, 0, data) for at, data in enumerate(self.load.bucket(self.number))
            ]
            began = time.process_time()
            self.fold.take({0: records}, ())
            self.told += len(self.fold.close(live=True).messages)
            found.append((time.process_time() - began) * 1e3)
            self.number += 1
        return found


def spread(times: list[float]) -> dict[str, float]:
    """Mean, 95th percentile and worst."""
    return {"mean": mean(times), "p95": quantiles(times, n=20)[-1], "worst": max(times)}


def resident() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm") as file:  # noqa: PTH123  # no file of ours
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def show(figures: dict[str, Any]) -> None:
    """In words."""
    for name in ("steady_ms", "incident_ms"):
        each = figures[name]
        say(f"{name}: {each['mean']:.0f} mean, {each['p95']:.0f} p95, {each['worst']:.0f} worst")
    for name in ("share_of_a_core", "share_with_an_incident"):
        say(f"{name}: {figures[name]:.1%} (wanted: under {WANTED_SHARE:.0%})")
    say(
        f"snapshot: {mib(figures['snapshot_bytes'])}, {figures['snapshot_s']:.1f} s, restored {figures['restore_s']:.1f} s"
    )
    for name in ("resident_before_bytes", "resident_bytes", "resident_after_bytes"):
        say(f"{name}: {mib(figures[name])} (wanted: under {mib(WANTED_BYTES)})")
