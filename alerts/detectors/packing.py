"""Arrays as plain data and back, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Packed = dict[str, Any]


def pack(array: NDArray[Any]) -> Packed:
    """Type, shape and bytes (C order, little-endian) of an array of numbers."""
    kind = array.dtype.newbyteorder("<")
    return {"dtype": kind.str, "shape": list(array.shape), "data": array.astype(kind, copy=False).tobytes()}


def unpack(packed: Mapping[str, Any]) -> NDArray[Any]:
    """The array of ``pack``, writable."""
    return np.frombuffer(packed["data"], np.dtype(packed["dtype"])).reshape(packed["shape"]).copy()
