"""Bytes of the rollups topic: a magic that tells rollup from fence, a version, then MessagePack.

Kafka compresses.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streams.core.buckets import COLUMN_MASK
from streams.errors import CodecError
from streams.results import VERSION, Fence, KeyCounts, Rollup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROLLUP = b"FWR"
_FENCE = b"FWF"
_HEAD = len(_ROLLUP) + 1
_most = np.maximum.reduce
_MAX_COUNT = 1 << 48
_INDEX_BYTES, _COUNT_BYTES = 4, 8
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Rollup)
_fence_decoder = msgspec.msgpack.Decoder(Fence)


def encode_rollup(rollup: Rollup) -> bytes:
    """Bytes of a rollup."""
    return _ROLLUP + bytes([VERSION]) + _encoder.encode(rollup)


def encode_fence(fence: Fence) -> bytes:
    """Bytes of a fence."""
    return _FENCE + bytes([VERSION]) + _encoder.encode(fence)


def sent_again(data: bytes, written_by: int) -> bytes:
    """Bytes of the same rollup, sent by a later life than the one that counted it.

    Raises:
        CodecError: not a rollup, another version, or damaged.
        ValueError: the later life is an earlier one.
    """
    rollup = decode_rollup(data)
    if written_by < rollup.written_by:
        raise ValueError("a life sends nothing of those after it")
    return encode_rollup(msgspec.structs.replace(rollup, written_by=written_by))


def decode_message(data: bytes | None, *, checked: bool = True) -> Rollup | Fence:
    """Whatever the rollups topic holds, from its bytes; unchecked only if the caller checks.

    Raises:
        CodecError: neither rollup nor fence, another version, or damaged.
    """
    if data is None or not data.startswith(_FENCE):
        return decode_rollup(data, checked=checked)
    _check_head(data, _FENCE, "fence")
    try:
        fence = _fence_decoder.decode(data[_HEAD:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("damaged fence") from error
    if min(fence.partition, fence.generation, fence.shard) < 0:
        raise CodecError("damaged fence")
    return fence


def decode_messages(many: Sequence[bytes]) -> Iterator[Rollup | Fence]:
    """The same of many, in order; checked together, for numpy's price is per call.

    Raises:
        CodecError: likewise, when it comes to the first that is none.
    """
    try:
        found = [decode_message(data, checked=False) for data in many]
        rollups = [message for message in found if isinstance(message, Rollup)]
        for rollup in rollups:
            _check(rollup)
        _check_counts([counts for rollup in rollups for counts in rollup.counts])
    except (CodecError, ValueError):
        # One by one, to deliver those before it.
        yield from map(decode_message, many)
    else:
        yield from found


def decode_rollup(data: bytes | None, *, checked: bool = True) -> Rollup:
    """A rollup from its bytes.

    Raises:
        CodecError: not a rollup, another version, or damaged.
    """
    data = _check_head(data, _ROLLUP, "rollup")
    try:
        rollup = _decoder.decode(data[_HEAD:])
        if checked:
            _check(rollup)
            _check_counts(rollup.counts)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise CodecError("damaged rollup") from error
    return rollup


def _check_head(data: bytes | None, magic: bytes, what: str) -> bytes:
    if data is None or len(data) < _HEAD or not data.startswith(magic):
        raise CodecError(f"not a {what}")
    if data[_HEAD - 1] != VERSION:
        raise CodecError(f"{what} version {data[_HEAD - 1]}, this build reads version {VERSION}")
    return data


def _check(rollup: Rollup) -> None:
    """Refuse what no writer writes, so that merging need not look: all but the counts and what decoding refuses."""
    if not 0 <= rollup.nodes <= len(rollup.stages):
        raise ValueError("more nodes than stages")
    if rollup.told_at_ms < 0:
        raise ValueError("told before there were clocks")
    if rollup.sequence < 0:
        raise ValueError("no such sequence number")
    if rollup.written_by < rollup.generation:
        raise ValueError("sent before its life")


def _check_counts(many: Sequence[KeyCounts]) -> None:
    """All dimensions at once: most have a few cells, and numpy's price is per call."""
    parts = [counts for counts in many if counts.index or counts.column or counts.count]
    if not parts:
        return
    sizes = [len(part.column) for part in parts]
    if [len(part.index) for part in parts] != [_INDEX_BYTES * size for size in sizes]:
        raise ValueError("columns differ in length")
    if [len(part.count) for part in parts] != [_COUNT_BYTES * size for size in sizes]:
        raise ValueError("columns differ in length")
    index = np.frombuffer(b"".join([part.index for part in parts]), dtype="<u4")
    highest = np.maximum.reduceat(index, [0, *accumulate(sizes[:-1])])
    if (highest >= [len(part.keys) for part in parts]).any():
        raise ValueError("index beyond keys")
    # Half of ``array.max()``, which counts for arrays so small.
    if _most(np.frombuffer(b"".join([part.column for part in parts]), dtype=np.uint8)) > COLUMN_MASK:
        raise ValueError("no such column")
    if _most(np.frombuffer(b"".join([part.count for part in parts]), dtype="<u8")) > _MAX_COUNT:
        raise ValueError("a count that nobody counts")
