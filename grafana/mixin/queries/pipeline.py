"""Funnelwatch itself: how much it reads, how far it is behind, what it holds, whether it watches."""

from __future__ import annotations

from grafana.mixin import rules
from grafana.mixin.promql import aggregate, increase, of, rate
from streams.metrics import catalog


def workers() -> str:
    """1 per worker that answers, 0 for one that does not."""
    return 'sum by (instance) (up{job="$job"})'


def workers_up() -> str:
    """Workers that answer."""
    return 'sum(up{job="$job"})'


def versions() -> str:
    """Workers by what they run."""
    return f"count by (version, python) ({of(catalog.BUILD_INFO)})"


def per_second(spec: catalog.MetricSpec, *by: str) -> str:
    """Growth of a counter."""
    return aggregate("sum", rate(spec), *by)


def in_range(spec: catalog.MetricSpec, *by: str) -> str:
    """Growth of a counter in all that is shown."""
    return aggregate("sum", increase(spec, "$__range"), *by)


def largest(spec: catalog.MetricSpec, *by: str) -> str:
    """The largest value of a gauge."""
    return aggregate("max", of(spec), *by)


def total(spec: catalog.MetricSpec, *by: str) -> str:
    """The sum of a gauge."""
    return aggregate("sum", of(spec), *by)


def freshness() -> str:
    """Age of an event when it stands in the metrics: 99 of 100 are younger."""
    return f"max({rules.FRESHNESS.of()})"


def lag() -> str:
    """Records that wait, by topic."""
    return rules.LAG.of()


def records() -> str:
    """Records a second, all topics and outcomes."""
    return f"sum({rules.RECORDS.of()})"


def outcomes() -> str:
    """Records a second, by what became of them."""
    return f"sum by (outcome) ({rules.RECORDS.of()})"


def dead_share() -> str:
    """Share of records that became dead letters."""
    return f"sum({rate(catalog.DEADLETTERS)}) / (sum({rate(catalog.RECORDS)}) > 0)"


def snapshot_age() -> str:
    """Age of the watcher's snapshot."""
    return f"time() - max({of(catalog.WATCH_SNAPSHOT_TIME)} > 0)"


def recoveries() -> str:
    """Takings-over of state in all that is shown."""
    return f"sum(increase({of(catalog.RECOVERY_SECONDS, suffix='_count', span='$__range')}))"
