"""Whom somebody silenced: nobody is told, but what was told is always closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.model import State
from alerts.stages.stage import Why, split

if TYPE_CHECKING:
    from alerts.incident import Incident
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.stage import Candidate, Decision


class Silence:
    """The life cycle has said which silences match (``silenced_by``), and says when they end."""

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:  # noqa: ARG002 - as all deciders
        """Open ones that nothing silences survive, and all that are over."""
        return split(batch, lambda candidate: _against(candidate.incident))


def _against(incident: Incident) -> Why | None:
    if incident.state is State.PENDING:
        return Why.PENDING
    return Why.SILENCED if incident.silenced_by and incident.open else None
