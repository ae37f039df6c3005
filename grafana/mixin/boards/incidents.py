"""Incidents: which are open, since when, how many there were, and whether people were told."""

from __future__ import annotations

from alerts.model import Severity
from grafana.mixin.boards.links import OVERVIEW, PIPELINE, RUNBOOK, SLOTS
from grafana.mixin.dashboard import Board, Row
from grafana.mixin.panels import Panel, Query, bargauge, stat, state_timeline, table, thresholds, timeseries
from grafana.mixin.queries import funnel, incidents, telling
from grafana.mixin.variables import JOB, WINDOW

_HEADINGS = {
    "kind": "Kind",
    "severity": "Severity",
    "dimension": "Where",
    "key": "Key",
    "from_node": "From",
    "to_node": "To",
}


def board() -> Board:
    """The board."""
    return Board(
        "incidents",
        "Funnelwatch: incidents",
        "What is wrong now, since when, and what was. Kinds are explained in the runbook.",
        (JOB, WINDOW),
        (
            Row("Now", (*_counts(), _open())),
            Row("Over time", (_timeline(), _against(), _changes(), _kinds())),
            Row("Telling people", _telling()),
        ),
        since="now-6h",
    )


def _counts() -> tuple[Panel, ...]:
    colors = {Severity.CRITICAL: "red", Severity.WARNING: "orange", Severity.INFO: "blue"}
    return tuple(
        stat(
            severity.value.capitalize(),
            f"Open incidents of severity {severity.value}.",
            "none",
            RUNBOOK,
            Query(incidents.count(severity)),
            defaults=thresholds((None, "text"), (1, color)),
            width=8,
        )
        for severity, color in colors.items()
    )


def _open() -> Panel:
    order = {name: at for at, name in enumerate(_HEADINGS)}
    organize = {
        "excludeByName": {"Time": True, "Value": True},
        "includeByName": {},
        "indexByName": order,
        "renameByName": _HEADINGS,
    }
    return table(
        "Open incidents",
        "Firing or acknowledged. Money, contributors and likely cause stand in the message and on the live page.",
        "none",
        RUNBOOK,
        Query(incidents.active(), instant=True, table=True),
        transformations=({"id": "organize", "options": organize},),
        width=24,
    )


def _timeline() -> Panel:
    return state_timeline(
        "Since when",
        "A bar for each incident while it is open.",
        OVERVIEW,
        Query(incidents.active(), "{{kind}} {{dimension}} {{key}} {{from_node}} {{to_node}}"),
        color="red",
        width=24,
        height=9,
    )


def _against() -> Panel:
    return timeseries(
        "Steps against what is expected",
        "Rate over expectation in the chosen window; 1 is as expected. Absent while it is learnt.",
        "percentunit",
        SLOTS,
        Query(funnel.against_expected(), "{{from_node}} to {{to_node}}"),
    )


def _changes() -> Panel:
    return timeseries(
        "Changes",
        "Incidents opened, reopened and resolved around each moment.",
        "short",
        PIPELINE,
        Query(incidents.changes(), "{{reason}}"),
        defaults={"custom": {"drawStyle": "bars", "fillOpacity": 60}},
    )


def _kinds() -> Panel:
    return bargauge(
        "Opened, by kind",
        "In the time that is shown.",
        "short",
        RUNBOOK,
        Query(f"sort_desc({incidents.opened_since()})", "{{kind}}", instant=True),
        width=24,
        height=10,
    )


def _telling() -> tuple[Panel, ...]:
    return (
        bargauge(
            "What became of messages",
            "In the time shown: delivered, tried again, refused, given up; and why incidents were not told.",
            "short",
            RUNBOOK,
            Query(telling.outcomes(), "{{outcome}}", instant=True),
            width=8,
        ),
        timeseries(
            "Attempts",
            "In the time shown, by channel and by how they ended.",
            "short",
            RUNBOOK,
            Query(telling.attempts(), "{{channel}} {{reason}}"),
            width=8,
        ),
        timeseries(
            "Delivered",
            "Messages that channels took, in the time shown.",
            "short",
            RUNBOOK,
            Query(telling.delivered(), "{{channel}}"),
            width=8,
        ),
        timeseries(
            "Still to be told",
            "Incidents that a channel is owed; what waits for quiet hours or a budget is among them.",
            "short",
            RUNBOOK,
            Query(telling.pending(), "{{channel}}"),
            width=6,
        ),
        timeseries(
            "Owed longest",
            "For how long a channel has been owed something.",
            "s",
            RUNBOOK,
            Query(telling.oldest(), "{{channel}}"),
            width=6,
        ),
        timeseries(
            "Time to tell",
            "From an incident's record to a channel's acceptance, of all since the worker began.",
            "s",
            PIPELINE,
            Query(telling.delay(0.5), "p50"),
            Query(telling.delay(0.99), "p99"),
            width=6,
        ),
        timeseries(
            "Links in messages",
            "Uses of acknowledge and mute links in the time shown, by what became of them.",
            "short",
            RUNBOOK,
            Query(telling.links(), "{{outcome}}"),
            width=6,
        ),
    )
