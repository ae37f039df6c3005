"""Bytes of the rollups topic: a magic, a version, then MessagePack. Kafka compresses."""

from __future__ import annotations

import msgspec

from streams.core.buckets import COLUMN_MASK
from streams.errors import CodecError
from streams.results import VERSION, KeyCounts, Rollup

_MAGIC = b"FWR"
_HEAD = len(_MAGIC) + 1
_TOPICS = (0, 1)
_MAX_COUNT = 1 << 48
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
    if data is None or len(data) < _HEAD or not data.startswith(_MAGIC):
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
    """Refuse what no writer writes, so that merging need not look."""
    if not 0 <= rollup.nodes <= len(rollup.stages):
        raise ValueError("more nodes than stages")
    for counts in rollup.counts:
        _check_counts(counts)
    if rollup.sequence < 0:
        raise ValueError("no such sequence number")
    for money in rollup.money:
        if money.orders < 0 or money.amount_minor < 0:
            raise ValueError("money went down")
    for outcome in rollup.outcomes:
        if outcome.topic not in _TOPICS or outcome.records < 0:
            raise ValueError("no such topic, or records went down")


def _check_counts(counts: KeyCounts) -> None:
    index, column, count = counts.cells()
    if not index.size == column.size == count.size:
        raise ValueError("columns differ in length")
    if index.size and int(index.max()) >= len(counts.keys):
        raise ValueError("index beyond keys")
    if column.size and int(column.max()) > COLUMN_MASK:
        raise ValueError("no such column")
    if count.size and int(count.max()) > _MAX_COUNT:
        raise ValueError("a count that nobody counts")
