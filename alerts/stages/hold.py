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
        due = {
            channel
            for channel, trouble in state.troubles.items()
            if trouble.again_ms <= now_ms and channel not in busy
        }
        for candidate in sorted((one for one in batch if one.channel in due), key=lambda one: one.order):
            tried.setdefault(candidate.channel, candidate)

        def against(candidate: Candidate) -> Why | None:
            if candidate.address in state.in_flight:
                return Why.IN_FLIGHT
            waits = candidate.channel in state.troubles and tried.get(candidate.channel) is not candidate
            return Why.BACKING_OFF if waits else None

        return split(batch, against)
