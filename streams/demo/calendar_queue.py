"""Events that are drawn now and arrive later, by the block of time in which they do.

A calendar queue (R. Brown, "Calendar queues", CACM 31(10), 1988) with one page per block. Promises:
every row comes out once, in order of arrival, equal arrivals as they were added. Refuses to look at
anything but the arrival; what is put under a block that is over stays there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from streams.demo.event_rows import ROW

if TYPE_CHECKING:
    from streams.demo.event_rows import Rows


class Calendar:
    """Rows waiting for the block of their arrival; bounded by what the delays leave outstanding."""

    def __init__(self, start_ms: int, span_ms: int) -> None:
        self._start_ms = start_ms
        self._span_ms = span_ms
        # Bytes and not arrays: a slice of an array would keep its whole block alive for hours.
        self._waiting: defaultdict[int, bytearray] = defaultdict(bytearray)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) // ROW.itemsize

    def add(self, rows: Rows) -> None:
        """Put every row under the block of its arrival."""
        if not len(rows):
            return
        block = (rows["arrival"] - self._start_ms) // self._span_ms
        order = np.argsort(block, kind="stable")
        rows, block = rows.take(order), block[order]
        firsts = np.flatnonzero(np.diff(block, prepend=block[0] - 1)).tolist()
        for first, end in zip(firsts, [*firsts[1:], len(rows)], strict=True):
            self._waiting[int(block[first])] += rows[first:end].tobytes()

    def due(self, block: int) -> Rows:
        """Take the rows of one block out, in order of arrival."""
        rows = np.frombuffer(self._waiting.pop(block, bytearray()), dtype=ROW)
        return rows.take(np.argsort(rows["arrival"], kind="stable"))
