"""The whole counting state of a source partition as bytes, and back.

Keys travel by name and are numbered anew by the reader's vocabulary, so a snapshot can be taken
up by any process. Open bucket parts are not in it: they are flushed before, and the next owner
opens parts of its own, which add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from streams.core.orders import PaidOrder
from streams.core.rows import Detail, Line, Rows
from streams.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.core.vocabulary import Vocabulary

VERSION = 1

_ROW_COLUMNS = (
    ("record", np.int32),
    ("topic", np.int8),
    ("time", np.int64),
    ("order_time", np.int64),
    ("node", np.int16),
    ("event", np.uint64),
    ("visitor", np.uint64),
    ("keys", np.int32),
    ("detail", np.int64),
    ("first", np.bool_),
    ("late", np.bool_),
)


class TableState(msgspec.Struct, array_like=True):
    """A :class:`streams.core.slots.TimedSlots`: live entries, times relative to ``base_ms``."""

    base_ms: int | None
    keys: bytes
    times: bytes
    payload: list[bytes]


class PartitionState(msgspec.Struct, array_like=True):
    """Everything a :class:`streams.core.pipeline.SourcePartition` remembers."""

    version: int
    stages: tuple[str, ...]
    dimensions: tuple[str, ...]
    names: list[list[str]]
    newest: tuple[int, int]
    limit_ms: int
    counted_until_ms: int
    serial: int
    waiting: list[list[dict[str, bytes]]]
    details: list[tuple[int, Detail]]
    tables: dict[str, TableState]
    paid: list[tuple[int, PaidOrder]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PartitionState)


def encode_state(state: PartitionState) -> bytes:
    """Bytes of a state."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> PartitionState:
    """A state from its bytes.

    Raises:
        CodecError: another version, or damaged.
    """
    try:
        head = msgspec.msgpack.decode(data, type=list[Any])
        if not head or head[0] != VERSION:
            raise CodecError(f"state version {head[0] if head else '?'}, this build reads {VERSION}")
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("damaged state") from error


class Renumbering:
    """Key codes of a snapshot -> key codes of this process."""

    def __init__(self, names: Sequence[Sequence[str]], vocabulary: Vocabulary) -> None:
        self._codes = [
            np.array([0, 1, *(table[name] for name in known[2:])], dtype=np.int32)
            for known, table in zip(names, vocabulary.tables, strict=True)
        ]

    def codes(self, table: int, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Codes of one dimension's table (0 slot, 1 banner, 2 sku, ...)."""
        return self._codes[table][codes]

    def line(self, line: Line) -> Line:
        """A line under this process's codes."""
        slot, banner, sku = self._codes[0][line.slot], self._codes[1][line.banner], self._codes[2][line.sku]
        return Line(int(sku), int(slot), int(banner), line.amount_minor)

    def rows(self, rows: Rows) -> Rows:
        """Rows under this process's codes, in place."""
        for table in range(len(self._codes)):
            rows.keys[table] = self.codes(table, rows.keys[table])
        return rows


def rows_to_bytes(rows: Rows) -> dict[str, bytes]:
    """Columns by name, each in its fixed type, little-endian."""
    return {name: np.ascontiguousarray(getattr(rows, name), dtype).tobytes() for name, dtype in _ROW_COLUMNS}


def rows_from_bytes(columns: dict[str, bytes], tables: int) -> Rows:
    """The reverse of :func:`rows_to_bytes`; ``tables`` is the number of keyed dimensions."""
    arrays = {name: np.frombuffer(columns[name], dtype).copy() for name, dtype in _ROW_COLUMNS}
    arrays["keys"] = arrays["keys"].reshape(tables, -1)
    return Rows(**arrays)
