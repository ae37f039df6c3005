"""Bytes of the rollups topic: a magic, a version, then MessagePack. Kafka compresses."""

from __future__ import annotations

import msgspec

from streams.errors import CodecError
from streams.results import VERSION, Rollup

_MAGIC = b"FWR"
_HEAD = len(_MAGIC) + 1
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Rollup)


def encode_rollup(rollup: Rollup) -> bytes:
    """Bytes of a rollup."""
    return _MAGIC + bytes([VERSION]) + _encoder.encode(rollup)


def decode_rollup(data: bytes | None) -> Rollup:
    """A rollup from its bytes.

    Raises:
        CodecError: not a rollup, another version, or damaged.
    """
    if data is None or data[: len(_MAGIC)] != _MAGIC:
        raise CodecError("not a rollup")
    if data[_HEAD - 1] != VERSION:
        raise CodecError(f"rollup version {data[_HEAD - 1]}, this build reads version {VERSION}")
    try:
        rollup = _decoder.decode(data[_HEAD:])
        _check(rollup)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise CodecError("damaged rollup") from error
    return rollup


def _check(rollup: Rollup) -> None:
    for counts in rollup.counts:
        index, column, value, previous = counts.cells()
        if not index.size == column.size == value.size == previous.size:
            raise ValueError("columns differ in length")
        if index.size and int(index.max()) >= len(counts.keys):
            raise ValueError("index beyond keys")
