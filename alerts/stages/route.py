"""Which channels are told of an incident: the first route that matches, and further ones while it says so.

Channels that were told of it, or were to be, are told how it goes on even if no route matches any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.model import Kind, Severity
from alerts.stages.stage import Candidate, Decision, Dropped, Why

if TYPE_CHECKING:
    from alerts.control import ScopeMatch
    from alerts.incident import Incident
    from alerts.stages.hours import Hours
    from alerts.stages.knowledge import Knowledge

_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Match:
    """Which incidents. What is left out matches all; words of one set are alternatives, sets all match.

    Attributes:
        scope: places that all have to be among the incident's; an empty key stands for any.
        promotions: names; the empty one is "outside of any".
        phases: of promotions.
        hours: when.
    """

    kinds: frozenset[Kind] = frozenset()
    severities: frozenset[Severity] = frozenset()
    scope: tuple[ScopeMatch, ...] = ()
    promotions: frozenset[str] = frozenset()
    phases: frozenset[str] = frozenset()
    hours: Hours | None = None

    def covers(self, incident: Incident) -> bool:
        """Whether an incident is meant, whatever the time."""
        return (
            (not self.kinds or incident.kind in self.kinds)
            and (not self.severities or incident.severity in self.severities)
            and (not self.promotions or (incident.promotion or "") in self.promotions)
            and (not self.phases or (incident.phase or "") in self.phases)
            and all(_within(place, incident) for place in self.scope)
        )

    def now(self, at_ms: int) -> bool:
        """Whether the time is right."""
        return self.hours is None or self.hours.covers(at_ms)


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told of what.

    Attributes:
        name: for people.
        channels: their names.
        match: of which incidents.
        and_on: routes after this one are asked too.
        remind_every_ms: a firing one is told again so long after it was told last; None for never.
        escalate_to: channels that are told too if nobody acknowledges
        escalate_after_ms: for so long.
        quiet: when nothing is told that is less severe than ``quiet_below``, except how it ends.
        quiet_below: told at any time.
        collect_ms: what is not urgent is collected for so long and told together.
    """

    name: str
    channels: tuple[str, ...]
    match: Match = field(default_factory=Match)
    and_on: bool = False
    remind_every_ms: int | None = _HOUR_MS
    escalate_to: tuple[str, ...] = ()
    escalate_after_ms: int = 15 * 60_000
    quiet: Hours | None = None
    quiet_below: Severity = Severity.CRITICAL
    collect_ms: int = 0


class Routing:
    """See the module.

    Args:
        routes: in the order in which they are asked.
        present: channels that there are; None if all that were ever told are.
    """

    def __init__(self, routes: tuple[Route, ...], present: frozenset[str] | None = None) -> None:
        self._routes = routes
        self._present = present

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:
        """A candidate for each channel; those for whom there is none fall out."""
        routed: list[Candidate] = []
        dropped: list[Dropped[Candidate]] = []
        for candidate in batch:
            mine = self._channels(candidate, state, now_ms)
            routed += mine
            if not mine:
                later = any(route.match.covers(candidate.incident) for route in self._routes)
                dropped.append(Dropped(candidate, Why.OUT_OF_HOURS if later else Why.UNROUTED))
        return Decision(tuple(routed), tuple(dropped))

    def _channels(self, candidate: Candidate, state: Knowledge, now_ms: int) -> list[Candidate]:
        incident = candidate.incident
        chosen: dict[str, str] = {}
        for route in self._routes:
            if route.match.covers(incident) and route.match.now(now_ms):
                for channel in route.channels:
                    chosen.setdefault(channel, route.name)
                if not route.and_on:
                    break
        for channel in sorted(state.ledger.channels(incident.id) | state.owed.get(incident.id, {}).keys()):
            if self._present is None or channel in self._present:
                chosen.setdefault(channel, "")
        return [
            msgspec.structs.replace(candidate, channel=channel, route=route)
            for channel, route in chosen.items()
        ]


def _within(place: ScopeMatch, incident: Incident) -> bool:
    return any(part.dimension == place.dimension and place.key in ("", part.key) for part in incident.scope)
