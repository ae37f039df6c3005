"""What people tell Funnelwatch: the records of the control topic. JSON, ``type`` says which.

``{"type": "ack", "incident_id": "...", "by": "li", "at_ms": 1762689603125}``

One is told by Funnelwatch itself, for the pages of all workers: which of them watches (:class:`Watches`).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from alerts.model import Kind, Severity
from streams.errors import CodecError

_MAX_BYTES: Final = 64 * 1024


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Somebody takes care of an incident."""

    incident_id: str
    by: str
    at_ms: int


class ScopeMatch(msgspec.Struct, frozen=True):
    """A place that has to be among the scope's. An empty key stands for every key."""

    dimension: str
    key: str = ""


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    """Nobody is to be told of what matches, from start to before end; without a start from now on.

    What is left out matches everything; the words of one list are alternatives, the lists all have
    to match, and so have all places of ``scope``.

    Attributes:
        steps: as ``from>to``.
        promotions: names of those that run where and when the incident is.
    """

    id: str
    by: str
    ends_ms: int
    starts_ms: int = 0
    comment: str = ""
    kinds: tuple[Kind, ...] = ()
    scope: tuple[ScopeMatch, ...] = ()
    steps: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    incident_ids: tuple[str, ...] = ()
    promotions: tuple[str, ...] = ()


class Unsilence(msgspec.Struct, frozen=True, tag="unsilence"):
    """A silence ends now."""

    id: str
    by: str
    at_ms: int


class Stock(msgspec.Struct, frozen=True, tag="stock"):
    """A SKU is sold out, or there again."""

    sku: str
    in_stock: bool
    at_ms: int


class Watches(msgspec.Struct, frozen=True, tag="watches"):
    """A worker has begun to watch.

    Attributes:
        host: name of its machine.
        url: of its page, as it listens: on loopback it can be reached from that machine only.
    """

    host: str
    url: str
    at_ms: int


Control: TypeAlias = Ack | Silence | Unsilence | Stock | Watches
_encoder = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Ack | Silence | Unsilence | Stock | Watches)


def encode_control(record: Control) -> bytes:
    """Bytes of a record."""
    return _encoder.encode(record)


def control_key(record: Control) -> bytes:
    """Its key in the topic, which is compacted: the newest word about the same thing stands."""
    if isinstance(record, Ack):
        name = f"ack/{record.incident_id}"
    elif isinstance(record, Stock):
        name = f"stock/{record.sku}"
    elif isinstance(record, Watches):
        name = "watches"
    else:
        name = f"silence/{record.id}"
    return name.encode("utf-8", "surrogatepass")


def decode_control(data: bytes | None) -> Control:
    """A record from its bytes.

    Raises:
        CodecError: none that we know, or damaged.
    """
    if data is None or len(data) > _MAX_BYTES:
        raise CodecError("not a control record")
    try:
        record: Control = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("damaged control record") from error
    return record
