"""Clicks, and the newest one of each visitor, or of each visitor on each SKU.

The state is the newest click by event time per key. Everything works on whole batches: clicks and
the events that ask may come in any mix, and each question sees exactly the clicks before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.slots import TimedSlots
from streams.core.sorting import stable_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]

NEVER = -(1 << 62)


class Clicks(NamedTuple):
    """Clicks in processing order. ``place`` is the row's place in the batch, ascending."""

    keys: U64
    place: I64
    time: I64
    slot: I32
    banner: I32

    def take(self, where: I64) -> Clicks:
        """The clicks an index array names."""
        return Clicks(
            self.keys[where], self.place[where], self.time[where], self.slot[where], self.banner[where]
        )


class NewestClicks:
    """The newest click by event time for each key of one kind."""

    def __init__(self) -> None:
        self.slots = TimedSlots(payload=2)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.slots.nbytes

    def before(self, clicks: Clicks, keys: U64, place: I64) -> Clicks:
        """For each question (key, place) the newest click before it; time NEVER if there is none.

        ``clicks`` are those of the same batch, not yet taken in by :meth:`remember`.
        """
        known = self._remembered(keys, place)
        recent = _newest_in_batch(clicks, keys, place)
        if recent is None:
            return known
        fresher = recent.time >= known.time
        return Clicks(
            keys,
            place,
            np.where(fresher, recent.time, known.time),
            np.where(fresher, recent.slot, known.slot),
            np.where(fresher, recent.banner, known.banner),
        )

    def _remembered(self, keys: U64, place: I64) -> Clicks:
        slots = self.slots.find(keys)
        times, _ = self.slots.times(np.maximum(slots, 0))
        slot, banner = self.slots.payload[:, np.maximum(slots, 0)]
        return Clicks(keys, place, np.where(slots < 0, NEVER, times), slot, banner)

    def remember(self, clicks: Clicks, cutoff_ms: int) -> None:
        """Take in a batch's clicks. Those from before the cutoff may be forgotten."""
        if not clicks.keys.size:
            return
        slots = self.slots.resolve(clicks.keys, cutoff_ms)
        stored, fresh = self.slots.times(slots)
        newer = np.flatnonzero(fresh | (clicks.time >= stored))
        # In order of time and place: where a slot is written twice, what is written last stays.
        order = newer[stable_order(clicks.time[newer])]
        slots = slots[order]
        self.slots.payload[0, slots] = clicks.slot[order]
        self.slots.payload[1, slots] = clicks.banner[order]
        self.slots.write_times(slots, clicks.time[order])


def _newest_in_batch(clicks: Clicks, keys: U64, place: I64) -> Clicks | None:
    """Per question the newest click of the same key at an earlier place, or None for no match."""
    shared = np.flatnonzero(np.isin(clicks.keys, keys))
    if not shared.size:
        return None
    clicks = clicks.take(shared)
    found = newest_before((clicks.keys, clicks.place, clicks.time), keys, place)
    return Clicks(
        keys,
        place,
        np.where(found >= 0, clicks.time[found], NEVER - 1),
        clicks.slot[found],
        clicks.banner[found],
    )


def newest_before(known: tuple[U64, I64, I64], keys: U64, place: I64) -> I64:
    """Per question (key, place) which is the newest of the same key at an earlier place; -1 for none.

    Args:
        known: keys, places (ascending) and times of what may be the answer.
        keys: asked for.
        place: at which it is asked.
    """
    known_keys, known_place, time = known
    count = known_keys.size
    if not (count and keys.size):
        return np.full(keys.size, -1, dtype=np.int64)
    # Rank by (time, place): of two at the same time the later processed is the newer.
    rank = np.empty(count, dtype=np.int64)
    rank[stable_order(time)] = np.arange(1, count + 1)
    all_keys = np.concatenate((known_keys, keys))
    order = np.lexsort((np.concatenate((known_place, place)), all_keys))
    ranks = np.concatenate((rank, np.zeros(keys.size, dtype=np.int64)))[order]
    sorted_keys = all_keys[order]
    run = np.cumsum(np.append(False, sorted_keys[1:] != sorted_keys[:-1]))
    best = np.maximum.accumulate(run * (count + 1) + ranks) - run * (count + 1)
    answer = np.empty(all_keys.size, dtype=np.int64)
    answer[order] = best
    found = answer[count:]
    by_rank = np.empty(count + 1, dtype=np.int64)
    by_rank[rank] = np.arange(count)
    by_rank[0] = -1
    return by_rank[found]
