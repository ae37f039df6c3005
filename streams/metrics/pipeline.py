"""What one worker knows about itself, in the terms of Prometheus' client library.

Promises: exactly the families that the catalogue gives the worker, in the registry handed in, never
the global one. Series of closed label sets exist from the start at 0, so that their first step is not
lost; those of partitions go when the partition goes, or sums over workers would count it twice.
Observing is safe while another thread collects.
"""

from __future__ import annotations

import bisect
import platform
import threading
from importlib import metadata
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Info
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from streams.events import Reason
from streams.metrics import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.metrics.catalog import MetricSpec

STALL_REASONS: Final = ("broker_refuses", "flush", "agent", "reader", "fetching", "rebalance")
ROLLUP_OUTCOMES: Final = ("applied", "stale", "invalid")


class WeightedHistogram(Collector):
    """A histogram that takes one value many times in one step; the client library's takes it once."""

    def __init__(self, spec: MetricSpec, registry: CollectorRegistry) -> None:
        self._spec = spec
        self._counts = [0] * (len(spec.buckets) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, value: float, n: int = 1) -> None:
        """Counts ``value`` ``n`` times."""
        place = bisect.bisect_left(self._spec.buckets, value)
        with self._lock:
            self._counts[place] += n
            self._sum += value * n

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """The family, so that no other may take its name."""
        yield HistogramMetricFamily(self._spec.family, self._spec.help, unit=self._spec.unit)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The family with its buckets."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        bounds = [*map(floatToGoString, self._spec.buckets), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(counts)), strict=True))
        yield HistogramMetricFamily(
            self._spec.family, self._spec.help, buckets=buckets, sum_value=total, unit=self._spec.unit
        )


