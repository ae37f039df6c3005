"""What a decider takes and gives: candidates, parcels, and a reason for everything that falls out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import msgspec

from alerts.drafting import loss_per_minute, severity_rank
from alerts.incident import Incident
from alerts.ledger import Address
from alerts.message import MessageState
from alerts.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from alerts.stages.knowledge import Knowledge, MetaAlert

T = TypeVar("T")


class Why(StrEnum):
    """Why nothing is said now. Also the label ``outcome`` of ``funnelwatch_notifications_total``."""

    PENDING = "pending"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    UNROUTED = "unrouted"
    OUT_OF_HOURS = "out_of_hours"
    NOTHING_NEW = "nothing_new"
    NEVER_TOLD = "never_told"
    STALE = "stale"
    QUIET_HOURS = "quiet_hours"
    COLLECTING = "collecting"
    BUDGET = "budget"
    IN_FLIGHT = "in_flight"
    BACKING_OFF = "backing_off"

    @property
    def waits(self) -> bool:
        """Whether time alone may change it; all else needs another record of the incident."""
        return self in _WAITS


_WAITS: Final = frozenset(
    {
        Why.INHIBITED,
        Why.OUT_OF_HOURS,
        Why.QUIET_HOURS,
        Why.COLLECTING,
        Why.BUDGET,
        Why.IN_FLIGHT,
        Why.BACKING_OFF,
    }
)


class Haste(StrEnum):
    """What goes before what; earlier goes first."""

    PAGE = "page"
    CLOSING = "closing"
    USUAL = "usual"
    DIGEST = "digest"


_HASTE: Final = tuple(Haste)


def key_of(*words: str) -> str:
    """32 hex digits for some words; no two lists of words read alike."""
    text = "".join(f"{len(word)}:{word}" for word in words)
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Candidate(msgspec.Struct, frozen=True):
    """One incident, as it is now, that one channel may have to be told of.

    Attributes:
        channel: empty before routing.
        route: name of the route that chose the channel; empty if it was told before and no route
            chooses it any more.
        escalated: the channel is asked because nobody acknowledged.
        state: what there is to tell; None before it is decided.
        owed_ms: since when that is so.
        owed_revision: revision of the incident at which it became so.
        turn: tells reminders of one revision apart.
    """

    incident: Incident
    channel: str = ""
    route: str = ""
    escalated: bool = False
    state: MessageState | None = None
    owed_ms: int = 0
    owed_revision: int = 0
    turn: int = 0

    @property
    def address(self) -> Address:
        """The incident on the channel."""
        return Address(self.channel, self.incident.id)

    @property
    def key(self) -> str:
        """Idempotency key: the same for the same thing to tell, after whatever restart."""
        state = "" if self.state is None else self.state.value
        return key_of(self.incident.id, str(self.owed_revision), state, str(self.turn), self.channel)

    @property
    def haste(self) -> Haste:
        """A page, the end of what was told, or neither."""
        if self.state in (MessageState.ACKNOWLEDGED, MessageState.RESOLVED):
            return Haste.CLOSING
        critical = self.incident.severity is Severity.CRITICAL
        return Haste.PAGE if critical or self.state is MessageState.ESCALATED else Haste.USUAL

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts what is most urgent, worst, and waits longest first."""
        incident = self.incident
        return (
            _HASTE.index(self.haste),
            -severity_rank(incident.severity),
            -loss_per_minute(incident),
            self.owed_ms,
            incident.id,
        )


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to one channel, not worded yet.

    Attributes:
        key: idempotency key: one per incident, state and channel.
        told: what it tells of; several in a digest, none in a meta-alert.
        receipt: the channel's own name of the last message about the incident.
        again: it was told already, and is sent again while it lasts.
    """

    key: str
    channel: str
    state: MessageState
    told: tuple[Candidate, ...] = ()
    meta: MetaAlert | None = None
    receipt: str = ""
    again: bool = False

    @property
    def haste(self) -> Haste:
        """A digest is one, whatever is in it."""
        if self.state is MessageState.DIGEST:
            return Haste.DIGEST
        return Haste.PAGE if self.meta else self.told[0].haste

    @property
    def urgent(self) -> bool:
        """Whether it may take from a channel's reserve: there is something in it that cannot wait."""
        return self.meta is not None or any(one.haste is not Haste.USUAL for one in self.told)

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts the most urgent first, what is sent again last."""
        if self.again:
            return (len(_HASTE),)
        if self.meta:
            return (0, -severity_rank(Severity.CRITICAL), 0.0, self.meta.at_ms, self.meta.channel)
        return (_HASTE.index(self.haste), *self.told[0].order[1:])


@dataclass(frozen=True, slots=True)
class Dropped(Generic[T]):
    """What falls out, and why."""

    what: T
    why: Why


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """What a decider says."""

    survivors: tuple[T, ...] = ()
    dropped: tuple[Dropped[T], ...] = ()


class Stage(Protocol):
    """A decider of candidates."""

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:
        """What survives, and why the rest does not."""
        ...


def split(batch: Iterable[T], why: Callable[[T], Why | None]) -> Decision[T]:
    """Each survives for which there is no reason against."""
    judged = [(one, why(one)) for one in batch]
    return Decision(
        tuple(one for one, reason in judged if reason is None),
        tuple(Dropped(one, reason) for one, reason in judged if reason is not None),
    )
