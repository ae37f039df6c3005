"""Which keys were counted recently: the one memory behind dedupe and visitor counting.

Both ask the same question of a stream in processing order: *was this key let through within
the last so many milliseconds?* If not, it is let through now, and its time is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.core.slots import TimedSlots
from streams.core.sorting import first_of_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    Bools = NDArray[np.bool_]


class RecentKeys:
    """Keys let through, with the event time of the last time.

    Args:
        window_ms: a key is let through again only if more than this away from the last time.
        both_ways: whether an event *older* than the remembered time by more than the window is
            let through as well (dedupe), or never (visitor marks).
    """

    def __init__(self, window_ms: int, *, both_ways: bool) -> None:
        self._window = window_ms
        self._both_ways = both_ways
        self.slots = TimedSlots()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.slots.nbytes

    def admit(self, keys: U64, times_ms: I64, cutoff_ms: int) -> Bools:
        """Let keys through, row by row in the given order; True where a row is let through.

        The rows' times must lie within one window of each other when ``both_ways`` is set, and
        within the 24 days that :class:`TimedSlots` tells apart in any case.
        Keys remembered from before ``cutoff_ms`` may be forgotten.
        """
        admitted = np.zeros(keys.size, dtype=np.bool_)
        if not keys.size:
            return admitted
        slots = self.slots.resolve(keys, cutoff_ms)
        pending = np.arange(keys.size)
        while True:
            # Only rows that the present memory lets through can change it; the first of them
            # per key wins, and the others are asked again against what it left behind.
            pending = pending[self._admissible(slots[pending], times_ms[pending])]
            first = first_of_each(slots[pending])
            winners = pending[first]
            admitted[winners] = True
            self.slots.write_times(slots[winners], times_ms[winners])
            if first.size == pending.size:
                break
            pending = np.delete(pending, first)
        return admitted

    def _admissible(self, slots: I64, times_ms: I64) -> Bools:
        last, fresh = self.slots.times(slots)
        gone = times_ms - last
        ok: Bools = fresh | (gone > self._window)
        if self._both_ways:
            ok |= -gone > self._window
        return ok
