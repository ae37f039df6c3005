"""What each channel was told of each incident: the records of ``funnelwatch.deliveries``, and all of them.

The topic is compacted; its key is channel and incident, so the newest record stands for what the
channel's readers know. What stands here is never said again. Pure.

Bounded: beyond ``limit`` the delivery that is oldest is forgotten; an incident that is over is forgotten
by :meth:`Ledger.forget_before`, which has to keep longer than ``funnelwatch.incidents`` does, or a restart
that reads it would tell of it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from alerts.drafting import loss_per_minute
from alerts.incident import Incident, ScopePart
from alerts.message import MessageState
from alerts.model import Kind, Severity, State
from streams.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = 1
# Under this id stands since when a channel is there; under the other, when its failure was last told.
BEGINNING: Final = "(beginning)"
_LIMIT: Final = 100_000


class Address(NamedTuple):
    """One incident on one channel."""

    channel: str
    incident_id: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel was told last about an incident.

    Attributes:
        key: idempotency key of the message that told it, perhaps together with others.
        revision: of the incident as it was told.
        at_ms: when the channel took it.
        receipt: the channel's own name of the message, for editing it; empty if it has none.
        given_up: nobody was told: it was refused, or the channel was silent for too long.
        escalated: somebody else was asked, for nobody had acknowledged.
    """

    channel: str
    incident_id: str
    key: str
    revision: int
    state: MessageState
    at_ms: int
    kind: Kind | None = None
    severity: Severity = Severity.INFO
    scope: tuple[ScopePart, ...] = ()
    loss_per_minute: float = 0.0
    acknowledged: bool = False
    over: bool = False
    escalated: bool = False
    given_up: bool = False
    receipt: str = ""
    version: int = VERSION

    @property
    def address(self) -> Address:
        """Where it belongs; also the key of the record."""
        return Address(self.channel, self.incident_id)


def delivered(
    incident: Incident,
    channel: str,
    *,
    key: str,
    state: MessageState,
    at_ms: int,
    receipt: str = "",
    escalated: bool = False,
    given_up: bool = False,
) -> Delivery:
    """That a channel was told of an incident as it is."""
    return Delivery(
        channel=channel,
        incident_id=incident.id,
        key=key,
        revision=incident.revision,
        state=state,
        at_ms=at_ms,
        kind=incident.kind,
        severity=incident.severity,
        scope=incident.scope,
        loss_per_minute=loss_per_minute(incident),
        acknowledged=incident.state is State.ACKNOWLEDGED,
        over=incident.state is State.RESOLVED,
        escalated=escalated,
        given_up=given_up,
        receipt=receipt,
    )


def record_key(address: Address) -> bytes:
    """Key of the record in the compacted topic."""
    return msgspec.json.encode(address)


def encode_delivery(delivery: Delivery) -> bytes:
    """The record of a delivery."""
    return msgspec.json.encode(delivery)


def decode_delivery(data: bytes | None) -> Delivery:
    """A delivery from its record.

    Raises:
        CodecError: none, or of another version.
    """
    try:
        delivery = msgspec.json.decode(data or b"", type=Delivery)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("damaged delivery") from error
    if delivery.version != VERSION:
        raise CodecError(f"delivery version {delivery.version}, this build reads version {VERSION}")
    return delivery


class Ledger:
    """See the module."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._told: dict[Address, Delivery] = {}
        self._channels: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._told)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._told.values())

    def told(self, channel: str, incident_id: str) -> Delivery | None:
        """What a channel was told last about an incident."""
        return self._told.get(Address(channel, incident_id))

    def channels(self, incident_id: str) -> frozenset[str]:
        """Which were told of an incident that it is not over, as far as they know."""
        known = self._channels.get(incident_id, ())
        return frozenset(name for name in known if not self._told[Address(name, incident_id)].over)

    def write(self, delivery: Delivery) -> None:
        """Take in a delivery, one's own or one that is read back; the newest said counts."""
        self._told.pop(delivery.address, None)
        self._told[delivery.address] = delivery
        self._channels.setdefault(delivery.incident_id, set()).add(delivery.channel)
        if len(self._told) > self._limit:
            self._drop(next((one for one in self._told if one.incident_id != BEGINNING), delivery.address))

    def forget_before(self, at_ms: int) -> tuple[Address, ...]:
        """Drop what was over before a time; the records to be taken out of the topic."""
        gone = [name for name, one in self._told.items() if one.over and one.at_ms < at_ms]
        for address in gone:
            self._drop(address)
        return tuple(gone)

    def _drop(self, address: Address) -> None:
        del self._told[address]
        channels = self._channels[address.incident_id]
        channels.discard(address.channel)
        if not channels:
            del self._channels[address.incident_id]

    def snapshot(self) -> list[Any]:
        """All of it as plain data."""
        return [msgspec.to_builtins(one) for one in self._told.values()]

    @classmethod
    def restore(cls, state: list[Any], limit: int = _LIMIT) -> Ledger:
        """From a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        ledger = cls(limit)
        for delivery in msgspec.convert(state, list[Delivery]):
            ledger.write(delivery)
        return ledger
