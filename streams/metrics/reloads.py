"""What became of changes of the configuration file, and which promotions are on, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.metrics import catalog
from streams.reload import ReloadOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import CollectorRegistry

    from streams.clock import Clock
    from streams.promotions import Calendar


class ReloadMetrics:
    """Counts reloads by outcome; the file of the start counts as taken."""

    def __init__(self, registry: CollectorRegistry) -> None:
        spec = catalog.CONFIG_RELOADS
        self._reloads = Counter(spec.name, spec.help, spec.labels, registry=registry)
        spec = catalog.CONFIG_RELOADED
        self._successful = Gauge(spec.name, spec.help, registry=registry)
        self._successful.set(1)
        for outcome in ReloadOutcome:
            self._reloads.labels(outcome.value)

    def count(self, outcome: ReloadOutcome) -> None:
        """One change was taken or not."""
        self._reloads.labels(outcome.value).inc()
        self._successful.set(outcome is ReloadOutcome.APPLIED)


class PromotionCollector(Collector):
    """1 for each promotion that has a phase at the moment of the scrape; start and end of all of them.

    Args:
        calendar: the calendar that is in force.
        clock: tells the moment.
        registry: where it is registered; None for none.
    """

    def __init__(
        self, calendar: Callable[[], Calendar], clock: Clock, registry: CollectorRegistry | None = None
    ) -> None:
        self._calendar = calendar
        self._clock = clock
        if registry is not None:
            registry.register(self)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families, so that no other may take their names."""
        yield from map(_family, (catalog.PROMOTION_ACTIVE, catalog.PROMOTION_START, catalog.PROMOTION_END))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families with the promotions of now."""
        active, start, end = self.describe()
        calendar = self._calendar()
        for running in calendar.active(self._clock.now_ms()):
            active.add_metric((running.name, running.phase.value), 1)
        for promotion in calendar.promotions:
            start.add_metric((promotion.name,), promotion.start_ms / 1000)
            end.add_metric((promotion.name,), promotion.end_ms / 1000)
        yield from (active, start, end)


def _family(spec: catalog.MetricSpec) -> GaugeMetricFamily:
    return GaugeMetricFamily(spec.name, spec.help, labels=spec.labels, unit=spec.unit)
