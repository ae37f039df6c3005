"""Incidents and silences as tables of plain text, for a terminal or a pipe. Names from outside are made harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.content import numbers
from alerts.content.clean import harmless
from alerts.content.english import ENGLISH
from alerts.content.places import step_of, where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alerts.control import Silence
    from alerts.incident import Incident

_NOTHING: Final = "-"
_INCIDENT: Final = ("ID", "STATE", "SEVERITY", "KIND", "WHERE", "STEP", "FOR", "OF EXPECTED", "LOST", "BY")
_SILENCE: Final = ("ID", "ENDS IN", "BY", "WHAT", "COMMENT")


def table(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """Columns as wide as their widest cell; what is not known is a dash."""
    cells = [list(header), *([cell or _NOTHING for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def incident_table(incidents: Iterable[Incident], now_ms: int) -> str:
    """One line for each."""
    return table(_INCIDENT, (_incident(one, now_ms) for one in incidents))


def silence_table(silences: Iterable[Silence], now_ms: int) -> str:
    """One line for each."""
    return table(_SILENCE, (_silence(one, now_ms) for one in silences))


def _incident(one: Incident, now_ms: int) -> tuple[str | None, ...]:
    ended_ms = one.resolved_at_ms or now_ms
    return (
        one.id,
        one.state.value + (" (silenced)" if one.silenced_by else ""),
        one.severity.value,
        one.kind.value,
        where(one.scope, ENGLISH),
        step_of(one.step),
        numbers.duration(max(ended_ms - one.since_ms, 0), ENGLISH),
        numbers.percent(one.ratio),
        numbers.money(one.lost_minor, one.currency) or numbers.count(one.lost_conversions),
        harmless(one.acknowledged_by) if one.acknowledged_by else None,
    )


def _silence(one: Silence, now_ms: int) -> tuple[str | None, ...]:
    return (
        harmless(one.id),
        numbers.duration(max(one.ends_ms - now_ms, 0), ENGLISH),
        harmless(one.by),
        what_of(one),
        harmless(one.comment) if one.comment else None,
    )


def what_of(silence: Silence) -> str:
    """``conversion_drop, slot=home.top.1``; ``everything`` where it names nothing."""
    places = (f"{place.dimension}={place.key or '*'}" for place in silence.scope)
    words = [*silence.kinds, *silence.severities, *places, *silence.steps, *silence.promotions]
    return ", ".join(harmless(word) for word in [*words, *silence.incident_ids]) or "everything"
