"""Where the two packages meet: who watches, who tells people, and the settings that they go by.

Part of the composition root: it knows both, no room imports it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from secrets import SystemRandom
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerts.content.templates import Templates
from alerts.content.writing import WritingSettings
from alerts.detectors.budget import BudgetSettings
from alerts.detectors.components import SequentialSettings
from alerts.dispatch import Tools
from alerts.engine import Engine
from alerts.expectation.settings import ExpectationSettings
from alerts.lifecycle import LifecycleSettings
from alerts.message import Language
from alerts.model import Kind
from alerts.notifier import IncidentNotifier
from alerts.notify.registry import plan_of as channel_plan_of
from alerts.notify_metrics import NotifyMetrics
from alerts.notify_plan import Addresses, NotifyPlan, channel_rule, pipeline_of, route_from
from alerts.rounds import OutboxSettings
from alerts.rules import rule_from
from alerts.settings import EngineSettings
from alerts.template_files import read_templates
from alerts.watcher import IncidentWatcher, Plan
from streams.core.shard_progress import ClosingSettings
from streams.core.windows import Windows, WindowSettings
from streams.durations import DAY
from streams.measures import WindowMeasures
from streams.pages import link_settings_of
from streams.promotions import Targets
from streams.worker.watch_fold import sales_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from streams.clock import Clock
    from streams.config import Settings, Watch
    from streams.worker.delivering import MakeNotifier, Notifier

    Weighted = tuple[tuple[float, float], ...]

# Nodes that the orders topic tells of.
ORDER_NODES: Final = frozenset({"order", "paid"})
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


def make_notifier(environ: Mapping[str, str], base: Path) -> MakeNotifier:
    """Makes who tells people in a worker.

    Args:
        environ: the variables that secrets are in.
        base: folder of the settings, which files with secrets are relative to.
    """

    def make(settings: Settings, registry: CollectorRegistry, clock: Clock) -> Notifier:
        tools = Tools(clock, SystemRandom().random, NotifyMetrics(registry))
        return IncidentNotifier(settings, lambda tree: notify_plan_of(tree, environ, base), tools)

    return make


def notify_plan_of(settings: Settings, environ: Mapping[str, str], base: Path) -> NotifyPlan:
    """What telling people goes by, its secrets read.

    Raises:
        ConfigError: a secret is not there, or a channel lacks something.
    """
    notify, nodes = settings.notify, settings.funnel_model().nodes
    zone = ZoneInfo(notify.time_zone or settings.watch.time_zone)
    channels = tuple(channel_plan_of(one.plain(), environ, base) for one in notify.channels)
    budgets = {one.name: one.budget.model_dump() if one.budget else None for one in notify.channels}
    return NotifyPlan(
        channels=channels,
        pipeline=pipeline_of(
            tuple(route_from(route, zone) for route in notify.plain_routes()),
            {plan.name: channel_rule(plan, budgets[plan.name]) for plan in channels},
            worse_factor=notify.worse_factor,
            linger_ms=notify.linger_ms,
            order_nodes=frozenset(nodes) & ORDER_NODES,
        ),
        writing=WritingSettings(zone, notify.contributors, notify.digest_lines, notify.links.mute_for_ms),
        outbox=OutboxSettings(
            **notify.attempts.model_dump(),
            # Longer than an incident can be read again.
            keep_told_ms=settings.topics.incidents_retention_ms + DAY,
        ),
        languages={one.name: Language(one.language or notify.language) for one in notify.channels},
        addresses=Addresses(
            notify.links.public_url or "", notify.links.grafana_url or "", notify.links.runbook_url or ""
        ),
        links=link_settings_of(settings, environ, base),
        templates=read_templates(base / notify.templates.folder) if notify.templates.folder else Templates(),
    )


def engine_settings(settings: Settings) -> EngineSettings:
    """What the engine goes by, from the whole tree.

    ``watch.min_history`` is how long is learnt. A rule says itself how long its line must be crossed, so
    ``watch.pending_hold`` is for all other kinds.
    """
    watch, funnel = settings.watch, settings.funnel_model()
    order_nodes = frozenset(funnel.nodes) & ORDER_NODES
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
