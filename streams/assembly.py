"""The watcher of this deployment: the worker is handed who judges, with the settings that he goes by.

Part of the composition root: the one place where ``streams`` and ``alerts`` meet. No room imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.detectors.budget import BudgetSettings
from alerts.detectors.components import SequentialSettings
from alerts.expectation.settings import ExpectationSettings
from alerts.lifecycle import LifecycleSettings
from alerts.model import Kind
from alerts.settings import EngineSettings
from alerts.watcher import IncidentWatcher, Plan

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streams.config import Settings

# What is looked for has to lie clearly beyond what is tolerated.
_BEYOND: Final = 0.95
_LEAST_TOLERANCE: Final = 0.001


def make_watcher(settings: Settings, registry: CollectorRegistry) -> IncidentWatcher[Settings]:
    """Who judges closed buckets."""
    return IncidentWatcher(settings, plan_of, registry)


def plan_of(settings: Settings) -> Plan:
    """What the engine is told of the settings."""
    watch = settings.watch
    engine = EngineSettings(
        nodes=settings.funnel.nodes,
        dimensions=settings.funnel_model().dimensions,
        sequential=sequential(watch.tolerance),
        budget=BudgetSettings(false_alarms_per_week=watch.false_alarms_per_week),
        expectation=ExpectationSettings(learning_ms=watch.min_history_ms),
        lifecycle=LifecycleSettings(
            hold_ms=dict.fromkeys(Kind, watch.pending_hold_ms), reopen_within_ms=watch.reopen_within_ms
        ),
    )
    return Plan(engine, settings.calendar())


def sequential(tolerance: float) -> SequentialSettings:
    """What is looked for: as many things whatever is tolerated, for what was learnt goes along."""
    usual = SequentialSettings()
    tolerance = max(tolerance, _LEAST_TOLERANCE)
    most, least = (1 - tolerance) * _BEYOND, (1 + tolerance) / _BEYOND
    drops = tuple((min(ratio, most), weight) for ratio, weight in usual.drops)
    surges = tuple((max(ratio, least), weight) for ratio, weight in usual.surges)
    return SequentialSettings(tolerance, drops, surges)
