"""Who else is asked if nobody acknowledges: a second route after a time. It adds, and drops nothing.

The time begins anew when what was acknowledged becomes worse, for then nobody has acknowledged that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerts.model import State
from alerts.stages.stage import Candidate, Decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.stages.knowledge import Knowledge
    from alerts.stages.route import Route


class Escalate:
    """See the module."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = {route.name: route for route in routes if route.escalate_to}

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:
        """All of them, and those of the second route."""
        added: dict[tuple[str, str], Candidate] = {}
        for candidate in batch:
            for channel in self._second(candidate, state, now_ms):
                asked = msgspec.structs.replace(candidate, channel=channel, escalated=True)
                added[asked.address] = asked
        first = tuple(one for one in batch if one.address not in added)
        return Decision((*first, *added.values()))

    def _second(self, candidate: Candidate, state: Knowledge, now_ms: int) -> Iterator[str]:
        route, incident = self._routes.get(candidate.route), candidate.incident
        since_ms = state.waiting_since.get(incident.id)
        if route is None or since_ms is None or incident.state is not State.FIRING or incident.held:
            return
        if now_ms - since_ms >= route.escalate_after_ms:
            yield from route.escalate_to
