"""The runbook in Grafana: a panel for each heading, so that an alert can link to its own."""

from __future__ import annotations

from grafana.mixin.boards.links import INCIDENTS, PIPELINE
from grafana.mixin.dashboard import Board, Row
from grafana.mixin.panels import Panel, text
from grafana.mixin.runbook import Entry, entries


def board(runbook: str) -> Board:
    """The board."""
    found = entries(runbook)
    return Board(
        "runbook",
        "Funnelwatch: runbook",
        "What each alert and each kind of incident means, what to look at, what to do.",
        (),
        tuple(
            Row(part, tuple(_panel(entry) for entry in found if entry.part == part))
            for part in dict.fromkeys(entry.part for entry in found)
        ),
        refresh="",
    )


def _panel(entry: Entry) -> Panel:
    link = PIPELINE if entry.is_alert else INCIDENTS
    return text(entry.name, entry.text, f"What to do about {entry.name}.", link, width=12, height=7)
