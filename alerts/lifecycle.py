"""From findings to incidents: what opens, what is the same thing, what is over. A pure fold.

``pending > firing > (acknowledged) > resolved``; a resolved one that comes back within
``reopen_within_ms`` goes on under its id. Promises:

- Resolved only by the mirror test (:class:`alerts.model.Recovered`): a series that is not spoken of
  any more changes nothing.
- What was acknowledged fires again when it becomes worse: somebody has to look anew.
- Never two open incidents of one identity. A wider scope absorbs the narrower ones: the oldest of
  them becomes the wider, the others are merged into it.
- While the data behind an incident is bad it is held: it neither changes nor ends, and nothing new
  opens there. While the data is doubtful, what is found waits as pending.
- The same findings give the same incidents, ids and revisions, also across snapshot and restore. A
  fold that was folded already changes nothing.
- What a predecessor told and a snapshot does not know (:meth:`Lifecycle.recall`) goes on under its id,
  whatever our own replay finds: see :mod:`alerts.inheritance`. One that is not found again is resolved
  after ``reopen_within_ms``.
- Bounded: beyond ``max_open`` findings are summed in one incident per family that says so; that one
  ends when there has been room for ``reopen_within_ms``.

Findings are said anew at each close as long as their evidence stands.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from alerts.archive import Archive
from alerts.control import Ack, Silence, Unsilence
from alerts.drafting import draft, identity_of_incident, loss_per_minute, moved_to, severity_of
from alerts.identity import identity_of, incident_id, topics_behind
from alerts.inheritance import Inheritance
from alerts.kept import MORE, Kept, summary, urgency
from alerts.lifecycle_settings import LifecycleSettings
from alerts.model import WELL, Reason, State
from alerts.narrowing import narrowed
from alerts.population import Population
from alerts.silences import Silences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerts.identity import Identity
    from alerts.incident import Incident
    from alerts.model import DataState, Finding, Recovered, Rooted

__all__ = ["Change", "Lifecycle", "LifecycleSettings"]

_BEGINNING: Final = -(1 << 62)


class Change(NamedTuple):
    """An incident as it is now, to be published, and why."""

    incident: Incident
    reason: Reason


class Lifecycle:
    """See the module."""

    def __init__(self, settings: LifecycleSettings | None = None, silences: Silences | None = None) -> None:
        self._settings = settings or LifecycleSettings()
        self.silences = Silences() if silences is None else silences
        self._at_ms = _BEGINNING
        self._open = Population()
        self._closed = Archive(self._settings.max_closed)
        self._changes: list[Change] = []
        self._inheritance = Inheritance()

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Those that are firing or acknowledged, with the numbers of the last fold."""
        return tuple(kept.incident for kept in self._open if kept.incident.open)

    @property
    def closed(self) -> tuple[Incident, ...]:
        """Those that were resolved lately, in that order."""
        return tuple(kept.incident for kept in self._closed)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """What the open ones are about: whose mirror test has to be asked, where learning stops."""
        return tuple(identity for identity, kept in self._open.items() if kept.incident.open)

    def recall(self, told: Iterable[Incident], latest_ms: int) -> None:
        """Learn what a predecessor told since the snapshot: it is not told again, and goes on as told.

        Args:
            told: newest last.
            latest_ms: no close can have been later.
        """
        self._inheritance.hear(told, (*self._open, *self._closed), latest_ms)

    def fold(
        self,
        findings: Sequence[Rooted],
        recoveries: Sequence[Recovered],
        at_ms: int,
        data: DataState = WELL,
    ) -> tuple[Change, ...]:
        """What changes by what was found at one close.

        Args:
            findings: of all series, what they explain folded into them.
            recoveries: whose mirror test says that it is over.
            at_ms: end of the bucket; one that is not after the last is a repetition.
            data: which topics cannot be believed.
        """
        if at_ms <= self._at_ms:
            return ()
        if self._inheritance.awaited and at_ms > self._inheritance.until_ms:
            self._take_up()
        self._at_ms = at_ms
        self._hold(data)
        self._apply_silences()
        found = self._take_all(findings, data)
        self._recover(recoveries, found)
        self._end(data)
        self._remind()
        self._closed.forget_before(at_ms - self._settings.keep_closed_ms)
        return self._told()

    def _take_up(self) -> None:
        """Replay is past what was told: from here on it is told what changes."""
        self._at_ms = max(self._at_ms, self._inheritance.until_ms)
        told, acks = self._inheritance.take_up(self._open, self._closed, self._at_ms)
        self._changes = [Change(incident, incident.reason) for incident in told]
        for ack in acks:
            self._acknowledge(ack)

    def control(self, record: Ack | Silence | Unsilence) -> tuple[Change, ...]:
        """What changes by what somebody said. It is the time of the last fold."""
        if isinstance(record, Ack):
            self._inheritance.note(record)
            self._acknowledge(record)
        else:
            self.silences.hear(record)
            self._apply_silences()
        return self._told()

    # ------------------------------------------------------------------ what was found
    def _take_all(self, findings: Sequence[Rooted], data: DataState) -> set[Identity]:
        """Take findings in, the widest and worst first; what they are about."""
        found: set[Identity] = set()
        beyond: dict[str, list[Rooted]] = defaultdict(list)
        for rooted in sorted(findings, key=urgency):
            identity, topics = identity_of(rooted.finding), self._topics(rooted.finding)
            if identity in found or topics & data.bad:
                continue
            found.add(identity)
            if not self._take(rooted, identity, doubtful=bool(topics & data.doubtful)):
                beyond[identity.family].append(rooted)
        sure = [each for each in findings if not self._topics(each.finding) & (data.bad | data.doubtful)]
        after_ms = self._settings.narrow_after_ms
        for rooted, wide in narrowed(self._open, sure, found, self._at_ms, after_ms):
            self._rename(wide, rooted)
        for family in sorted(beyond):
            rooted = summary(beyond[family])
            self._take(rooted, identity_of(rooted.finding), doubtful=False)
        return found

    def _take(self, rooted: Rooted, identity: Identity, *, doubtful: bool) -> bool:
        """Take one finding in; False if there is no room for it."""
        kept = self._open.get(identity)
        if self._open.covered(identity):
            # The wider one says it; only a pending one can be under it.
            if kept is not None:
                self._open.take_out(identity)
            return True
        if kept is None:
            kept = self._begin(identity, rooted)
            if kept is None:
                return False
        else:
            self._see(kept, rooted, doubtful=doubtful)
        if not doubtful:
            self._advance(identity, kept, rooted)
        return True

    def _rename(self, wide: Sequence[Identity], rooted: Rooted) -> None:
        """The oldest is the narrower one from now on; others are part of it."""
        first, *others = sorted(wide, key=self._age)
        identity, kept = identity_of(rooted.finding), self._open.take_out(first)
        kept.incident = moved_to(kept.incident, rooted.finding)
        for other in others:
            self._close(other, Reason.MERGED, merged_into=kept.incident.id)
        self._open.put(identity, kept)
        kept.explained_by((), self._at_ms)
        self._renew(kept, rooted)
        self._tell(kept, Reason.RENAMED)

    def _begin(self, identity: Identity, rooted: Rooted) -> Kept | None:
        """A pending one, or None if there is no room."""
        full = len(self._open) >= self._settings.max_open
        if full and identity.detail != MORE and not self._open.narrower(identity):
            return None
        kept = Kept(self._draft(identity, rooted), self._at_ms, self._at_ms)
        self._open.put(identity, kept)
        return kept

    def _draft(self, identity: Identity, rooted: Rooted) -> Incident:
        last = self._closed.newest(identity)
        ended_ms = (last.incident.resolved_at_ms if last else None) or 0
        incident = draft(rooted, self._at_ms, ended_ms)
        taken = incident.id in self._closed or any(k.incident.id == incident.id for k in self._open)
        # Its id may have gone on as that of a wider one.
        return (
            msgspec.structs.replace(incident, id=incident_id(rooted.finding, incident.since_ms, self._at_ms))
            if taken
            else incident
        )

    def _see(self, kept: Kept, rooted: Rooted, *, doubtful: bool) -> None:
        kept.seen_ms, kept.over, kept.inherited = self._at_ms, False, False
        if doubtful:
            return
        reason = kept.see(rooted, self._at_ms, self._settings.change_factor)
        if reason is Reason.WORSE and kept.incident.state is State.ACKNOWLEDGED:
            # What was acknowledged is not what it is now.
            kept.change(state=State.FIRING, acknowledged_at_ms=None, acknowledged_by=None)
        if reason is not None:
            self._tell(kept, reason)

    def _advance(self, identity: Identity, kept: Kept, rooted: Rooted) -> None:
        """Let a pending one fire if it was held long enough, and absorb what is narrower."""
        hold_ms = self._settings.hold_ms.get(kept.incident.kind, 0)
        if kept.incident.open or self._at_ms - kept.incident.opened_at_ms < hold_ms:
            return
        self._fire(identity, kept, rooted)
        # No narrower one opens from here on.
        for other in self._open.narrower(identity):
            self._close(other, Reason.MERGED, merged_into=self._open[identity].incident.id)

    def _fire(self, identity: Identity, kept: Kept, rooted: Rooted) -> None:
        """As one that was there before, or as the oldest narrower one, or as a new one."""
        earlier = self._returning(identity)
        narrower = self._open.narrower(identity)
        if earlier is not None:
            self._open.put(identity, earlier)
            self._reopen(earlier, rooted)
        elif narrower:
            oldest = min(narrower, key=self._age)
            widened = self._open.take_out(oldest)
            self._open.put(identity, widened)
            self._widen(widened, rooted)
        else:
            kept.change(state=State.FIRING, opened_at_ms=self._at_ms)
            self._tell(kept, Reason.OPENED)

    def _age(self, identity: Identity) -> tuple[int, str]:
        incident = self._open[identity].incident
        return incident.opened_at_ms, incident.id

    def _returning(self, identity: Identity) -> Kept | None:
        """Take out the resolved one that this is, if it is not too long ago."""
        kept = self._closed.newest(identity)
        if kept is None:
            return None
        resolved_ms = kept.incident.resolved_at_ms or 0
        if self._at_ms - resolved_ms > self._settings.reopen_within_ms:
            return None
        self._closed.take_out(kept)
        return kept

    def _reopen(self, kept: Kept, rooted: Rooted) -> None:
        kept.change(
            state=State.FIRING,
            severity=severity_of(rooted),
            acknowledged_at_ms=None,
            acknowledged_by=None,
            resolved_at_ms=None,
            merged_into=None,
            reopened=kept.incident.reopened + 1,
        )
        self._renew(kept, rooted)
        self._tell(kept, Reason.REOPENED)

    def _widen(self, kept: Kept, rooted: Rooted) -> None:
        kept.incident = moved_to(kept.incident, rooted.finding)
        self._renew(kept, rooted)
        self._tell(kept, Reason.WIDER)

    def _renew(self, kept: Kept, rooted: Rooted) -> None:
        kept.seen_ms, kept.over = self._at_ms, False
        kept.see(rooted, self._at_ms, self._settings.change_factor)

    # ------------------------------------------------------------------ what is over, what is held
    def _recover(self, recoveries: Iterable[Recovered], found: set[Identity]) -> None:
        for identity in map(identity_of, recoveries):
            kept = self._open.get(identity)
            if kept is not None and identity not in found:
                kept.over = True

    def _end(self, data: DataState) -> None:
        """Close what is over; drop pending ones that are not found any more."""
        for identity, kept in self._open.items():
            unseen_ms = self._at_ms - kept.seen_ms
            room = identity.detail == MORE and unseen_ms > self._settings.reopen_within_ms
            stale = not kept.incident.open and unseen_ms > self._settings.patience_ms
            gone = kept.inherited and unseen_ms > self._settings.reopen_within_ms
            waits = kept.incident.held or self._topics(kept.incident) & data.doubtful
            if (kept.over or room or stale or gone) and not waits:
                self._close(identity, Reason.RESOLVED)

    def _close(self, identity: Identity, reason: Reason, merged_into: str | None = None) -> None:
        """Resolve one; a pending one just goes, nobody was told of it."""
        kept = self._open.take_out(identity)
        if not kept.incident.open:
            return
        kept.change(state=State.RESOLVED, resolved_at_ms=self._at_ms, merged_into=merged_into)
        self._tell(kept, reason)
        self._closed.add(kept)

    def _hold(self, data: DataState) -> None:
        for identity, kept in self._open.items():
            bad = bool(self._topics(kept.incident) & data.bad)
            if bad and not kept.incident.open:
                self._open.take_out(identity)
            elif bad is not kept.incident.held:
                kept.over = False
                # What nobody could find has its time from here on.
                kept.seen_ms = self._at_ms if kept.inherited else kept.seen_ms
                kept.change(held=bad)
                self._tell(kept, Reason.HELD if bad else Reason.RELEASED)

    # ------------------------------------------------------------------ people
    def _acknowledge(self, ack: Ack) -> None:
        for kept in self._open:
            if kept.incident.id == ack.incident_id and kept.incident.state is State.FIRING:
                kept.change(state=State.ACKNOWLEDGED, acknowledged_at_ms=ack.at_ms, acknowledged_by=ack.by)
                self._tell(kept, Reason.ACKNOWLEDGED)
                return

    def _apply_silences(self) -> None:
        self.silences.forget_before(self._at_ms)
        for kept in self._open:
            before, now = kept.incident.silenced_by, self.silences.matching(kept.incident, self._at_ms)
            if kept.incident.open and bool(now) is not bool(before):
                self._tell(kept, Reason.SILENCED if now else Reason.UNSILENCED)
            elif now != before:
                kept.change(silenced_by=now)

    def _remind(self) -> None:
        every_ms = self._settings.remind_every_ms
        if every_ms is None:
            return
        for kept in self._open:
            waiting = kept.incident.state is State.FIRING and not kept.incident.held
            if waiting and self._at_ms - kept.told_ms >= every_ms:
                self._tell(kept, Reason.REMINDER)

    # ------------------------------------------------------------------ telling and forgetting
    def _tell(self, kept: Kept, reason: Reason) -> None:
        kept.change(
            revision=kept.incident.revision + 1,
            reason=reason,
            updated_at_ms=self._at_ms,
            silenced_by=self.silences.matching(kept.incident, self._at_ms),
        )
        kept.told_ms, kept.told_loss = self._at_ms, loss_per_minute(kept.incident)
        self._changes.append(Change(kept.incident, reason))

    def _told(self) -> tuple[Change, ...]:
        changes, self._changes = tuple(self._changes), []
        return () if self._inheritance.awaited else changes

    def _topics(self, about: Finding | Incident) -> frozenset[str]:
        step = about.step
        nodes = (step.from_node, step.to_node) if step else ()
        return topics_behind(about.kind, nodes, self._settings.order_nodes)

    # ------------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """All that is known, as plain data."""
        return {
            "at_ms": self._at_ms,
            "open": [msgspec.to_builtins(kept) for kept in self._open],
            "closed": self._closed.snapshot(),
            "silences": self.silences.snapshot(),
            "inheritance": self._inheritance.snapshot(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: LifecycleSettings | None = None) -> Lifecycle:
        """From a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        lifecycle = cls(settings, Silences.restore(state["silences"]))
        lifecycle._at_ms = state["at_ms"]
        for kept in msgspec.convert(state["open"], list[Kept]):
            lifecycle._open.put(identity_of_incident(kept.incident), kept)
        lifecycle._closed.restore(state["closed"])
        if "inheritance" in state:
            lifecycle._inheritance = Inheritance.restore(state["inheritance"])
        return lifecycle
