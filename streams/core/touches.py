"""The newest few clicks of each visitor, or of each visitor on each SKU: what may be touches.

The state is the newest ``MAX_TOUCHES`` clicks per key by event time, of equal times the one
processed last being the newest; older ones are forgotten. What a question sees does not depend on
how the stream is cut into batches, since the newest few of all clicks before it are the newest few
of those remembered and those of its own batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.clicks import NEVER, Clicks
from streams.core.hashing import combine
from streams.core.slots import TimedSlots
from streams.core.sorting import sorted_once, stable_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]

# Bounds what one visitor can make us remember, and what one order line can be split into. People
# who buy have clicked a handful of times within the window; who clicks more is a robot.
MAX_TOUCHES = 16
_BEFORE_BATCH = -1


class Touches(NamedTuple):
    """Clicks before each question, the newest first: shape (clicks, questions), time NEVER for none."""

    time: I64
    slot: I32
    banner: I32


class RecentClicks:
    """The newest clicks by event time for each key of one kind, as many as ``MAX_TOUCHES``.

    A click is an entry of its own under the key and its ordinal, 0 for the newest. Entries expire
    one by one, the oldest first, so what is left of a list is always its newest end.
    """

    def __init__(self) -> None:
        self.slots = TimedSlots(payload=2)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.slots.nbytes

    def before(self, clicks: Clicks, keys: U64, place: I64) -> Touches:
        """For each question (key, place) the newest clicks before it.

        ``clicks`` are those of the same batch, not yet taken in by :meth:`remember`.
        """
        asking = sorted_once(keys)
        shared = clicks.take(np.flatnonzero(np.isin(clicks.keys, asking)))
        return _newest_before(_joined([*self._remembered(asking), shared]), keys, place)

    def remember(self, clicks: Clicks, cutoff_ms: int) -> None:
        """Take in a batch's clicks. Those from before the cutoff may be forgotten."""
        if not clicks.keys.size:
            return
        known = self._remembered(sorted_once(clicks.keys))
        needed = [part.take(np.flatnonzero(part.time >= cutoff_ms)) for part in known]
        newest, ordinal = _newest_of_each(_joined([*needed, clicks]))
        slots = self.slots.resolve(_entries(newest.keys, ordinal), cutoff_ms)
        self.slots.payload[0, slots] = newest.slot
        self.slots.payload[1, slots] = newest.banner
        self.slots.write_times(slots, newest.time)

    def _remembered(self, keys: U64) -> Iterator[Clicks]:
        """Clicks of distinct keys: first the oldest ones, so that order of processing is kept."""
        found = list[Clicks]()
        for ordinal in range(MAX_TOUCHES):
            slots = self.slots.find(_entries(keys, np.uint64(ordinal)))
            keys, slots = keys[slots >= 0], slots[slots >= 0]
            if not keys.size:
                break
            slot, banner = self.slots.payload[:, slots]
            place = np.full(keys.size, _BEFORE_BATCH, dtype=np.int64)
            found.append(Clicks(keys, place, self.slots.times(slots)[0], slot, banner))
        return reversed(found)


def one_per_event(clicks: Clicks) -> Clicks:
    """A click on several things at once is one click for each key: the last of its lines."""
    if not (clicks.place[1:] == clicks.place[:-1]).any():
        return clicks
    order = np.lexsort((clicks.keys, clicks.place))
    keys, place = clicks.keys[order], clicks.place[order]
    last = np.append((keys[1:] != keys[:-1]) | (place[1:] != place[:-1]), True)
    return clicks.take(order[last])


def _entries(keys: U64, ordinal: U64 | np.uint64) -> U64:
    return combine(keys, ordinal)


def _joined(parts: Sequence[Clicks]) -> Clicks:
    """Clicks of all parts, one after the other; at least one part."""
    return Clicks(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.place for part in parts]),
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.slot for part in parts]),
        np.concatenate([part.banner for part in parts]),
    )


def _ranks(clicks: Clicks) -> tuple[I64, I64]:
    """Rank of each click by time, from 1 and of equal times by order, and which click has which rank."""
    order = stable_order(clicks.time)
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(1, order.size + 1)
    return rank, order


def _newest_of_each(clicks: Clicks) -> tuple[Clicks, U64]:
    """The newest clicks of each key, and their ordinals from 0."""
    order = np.lexsort((_ranks(clicks)[0], clicks.keys))[::-1]
    keys = clicks.keys[order]
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sizes = np.diff(np.append(begins, keys.size))
    ordinal = np.arange(keys.size) - np.repeat(begins, sizes)
    kept = ordinal < MAX_TOUCHES
    return clicks.take(order[kept]), ordinal[kept].astype(np.uint64)


def _newest_before(clicks: Clicks, keys: U64, place: I64) -> Touches:
    rank, by_rank = _ranks(clicks)
    found = _highest_before(rank, (clicks.keys, keys), (clicks.place, place))
    none = found == 0
    pick = np.append(0, by_rank)[found] if by_rank.size else found
    time = np.where(none, NEVER, clicks.time[pick])
    return Touches(time, clicks.slot[pick], clicks.banner[pick])


def _highest_before(rank: I64, keys: tuple[U64, U64], place: tuple[I64, I64]) -> I64:
    """Per question the highest ranks of its key at earlier places, descending, 0 for none.

    ``keys`` and ``place`` come as (of clicks, of questions). Shape (at most MAX_TOUCHES, questions).

    The highest rank so far is a running maximum. What each click pushes down by coming in, the
    lower one of itself and the highest before it, has the second highest as its running maximum,
    and so on: as many passes as touches, however many clicks a visitor makes.
    """
    all_keys = np.concatenate(keys)
    order = np.lexsort((np.concatenate(place), all_keys))
    sorted_keys = all_keys[order]
    run = np.cumsum(np.append(False, sorted_keys[1:] != sorted_keys[:-1]))
    floor = run * (rank.size + 1)
    coming = floor + np.append(rank, np.zeros_like(place[1]))[order]
    asked = np.empty_like(order)
    asked[order] = np.arange(order.size)
    asked = asked[rank.size :]
    found: list[I64] = []
    while len(found) < MAX_TOUCHES and (coming > floor).any():
        highest = np.maximum.accumulate(coming)
        found.append((highest - floor)[asked])
        before = np.append(0, highest[:-1])
        coming = np.minimum(coming, np.maximum(before, floor))
    return np.array(found, dtype=np.int64).reshape(len(found), asked.size)
