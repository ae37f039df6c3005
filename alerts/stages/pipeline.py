"""The deciders in their order, and what they leave behind: who is owed what.

Promises: the same candidates, knowledge and time give the same parcels; every candidate that falls out
has a reason. What a channel is owed is written down once it passed silence, inhibition and routes, so that
what opened and ended while nobody could be told is told as what it is then: over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerts.ledger import BEGINNING, Address
from alerts.stages.dedupe import Dedupe, DedupeSettings
from alerts.stages.escalate import Escalate
from alerts.stages.group import Group
from alerts.stages.hold import Hold
from alerts.stages.inhibit import Inhibit, InhibitSettings
from alerts.stages.knowledge import Owed
from alerts.stages.quiet import Quiet
from alerts.stages.route import Routing
from alerts.stages.silence import Silence
from alerts.stages.stage import Candidate, Decision, Dropped, Parcel, Why
from alerts.stages.throttle import Throttle
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.incident import Incident
    from alerts.stages.budget import ChannelRule
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.route import Route
    from alerts.stages.stage import Stage


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Who is told of what, and how much.

    Attributes:
        routes: asked in order.
        channels: rules by channel; those that are not named have the usual one.
        inhibit: what explains what.
        dedupe: what is new.
        present: channels that there are, whether a route names them or not; None if nobody knows.

    Raises:
        ConfigError: two routes of one name.
    """

    routes: tuple[Route, ...]
    channels: Mapping[str, ChannelRule] = field(default_factory=dict)
    inhibit: InhibitSettings = field(default_factory=InhibitSettings)
    dedupe: DedupeSettings = field(default_factory=DedupeSettings)
    present: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if len({route.name for route in self.routes}) < len(self.routes):
            raise ConfigError("routes", "each has a name of its own")

    @property
    def names(self) -> tuple[str, ...]:
        """All channels that any route tells, in order."""
        named = [name for route in self.routes for name in (*route.channels, *route.escalate_to)]
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the deciders say.

    Attributes:
        parcels: to be sent now, the most urgent first.
        dropped: everything else, and why.
    """

    parcels: tuple[Parcel, ...] = ()
    dropped: tuple[Dropped[Candidate], ...] = ()


class Pipeline:
    """See the module."""

    def __init__(self, settings: PipelineSettings) -> None:
        routes = settings.routes
        self.settings = settings
        self._early: tuple[Stage, ...] = (
            Silence(),
            Inhibit(settings.inhibit),
            Routing(routes, settings.present),
            Escalate(routes),
            Dedupe(routes, settings.dedupe),
        )
        self._late: tuple[Stage, ...] = (Quiet(routes), Hold())
        self._group = Group(routes, settings.channels)
        self._throttle = Throttle(settings.channels)

    def note(self, incident: Incident, state: Knowledge, now_ms: int) -> None:
        """Write down who is owed what by one record, at its own time."""
        known = [
            channel
            for channel in self.settings.names
            if (begun := state.ledger.told(channel, BEGINNING)) is None or begun.at_ms <= now_ms
        ]
        decision = self._through(self._early, (Candidate(incident),), state, now_ms)
        self._owe([one for one in decision.survivors if one.channel in known], decision.dropped, state)

    def decide(
        self,
        incidents: Iterable[Incident],
        state: Knowledge,
        now_ms: int,
        beside: tuple[Parcel, ...] = (),
    ) -> Outcome:
        """What is to be sent now of these incidents, and ``beside`` of them.

        Takes from the budgets and marks what is sent as in flight.
        """
        batch = tuple(Candidate(incident) for incident in incidents)
        early = self._through(self._early, batch, state, now_ms)
        self._owe(early.survivors, early.dropped, state)
        late = self._through(self._late, early.survivors, state, now_ms)
        grouped = self._group.decide(late.survivors, state, now_ms)
        decision = self._throttle.decide((*beside, *grouped.decision.survivors), state, now_ms)
        self._throttle.take(decision.survivors, state, now_ms)
        state.in_flight |= {one.address for parcel in decision.survivors for one in parcel.told}
        beyond = [Dropped(one, over.why) for over in decision.dropped for one in over.what.told]
        return Outcome(decision.survivors, (*early.dropped, *late.dropped, *grouped.dropped, *beyond))

    @staticmethod
    def _through(
        stages: Iterable[Stage], batch: tuple[Candidate, ...], state: Knowledge, now_ms: int
    ) -> Decision[Candidate]:
        dropped: list[Dropped[Candidate]] = []
        for stage in stages:
            decision = stage.decide(batch, state, now_ms)
            batch = decision.survivors
            dropped += decision.dropped
        return Decision(batch, tuple(dropped))

    @staticmethod
    def _owe(owed: Iterable[Candidate], dropped: Iterable[Dropped[Candidate]], state: Knowledge) -> None:
        for one in owed:
            if one.state is not None:
                state.owe(one.address, Owed(one.state, one.owed_ms, one.owed_revision, one.turn))
        for late in dropped:
            if late.what.channel:
                state.owe(late.what.address, None)
            elif late.why in (Why.SILENCED, Why.INHIBITED):
                _release(late.what.incident.id, state)


def _release(incident_id: str, state: Knowledge) -> None:
    """Nothing is owed any more to whom nothing was told: it will not be told that it is over."""
    for channel in tuple(state.owed.get(incident_id, ())):
        if state.ledger.told(channel, incident_id) is None:
            state.owe(Address(channel, incident_id), None)
