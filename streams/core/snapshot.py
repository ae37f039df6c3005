"""The whole counting state of a source partition as bytes, and back.

Keys travel by name and are numbered anew by the reader's vocabulary, so a snapshot can be taken
up by any process. What was counted since the last flush is not in it: it is flushed before. A
checksum over everything refuses what was damaged on the way, so that nobody counts on from a state
that only looks like one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from xxhash import xxh3_64_digest

from streams.core.orders import PaidOrder
from streams.core.rows import Detail, Line, Rows
from streams.core.sku_lists import ListState
from streams.core.slots import TableState
from streams.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from streams.core.vocabulary import Vocabulary

VERSION = 3
_MAGIC = b"FWS"
_CHECKSUM_AT = len(_MAGIC) + 1
_BODY_AT = _CHECKSUM_AT + 8

_ROW_COLUMNS = {
    "record": "<i4",
    "topic": "<i1",
    "time": "<i8",
    "order_time": "<i8",
    "node": "<i2",
    "event": "<u8",
    "visitor": "<u8",
    "keys": "<i4",
    "detail": "<i8",
    "first": "?",
    "late": "?",
}


class PartitionState(msgspec.Struct, array_like=True):
    """Everything a :class:`streams.core.pipeline.SourcePartition` remembers."""

    stages: tuple[str, ...]
    dimensions: tuple[str, ...]
    names: list[list[str]]
    newest: tuple[int, int]
    limit_ms: int
    counted_until_ms: int
    serial: int
    waiting: list[list[dict[str, bytes]]]
    details: list[tuple[int, Detail]]
    lists: ListState
    tables: dict[str, TableState]
    paid: list[tuple[int, PaidOrder]]
    attribution: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PartitionState)


def encode_state(state: PartitionState) -> bytes:
    """Bytes of a state: a magic, a version, a checksum, then MessagePack."""
    body = _encoder.encode(state)
    return b"".join((_MAGIC, bytes((VERSION,)), xxh3_64_digest(body), body))


def decode_state(data: bytes) -> PartitionState:
    """A state from its bytes.

    Raises:
        CodecError: not a state, another version, or damaged.
    """
    if len(data) < _BODY_AT or not data.startswith(_MAGIC):
        raise CodecError("not a state")
    if data[len(_MAGIC)] != VERSION:
        raise CodecError(f"state version {data[len(_MAGIC)]}, this build reads version {VERSION}")
    body = data[_BODY_AT:]
    if data[_CHECKSUM_AT:_BODY_AT] != xxh3_64_digest(body):
        raise CodecError("damaged state")
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("state of another layout") from error


class Renumbering:
    """Key codes of a snapshot -> key codes of this process.

    A SKU that the writer had no number for keeps the code made of its fingerprint, even if it has a
    number here: thirty bits are enough to find a visitor's click on it, not to name it among all. So
    what waits is counted under ``(other)``, as the writer would have.
    """

    def __init__(self, names: Sequence[Sequence[str]], vocabulary: Vocabulary) -> None:
        self._codes = [
            np.array([0, 1, *(table[name] for name in known[2:])], dtype=np.int32)
            for known, table in zip(names, vocabulary.tables, strict=True)
        ]

    def codes(self, table: int, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Codes of one dimension's table (0 slot, 1 banner, 2 sku, ...)."""
        return np.where(codes < 0, codes, self._codes[table][np.maximum(codes, 0)])

    def lines(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """Lines under this process's codes."""
        slots, banners, skus = self._codes[:3]
        return tuple(
            Line(int(skus[sku]) if sku >= 0 else sku, int(slots[slot]), int(banners[banner]), amount)
            for sku, slot, banner, amount in lines
        )

    def rows(self, columns: dict[str, bytes]) -> Rows:
        """Rows from :func:`rows_to_bytes`, under this process's codes."""
        arrays: dict[str, NDArray[Any]] = {
            name: np.frombuffer(columns[name], dtype).copy() for name, dtype in _ROW_COLUMNS.items()
        }
        keys = arrays["keys"].reshape(len(self._codes), -1)
        arrays["keys"] = np.stack([self.codes(table, codes) for table, codes in enumerate(keys)])
        return Rows(**arrays)


def rows_to_bytes(rows: Rows) -> dict[str, bytes]:
    """Columns by name, each in its fixed type, little-endian."""
    return {
        name: np.ascontiguousarray(getattr(rows, name), dtype).tobytes()
        for name, dtype in _ROW_COLUMNS.items()
    }
