"""Where the two packages meet: who watches, and the settings that he goes by.

Part of the composition root: it knows both, no room imports it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerts.detectors.budget import BudgetSettings
from alerts.detectors.components import SequentialSettings
from alerts.engine import Engine
from alerts.expectation.settings import ExpectationSettings
from alerts.lifecycle import LifecycleSettings
from alerts.model import Kind
from alerts.rules import rule_from
from alerts.settings import EngineSettings
from alerts.watcher import IncidentWatcher, Plan
from streams.core.shard_progress import ClosingSettings
from streams.core.windows import Windows, WindowSettings
from streams.measures import WindowMeasures
from streams.promotions import Targets
from streams.worker.watch_fold import sales_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streams.config import Settings, Watch

    Weighted = tuple[tuple[float, float], ...]

# At 0 a sequential test has no room between well and ill; what is smaller than this is never seen anyway.
LEAST_TOLERANCE: Final = 0.01
# The first buckets of a stream have arrivals of entries that nobody saw; a short history cannot spare more.
_WARM_UP_SHARE: Final = 2
# Any day of standard time will do: seasons go by hours that do not move in summer.
_STANDARD: Final = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))


def make_watcher(settings: Settings, registry: CollectorRegistry) -> IncidentWatcher[Settings, Windows]:
    """Who judges closed buckets in a worker."""
    return IncidentWatcher(settings, plan_of, registry, WindowMeasures)


def plan_of(settings: Settings) -> Plan:
    """What a watcher is told of the settings, whenever they change."""
    return Plan(engine_settings(settings), settings.calendar())


def engine_settings(settings: Settings) -> EngineSettings:
    """What the engine goes by, from the whole tree.

    ``watch.min_history`` is how long is learnt. A rule says itself how long its line must be crossed, so
    ``watch.pending_hold`` is for all other kinds.
    """
    watch, funnel = settings.watch, settings.funnel_model()
    order_nodes = frozenset(funnel.nodes) & {"order", "paid"}
    return EngineSettings(
        nodes=funnel.nodes,
        dimensions=funnel.dimensions,
        order_nodes=order_nodes,
        sequential=sequential_settings(watch.tolerance),
        budget=BudgetSettings(watch.false_alarms_per_week),
        expectation=_expectation(watch),
        rules=tuple(rule_from(rule.plain()) for rule in settings.rules),
        aov_fallback=dict(watch.aov_fallback),
        lifecycle=LifecycleSettings(
            hold_ms=dict.fromkeys(Kind, watch.pending_hold_ms) | {Kind.RULE: 0},
            reopen_within_ms=watch.reopen_within_ms,
            order_nodes=order_nodes,
        ),
    )


def engine(settings: Settings) -> Engine:
    """An engine with its promotions, knowing nothing yet."""
    return Engine(engine_settings(settings), settings.calendar())


def windows_of(settings: Settings) -> Windows | None:
    """The windows that rules and targets look at; None if there are neither."""
    asked = any(promotion.targets != Targets() for promotion in settings.calendar().promotions)
    if not asked and not settings.rules:
        return None
    lateness_ms = settings.counting.allowed_lateness_ms
    return Windows(WindowSettings(settings.watch.time_zone, lateness_ms), sales_of(settings))


def closing_settings(settings: Settings) -> ClosingSettings:
    """When buckets close."""
    return ClosingSettings(
        patience_ms=settings.watch.patience_ms, max_keys=settings.counting.max_tracked_keys
    )


def sequential_settings(tolerance: float) -> SequentialSettings:
    """What is looked for: the usual changes, moved out as far as a wide tolerance needs."""
    usual = SequentialSettings()
    wanted = max(tolerance, LEAST_TOLERANCE)
    if wanted <= usual.tolerance:
        return replace(usual, tolerance=wanted)
    down, up = (1 - wanted) / (1 - usual.tolerance), (1 + wanted) / (1 + usual.tolerance)
    return SequentialSettings(wanted, _moved(usual.drops, down), _moved(usual.surges, up))


def _moved(components: Weighted, factor: float) -> Weighted:
    return tuple((ratio * factor, weight) for ratio, weight in components)


def _expectation(watch: Watch) -> ExpectationSettings:
    usual, learning_ms = ExpectationSettings(), watch.min_history_ms
    return replace(
        usual,
        learning_ms=learning_ms,
        warm_up_ms=min(usual.warm_up_ms, learning_ms // _WARM_UP_SHARE),
        min_conversions=float(watch.min_conversions),
        utc_offset_ms=_standard_offset_ms(ZoneInfo(watch.time_zone)),
    )


def _standard_offset_ms(zone: ZoneInfo) -> int:
    """The smaller of both: south of the equator January is summer."""
    offsets = [day.astimezone(zone).utcoffset() for day in _STANDARD]
    return min(int(offset.total_seconds() * 1_000) for offset in offsets if offset is not None)
