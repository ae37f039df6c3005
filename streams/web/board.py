"""Incidents, silences and who watches, as their topics tell them: of each the newest record. Pure.

Bounded: beyond ``limit`` incidents the one that ended first goes, an open one only when all are open;
beyond a thousand silences the one that ends first. A record that cannot be read changes nothing.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

_LIMIT: Final = 2_000
_SILENCES: Final = 1_000
# It becomes a link: nothing but a worker's own page.
_ADDRESS: Final = re.compile(r"https?://[\w.-]{1,253}:\d{1,5}/|https?://\[[0-9A-Fa-f:.]{2,45}\]:\d{1,5}/")
OPEN_STATES: Final = frozenset({"firing", "acknowledged"})


class Place(msgspec.Struct, frozen=True):
    """A dimension and a key; an empty key stands for every one."""

    dimension: str
    key: str = ""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for in an incident's record; ``record`` is all of it, as it was written."""

    id: str
    revision: int
    kind: str
    severity: str
    state: str
    opened_at_ms: int
    updated_at_ms: int
    since_ms: int
    scope: tuple[Place, ...] = ()
    silenced_by: tuple[str, ...] = ()
    merged_into: str | None = None
    record: bytes = b""

    @property
    def open(self) -> bool:
        """Whether it is not over."""
        return self.state in OPEN_STATES


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    """Nobody is told of what matches."""

    id: str
    by: str
    ends_ms: int
    starts_ms: int = 0
    comment: str = ""
    kinds: tuple[str, ...] = ()
    scope: tuple[Place, ...] = ()
    steps: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    incident_ids: tuple[str, ...] = ()


class Unsilence(msgspec.Struct, frozen=True, tag="unsilence"):
    """A silence ends."""

    id: str


class Watcher(msgspec.Struct, frozen=True, tag="watches"):
    """The worker that watches: name of its machine, and address of its page as it listens."""

    host: str
    url: str
    at_ms: int


class _Ack(msgspec.Struct, frozen=True, tag="ack"):
    incident_id: str


class _Stock(msgspec.Struct, frozen=True, tag="stock"):
    sku: str


_incident = msgspec.json.Decoder(Incident).decode
_control = msgspec.json.Decoder(Silence | Unsilence | Watcher | _Ack | _Stock).decode


def incident_of(record: bytes) -> Incident:
    """What a record of an incident says.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: it cannot be read.
    """
    return msgspec.structs.replace(_incident(record), record=record)


class Board:
    """See the module.

    Args:
        limit: of incidents.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._incidents: dict[str, Incident] = {}
        self._silences: dict[str, Silence] = {}
        self.watcher: Watcher | None = None
        self.revision = 0

    def tell(self, record: bytes | None) -> None:
        """Take in a record of the topic of incidents."""
        try:
            told = incident_of(record or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        known = self._incidents.get(told.id)
        # Told again after a crash, or read out of order: the newest stands.
        if known is not None and known.revision > told.revision:
            return
        self._incidents[told.id] = told
        self.revision += 1
        if len(self._incidents) > self._limit:
            del self._incidents[min(self._incidents.values(), key=_first_to_go).id]

    def hear(self, record: bytes | None) -> None:
        """Take in a record of the topic of controls."""
        try:
            said = _control(record or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        if isinstance(said, Watcher) and _ADDRESS.fullmatch(said.url):
            self.watcher = said
        elif isinstance(said, Unsilence):
            self._silences.pop(said.id, None)
        elif isinstance(said, Silence):
            self._silences[said.id] = said
            if len(self._silences) > _SILENCES:
                del self._silences[min(self._silences.values(), key=_ends).id]
        else:
            return
        self.revision += 1

    def incidents(self) -> list[Incident]:
        """All that are known, the one that opened last first."""
        return sorted(self._incidents.values(), key=lambda one: (-one.opened_at_ms, one.id))

    def incident(self, name: str) -> Incident | None:
        """One by its id."""
        return self._incidents.get(name)

    def silences(self, at_ms: int) -> list[Silence]:
        """Those that have not ended, the one that ends first first."""
        return sorted((one for one in self._silences.values() if one.ends_ms > at_ms), key=_ends)


def _first_to_go(incident: Incident) -> tuple[bool, int, str]:
    return incident.open, incident.updated_at_ms, incident.id


def _ends(silence: Silence) -> tuple[int, str]:
    return silence.ends_ms, silence.id
