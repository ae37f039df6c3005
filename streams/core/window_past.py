"""All that is kept of earlier times: the last hour by ten seconds, what lies before by five minutes.

A sum over a time of which anything is not known any more is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.window_earlier import Span
from streams.core.window_history import SLOT_MS, History
from streams.core.window_settings import DAY_MS, LONGEST_MS
from streams.core.window_spans import RecentBuckets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from streams.core.packed_cells import PackedCells
    from streams.core.window_settings import Sale, WindowSettings

    I64 = NDArray[np.int64]

# Of promotions that are over, so many are kept beyond the time for which everything is.
_PAST_SALES = 2


class Past:
    """See the module.

    Args:
        settings: how much is kept.
    """

    def __init__(self, settings: WindowSettings) -> None:
        self._settings = settings
        self.recent = RecentBuckets()
        self.history = History(settings.max_keys)
        self.began_ms = 0
        self.end_ms = 0
        # Spans of promotions of which nothing was dropped.
        self.held: set[tuple[int, int]] = set()

    @property
    def recent_from_ms(self) -> int:
        """From here on every ten seconds are kept, of every key."""
        return slot_of(self.end_ms - LONGEST_MS - self._settings.lateness_ms)

    @property
    def history_from_ms(self) -> int:
        """From here on there is something, but for promotions."""
        return slot_of(self.end_ms - self._settings.history_days * DAY_MS) - 2 * LONGEST_MS

    def move_to(self, start_ms: int, end_ms: int) -> None:
        """A bucket comes; nothing is dropped yet."""
        self.began_ms = self.began_ms or start_ms
        self.end_ms = end_ms

    def add(self, start_ms: int, dimension: str, packed: PackedCells) -> None:
        """Add counts to their bucket, or to the five minutes where that was."""
        if start_ms >= self.recent_from_ms:
            self.recent.add(start_ms, dimension, packed)
        else:
            self.history.correct(slot_of(start_ms), dimension, packed)

    def overdue(self) -> bool:
        """Whether anything is too old to be kept by ten seconds."""
        return self.recent.oldest_ms < self.recent_from_ms

    def age(self, traffic: Mapping[str, I64], sales: Iterable[Sale]) -> None:
        """Let what is too old for ten seconds go into the history, and what is too old for that go.

        Args:
            traffic: events lately, by dimension and key number.
            sales: all promotions.
        """
        for slot_ms, counts in self.recent.pop_slots(self.recent_from_ms):
            self.history.put(slot_ms, counts, traffic)
        self._hold(sales)
        self.history.forget_before(self.history_from_ms, self.held)

    def row(self, dimension: str, key: int, span: Span) -> tuple[I64 | None, Span]:
        """Counts of a key, shape (32,), or None if they are not known; and the span as it was summed up."""
        found = self._outward(span)
        if not self._is_whole(span, found):
            return None, found
        row = self.recent.row(dimension, key, *found)
        before = self.history.row(dimension, key, found.start_ms, min(found.end_ms, self.recent_from_ms))
        return None if before is None else row + before, found

    def rows(self, dimension: str, keys: I64, span: Span) -> tuple[I64, NDArray[np.bool_], Span] | None:
        """Counts of some keys, shape (keys, 32), which of them are known, and the span as it was summed up.

        None if nothing is known of the span.
        """
        found = self._outward(span)
        if not self._is_whole(span, found):
            return None
        end_ms = min(found.end_ms, self.recent_from_ms)
        before, known = self.history.rows(dimension, keys, found.start_ms, end_ms)
        return before + self.recent.rows(dimension, keys, *found), known, found

    def _outward(self, span: Span) -> Span:
        """The span in steps of what is kept."""
        recent_ms = self.recent_from_ms
        start_ms = span.start_ms if span.start_ms >= recent_ms else slot_of(span.start_ms)
        return Span(start_ms, span.end_ms if span.end_ms >= recent_ms else -slot_of(-span.end_ms))

    def _is_whole(self, span: Span, found: Span) -> bool:
        return span.start_ms >= self.began_ms and span.size_ms > 0 and self._is_kept(found)

    def _is_kept(self, span: Span) -> bool:
        if span.start_ms >= self.history_from_ms:
            return True
        return any(start <= span.start_ms and span.end_ms <= end for start, end in self.held)

    def _hold(self, sales: Iterable[Sale]) -> None:
        """Keep the promotions that run, and the last that are over; none that is too long."""
        begun = sorted((s.start_ms, s.end_ms) for s in sales if s.start_ms <= self.end_ms)
        past = [span for span in begun if span[1] <= self.end_ms][-_PAST_SALES:]
        running = [span for span in begun if span[1] > self.end_ms][-_PAST_SALES:]
        wanted = {
            (slot_of(start), -slot_of(-end))
            for start, end in (*past, *running)
            if end - start <= self._settings.history_days * DAY_MS
        }
        self.held = {span for span in wanted if span in self.held or span[0] >= self.history_from_ms}


def slot_of(time_ms: int) -> int:
    """Start of the five minutes in which a moment lies."""
    return time_ms // SLOT_MS * SLOT_MS
