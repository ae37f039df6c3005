"""The entries of the topic of totals: owners, markers and the pieces that these name, and their bytes."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from streams.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import ConsumerRecord

VERSION = 1
# What is of no bucket; buckets have the other places.
SHARD_PIECE = 0
_CHUNK_BYTES = 512 * 1024


class Owner(msgspec.Struct, array_like=True, frozen=True):
    """Somebody takes the shard; ``token`` tells him which of these is his."""

    version: int
    token: str
    address: str


class Piece(msgspec.Struct, array_like=True, frozen=True):
    """Where a part of the snapshot lies: place ``number``, its side 0 or 1, in so many chunks."""

    number: int
    side: int
    chunks: int
    checksum: int


class Marker(msgspec.Struct, array_like=True, frozen=True):
    """A snapshot is whole.

    Attributes:
        version: of the layout of everything in it.
        owner: number of who wrote it.
        address: where he showed the series.
        shards: how many there are in the deployment.
        closed: he has handed the shard over and shows only what he counted.
        next_offset: of the first rollup that is not in it.
        pieces: what it consists of.
    """

    version: int
    owner: int
    address: str
    shards: int
    closed: bool
    next_offset: int
    pieces: list[Piece]


encode = msgspec.msgpack.encode
_read_owner = msgspec.msgpack.Decoder(Owner).decode
_read_marker = msgspec.msgpack.Decoder(Marker).decode
OWNER_KEY = b"owner/"


def marker_key(owner: int) -> bytes:
    """Key of an owner's marker."""
    return f"marker/{owner}".encode()


def chunk_key(owner: int, piece: int, side: int, chunk: int) -> bytes:
    """Key of a part of a piece."""
    return f"piece/{owner}/{piece}/{side}/{chunk}".encode()


def chunks_of(data: bytes) -> list[bytes]:
    """Pieces of bytes that Kafka takes."""
    return [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]


def next_piece(place: int, before: Piece | None, data: bytes) -> Piece:
    """What lies at a place from now on: on the side where the one before does not lie."""
    side = 1 - before.side if before is not None else 0
    return Piece(place, side, len(chunks_of(data)), zlib.crc32(data))


def is_owner(record: ConsumerRecord) -> bool:
    """Whether somebody takes the shard with this entry."""
    return bool(record.key.startswith(OWNER_KEY)) and record.value is not None


def address_of(record: ConsumerRecord) -> str:
    """Where an owner shows the series; empty if it cannot be read: nobody's."""
    try:
        return _read_owner(record.value).address
    except msgspec.MsgspecError:
        return ""


def read_marker(value: bytes) -> Marker:
    """A marker from its bytes.

    Raises:
        CodecError: another version, or damaged.
    """
    try:
        fields = msgspec.msgpack.decode(value, type=list[Any])
        if fields and fields[0] != VERSION:
            raise CodecError(f"of version {fields[0]}, this build reads version {VERSION}")
        return _read_marker(value)
    except msgspec.MsgspecError as error:
        raise CodecError(f"damaged: its marker cannot be read ({error})") from error


def data_of(newest: Mapping[bytes, bytes | None], owner: int, piece: Piece) -> bytes:
    """What lies in a piece.

    Raises:
        CodecError: a chunk is missing, or another one is there.
    """
    chunks = []
    for index in range(piece.chunks):
        chunk = newest.get(chunk_key(owner, piece.number, piece.side, index))
        if chunk is None:
            raise CodecError(f"incomplete: a chunk of piece {piece.number} is missing")
        chunks.append(chunk)
    data = b"".join(chunks)
    if zlib.crc32(data) != piece.checksum:
        raise CodecError(f"damaged: the checksum of piece {piece.number} is wrong")
    return data
