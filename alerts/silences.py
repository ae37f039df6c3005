"""Silences: of what nobody is told for a while. An incident lives on under them.

A silence said again under its id replaces the one before. Bounded: beyond ``limit`` the one that ends
first goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from alerts.control import Silence, Unsilence

if TYPE_CHECKING:
    from alerts.incident import Incident

_LIMIT: Final = 1_000


class Silences:
    """See the module."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._silences: dict[str, Silence] = {}

    def __len__(self) -> int:
        return len(self._silences)

    def all(self) -> tuple[Silence, ...]:
        """Those that have not ended, by id."""
        return tuple(self._silences[name] for name in sorted(self._silences))

    def hear(self, record: Silence | Unsilence) -> None:
        """Take in what somebody said."""
        if isinstance(record, Unsilence):
            self._silences.pop(record.id, None)
            return
        self._silences[record.id] = record
        if len(self._silences) > self._limit:
            first = min(self._silences.values(), key=lambda silence: (silence.ends_ms, silence.id))
            del self._silences[first.id]

    def forget_before(self, at_ms: int) -> None:
        """Drop those that have ended."""
        for name in [name for name, silence in self._silences.items() if silence.ends_ms <= at_ms]:
            del self._silences[name]

    def matching(self, incident: Incident, at_ms: int) -> tuple[str, ...]:
        """Ids of those that silence an incident at a time, sorted."""
        active = (s for s in self._silences.values() if s.starts_ms <= at_ms < s.ends_ms)
        return tuple(sorted(silence.id for silence in active if matches(silence, incident)))

    def snapshot(self) -> list[dict[str, object]]:
        """All of them as plain data."""
        return [msgspec.to_builtins(silence) for silence in self.all()]

    @classmethod
    def restore(cls, state: list[dict[str, object]], limit: int = _LIMIT) -> Silences:
        """From a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        silences = cls(limit)
        for silence in msgspec.convert(state, list[Silence]):
            silences._silences[silence.id] = silence
        return silences


def matches(silence: Silence, incident: Incident) -> bool:
    """Whether a silence is about an incident, whatever the time."""
    step = f"{incident.step.from_node}>{incident.step.to_node}" if incident.step else ""
    return (
        _among(incident.kind, silence.kinds)
        and _among(incident.severity, silence.severities)
        and _among(step, silence.steps)
        and _among(incident.id, silence.incident_ids)
        and _among(incident.promotion or "", silence.promotions)
        and all(
            any(part.dimension == place.dimension and place.key in ("", part.key) for part in incident.scope)
            for place in silence.scope
        )
    )


def _among(word: str, words: tuple[str, ...]) -> bool:
    return not words or word in words
