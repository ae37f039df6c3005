"""Incidents in Prometheus: which are active, and how many changes there were.

``funnelwatch_incident_active`` is 1 for each that is firing or acknowledged, and gone when it is
resolved. Incidents are bounded by the life cycle; here the oldest ``limit`` are shown. A scope of
several places has their dimensions and keys joined by ``+``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from alerts.model import Kind, Reason
from streams.metrics.catalog import MetricSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from alerts.incident import Incident
    from alerts.lifecycle import Change

INCIDENT_ACTIVE: Final = MetricSpec(
    "funnelwatch_incident_active",
    "gauge",
    "Incidents that are firing or acknowledged.",
    ("kind", "severity", "dimension", "key", "from_node", "to_node"),
)
INCIDENTS: Final = MetricSpec(
    "funnelwatch_incidents_total",
    "counter",
    "Changes of incidents, by what changed.",
    ("kind", "reason"),
)
FAMILIES: Final = (INCIDENT_ACTIVE, INCIDENTS)
_LIMIT: Final = 500
_TOLD: Final = (Reason.OPENED, Reason.REOPENED, Reason.RESOLVED)


class IncidentMetrics(Collector):
    """See the module.

    Args:
        registry: where they are registered.
        incidents: asked at each collection, in the collecting thread, for an immutable tuple.
        limit: so many are shown.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        incidents: Callable[[], tuple[Incident, ...]],
        limit: int = _LIMIT,
    ) -> None:
        self._incidents = incidents
        self._limit = limit
        self._changes = Counter(INCIDENTS.family, INCIDENTS.help, INCIDENTS.labels, registry=registry)
        for kind in Kind:
            for reason in _TOLD:
                self._changes.labels(kind.value, reason.value)
        registry.register(self)

    def count(self, changes: Iterable[Change]) -> None:
        """Count what the life cycle said has changed."""
        for change in changes:
            self._changes.labels(change.incident.kind.value, change.reason.value).inc()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The family, so that no other may take its name."""
        yield _family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One series per active incident; incidents with the same labels share one."""
        family = _family()
        for labels in dict.fromkeys(map(_labels, self._incidents()[: self._limit])):
            family.add_metric(labels, 1.0)
        yield family


def _family() -> GaugeMetricFamily:
    return GaugeMetricFamily(INCIDENT_ACTIVE.name, INCIDENT_ACTIVE.help, labels=INCIDENT_ACTIVE.labels)


def _labels(incident: Incident) -> tuple[str, ...]:
    step = incident.step
    return (
        incident.kind.value,
        incident.severity.value,
        "+".join(part.dimension for part in incident.scope),
        "+".join(part.key for part in incident.scope),
        step.from_node if step else "",
        step.to_node if step else "",
    )
