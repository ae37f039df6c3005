"""A hash table of fingerprints with a time each, worked on in whole batches.

Eight slots a bucket, two candidate buckets a key (Azar et al., "Balanced Allocations", 1994):
about three fifths of the slots fill before anything has to grow. A slot whose time is older than
the caller's cutoff counts as free, so expiry costs nothing. Twelve bytes a slot and no Python
objects: ten million ids take 200 to 400 MB and the garbage collector never sees them. Ids made up
to crowd into few buckets are spread anew under another salt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streams.core.hashing import combine
from streams.core.sorting import sorted_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    Bools = NDArray[np.bool_]

WAYS = 8
_MIN_BUCKETS = 128
# Below this load a key without room is bad luck, not a sign that the table is too small.
_CROWDED = 0.5
# Times are stored as milliseconds above a base, in 32 bits: 49 days. 0 is an empty slot.
_SPAN = 1 << 32
_HALF = 1 << 31
_FRESH = _SPAN - 1
_NO_ROOM = -2
_LOST = -3
_SHIFT = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_CHUNK = 1 << 16
_NO_CUTOFF = -(1 << 62)


# A table is swept in so many parts, each a range of hashes: buckets may double in between.
SWEEP = 1 << 16


class TableState(msgspec.Struct, array_like=True):
    """Some of a table's entries as bytes of columns; times are ms above ``base_ms``."""

    base_ms: int | None
    keys: bytes
    times: bytes
    payload: list[bytes]


