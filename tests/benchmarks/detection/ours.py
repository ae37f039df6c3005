"""Our engine as a ``Watcher``: what it decides, cut down to what scores look at."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from alerts.control import Stock
from alerts.detectors.budget import BudgetSettings
from alerts.engine import Engine
from alerts.settings import EngineSettings
from tests.benchmarks.detection.watching import Budget, Told, Watcher, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.incident import Incident
    from streams.closed import ClosedBucket
    from tests.benchmarks.detection.watching import Scope

_OPENED = frozenset({"opened", "reopened"})


def told_of(incident: Incident, at_ms: int, reason: str) -> Told:
    """A record of an incident as a word."""
    word = Word.FIRED if reason in _OPENED else Word.RESOLVED if reason == "resolved" else Word.UPDATED
    return Told(
        at_ms=at_ms,
        word=word,
        incident=incident.id,
        kind=str(incident.kind),
        scope=_scope(incident.scope),
        step=(incident.step.from_node, incident.step.to_node) if incident.step is not None else None,
        since_ms=incident.since_ms,
        candidates=tuple(_scope(one.scope) for one in incident.contributors),
        detail=incident.detail,
    )


def _scope(parts: Any) -> Scope:
    return tuple((part.dimension, part.key) for part in parts)


class EngineWatcher:
    """See the module."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._engine = Engine(settings)

    def observe(self, closed: ClosedBucket) -> Sequence[Told]:
        """See ``Watcher``."""
        return [told_of(incident, closed.end_ms, reason) for incident, reason in self._engine.observe(closed)]

    def sold_out(self, sku: str, at_ms: int) -> None:
        """A control record says so."""
        self._engine.control(Stock(sku, in_stock=False, at_ms=at_ms))

    def snapshot(self) -> object:
        """See ``Watcher``."""
        return copy.deepcopy(self._engine.snapshot())

    def restore(self, state: object) -> None:
        """Into another engine, as after a restart."""
        assert isinstance(state, dict)
        self._engine = Engine(self._settings)
        self._engine.restore(copy.deepcopy(state))


def engine_for(budget: Budget) -> Watcher:
    """Our engine with a false-alarm budget and nothing else set."""
    return EngineWatcher(settings_of(budget))


def settings_of(budget: Budget) -> EngineSettings:
    """The engine's number is of everything; a level gets its share of it."""
    one = dict(zip(budget.dimensions, BudgetSettings().per_week(budget.dimensions), strict=True))
    whole = budget.per_week / one.get(budget.level, 1.0)
    return EngineSettings(
        nodes=budget.nodes, dimensions=budget.dimensions, budget=BudgetSettings(false_alarms_per_week=whole)
    )
