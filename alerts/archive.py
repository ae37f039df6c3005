"""Incidents that were resolved: kept for a while, and the newest of each identity found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from alerts.drafting import identity_of_incident
from alerts.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alerts.identity import Identity


class Archive:
    """At most ``limit`` of them, in the order in which they were resolved."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[str, Kept] = {}
        self._newest: dict[Identity, str] = {}

    def __contains__(self, incident_id: str) -> bool:
        return incident_id in self._kept

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept.values())

    def add(self, kept: Kept) -> None:
        """Keep one that is resolved now."""
        self._kept[kept.incident.id] = kept
        self._newest[identity_of_incident(kept.incident)] = kept.incident.id

    def newest(self, identity: Identity) -> Kept | None:
        """The last one that was about this."""
        return self._kept.get(self._newest.get(identity, ""))

    def take_out(self, kept: Kept) -> None:
        """It is open again."""
        identity = identity_of_incident(kept.incident)
        del self._kept[kept.incident.id]
        del self._newest[identity]
        for name, other in self._kept.items():
            if identity_of_incident(other.incident) == identity:
                self._newest[identity] = name

    def sort(self) -> None:
        """By the time at which they were resolved, for after some were added out of turn."""
        known = sorted(self._kept.values(), key=lambda one: one.incident.resolved_at_ms or 0)
        self._kept, self._newest = {}, {}
        for kept in known:
            self.add(kept)

    def forget_before(self, resolved_ms: int) -> None:
        """Drop those that were resolved before, and the oldest of too many."""
        for name, kept in list(self._kept.items()):
            too_many = len(self._kept) > self._limit
            if too_many or (kept.incident.resolved_at_ms or 0) < resolved_ms:
                del self._kept[name]
                identity = identity_of_incident(kept.incident)
                if self._newest.get(identity) == name:
                    del self._newest[identity]

    def snapshot(self) -> list[Any]:
        """All of them as plain data."""
        return [msgspec.to_builtins(kept) for kept in self]

    def restore(self, state: Sequence[Any]) -> None:
        """Take up a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        for kept in msgspec.convert(state, list[Kept]):
            self.add(kept)
