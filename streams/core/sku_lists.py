"""Lists of SKUs of events that wait: codes in one array, found by a number in the row.

List exposures are a tenth of a shop's events; as objects, one per SKU, they took a quarter of all
the time there is.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.core.rows import NO_DETAIL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    Bools = NDArray[np.bool_]

_SIZE_BITS: Final = 10
MAX_LIST: Final = (1 << _SIZE_BITS) - 1
_FIRST: Final = NO_DETAIL - 1
_LEAST_ROOM: Final = 1 << 12


def list_numbers(starts: I64, sizes: I64) -> I64:
    """What stands in ``Rows.detail`` for lists: below ``NO_DETAIL``, which details never are.

    Args:
        starts: where in the codes each list begins.
        sizes: how many codes it has, at most ``MAX_LIST``.
    """
    return _FIRST - (starts << _SIZE_BITS | sizes)


def list_number(start: int, size: int) -> int:
    """The same of one list."""
    return _FIRST - (start << _SIZE_BITS | size)


def is_list(detail: I64) -> Bools:
    """Which rows have a list."""
    return detail < NO_DETAIL


def list_sizes(detail: I64) -> I64:
    """How many SKUs are in each of these lists."""
    return (_FIRST - detail) & MAX_LIST


class SkuLists:
    """The lists of the rows of one source partition, from when they are read until they are counted."""

    def __init__(self) -> None:
        self._codes = np.zeros(_LEAST_ROOM, dtype=np.int32)
        self._begin = 0  # number of the first code that is kept
        self._size = 0
        self._done: deque[tuple[int, int]] = deque()

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._codes.nbytes

    def adopt(self, codes: I32, detail: I64, last_ms: int) -> I64:
        """Take in the lists of a batch; its column with the numbers that they have here.

        Args:
            codes: of all its lists, in a row.
            detail: the batch's column, shape (n,).
            last_ms: newest ordering time of its rows.
        """
        if not codes.size:
            return detail
        base = self._begin + self._size
        self._make_room(codes.size)
        self._codes[self._size : self._size + codes.size] = codes
        self._size += codes.size
        self._done.append((base + codes.size, last_ms))
        return np.where(is_list(detail), detail - (base << _SIZE_BITS), detail)

    def _make_room(self, more: int) -> None:
        if self._size + more > self._codes.size:
            grown = np.zeros(max(2 * self._codes.size, self._size + more), dtype=np.int32)
            grown[: self._size] = self._codes[: self._size]
            self._codes = grown

    def codes(self, detail: I64) -> I32:
        """The codes of these lists, list after list."""
        sizes = list_sizes(detail)
        starts = ((_FIRST - detail) >> _SIZE_BITS) - self._begin
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
        return self._codes.take(places)

    def forget_before(self, limit_ms: int) -> None:
        """Drop the lists of batches that have no row with an ordering time at or behind the limit."""
        keep_from = self._begin
        while self._done and self._done[0][1] < limit_ms:
            keep_from = self._done.popleft()[0]
        gone = keep_from - self._begin
        if gone:
            kept = self._codes[gone : self._size]
            room = max(_LEAST_ROOM, 2 * kept.size)
            if room < self._codes.size // 4:
                self._codes = np.concatenate((kept, np.zeros(room - kept.size, dtype=np.int32)))
            else:
                self._codes[: kept.size] = kept.copy()
            self._begin, self._size = keep_from, kept.size
