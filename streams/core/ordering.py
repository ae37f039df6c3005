"""Event-time order: who is late, who is too late, who is in the future, who may go on.

The order in which events are processed depends on offsets and event times only: each topic of a
source partition keeps the newest event time it has read, a row's *ordering time* is its event
time but never more than the bound behind that newest, and rows go on in ordering time once both
topics' newest are past them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.core.rows import Rows, concatenate
from streams.core.sorting import stable_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.core.settings import CountingSettings

    I64 = NDArray[np.int64]
    Bools = NDArray[np.bool_]

UNREAD = -(1 << 62)
_BLOCK_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Arrival:
    """Verdicts on rows in the order in which they were read; arrays of shape (n,)."""

    future: Bools
    too_late: Bools
    late: Bools
    order_time: I64
    newest: I64


def classify(times: I64, timestamps: I64, newest: int, settings: CountingSettings) -> Arrival:
    """Judge rows of one topic-partition in offset order.

    Args:
        times: event times, ms.
        timestamps: Kafka's record timestamps, ms.
        newest: newest event time read before these rows, or ``UNREAD``.
        settings: the bounds.
    """
    future = times > timestamps + settings.max_future_ms
    seen = np.maximum(np.maximum.accumulate(np.where(future, UNREAD, times)), newest)
    behind = seen - times
    too_late = ~future & (behind > settings.allowed_lateness_ms)
    late = ~future & ~too_late & (behind > settings.max_out_of_orderness_ms)
    order_time = np.maximum(times, seen - settings.max_out_of_orderness_ms)
    return Arrival(future, too_late, late, order_time, seen)


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long, in ms of the wall clock, a topic with nothing left to read is waited for.

    Attributes:
        idle_ms: one topic; then it holds the other back no more.
        silence_ms: both; then what waits is counted. Until then a source that only stalled
            finds its events still in order.
    """

    idle_ms: int = 2_000
    silence_ms: int = 30_000


def release_limit(
    newest: tuple[int, int], idle_ms: tuple[int | None, int | None], bound_ms: int, patience: Patience
) -> int:
    """Rows with an ordering time strictly below this may go on.

    Args:
        newest: newest event time per topic, ``UNREAD`` where nothing was read.
        idle_ms: per topic, for how long (wall clock) nothing has been left to read; None if
            something is left or nobody knows.
        bound_ms: how far events may be out of order.
        patience: with idle topics.
    """
    quiet = [since is not None and since >= patience.idle_ms for since in idle_ms]
    if not all(quiet):
        return min(time for time, idle in zip(newest, quiet, strict=True) if not idle) - bound_ms
    if min(since for since in idle_ms if since is not None) < patience.silence_ms:
        return max(newest) - bound_ms
    return max(newest) + 1


class Waiting:
    """Rows read but not yet due, per topic in blocks that are sorted by ordering time.

    What comes in small pieces is gathered first: every release looks at every block.
    """

    def __init__(self) -> None:
        self._blocks: tuple[list[Rows], list[Rows]] = ([], [])
        self._pieces: tuple[list[Rows], list[Rows]] = ([], [])
        self._gathered = [0, 0]
        self.size = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        kept = [rows for topic in (0, 1) for rows in (*self._blocks[topic], *self._pieces[topic])]
        return sum(rows.nbytes for rows in kept)

    def add(self, topic: int, rows: Rows) -> None:
        """Take in rows of one topic, in offset order, later than all before them."""
        if not len(rows):
            return
        self._pieces[topic].append(rows)
        self._gathered[topic] += len(rows)
        self.size += len(rows)
        if self._gathered[topic] >= _BLOCK_ROWS:
            self._seal(topic)

    def _seal(self, topic: int) -> None:
        """Make one sorted block of what was gathered."""
        if not self._pieces[topic]:
            return
        rows = concatenate(self._pieces[topic])
        self._pieces[topic].clear()
        self._gathered[topic] = 0
        times = rows.order_time
        if (times[1:] < times[:-1]).any():
            rows = rows.take(stable_order(times))
        self._blocks[topic].append(rows)

    def blocks(self, topic: int) -> list[Rows]:
        """What waits of one topic, in the order in which it was taken in."""
        self._seal(topic)
        return self._blocks[topic]

    def release(self, limit_ms: int) -> Rows | None:
        """Rows with ordering time below the limit, in processing order; None if there are none."""
        due = [part for topic in (0, 1) for part in self._cut(topic, limit_ms)]
        if not due:
            return None
        # Clickstream blocks first and each in offset order: a stable sort keeps the tie rule.
        rows = concatenate(due)
        self.size -= len(rows)
        return rows.take(stable_order(rows.order_time))

    def _cut(self, topic: int, limit_ms: int) -> list[Rows]:
        due, kept = [], []
        for block in self.blocks(topic):
            if block.order_time[0] >= limit_ms:
                kept.append(block)
                continue
            cut = int(np.searchsorted(block.order_time, limit_ms, side="left"))
            due.append(block.take(slice(0, cut)))
            if cut < len(block):
                kept.append(block.take(slice(cut, None)))
        self._blocks[topic][:] = kept
        return due
