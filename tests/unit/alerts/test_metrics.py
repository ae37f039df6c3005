"""Incidents in Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from alerts.lifecycle import Lifecycle
from alerts.metrics import FAMILIES, IncidentMetrics
from alerts.model import EVERYWHERE, Kind, Place
from tests.support.findings import PAIR, at, recovered, rooted


def page(lifecycle: Lifecycle, registry: CollectorRegistry) -> list[str]:
    """Lines of the page that say more than zero."""
    lines = generate_latest(registry).decode().splitlines()
    return [
        line
        for line in lines
        if not line.startswith("#") and "_created" not in line and not line.endswith(" 0.0")
    ]


def test_active_incidents_and_changes() -> None:
    """One series while it is open, gone when it is resolved; changes are counted."""
    lifecycle, registry = Lifecycle(), CollectorRegistry()
    metrics = IncidentMetrics(registry, lambda: lifecycle.incidents)
    metrics.count(
        lifecycle.fold([rooted(scope=PAIR), rooted(Kind.TRAFFIC_DROP, EVERYWHERE, step=None)], [], at(1))
    )
    key = 'dimension="banner+slot",from_node="order",key="hero+home.top.1"'
    assert page(lifecycle, registry) == [
        'funnelwatch_incidents_total{kind="conversion_drop",reason="opened"} 1.0',
        'funnelwatch_incidents_total{kind="traffic_drop",reason="opened"} 1.0',
        'funnelwatch_incident_active{dimension="all",from_node="",key="all",kind="traffic_drop",'
        'severity="warning",to_node=""} 1.0',
        f'funnelwatch_incident_active{{{key},kind="conversion_drop",severity="warning",to_node="paid"}} 1.0',
    ]
    metrics.count(lifecycle.fold([], [recovered(scope=PAIR)], at(2)))
    shown = [line for line in page(lifecycle, registry) if "active" in line]
    assert len(shown) == 1
    assert 'kind="traffic_drop"' in shown[0]


def test_what_is_shown_is_bounded_and_distinct() -> None:
    """Two methods of one step share a series: labels are from a closed set; beyond the limit none is shown."""
    lifecycle, registry = Lifecycle(), CollectorRegistry()
    IncidentMetrics(registry, lambda: lifecycle.incidents, limit=3)
    cards = [rooted(detail=word) for word in ("card", "cash")]
    slots = [rooted(scope=(Place("slot", str(number)),)) for number in range(5)]
    lifecycle.fold([*cards, *slots], [], at(1))
    assert len(lifecycle.incidents) == 7
    assert 2 <= len([line for line in page(lifecycle, registry) if "active" in line]) <= 3


def test_families_are_told_as_data() -> None:
    """As the catalogue wants them: names, kinds, labels."""
    registry = CollectorRegistry()
    IncidentMetrics(registry, tuple)
    shown = {family.name: (family.type, family.documentation) for family in registry.collect()}
    assert shown == {spec.family: (spec.kind, spec.help) for spec in FAMILIES}
