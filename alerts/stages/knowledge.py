"""What the deciders know: incidents as they are now, what was told, what is owed, who can be spoken to.

Plain data; the deciders read it, :mod:`alerts.stages.pipeline` and :mod:`alerts.outbox` write it.
Bounded by the life cycle's incidents and by ``max_incidents``: beyond it the one that was over first goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from alerts.drafting import identity_of_incident
from alerts.identity import ABOUT_DATA, Identity
from alerts.incident import Incident
from alerts.ledger import Address, Ledger
from alerts.message import MessageState
from alerts.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_INCIDENTS: Final = 20_000


class Owed(msgspec.Struct, frozen=True):
    """Something that a channel is still to be told of an incident, since when, and from which revision."""

    state: MessageState
    since_ms: int
    revision: int
    turn: int = 0


class Bucket(msgspec.Struct):
    """Messages that a channel may be sent at once, as of a time."""

    tokens: float
    at_ms: int


class Trouble(msgspec.Struct):
    """A channel that fails: how often in a row, since when, when it is tried again, what it said."""

    failures: int
    since_ms: int
    again_ms: int
    error: str
    told: bool = False


class MetaAlert(msgspec.Struct, frozen=True):
    """A channel does not do its work.

    Attributes:
        channel: which; never the one that is told.
        since_ms: since when it fails.
        error: the last answer, by a word of a closed set.
        given_up: so many messages were given up.
        at_ms: when this was found.
    """

    channel: str
    since_ms: int
    error: str
    given_up: int
    at_ms: int


@dataclass(slots=True)
class Knowledge:
    """See the module.

    Attributes:
        incidents: by id, as of their newest record.
        waiting_since: when each became one that nobody has acknowledged.
        owed: by incident and channel.
        about: ids of incidents by what they are about; follows from them.
        about_data: ids of those that are about data.
        complaints: of channels that fail, not told yet, by channel.
        complained_ms: when that was told last, by channel.
        in_flight: being sent; not part of the snapshot, for after a crash nobody knows.
    """

    ledger: Ledger = field(default_factory=Ledger)
    incidents: dict[str, Incident] = field(default_factory=dict)
    waiting_since: dict[str, int] = field(default_factory=dict)
    owed: dict[str, dict[str, Owed]] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    in_flight: set[Address] = field(default_factory=set)
    about: dict[Identity, set[str]] = field(default_factory=dict)
    about_data: set[str] = field(default_factory=set)
    complaints: dict[str, MetaAlert] = field(default_factory=dict)
    complained_ms: dict[str, int] = field(default_factory=dict)
    max_incidents: int = _MAX_INCIDENTS

    def hear(self, incident: Incident) -> bool:
        """Take in a record; False if a newer one of the incident is known."""
        known = self.incidents.get(incident.id)
        if known is not None and known.revision >= incident.revision:
            return False
        self._place(incident)
        if incident.state is not State.FIRING:
            self.waiting_since.pop(incident.id, None)
        else:
            self.waiting_since.setdefault(incident.id, incident.updated_at_ms)
        return True

    def owing(self, address: Address) -> Owed | None:
        """What a channel is still to be told of an incident."""
        return self.owed.get(address.incident_id, {}).get(address.channel)

    def owe(self, address: Address, owed: Owed | None) -> None:
        """Write down what a channel is still to be told, or that it is nothing."""
        if owed is not None:
            self.owed.setdefault(address.incident_id, {})[address.channel] = owed
            return
        channels = self.owed.get(address.incident_id, {})
        channels.pop(address.channel, None)
        if not channels:
            self.owed.pop(address.incident_id, None)

    def keep_channels(self, present: frozenset[str]) -> None:
        """Owe nothing to channels that are gone, and complain of none; what they were told stays known."""
        for incident_id, channels in tuple(self.owed.items()):
            for channel in channels.keys() - present:
                self.owe(Address(channel, incident_id), None)
        for by_channel in (self.buckets, self.troubles, self.complaints, self.complained_ms):
            for channel in by_channel.keys() - present:
                del by_channel[channel]

    def forget(self, incident_id: str) -> None:
        """Drop an incident; what was told of it stays in the ledger."""
        self._displace(incident_id)
        self.waiting_since.pop(incident_id, None)
        self.owed.pop(incident_id, None)

    def _place(self, incident: Incident) -> None:
        self._displace(incident.id)
        self.incidents[incident.id] = incident
        self.about.setdefault(subject_of(incident), set()).add(incident.id)
        if incident.kind in ABOUT_DATA:
            self.about_data.add(incident.id)

    def _displace(self, incident_id: str) -> None:
        incident = self.incidents.pop(incident_id, None)
        if incident is None:
            return
        self.about_data.discard(incident_id)
        subject = subject_of(incident)
        self.about[subject].discard(incident_id)
        if not self.about[subject]:
            del self.about[subject]

    def snapshot(self) -> dict[str, Any]:
        """All of it but what is being sent, as plain data."""
        return {
            "ledger": self.ledger.snapshot(),
            "incidents": [msgspec.to_builtins(one) for one in self.incidents.values()],
            "waiting_since": dict(self.waiting_since),
            "owed": msgspec.to_builtins(self.owed),
            "buckets": msgspec.to_builtins(self.buckets),
            "troubles": msgspec.to_builtins(self.troubles),
            "complaints": msgspec.to_builtins(self.complaints),
            "complained_ms": dict(self.complained_ms),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Knowledge:
        """From a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        knowledge = cls(
            ledger=Ledger.restore(state["ledger"]),
            waiting_since=dict(state["waiting_since"]),
            owed=msgspec.convert(state["owed"], dict[str, dict[str, Owed]]),
            buckets=msgspec.convert(state["buckets"], dict[str, Bucket]),
            troubles=msgspec.convert(state["troubles"], dict[str, Trouble]),
            complaints=msgspec.convert(state["complaints"], dict[str, MetaAlert]),
            complained_ms=dict(state["complained_ms"]),
        )
        for incident in msgspec.convert(state["incidents"], list[Incident]):
            knowledge._place(incident)
        return knowledge


def subject_of(incident: Incident) -> Identity:
    """What it is about, whichever the detail: a payment method, a symptom."""
    return identity_of_incident(incident)._replace(detail="")