class TimedSlots:
    """Fingerprint -> (time, payload columns). Grows as needed, never shrinks below its minimum.

    Args:
        payload: number of int32 columns kept beside the time.

    Attributes:
        written: how many entries were written between the last two calls of :meth:`changes`.
    """

    def __init__(self, payload: int = 0) -> None:
        self.written = 0
        self._base: int | None = None
        self._salt = 0
        self._allocate(_MIN_BUCKETS, payload)

    def _allocate(self, buckets: int, payload: int) -> None:
        self._buckets = buckets
        self._keys = np.zeros((buckets, WAYS), dtype=np.uint64)
        self._times = np.zeros((buckets, WAYS), dtype=np.uint32)
        # Slots written since changes were last taken, piece by piece; some are named more than once.
        # A flag per slot would have to be looked through as a whole, and few of them are written.
        self._written: list[I64] = []
        self._named = 0
        self.payload = np.zeros((payload, buckets * WAYS), dtype=np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes held by the table's arrays."""
        return self._keys.nbytes + self._times.nbytes + self.payload.nbytes

    def find(self, keys: U64) -> I64:
        """Slot index per key, -1 where there is none. Shape (n,)."""
        keys = _nonzero(keys)
        first, second = self._candidates(keys)
        slots = _match(self._keys, first, keys)
        missing = np.flatnonzero(slots < 0)
        if missing.size:
            slots[missing] = _match(self._keys, second[missing], keys[missing])
        return slots

    def resolve(self, keys: U64, cutoff_ms: int) -> I64:
        """Slot index per key, claiming a free slot for each key not there yet.

        Equal keys get one slot. A claimed slot is *fresh* until :meth:`write_times`. Slots
        older than ``cutoff_ms`` are free for the taking.
        """
        keys = _nonzero(keys)
        cutoff = self._relative_cutoff(cutoff_ms)
        slots = self._find_and_hold(keys, cutoff)
        todo = np.flatnonzero(slots < 0)
        while todo.size:
            slots[todo] = self._claim(keys[todo], cutoff)
            if (slots == _NO_ROOM).any():
                self._grow(cutoff_ms)
                slots = self._find_and_hold(keys, cutoff)
            todo = np.flatnonzero(slots < 0)
        return slots

    def _find_and_hold(self, keys: U64, cutoff: int) -> I64:
        """Slots of known keys; expired ones become fresh, so that no other key claims them."""
        slots = self.find(keys)
        found = slots[slots >= 0]
        times = self._times.reshape(-1)
        times[found[times[found] < cutoff]] = _FRESH
        return slots

    def _claim(self, keys: U64, cutoff: int) -> I64:
        """Slots for keys that are not in the table, or ``_NO_ROOM``, or ``_LOST`` (to another key)."""
        first, second = self._candidates(keys)
        free_first, free_second = self._free(first, cutoff), self._free(second, cutoff)
        use_second = np.bitwise_count(free_second) > np.bitwise_count(free_first)
        bucket = np.where(use_second, second, first)
        free = np.where(use_second, free_second, free_first)
        slots = bucket * WAYS + _lowest(free)
        roomy = free != 0
        everyone = bool(roomy.all())
        mine = slots if everyone else slots[roomy]
        flat = self._keys.reshape(-1)
        flat[mine] = keys if everyone else keys[roomy]
        self._times.reshape(-1)[mine] = _FRESH
        slots[flat[slots] != keys] = _LOST
        slots[~roomy] = _NO_ROOM
        return slots

    def _free(self, buckets: I64, cutoff: int) -> U64:
        """One byte per way, not zero where the way is free."""
        # take() copies whole rows; indexing would copy them number by number, five times slower.
        return _bytes_of(self._times.take(buckets, axis=0, mode="clip") < cutoff)

    def _candidates(self, keys: U64) -> tuple[I64, I64]:
        if self._salt:
            keys = combine(keys, np.uint64(self._salt))
        buckets = np.uint64(self._buckets)
        first = ((keys >> _SHIFT) * buckets) >> _SHIFT
        second = ((keys & _LOW) * buckets) >> _SHIFT
        return first.astype(np.int64), second.astype(np.int64)

    def times(self, slots: I64) -> tuple[I64, Bools]:
        """Times in milliseconds and whether each slot is fresh, i.e. has no time yet."""
        stored = self._times.reshape(-1)[slots]
        return stored.astype(np.int64) + (self._base or 0), stored == _FRESH

    def write_times(self, slots: I64, times_ms: I64) -> None:
        """Set the times of slots; where a slot is named twice the last one stays.

        No time may be older than the cutoff the slots were resolved with, nor than what is there
        by so much that it is forgotten before :meth:`changes` are taken: whoever follows those is
        not told of it, and would keep what was there.
        """
        self._set_times(slots, times_ms)
        self._note(slots)

    def _set_times(self, slots: I64, times_ms: I64) -> None:
        if times_ms.size == 0:
            return
        base = self._rebase(int(times_ms.max()))
        relative = np.clip(times_ms - base, 1, _FRESH - 1)
        self._times.reshape(-1)[slots] = relative.astype(np.uint32)

    def _note(self, slots: I64) -> None:
        """These were written; however often that is before changes are taken, memory stays bounded."""
        self._written.append(slots)
        self._named += slots.size
        if self._named > max(self._times.size, _CHUNK):
            self._written = [self._written_slots()]
            self._named = self._written[0].size

    def _written_slots(self) -> I64:
        """Each of them once, ascending."""
        return sorted_once(np.concatenate([np.zeros(0, dtype=np.int64), *self._written]))

    def _relative_cutoff(self, cutoff_ms: int) -> int:
        if self._base is None:
            return 1
        return min(max(cutoff_ms - self._base, 1), _FRESH)

    def _rebase(self, newest_ms: int) -> int:
        """The base, moved up if the newest time would not fit above it; old times stop at its start."""
        if self._base is None:
            self._base = newest_ms - _HALF
        if newest_ms - self._base < _FRESH - 1:
            return self._base
        shift = newest_ms - _HALF - self._base
        old = self._times.astype(np.int64)
        moved = np.where((old == 0) | (old == _FRESH), old, np.maximum(old - shift, 1))
        self._times = moved.astype(np.uint32)
        self._base += shift
        return self._base

    def _grow(self, cutoff_ms: int) -> None:
        times = self._times.reshape(-1)
        kept = np.count_nonzero(times >= self._relative_cutoff(cutoff_ms))
        if kept > times.size * _CROWDED:
            self._double(self._relative_cutoff(cutoff_ms))
        else:
            # Keys that share both buckets, made so on purpose perhaps.
            self._spread(cutoff_ms)

    def _double(self, cutoff: int) -> None:
        """Twice the buckets: those of bucket b go to 2b or 2b + 1, each key to the same way as before.

        A key's bucket is its hash scaled to their number, so doubling it keeps their order: no two
        keys meet, and memory is read and written from front to end.
        """
        keys, times, payload, written = self._keys, self._times, self.payload, self._written_slots()
        old = self._buckets
        self._allocate(2 * old, payload.shape[0])
        written = written[times.reshape(-1)[written] >= cutoff]
        self._note(self._doubled(keys.reshape(-1)[written], written))
        for start in range(0, old, _CHUNK // WAYS):
            part = slice(start, start + _CHUNK // WAYS)
            where = np.flatnonzero(times[part].reshape(-1) >= cutoff)
            some = keys[part].reshape(-1)[where]
            slots = self._doubled(some, where + start * WAYS)
            self._keys.reshape(-1)[slots] = some
            self._times.reshape(-1)[slots] = times[part].reshape(-1)[where]
            self.payload[:, slots] = payload[:, start * WAYS + where]

    def _doubled(self, keys: U64, slots: I64) -> I64:
        """Where keys lie now that lay in these slots of half as many buckets."""
        first, second = self._candidates(keys)
        return np.where(first >> 1 == slots // WAYS, first, second) * WAYS + slots % WAYS

    def _spread(self, cutoff_ms: int) -> None:
        """All keys anew, under another salt; a sweep under way may miss them, so all have changed."""
        keys, times, payload = self.live(cutoff_ms)
        self._salt += 1
        self._allocate(self._buckets, self.payload.shape[0])
        for start in range(0, keys.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            slots = self.resolve(keys[part], cutoff_ms)
            self._times.reshape(-1)[slots] = times[part]
            self._note(slots)
            self.payload[:, slots] = payload[:, part]

    def live(self, cutoff_ms: int) -> tuple[U64, NDArray[np.uint32], NDArray[np.int32]]:
        """Keys, stored times and payload columns of all slots not older than the cutoff."""
        times = self._times.reshape(-1)
        where = np.flatnonzero(times >= self._relative_cutoff(cutoff_ms))
        return self._keys.reshape(-1)[where], times[where], self.payload[:, where]

    def changes(self, swept: range, cutoff_ms: int) -> TableState:
        """Entries written since the last call, and all of a part of the table; none older than the cutoff.

        Args:
            swept: which of the ``SWEEP`` parts to take whole. Whoever has taken all parts, in
                ascending order, and every change since, has all entries, also if buckets doubled
                in between.
            cutoff_ms: older entries need not be known.
        """
        times, written = self._times.reshape(-1), self._written_slots()
        self._written, self._named, self.written = [], 0, written.size
        begin = swept.start * self._buckets // SWEEP * WAYS
        end = -(-swept.stop * self._buckets // SWEEP) * WAYS
        before, behind = np.searchsorted(written, (begin, max(begin, end)))
        where = np.concatenate((written[:before], np.arange(begin, end), written[behind:]))
        stored = times[where]
        where = where[(stored >= self._relative_cutoff(cutoff_ms)) & (stored != _FRESH)]
        return TableState(
            self._base,
            self._keys.reshape(-1)[where].tobytes(),
            times[where].tobytes(),
            [column[where].tobytes() for column in self.payload],
        )

    def apply(self, state: TableState, payload: Sequence[I32], cutoff_ms: int) -> None:
        """Take up entries that :meth:`changes` gave; they are no changes of this table.

        Args:
            state: the entries.
            payload: their payload columns, under the numbers that are used here.
            cutoff_ms: older entries may make room.
        """
        keys = np.frombuffer(state.keys, dtype=np.uint64)
        if not keys.size or state.base_ms is None:
            return
        times = np.frombuffer(state.times, dtype=np.uint32).astype(np.int64) + state.base_ms
        for start in range(0, keys.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            slots = self.resolve(keys[part], cutoff_ms)
            self._set_times(slots, times[part])
            for column, values in zip(self.payload, payload, strict=True):
                column[slots] = values[part]


def _nonzero(keys: U64) -> U64:
    """Fingerprint 0 marks an empty slot, so a key that hashes to it moves to 1."""
    return np.maximum(keys, np.uint64(1))


def _match(table: U64, buckets: I64, keys: U64) -> I64:
    equal = _bytes_of(table.take(buckets, axis=0, mode="clip") == keys[:, None])
    slots = buckets * WAYS + _lowest(equal)
    slots[equal == 0] = -1
    return slots


def _bytes_of(flags: Bools) -> U64:
    """Eight flags a row as one number: reducing short rows one by one is what numpy is bad at."""
    return flags.view("<u8")[:, 0]


def _lowest(flags: U64) -> I64:
    """The lowest way whose byte is set; meaningless where none is."""
    below = (flags & (~flags + _ONE)) - _ONE
    return (np.bitwise_count(below) >> 3 & (WAYS - 1)).astype(np.int64)
