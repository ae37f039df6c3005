"""Rollups in a file: what was counted of a day's traffic, some thousand times smaller than the traffic.

Layout: ``FWLOG`` and a version byte, the number of shards as u16, then each message of the rollups
topic as its length (u32) and its bytes; little-endian. Messages of a shard stand in its log's order.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from streams.codec import decode_messages, encode_fence, encode_rollup
from streams.core.closing import Closing
from streams.errors import CodecError
from streams.results import Fence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from streams.closed import ClosedBucket
    from streams.core.shard_progress import ClosingSettings
    from streams.results import Rollup

    Message = Rollup | Fence

_MAGIC: Final = b"FWLOG\x01"
_SHARDS: Final = struct.Struct("<H")
_LENGTH: Final = struct.Struct("<I")
# Decoded together.
_TOGETHER: Final = 64


def recorded(messages: Iterable[Message], shards: int, file: BinaryIO) -> Iterator[Message]:
    """The same messages; each stands in the file before it is handed on."""
    file.write(_MAGIC + _SHARDS.pack(shards))
    for message in messages:
        data = encode_fence(message) if isinstance(message, Fence) else encode_rollup(message)
        file.write(_LENGTH.pack(len(data)) + data)
        yield message


def shards_of(file: BinaryIO) -> int:
    """The number of shards, from the beginning of a file.

    Raises:
        CodecError: not a recording, or of another version.
    """
    if _exactly(file, len(_MAGIC)) != _MAGIC:
        raise CodecError("not a recording of rollups that this build reads")
    return int(_SHARDS.unpack(_exactly(file, _SHARDS.size))[0])


def messages_of(file: BinaryIO) -> Iterator[Message]:
    """The messages that follow the beginning.

    Raises:
        CodecError: damaged, or cut off.
    """
    frames = _frames(file)
    while some := [*islice(frames, _TOGETHER)]:
        yield from decode_messages(some)


def _frames(file: BinaryIO) -> Iterator[bytes]:
    while head := file.read(_LENGTH.size):
        if len(head) < _LENGTH.size:
            raise CodecError("the recording is cut off")
        yield _exactly(file, _LENGTH.unpack(head)[0])


def closed(messages: Iterable[Message], shards: int, settings: ClosingSettings) -> Iterator[ClosedBucket]:
    """The buckets that messages close."""
    closing = Closing(shards, settings=settings)
    for message in messages:
        closing.take(message.shard, message)
        yield from closing.closed()


def closed_of(path: Path, settings: ClosingSettings) -> Iterator[ClosedBucket]:
    """The buckets that a recording closes.

    Raises:
        CodecError: not a recording, of another version, damaged, or cut off.
    """
    with path.open("rb") as file:
        shards = shards_of(file)
        yield from closed(messages_of(file), shards, settings)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise CodecError("the recording is cut off")
    return data
