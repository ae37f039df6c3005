"""Arrays as plain data."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from alerts.packing import pack, unpack


@pytest.mark.parametrize(
    "array",
    [np.random.default_rng(1).random((3, 4)), np.zeros((2, 0, 5), np.float32), np.array([True, False])],
    ids=["floats", "empty", "flags"],
)
def test_an_array_comes_back_bit_by_bit(array: np.ndarray) -> None:
    """Through a codec as well; and it can be written to."""
    again = unpack(msgspec.msgpack.decode(msgspec.msgpack.encode(pack(array))))
    assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert again.flags.writeable
