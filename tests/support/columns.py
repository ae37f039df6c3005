"""Arrays and rows of the counting core, written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streams.core.rows import NO_DETAIL, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DEFAULTS: dict[str, Any] = {
    "topic": 0,
    "time": 0,
    "order_time": 0,
    "node": 1,
    "event": 0,
    "visitor": 0,
    "detail": NO_DETAIL,
    "first": True,
    "late": False,
}
_TYPES = {
    "record": np.int32,
    "topic": np.int8,
    "time": np.int64,
    "order_time": np.int64,
    "node": np.int16,
    "event": np.uint64,
    "visitor": np.uint64,
    "detail": np.int64,
    "first": np.bool_,
    "late": np.bool_,
}


def u64(*values: int) -> NDArray[np.uint64]:
    """Fingerprints."""
    return np.array(values, dtype=np.uint64)


def i64(*values: int) -> NDArray[np.int64]:
    """Times, indexes, serials."""
    return np.array(values, dtype=np.int64)


def i32(*values: int) -> NDArray[np.int32]:
    """Key codes."""
    return np.array(values, dtype=np.int32)


def mask(*values: int) -> NDArray[np.bool_]:
    """Flags, as 0 and 1."""
    return np.array(values, dtype=np.bool_)


def rows(count: int, keys: Sequence[Sequence[int]] | None = None, **columns: Any) -> Rows:
    """Rows in record order: a column is one value for all rows or a value per row.

    ``keys`` is one (slot, banner, sku, extras ...) of codes per row, no keys if not given. An
    ordering time that is not given is the event time.
    """
    columns = {"record": range(count), **_DEFAULTS, "order_time": columns.get("time", 0), **columns}
    arrays: dict[str, Any] = {
        name: np.array(np.broadcast_to(np.array(columns[name], dtype=dtype), count))
        for name, dtype in _TYPES.items()
    }
    codes = np.array([[0, 0, 0]] * count if keys is None else keys, dtype=np.int32)
    return Rows(**arrays, keys=codes.reshape(count, -1 if count else 3).T.copy())
