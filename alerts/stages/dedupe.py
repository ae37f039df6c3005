"""Is there a reason to speak again? What a channel was told last is held against what is so now.

So it does not matter how many records lie between: after an outage, or a restart, what is so now is told
once. A record that is not newer than what was told is no reason, except that it is time to remind or to
ask somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from alerts.drafting import loss_per_minute, rises
from alerts.message import MessageState
from alerts.model import Kind, State
from alerts.stages.knowledge import Owed
from alerts.stages.stage import Candidate, Decision, Dropped, Why

if TYPE_CHECKING:
    from alerts.incident import Incident
    from alerts.ledger import Delivery
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.route import Route


@dataclass(frozen=True, slots=True)
class DedupeSettings:
    """What is new.

    Attributes:
        worse_factor: the loss per minute has grown by so much since it was told.
    """

    worse_factor: float = 2.0


class Dedupe:
    """See the module."""

    def __init__(self, routes: tuple[Route, ...], settings: DedupeSettings | None = None) -> None:
        self._remind = {route.name: route.remind_every_ms for route in routes}
        self._settings = settings or DedupeSettings()

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:
        """Those with something to tell, which it is, and since when that is so."""
        survivors: list[Candidate] = []
        dropped: list[Dropped[Candidate]] = []
        for candidate in batch:
            told = state.ledger.told(*candidate.address)
            owed = state.owing(candidate.address)
            reason = self._reason(candidate, told, owed, now_ms)
            if isinstance(reason, Why):
                dropped.append(Dropped(candidate, reason))
            else:
                survivors.append(_owing(candidate, reason, told, owed, now_ms))
        return Decision(tuple(survivors), tuple(dropped))

    def _reason(
        self, candidate: Candidate, told: Delivery | None, owed: Owed | None, now_ms: int
    ) -> MessageState | Why:
        incident = candidate.incident
        if told is None or (told.over and told.revision < incident.revision):
            return _first(candidate, owed)
        if incident.revision > told.revision:
            change = self._change(incident, told)
            if change is not None:
                return change
        if incident.revision >= told.revision and self._in_time(candidate, told, now_ms):
            asks = candidate.escalated and not told.escalated
            return MessageState.ESCALATED if asks else MessageState.REMINDER
        return Why.NOTHING_NEW

    def _change(self, incident: Incident, told: Delivery) -> MessageState | None:
        if incident.state is State.RESOLVED:
            return MessageState.RESOLVED
        if incident.state is State.ACKNOWLEDGED and not told.acknowledged:
            return MessageState.ACKNOWLEDGED
        if told.acknowledged and incident.state is State.FIRING:
            # Nobody takes it back for fun: it became worse than what was acknowledged.
            return MessageState.WORSE
        if incident.scope != told.scope:
            narrower = {*incident.scope} > {*told.scope}
            return MessageState.NARROWER if narrower else MessageState.WIDER
        broken = incident.kind is Kind.NODE_BREAK and told.kind is not Kind.NODE_BREAK
        more = loss_per_minute(incident) > self._settings.worse_factor * told.loss_per_minute > 0
        worse = broken or more or rises(incident.severity, told.severity)
        return MessageState.WORSE if worse else None

    def _in_time(self, candidate: Candidate, told: Delivery, now_ms: int) -> bool:
        incident = candidate.incident
        if incident.state is not State.FIRING or incident.held:
            return False
        every_ms = self._remind.get(candidate.route)
        due = every_ms is not None and now_ms - told.at_ms >= every_ms
        return due or (candidate.escalated and not told.escalated)


def _first(candidate: Candidate, owed: Owed | None) -> MessageState | Why:
    """What to tell a channel that knows nothing of it, or thinks that it is over."""
    incident = candidate.incident
    if incident.state is State.RESOLVED:
        return MessageState.RESOLVED if owed else Why.NEVER_TOLD
    if incident.state is State.ACKNOWLEDGED:
        return MessageState.ACKNOWLEDGED
    return MessageState.ESCALATED if candidate.escalated else MessageState.OPENED


def _owing(
    candidate: Candidate, reason: MessageState, told: Delivery | None, owed: Owed | None, now_ms: int
) -> Candidate:
    if owed is None or owed.state is not reason:
        timed = reason is MessageState.REMINDER and told is not None
        turn = told.at_ms if timed and told else 0
        owed = Owed(reason, now_ms, candidate.incident.revision, turn)
    return msgspec.structs.replace(
        candidate, state=reason, owed_ms=owed.since_ms, owed_revision=owed.revision, turn=owed.turn
    )
