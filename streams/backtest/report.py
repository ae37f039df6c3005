"""What a backtest says: a table for people, JSON for programs. Version 1 of the JSON; fields may be added."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from alerts.incident import record_of, rfc3339
from streams.core.money import EXPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from alerts.incident import Incident
    from streams.backtest.story import Compared, Run, Story

VERSION: Final = 1
_COLUMNS: Final = (
    *("opened", "resolved", "kind", "where", "step"),
    *("observed", "expected", "evidence", "lost", "severity"),
)


def as_json(run: Run) -> dict[str, Any]:
    """One run as plain data: each incident as its newest record, with the ``history`` of its records."""
    return {
        "version": VERSION,
        "from_ms": run.from_ms,
        "to_ms": run.to_ms,
        "buckets": run.buckets,
        "incidents": [record_of(story.incident) | {"history": _history(story)} for story in run.stories],
    }


def compared_as_json(first: Run, second: Run, compared: Compared) -> dict[str, Any]:
    """Two runs and what they have in common, incidents there by their ids."""
    return {
        "version": VERSION,
        "a": as_json(first),
        "b": as_json(second),
        "only_a": [story.incident.id for story in compared.only_first],
        "only_b": [story.incident.id for story in compared.only_second],
        "both": [
            {
                "a": pair.first.incident.id,
                "b": pair.second.incident.id,
                "opened_difference_ms": pair.opened_difference_ms,
                "resolved_difference_ms": pair.resolved_difference_ms,
            }
            for pair in compared.both
        ],
    }


def _history(story: Story) -> list[dict[str, Any]]:
    return [
        {
            "at_ms": telling.at_ms,
            "at": rfc3339(telling.at_ms),
            "reason": telling.reason.value,
            "state": telling.state.value,
            "severity": telling.severity.value,
        }
        for telling in story.tellings
    ]


def table_of(stories: Iterable[Story], zone: ZoneInfo, title: str) -> Table:
    """A table with a row for each incident; times are local."""
    table = Table(*_COLUMNS, title=title, title_justify="left")
    for story in stories:
        table.add_row(*_row(story.incident, zone))
    return table


def compared_table(compared: Compared, zone: ZoneInfo, names: tuple[str, str]) -> Table:
    """A table with a row for each incident of either run."""
    table = Table("in", "kind", "where", "step", *names, "difference", title="Side by side")
    rows = [(pair.first, pair.second) for pair in compared.both]
    sides: list[tuple[Story | None, Story | None]] = [
        *rows,
        *((story, None) for story in compared.only_first),
        *((None, story) for story in compared.only_second),
    ]
    for first, second in sorted(sides, key=lambda side: _opened(side[0] or side[1])):
        table.add_row(*_side_row(first, second, zone, names))
    return table


def _opened(story: Story | None) -> int:
    return 0 if story is None else story.incident.opened_at_ms


def _side_row(
    first: Story | None, second: Story | None, zone: ZoneInfo, names: tuple[str, str]
) -> tuple[str, ...]:
    story = first or second
    if story is None:
        return ()
    where = "both" if first and second else f"only {names[0] if first else names[1]}"
    times = ["" if side is None else _clock(side.incident.opened_at_ms, zone) for side in (first, second)]
    later = f"{(_opened(second) - _opened(first)) / 1_000:+.0f} s" if first and second else ""
    incident = story.incident
    return (where, incident.kind.value, _scope(incident), _step(incident), *times, later)


def _row(incident: Incident, zone: ZoneInfo) -> tuple[str, ...]:
    return (
        _clock(incident.opened_at_ms, zone),
        _clock(incident.resolved_at_ms, zone) or incident.state.value,
        incident.kind.value + (f" ({incident.detail})" if incident.detail else ""),
        _scope(incident),
        _step(incident),
        f"{incident.observed:,.0f}",
        f"{incident.expected:,.0f}",
        f"{incident.evidence:.1f}",
        _lost(incident),
        incident.severity.value,
    )


def _clock(at_ms: int | None, zone: ZoneInfo) -> str:
    return "" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1_000, zone):%m-%d %H:%M:%S}"


def _scope(incident: Incident) -> str:
    return " & ".join(
        part.key if part.dimension == "all" else f"{part.dimension} {part.key}" for part in incident.scope
    )


def _step(incident: Incident) -> str:
    return "" if incident.step is None else f"{incident.step.from_node}>{incident.step.to_node}"


def _lost(incident: Incident) -> str:
    if incident.lost_minor is None or incident.currency is None:
        return "" if incident.lost_conversions is None else f"{incident.lost_conversions:,.0f}"
    digits = EXPONENTS.get(incident.currency, 2)
    return f"{incident.lost_minor / 10**digits:,.{digits}f} {incident.currency}"
