"""Incidents: which are open, since when, and how many came and went."""

from __future__ import annotations

from typing import Final

from alerts.metrics import INCIDENT_ACTIVE, INCIDENTS
from alerts.model import Reason, Severity
from grafana.mixin.promql import aggregate, of

LABELS: Final = INCIDENT_ACTIVE.labels


def active() -> str:
    """1 for each open incident."""
    return aggregate("max", of(INCIDENT_ACTIVE), *LABELS)


def count(severity: Severity | None = None) -> str:
    """How many are open, of one severity or in all; 0 if none."""
    found = of(INCIDENT_ACTIVE) if severity is None else of(INCIDENT_ACTIVE, severity=severity.value)
    return f"count({found}) or vector(0)"


def opened_since(span: str = "$__range") -> str:
    """How many were opened in a span, by kind."""
    return aggregate("sum", f"increase({of(INCIDENTS, span=span, reason=Reason.OPENED.value)})", "kind")


def changes() -> str:
    """Changes by what changed."""
    return aggregate("sum", f"increase({of(INCIDENTS, span='$__rate_interval')})", "reason")
