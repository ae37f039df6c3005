"""Who cannot be spoken to now: what is being sent is not sent again, and a channel that fails is tried with one.

So whatever happens while an endpoint is dead waits here as one candidate per incident, which changes with
the incident: there is no queue of messages that could grow stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.stages.stage import Why, split

if TYPE_CHECKING:
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.stage import Candidate, Decision


class Hold:
    """See the module."""

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:
        """All of channels that work, and the most urgent one of a channel whose time has come."""
        busy = {address.channel for address in state.in_flight}
        tried: dict[str, Candidate] = {}
        for candidate in sorted(batch, key=lambda one: one.order):
            trouble = state.troubles.get(candidate.channel)
            if trouble and trouble.again_ms <= now_ms and candidate.channel not in busy:
                tried.setdefault(candidate.channel, candidate)

        def against(candidate: Candidate) -> Why | None:
            if candidate.address in state.in_flight:
                return Why.IN_FLIGHT
            waits = candidate.channel in state.troubles and tried.get(candidate.channel) is not candidate
            return Why.BACKING_OFF if waits else None

        return split(batch, against)
