"""Dashboards and rules go by the catalogue, and leave nothing of it unseen."""

from __future__ import annotations

from typing import Final

import pytest

from alerts import link_pages, metrics, notify_metrics
from streams.metrics.catalog import CATALOG, MetricSpec
from tests.support.boards import asked, metrics_in, rules

SPECS: Final = (*CATALOG, *metrics.FAMILIES, *notify_metrics.FAMILIES, *link_pages.FAMILIES)
RECORDED: Final = {rule["record"] for rule in rules() if "record" in rule}
USED: Final = set().union(*(metrics_in(expression.expr) for expression in asked()))
# Metrics that no board and no rule shows, each with its reason.
UNSEEN: Final[dict[str, str]] = {}


def series_of(spec: MetricSpec) -> set[str]:
    """Names under which its samples stand."""
    if spec.kind == "histogram":
        return {f"{spec.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")}
    return {spec.name}


def test_every_metric_that_is_asked_for_exists() -> None:
    """Exported by a worker, or recorded by a rule that exists."""
    known = set().union(*(series_of(spec) for spec in SPECS))
    assert known | RECORDED >= USED


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_metric_is_seen_somewhere(spec: MetricSpec) -> None:
    """On a board or in a rule; what is not has its reason above."""
    assert bool(series_of(spec) & USED) != (spec.name in UNSEEN)


def test_every_recording_is_asked_for() -> None:
    """A recording that nobody reads costs Prometheus for nothing."""
    assert RECORDED <= USED
