"""The last hour of all combinations, bucket by bucket, and how many there were since a moment.

Who looks for a cause asks in every bucket for the moments of the bucket before, or for those a bucket
later. So a sum that was asked for goes on with the next bucket, and another one is made of the nearest
that is known, instead of hundreds of buckets. Counts are whole numbers, which add up to the same in any
order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

# Of sums that go on, in numbers (32 MB): every bucket of an hour might be asked for, of any number of names.
_MOST_KEPT: Final = 4_000_000


@dataclass(slots=True)
class _Bucket:
    """Cells of a closed bucket: numbers of combinations, places of columns and counts, shape (n,) each."""

    start_ms: int
    keys: I64
    places: I64
    counts: F64
    # By place, for it is asked for again and again.
    _parts: dict[int, tuple[I64, F64]] = field(init=False, default_factory=dict)

    def of(self, place: int) -> tuple[I64, F64]:
        """Keys and counts of one column."""
        if place not in self._parts:
            mine = self.places == place
            self._parts[place] = self.keys[mine], self.counts[mine]
        return self._parts[place]


class RecentCells:
    """See the module.

    Args:
        buckets: so many are remembered.
    """

    def __init__(self, buckets: int) -> None:
        self._most = buckets
        self._buckets: deque[_Bucket] = deque()
        # By place and moment, shape (combinations,); and which of them were asked for since the last bucket.
        self._sums: dict[tuple[int, int], F64] = {}
        self._asked: set[tuple[int, int]] = set()

    def add(self, start_ms: int, keys: I64, places: I64, counts: F64, size: int) -> None:
        """Cells of the next bucket, shape (n,) each; ``size`` combinations are known by now."""
        come = _Bucket(start_ms, keys, places, counts)
        gone = self._buckets.popleft() if len(self._buckets) == self._most else None
        self._buckets.append(come)
        known, self._asked = self._asked, set()
        changes = {place: _changed(come, gone, place, size) for place, _ in known}
        self._sums = {
            (place, since_ms): _resized(self._sums[place, since_ms], size)
            + changes[place][gone is not None and gone.start_ms >= since_ms]
            for place, since_ms in known
            if since_ms <= start_ms
        }

    def since(self, since_ms: int, place: int, size: int) -> F64:
        """Counts of one column since a moment by combination, shape (size,); not to be written to."""
        found = self._sums.get((place, since_ms))
        if found is None:
            found = self._from_nearest(since_ms, place, size)
        if (len(self._asked) + 1) * size <= _MOST_KEPT:
            self._sums[place, since_ms] = found
            self._asked.add((place, since_ms))
        return found

    def _from_nearest(self, since_ms: int, place: int, size: int) -> F64:
        known = [moment for of, moment in self._sums if of == place]
        # Of no bucket at all it is known, too.
        moment = min([*known, self._newest_ms + 1], key=lambda each: abs(each - since_ms))
        base = self._sums.get((place, moment))
        first, end = sorted((since_ms, moment))
        between = _counted(
            (bucket.of(place) for bucket in self._buckets if first <= bucket.start_ms < end), size
        )
        if base is None:
            return between
        return base + between if since_ms < moment else base - between

    @property
    def _newest_ms(self) -> int:
        return self._buckets[-1].start_ms if self._buckets else 0

    def snapshot(self) -> list[list[Any]]:
        """All of it as plain data."""
        return [
            [each.start_ms, pack(each.keys), pack(each.places), pack(each.counts)] for each in self._buckets
        ]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        """Go on from a snapshot."""
        self._sums, self._asked = {}, set()
        self._buckets = deque(
            _Bucket(start, unpack(keys), unpack(places), unpack(counts))
            for start, keys, places, counts in state
        )


def _changed(come: _Bucket, gone: _Bucket | None, place: int, size: int) -> tuple[F64, F64]:
    """What a bucket adds to a sum, and to one that the bucket that is forgotten was part of."""
    more = _counted([come.of(place)], size)
    return more, more if gone is None else more - _counted([gone.of(place)], size)


def _counted(parts: Iterable[tuple[I64, F64]], size: int) -> F64:
    """Sums by key, shape (size,)."""
    several = list(parts)
    if not several:
        return np.zeros(size)
    keys, counts = (np.concatenate(column) for column in zip(*several, strict=True))
    return np.bincount(keys, counts, minlength=size).astype(np.float64, copy=False)


def _resized(sums: F64, size: int) -> F64:
    """With zeros for combinations that were not known."""
    return sums if sums.size == size else np.pad(sums, (0, size - sums.size))
