"""One incident in the lifecycle's keeping: what is known beside its record, and what is worth telling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from alerts.drafting import loss_per_minute, refreshed, rises, severity_of, severity_rank
from alerts.identity import FAMILIES, identity_of
from alerts.incident import Incident
from alerts.model import EVERYWHERE, Diagnosis, Kind, Place, Reason, Rooted, State

if TYPE_CHECKING:
    from collections.abc import Sequence

# The detail of an incident that stands for those there is no room for.
MORE: Final = "(more)"


class Kept(msgspec.Struct):
    """An incident, when it was last found and last told, and how large the loss was then.

    ``over``: its end was said while the data was doubtful. ``inherited``: a predecessor told of it, and
    nobody here has found it since; its end can have no mirror test then. ``narrower``: the scope that
    explains it instead, and since when.
    """

    incident: Incident
    seen_ms: int
    told_ms: int
    told_loss: float = 0.0
    over: bool = False
    inherited: bool = False
    narrower: tuple[Place, ...] = ()
    narrower_ms: int = 0

    def change(self, **fields: Any) -> None:
        """Set fields of the record."""
        self.incident = msgspec.structs.replace(self.incident, **fields)

    def explained_by(self, scope: tuple[Place, ...], at_ms: int) -> int:
        """A narrower scope explains it in this close, or with none no scope does; for how long it has been that one."""
        if scope != self.narrower:
            self.narrower, self.narrower_ms = scope, at_ms
        return at_ms - self.narrower_ms

    def see(self, rooted: Rooted, at_ms: int, factor: float) -> Reason | None:
        """Take in the numbers of now; whether and why they are worth telling.

        The severity of one that is open rises at once and falls only with the loss: else it would
        go to and fro at a border.

        Args:
            rooted: what was found.
            at_ms: now.
            factor: by how much the loss has to grow or shrink.
        """
        before, severity = self.incident, severity_of(rooted)
        self.incident = refreshed(before, rooted, at_ms)
        reason = None if before.state is State.PENDING else self._difference(before, rooted, factor)
        if before.state is State.PENDING or reason is Reason.BETTER or rises(severity, before.severity):
            self.change(severity=severity)
        return reason

    def _difference(self, before: Incident, rooted: Rooted, factor: float) -> Reason | None:
        loss = loss_per_minute(self.incident)
        if rises(severity_of(rooted), before.severity) or loss > factor * self.told_loss > 0:
            return Reason.WORSE
        if self.incident.kind is not before.kind:
            return Reason.WORSE if self.incident.kind is Kind.NODE_BREAK else Reason.RENAMED
        return Reason.BETTER if loss * factor < self.told_loss else None


def urgency(rooted: Rooted) -> tuple[Any, ...]:
    """Sorts the widest first, then the worst, then what says more."""
    finding, identity = rooted.finding, identity_of(rooted.finding)
    width = 0 if identity.scope == EVERYWHERE else len(identity.scope)
    rank = FAMILIES.get(finding.kind, ("", 0))[1]
    name = (identity.family, identity.scope, identity.step or (), identity.detail)
    numbers = (finding.observed, finding.expected, finding.lost_minor or 0, finding.since_ms)
    return width, -severity_rank(severity_of(rooted)), -rank, -finding.evidence, name, numbers


def summary(beyond: Sequence[Rooted]) -> Rooted:
    """One finding for those of a family for which there is no room."""
    first = beyond[0]
    finding = replace(first.finding, scope=EVERYWHERE, step=None, detail=MORE)
    folded = len(beyond) + sum(rooted.diagnosis.folded for rooted in beyond)
    return replace(first, finding=finding, diagnosis=Diagnosis(folded=folded))
