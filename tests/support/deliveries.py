"""Incidents as the life cycle writes them, and an outbox with what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from alerts.drafting import draft
from alerts.model import Place, Reason, Severity, State
from alerts.outbox import Outbox
from alerts.rounds import Answer, DeadLetter, OutboxSettings, Report
from alerts.stages.pipeline import Pipeline, PipelineSettings
from alerts.stages.route import Route
from alerts.stages.stage import Candidate, Parcel
from tests.support.findings import SLOT, T0, rooted

if TYPE_CHECKING:
    from alerts.ledger import Delivery

OPS = Route("all", ("ops",))


def incident(name: str = "i", scope: tuple[Place, ...] = SLOT, **fields: Any) -> Any:
    """A firing one of a slot, at its first record."""
    known: dict[str, Any] = {"id": name, "revision": 1, "state": State.FIRING, "reason": Reason.OPENED}
    return msgspec.structs.replace(draft(rooted(scope=scope), T0, 0), **known | fields)


def later(before: Any, **fields: Any) -> Any:
    """The next record of an incident."""
    return msgspec.structs.replace(before, revision=before.revision + 1, **fields)


def over(before: Any, at_ms: int = T0) -> Any:
    """It is over."""
    return later(
        before, state=State.RESOLVED, reason=Reason.RESOLVED, resolved_at_ms=at_ms, updated_at_ms=at_ms
    )


def taken(before: Any, at_ms: int = T0) -> Any:
    """Somebody takes care of it."""
    return later(
        before,
        state=State.ACKNOWLEDGED,
        reason=Reason.ACKNOWLEDGED,
        acknowledged_at_ms=at_ms,
        acknowledged_by="li",
        updated_at_ms=at_ms,
    )


CRITICAL: dict[str, Any] = {"severity": Severity.CRITICAL}


def candidate(about: Any | None = None, **fields: Any) -> Candidate:
    """Of an incident, on ops."""
    known: dict[str, Any] = {"channel": "ops", "route": "all"}
    return Candidate(incident() if about is None else about, **known | fields)


class Post:
    """An outbox, its time, and all it handed out and wrote."""

    def __init__(
        self,
        *routes: Route,
        settings: OutboxSettings | None = None,
        channels: Any = None,
    ) -> None:
        self.pipeline = Pipeline(PipelineSettings(routes or (OPS,), channels or {}))
        self.settings = settings or OutboxSettings()
        self.outbox = Outbox(self.pipeline, self.settings)
        self.topic: dict[tuple[str, str], Delivery] = {}
        self.incidents: list[Any] = []
        self.dead: list[DeadLetter] = []
        self.now_ms = T0
        self.write(self.outbox.begin(T0 - 1))

    def write(self, records: tuple[Delivery, ...]) -> None:
        """Into the compacted topic."""
        for record in records:
            self.topic.pop(record.address, None)
            self.topic[record.address] = record

    def hear(self, *records: Any) -> None:
        """Records of incidents."""
        self.incidents += records
        for record in records:
            self.outbox.hear(record)

    def due(self, after_ms: int = 0) -> tuple[Parcel, ...]:
        """What is handed out so much later."""
        self.now_ms += after_ms
        said = self.outbox.due(self.now_ms)
        self.write(said.records)
        self.dead += said.dead
        return said.parcels

    def answer(self, parcel: Parcel, answer: Answer = Answer.DELIVERED, **fields: Any) -> None:
        """What the channel says."""
        said = self.outbox.report(Report(parcel.key, answer, self.now_ms, **fields), 0.5)
        self.write(said.records)
        self.dead += said.dead

    def tell(self, after_ms: int = 0) -> list[tuple[str, str]]:
        """Everything that is due is delivered: states and channels."""
        parcels = self.due(after_ms)
        for parcel in parcels:
            self.answer(parcel)
        return [(parcel.state.value, parcel.channel) for parcel in parcels]

    def restart(self) -> None:
        """Another process reads both topics."""
        self.outbox = Outbox(self.pipeline, self.settings)
        for record in self.topic.values():
            self.outbox.learn(record)
        self.write(self.outbox.begin(self.now_ms))
        for record in self.incidents:
            self.outbox.hear(record)
