"""What a predecessor told, taken up by whoever goes on: the log of incidents is the truth, not our own replay.

A successor works out again what came since a snapshot. Mostly that is what was told, to the byte; but
buckets that were closed by the clock, other settings, or a snapshot that was lost may let it see
another beginning, and so another id, of what people know already. So nothing is told before the
first close beyond the last that was told of, and then:

- What the log says is open is open, under its id, with its revision, beginning and acknowledgement.
- What nobody was told of is pending, and told when it is found again; told at once if it was decided
  in the very close of which the last word stands in the log, for that one may have been cut short.
- What somebody acknowledged, and nobody told, is acknowledged.
- What was told to be open and is over by our own mirror test, later than its last word, is told to be
  over. Of two open ones of one identity (two watchers at a time) the younger is merged into the older.

After that the log's open incidents are those of the life cycle. One that our own replay has not found
is marked as inherited: see :class:`alerts.kept.Kept`.

Pure; its state goes with the life cycle's, so a successor of a successor in the midst of its replay
knows it as well. Bounded by who hands it records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from alerts.control import Ack
from alerts.drafting import identity_of_incident, loss_per_minute
from alerts.incident import Incident
from alerts.kept import Kept
from alerts.model import Reason, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.archive import Archive
    from alerts.identity import Identity
    from alerts.population import Population

_NEVER: Final = -(1 << 62)


class Inheritance:
    """See the module; what stands open and what was resolved lately are the life cycle's own."""

    def __init__(self) -> None:
        self._known: dict[str, Incident] = {}
        # Of the log, id and time; and those to be done, by id.
        self._acknowledged: set[tuple[str, int]] = set()
        self._acks: dict[str, Ack] = {}
        self.until_ms = _NEVER

    @property
    def awaited(self) -> bool:
        """Whether replay has not come as far yet."""
        return bool(self._known)

    def hear(self, told: Iterable[Incident], kept: Iterable[Kept], latest_ms: int) -> None:
        """Learn what was told since a snapshot, in that order.

        Args:
            told: what the log says.
            kept: what the snapshot knew, which had been told when it was written.
            latest_ms: no close can have been later; a record that says so is believed in all else.
        """
        records = list(told)
        if not records:
            return
        if not self._known:
            self._known = {one.incident.id: _as_told(one) for one in kept if one.incident.revision}
        for incident in records:
            before = self._known.get(incident.id)
            if before is None or before.revision <= incident.revision:
                self._known[incident.id] = incident
            if incident.acknowledged_at_ms is not None:
                self._acknowledged.add((incident.id, incident.acknowledged_at_ms))
        newest_ms = max(incident.updated_at_ms for incident in records)
        self.until_ms = max(self.until_ms, min(newest_ms, latest_ms))

    def note(self, ack: Ack) -> None:
        """Somebody took on what our own replay may not know yet, or not under this id."""
        if ack.incident_id in self._known and (ack.incident_id, ack.at_ms) not in self._acknowledged:
            self._acks[ack.incident_id] = ack

    def take_up(self, open_: Population, closed: Archive, at_ms: int) -> tuple[list[Incident], list[Ack]]:
        """Make what stands open and what was resolved what the log says.

        Args:
            open_: pending and open ones; changed.
            closed: resolved ones; changed.
            at_ms: the last close that was folded.

        Returns:
            what is to be told, each with its reason; and what was acknowledged and not told.
        """
        own = {kept.incident.id: kept.incident.acknowledged_at_ms for kept in open_}
        # What our own replay knows it did itself, unless it became worse since.
        acks = [ack for name, ack in self._acks.items() if own.get(name, ack.at_ms) == ack.at_ms]
        told = _Taking(self._known, self.until_ms, open_, closed, at_ms).told()
        self._known, self._acknowledged, self._acks, self.until_ms = {}, set(), {}, _NEVER
        return told, acks

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        known = [msgspec.to_builtins(incident) for incident in self._known.values()]
        acks = [msgspec.structs.astuple(ack) for ack in self._acks.values()]
        acknowledged = sorted(self._acknowledged)
        return {"known": known, "acknowledged": acknowledged, "acks": acks, "until_ms": self.until_ms}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Inheritance:
        """From a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        made = cls()
        made._known = {one.id: one for one in msgspec.convert(state["known"], list[Incident])}
        made._acknowledged = {(name, at_ms) for name, at_ms in state["acknowledged"]}
        made._acks = {ack[0]: Ack(*ack) for ack in state["acks"]}
        made.until_ms = state["until_ms"]
        return made


class _Own(NamedTuple):
    """What our own replay made of it."""

    kept: Kept
    is_open: bool


class _Taking:
    """One taking up."""

    def __init__(
        self, known: Mapping[str, Incident], until_ms: int, open_: Population, closed: Archive, at_ms: int
    ) -> None:
        self._known = known
        self._until_ms = until_ms
        self._open = open_
        self._closed = closed
        self._at_ms = at_ms
        self._told: list[Incident] = []
        # Identities that our own replay has found to be open.
        self._found = {identity for identity, kept in open_.items() if kept.incident.open}
        # Identities of what is over by the log, and not by our own replay: found again they are re-opened.
        ours = {kept.incident.id for kept in closed}
        self._over = {
            identity_of_incident(one) for one in known.values() if not one.open and one.id not in ours
        }

    def told(self) -> list[Incident]:
        """What is to be told once all is taken up."""
        ended = list(self._closed)
        settled = {
            *(self._settle_open(identity, kept) for identity, kept in self._open.items()),
            *(self._settle_closed(kept) for kept in ended),
        }
        rest = [incident for name, incident in self._known.items() if name not in settled]
        for incident in sorted(rest, key=_age):
            if incident.open:
                self._inherit(incident, ended)
            else:
                self._closed.add(_kept(incident, self._at_ms))
        self._absorb()
        self._closed.sort()
        return self._told

    def _absorb(self) -> None:
        """Nothing is open under a wider one: nobody would ever speak of it again."""
        for identity, kept in self._open.items():
            above = self._open.above(identity) if kept.incident.open else []
            if above:
                self._open.take_out(identity)
                self._told = [one for one in self._told if one.id != kept.incident.id]
                self._end(kept.incident, Reason.MERGED, self._at_ms, self._open[above[0]].incident.id)

    def _is_same(self, kept: Kept) -> bool:
        """Whether our own replay told last what the log says last."""
        known = self._known.get(kept.incident.id)
        return known is not None and _told_as(known) == _told_as(_as_told(kept))

    def _is_cut_short(self, kept: Kept) -> bool:
        """Whether it changed in the close that was being told of last, and that was not told."""
        incident, known = kept.incident, self._known.get(kept.incident.id)
        if known is None:
            return incident.opened_at_ms == kept.told_ms == self._until_ms
        return kept.told_ms == self._until_ms and incident.revision > known.revision

    def _settle_open(self, identity: Identity, kept: Kept) -> str:
        """The id, if nothing of the log is to take its place."""
        incident = kept.incident
        if incident.open and self._is_same(kept):
            return incident.id
        new = incident.id not in self._known
        if incident.open and self._is_cut_short(kept) and not (new and identity in self._over):
            self._told.append(incident)
            return incident.id
        if not new:
            self._open.take_out(identity)
            return ""
        kept.over = False
        kept.change(
            state=State.PENDING, revision=0, held=False, acknowledged_at_ms=None, acknowledged_by=None
        )
        return incident.id

    def _settle_closed(self, kept: Kept) -> str:
        incident = kept.incident
        if self._is_same(kept):
            return incident.id
        known = self._known.get(incident.id)
        if (known is None or known.open) and self._is_cut_short(kept):
            self._told.append(incident)
            return incident.id
        self._closed.take_out(kept)
        return ""

    def _inherit(self, incident: Incident, ended: Iterable[Kept]) -> None:
        identity = identity_of_incident(incident)
        over_ms = _ended_ms(identity, incident, ended)
        if over_ms is not None:
            self._end(incident, Reason.RESOLVED, over_ms)
            return
        present = self._open.get(identity)
        if present is not None and present.incident.id in self._known:
            self._end(incident, Reason.MERGED, self._at_ms, present.incident.id)
            return
        kept = _kept(incident, self._at_ms)
        kept.inherited = identity not in self._found
        self._withdraw(present)
        self._open.put(identity, kept)

    def _withdraw(self, present: Kept | None) -> None:
        """What was to be told at once is the same as what people know already."""
        if present is not None:
            self._told = [one for one in self._told if one.id != present.incident.id]

    def _end(self, incident: Incident, reason: Reason, over_ms: int, merged_into: str | None = None) -> None:
        ended = msgspec.structs.replace(
            incident,
            state=State.RESOLVED,
            reason=reason,
            revision=incident.revision + 1,
            resolved_at_ms=over_ms,
            updated_at_ms=self._at_ms,
            merged_into=merged_into,
        )
        self._told.append(ended)
        self._closed.add(_kept(ended, self._at_ms))


def _ended_ms(identity: Identity, incident: Incident, ended: Iterable[Kept]) -> int | None:
    """When it was over by our own replay, if that was after its last word."""
    times = [
        kept.incident.resolved_at_ms or 0
        for kept in ended
        if kept.incident.id == incident.id or identity_of_incident(kept.incident) == identity
    ]
    newest_ms = max(times, default=_NEVER)
    return newest_ms if newest_ms >= incident.updated_at_ms else None


def _as_told(kept: Kept) -> Incident:
    """With the time at which it was told; its numbers may be younger."""
    return msgspec.structs.replace(kept.incident, updated_at_ms=kept.told_ms)


def _told_as(incident: Incident) -> tuple[int, Reason, State, int]:
    return incident.revision, incident.reason, incident.state, incident.updated_at_ms


def _kept(incident: Incident, at_ms: int) -> Kept:
    return Kept(incident, at_ms, incident.updated_at_ms, loss_per_minute(incident))


def _age(incident: Incident) -> tuple[int, str]:
    return incident.opened_at_ms, incident.id
