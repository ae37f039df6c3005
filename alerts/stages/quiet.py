"""Quiet hours: what is not severe waits until they are over. How a thing ends is told at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.drafting import rises
from alerts.stages.stage import Haste, Why, split

if TYPE_CHECKING:
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.route import Route
    from alerts.stages.stage import Candidate, Decision


class Quiet:
    """See the module."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = {route.name: route for route in routes if route.quiet}

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:
        """What is severe enough, or the end of what was told, survives."""

        def against(candidate: Candidate) -> Why | None:
            route = self._routes.get(candidate.route)
            if route is None or route.quiet is None or not route.quiet.covers(now_ms):
                return None
            told = state.ledger.told(*candidate.address) is not None
            if candidate.escalated or (candidate.haste is Haste.CLOSING and told):
                return None
            return Why.QUIET_HOURS if rises(route.quiet_below, candidate.incident.severity) else None

        return split(batch, against)
