"""What the watcher knows about itself. Of the workers of a deployment one watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from streams.metrics import catalog
from streams.metrics.pipeline import WeightedHistogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class WatchMetrics:
    """See the module. Observing is safe while another thread collects."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(spec: catalog.MetricSpec) -> Gauge:
            return Gauge(spec.name, spec.help, registry=registry)

        self._watching = gauge(catalog.WATCHING)
        self._lag = gauge(catalog.WATCH_LAG)
        self._delay = gauge(catalog.WATCH_DELAY)
        self._snapshot = gauge(catalog.WATCH_SNAPSHOT_BYTES)
        self._snapshot_time = gauge(catalog.WATCH_SNAPSHOT_TIME)
        spec = catalog.WATCH_FAILURES
        self._failures = Counter(spec.name, spec.help, registry=registry)
        self._bucket = WeightedHistogram(catalog.WATCH_BUCKET, registry)

    def watch(self, *, watching: bool) -> None:
        """Whether this worker watches; who does not is not behind either."""
        self._watching.set(watching)
        if not watching:
            self._lag.set(0)
            self._delay.set(0)
            self._snapshot_time.set(0)

    def observe_bucket(self, seconds: float) -> None:
        """A bucket was judged."""
        self._bucket.observe(seconds)

    def set_behind(self, records: int, seconds: float) -> None:
        """Rollups that are not read yet, and the age of the last closed bucket."""
        self._lag.set(records)
        self._delay.set(seconds)

    def keep(self, size: int, now_ms: int) -> None:
        """A snapshot of so many bytes was written."""
        self._snapshot.set(size)
        self._snapshot_time.set(now_ms / 1000)

    def fail(self) -> None:
        """Watching ended with an error; it begins again."""
        self._failures.inc()