class PipelineMetrics:
    """The metrics of scope ``worker``.

    Args:
        registry: where they are registered; one per worker.
        topics: the source topics, whose counters exist from the start.
        version: of Funnelwatch; by default that of the installed distribution.
    """

    def __init__(
        self, registry: CollectorRegistry, *, topics: Iterable[str] = (), version: str | None = None
    ) -> None:
        self._rejected = _counter(catalog.REJECTED, registry)
        self._deadletters = _counter(catalog.DEADLETTERS, registry)
        self._rollups = _counter(catalog.ROLLUPS, registry)
        self._rebalances = _counter(catalog.REBALANCES, registry)
        self._lost = _counter(catalog.LOST_RECORDS, registry)
        self._state_log = _counter(catalog.STATE_LOG_BYTES, registry)
        self._recovery_left = _gauge(catalog.RECOVERY_LEFT, registry)
        self._recovery = WeightedHistogram(catalog.RECOVERY_SECONDS, registry)
        self._lag = _gauge(catalog.LAG, registry)
        self._watermark_delay = _gauge(catalog.WATERMARK_DELAY, registry)
        self._state_bytes = _gauge(catalog.STATE_BYTES, registry)
        self._assigned = _gauge(catalog.ASSIGNED_PARTITIONS, registry)
        self._stalled = _gauge(catalog.STALLED, registry)
        self._new_logs = _counter(catalog.NEW_LOGS, registry)
        self._fetched_bytes = _gauge(catalog.FETCHED_BYTES, registry)
        self._freshness = WeightedHistogram(catalog.FRESHNESS, registry)
        self._batch_seconds = WeightedHistogram(catalog.BATCH_SECONDS, registry)
        self._batch_records = WeightedHistogram(catalog.BATCH_RECORDS, registry)
        build = Info(catalog.BUILD_INFO.family, catalog.BUILD_INFO.help, registry=registry)
        build.info({"version": version or installed_version(), "python": platform.python_version()})
        self._begin_at_zero(topics)

    def reject(self, topic: str, reason: Reason, n: int = 1) -> None:
        """Counts records of a source topic that could not be counted."""
        self._rejected.labels(topic, reason.value).inc(n)

    def dead_letter(self, topic: str, n: int = 1) -> None:
        """Counts records of a source topic that went to the dead-letter topic."""
        self._deadletters.labels(topic).inc(n)

    def lose(self, topic: str, n: int) -> None:
        """Counts records of a source topic that were deleted before they were read."""
        self._lost.labels(topic).inc(n)

    def log_state(self, n: int) -> None:
        """Counts bytes written to the log of state."""
        self._state_log.inc(n)

    def set_recovery_left(self, entries: int) -> None:
        """Sets how many entries of the log are still to be read."""
        self._recovery_left.set(entries)

    def observe_recovery(self, seconds: float) -> None:
        """Notes that taking state over took so long."""
        self._recovery.observe(seconds)

    def merge_rollup(self, outcome: str, n: int = 1) -> None:
        """Counts rollups by outcome, one of :data:`ROLLUP_OUTCOMES`; raises ValueError for another."""
        if outcome not in ROLLUP_OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(ROLLUP_OUTCOMES)}")
        self._rollups.labels(outcome).inc(n)

    def rebalance(self) -> None:
        """Counts one rebalance."""
        self._rebalances.inc()

    def observe_batch(self, seconds: float, records: int) -> None:
        """Notes one processed batch."""
        self._batch_seconds.observe(seconds)
        self._batch_records.observe(records)

    def observe_freshness(self, seconds: float, n: int = 1) -> None:
        """Notes that ``n`` events took so long until they stood in the metrics."""
        self._freshness.observe(seconds, n)

    def set_lag(self, topic: str, partition: int, records: int) -> None:
        """Sets the records of a partition that are not processed yet."""
        self._lag.labels(topic, str(partition)).set(records)

    def set_watermark_delay(self, partition: int, seconds: float) -> None:
        """Sets how far event time of a source partition is behind the clock."""
        self._watermark_delay.labels(str(partition)).set(seconds)

    def set_assigned_partitions(self, topic: str, n: int) -> None:
        """Sets how many partitions of a topic are assigned."""
        self._assigned.labels(topic).set(n)

    def set_stalled(self, reason: str, seconds: float) -> None:
        """Sets how long something has stood still; raises ValueError for a reason not in ``STALL_REASONS``."""
        if reason not in STALL_REASONS:
            raise ValueError(f"reason must be one of {', '.join(STALL_REASONS)}")
        self._stalled.labels(reason).set(seconds)

    def new_log(self, topic: str) -> None:
        """Counts a partition whose log ends before what was read of it."""
        self._new_logs.labels(topic).inc()

    def set_fetched_bytes(self, size: int) -> None:
        """Sets what is fetched and not handed on."""
        self._fetched_bytes.set(size)

    def set_state_bytes(self, kind: str, n: int) -> None:
        """Sets the memory held by one kind of state."""
        self._state_bytes.labels(kind).set(n)

    def forget_partition(self, topic: str, partition: int) -> None:
        """Ends the lag series of a partition that went elsewhere."""
        _end(self._lag, topic, str(partition))

    def forget_watermark(self, partition: int) -> None:
        """Ends the watermark series of a source partition that went elsewhere."""
        _end(self._watermark_delay, str(partition))

    def _begin_at_zero(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._deadletters.labels(topic)
            self._lost.labels(topic)
            self._new_logs.labels(topic)
            for reason in Reason:
                self._rejected.labels(topic, reason.value)
        for stall in STALL_REASONS:
            self._stalled.labels(stall)
        for outcome in ROLLUP_OUTCOMES:
            self._rollups.labels(outcome)


def _counter(spec: MetricSpec, registry: CollectorRegistry) -> Counter:
    return Counter(spec.family, spec.help, spec.labels, unit=spec.unit, registry=registry)


def _gauge(spec: MetricSpec, registry: CollectorRegistry) -> Gauge:
    return Gauge(spec.name, spec.help, spec.labels, unit=spec.unit, registry=registry)


def _end(gauge: Gauge, *labels: str) -> None:
    try:
        gauge.remove(*labels)
    except KeyError:
        return  # it was never set


def installed_version() -> str:
    """This program's version; ``unknown`` where it runs without being installed."""
    try:
        return metadata.version("funnelwatch")
    except metadata.PackageNotFoundError:
        return "unknown"
