"""Our engine as a ``Watcher``: what it decides, cut down to what scores look at."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tests.benchmarks.detection.watching import Budget, Told, Watcher, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.closed import ClosedBucket
    from tests.benchmarks.detection.watching import Scope

_OPENED = frozenset({"opened", "reopened"})


class NoEngineError(Exception):
    """There is no engine in this checkout."""


def told_of(incident: Any, reason: str, at_ms: int) -> Told:
    """A record of an incident as a word; ``incident`` is ``alerts.incident.Incident``."""
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

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def observe(self, closed: ClosedBucket) -> Sequence[Told]:
        """See ``Watcher``."""
        return [told_of(c.incident, str(c.reason), c.at_ms) for c in self._engine.observe(closed)]

    def sold_out(self, sku: str, at_ms: int) -> None:
        """See ``Watcher``."""
        control = importlib.import_module("alerts.control")
        self._engine.hear(control.Stock(sku=sku, in_stock=False, at_ms=at_ms))

    def snapshot(self) -> object:
        """See ``Watcher``."""
        return self._engine.snapshot()

    def restore(self, state: object) -> None:
        """See ``Watcher``."""
        self._engine.restore(state)


def engine_for(budget: Budget) -> Watcher:
    """Our engine with a false-alarm budget and nothing else set.

    Raises:
        NoEngineError: see it.
    """
    try:
        engine = importlib.import_module("alerts.engine")
    except ModuleNotFoundError as error:
        raise NoEngineError from error
    return EngineWatcher(engine.Engine(false_alarms_per_week=budget.per_week))
