"""The entries of the log of counting state: what they say, and their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from xxhash import xxh3_64_digest

from streams.core.changes import Changes
from streams.core.reading import SourceOffsets
from streams.errors import CodecError

if TYPE_CHECKING:
    from streams.core.vocabulary import Vocabulary

VERSION = 5
_MAGIC = b"FWL"
_HEAD = len(_MAGIC) + 1
_BODY = _HEAD + 8
NO_LIFE = -1


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where reading begins: an offset, and the first flush behind it that is needed."""

    offset: int
    generation: int
    flush: int


class Shape(msgspec.Struct, array_like=True, frozen=True):
    """What has to be the same for whoever goes on counting with a state."""

    stages: tuple[str, ...]
    dimensions: tuple[str, ...]
    attribution: str


class Life(msgspec.Struct, array_like=True, frozen=True, tag="life"):
    """A life claims the partition (``begun`` false), or begins: flushes of older lives behind it are void.

    ``owner`` tells lives apart that chose the same generation.
    """

    generation: int
    owner: int
    begun: bool


class Chunk(msgspec.Struct, array_like=True, frozen=True, tag="chunk"):
    """One piece of a flush."""

    generation: int
    flush: int
    index: int
    data: bytes


class Marker(msgspec.Struct, array_like=True, frozen=True, tag="marker"):
    """Closes a flush: how many chunks, their checksum, and from where sources and log are read on.

    ``after`` is the flush before it that counts, (generation, flush), of an older life perhaps.
    """

    generation: int
    flush: int
    after: tuple[int, int]
    chunks: int
    checksum: int
    sources: tuple[SourceOffsets, SourceOffsets]
    begin: Place
    shape: Shape


class Body(msgspec.Struct, array_like=True):
    """What the chunks of a flush hold: changes, and rollups by shard."""

    changes: Changes
    rollups: list[tuple[int, bytes]]


Entry = Life | Chunk | Marker
_encoder = msgspec.msgpack.Encoder()
_read_entry = msgspec.msgpack.Decoder(Entry).decode
_read_body = msgspec.msgpack.Decoder(Body).decode


def encode_entry(entry: Entry) -> bytes:
    """Bytes of an entry: a magic, a version, a checksum of the rest, then MessagePack."""
    body = _encoder.encode(entry)
    return b"".join((_MAGIC, bytes((VERSION,)), xxh3_64_digest(body), body))


def decode_entry(data: bytes) -> Entry:
    """An entry from its bytes.

    Raises:
        CodecError: not an entry, another version, or damaged.
    """
    if len(data) < _HEAD or not data.startswith(_MAGIC):
        raise CodecError("not an entry of this log: of an older version, or not ours")
    if data[_HEAD - 1] != VERSION:
        raise CodecError(f"state version {data[_HEAD - 1]}, this build reads version {VERSION}")
    # A life whose number is wrong would void flushes that count, and nobody would see it.
    if xxh3_64_digest(data[_BODY:]) != data[_HEAD:_BODY]:
        raise CodecError("a damaged entry")
    try:
        entry: Entry = _read_entry(data[_BODY:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("an entry of another layout") from error
    return entry


def shape_of(vocabulary: Vocabulary, attribution: str) -> Shape:
    """The shape of a state."""
    return Shape(vocabulary.stages.names, vocabulary.funnel.dimensions, attribution)


def life_key(life: Life) -> bytes:
    """Key of a life's entry: its own, lest compaction takes one that began for one that came too late."""
    return f"{'life' if life.begun else 'claim'}/{life.generation}/{life.owner}".encode()


def chunk_key(generation: int, flush: int, index: int) -> bytes:
    """Key of a piece of a flush."""
    return f"chunk/{generation}/{flush}/{index}".encode()


def marker_key(generation: int, flush: int) -> bytes:
    """Key of what closes a flush."""
    return f"marker/{generation}/{flush}".encode()


def encode_body(body: Body) -> bytes:
    """Bytes of what a flush holds."""
    return _encoder.encode(body)


def decode_body(data: bytes) -> Body:
    """What a flush holds, from its bytes.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: of another layout.
    """
    body: Body = _read_body(data)
    return body
