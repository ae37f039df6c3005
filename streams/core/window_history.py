"""What was counted in earlier hours, in steps of five minutes, for the keys with most traffic.

Bounded: of each dimension at most ``max_keys`` keys are kept at a time. For each it is known from when
to when it was kept, so a sum over a time in which it was not is refused, never given too small. A key
that had never been seen has been 0 all the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streams.core.packed_cells import COLUMNS, PackedCells, PackedState, rows_of, total, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

SLOT_MS = 300_000
_STILL = 1 << 62
# A place changes hands for a key with twice the events, and a hundred of them; few do at a time.
_CLEARLY_BUSIER, _ENOUGH_EVENTS = 2, 100
_SHARE_EXCHANGED = 20


class HistoryState(msgspec.Struct, array_like=True):
    """All that is kept, as plain data."""

    slots: dict[int, dict[str, PackedState]]
    kept: dict[str, dict[int, list[tuple[int, int]]]]
    known: dict[str, int]


class KeptKeys:
    """Keys of one dimension that are kept, and from when to when each was."""

    def __init__(self) -> None:
        self.spans: dict[int, list[tuple[int, int]]] = {}
        self.known = 0

    def choose(self, traffic: I64, from_ms: int, max_keys: int) -> NDArray[np.bool_]:
        """Which keys are kept from now on, as a mask of shape (keys,).

        Args:
            traffic: by key number, events lately.
            from_ms: the moment that this is about.
            max_keys: how many at most.
        """
        kept = np.zeros(traffic.size, dtype=np.bool_)
        kept[[key for key, spans in self.spans.items() if spans[-1][1] == _STILL]] = True
        waiting = _ranked(traffic, ~kept)
        room = max(max_keys - int(kept.sum()), 0)
        joining = waiting[:room]
        winners, losers = _exchanges(traffic, waiting[room:], _ranked(traffic, kept)[::-1], max_keys)
        for key in losers.tolist():
            self.spans[key][-1] = (self.spans[key][-1][0], from_ms)
        for key in [*joining.tolist(), *winners.tolist()]:
            since = from_ms if key < self.known else 0
            self.spans.setdefault(key, []).append((since, _STILL))
        kept[losers] = False
        kept[joining] = kept[winners] = True
        self.known = traffic.size
        return kept

    def covers(self, key: int, start_ms: int, end_ms: int) -> bool:
        """Whether a key was kept all the time, or had not been seen."""
        if key >= self.known:
            return True
        return any(since <= start_ms and end_ms <= until for since, until in self.spans.get(key, ()))

    def forget_before(self, time_ms: int) -> None:
        """What was kept only before a moment is not any more."""
        self.spans = {
            key: left
            for key, spans in self.spans.items()
            if (left := [span for span in spans if span[1] > time_ms])
        }


def _ranked(traffic: I64, among: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Numbers of the keys under a mask, busiest first, ties by number."""
    keys = np.flatnonzero(among)
    return keys[np.argsort(-traffic[keys], kind="stable")]


def _exchanges(
    traffic: I64, waiting: NDArray[np.int64], idlest: NDArray[np.int64], max_keys: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    most = min(max(max_keys // _SHARE_EXCHANGED, 1), waiting.size, idlest.size)
    winners, losers = waiting[:most], idlest[:most]
    wins = traffic[winners] >= np.maximum(_CLEARLY_BUSIER * traffic[losers], _ENOUGH_EVENTS)
    return winners[wins], losers[wins]


class History:
    """See the module.

    Args:
        max_keys: of each dimension, at a time.
    """

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._slots: dict[int, dict[str, PackedCells]] = {}
        self._kept: dict[str, KeptKeys] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the counts."""
        return sum(packed.nbytes for slot in self._slots.values() for packed in slot.values())

    def put(self, slot_ms: int, counts: Mapping[str, PackedCells], traffic: Mapping[str, I64]) -> None:
        """Keep five minutes, counted by the closing of all its buckets.

        Args:
            slot_ms: when they start; slots come in the order of time.
            counts: of all keys, by dimension; those of other dimensions are not kept.
            traffic: of all keys that are known, by dimension and number.
        """
        for dimension, busy in traffic.items():
            kept = self._kept.setdefault(dimension, KeptKeys()).choose(busy, slot_ms, self._max_keys)
            if dimension in counts:
                self._add(slot_ms, dimension, counts[dimension].of_keys(kept))

    def correct(self, slot_ms: int, dimension: str, packed: PackedCells) -> None:
        """Add to a slot what came late, of the keys that were kept in it."""
        kept = self._kept.get(dimension)
        if kept is None or not packed.cells.size:
            return
        mine = [kept.covers(key, slot_ms, slot_ms + SLOT_MS) for key in range(int(packed.cells[-1] >> 5) + 1)]
        self._add(slot_ms, dimension, packed.of_keys(np.array(mine)))

    def row(self, dimension: str, key: int, start_ms: int, end_ms: int) -> I64 | None:
        """Counts of one key in slots from start to end, shape (32,); None if it was not always kept."""
        kept = self._kept.get(dimension)
        if kept is not None and not kept.covers(key, start_ms, end_ms):
            return None
        row = np.zeros(COLUMNS, dtype=np.int64)
        for slot_ms in range(start_ms, end_ms, SLOT_MS):
            packed = self._slots.get(slot_ms, {}).get(dimension)
            if packed is not None:
                row += packed.row(key)
        return row

    def rows(self, dimension: str, keys: I64, start_ms: int, end_ms: int) -> tuple[I64, NDArray[np.bool_]]:
        """Counts of some keys in slots from start to end, shape (keys, 32); which of them were always kept."""
        kept = self._kept.get(dimension)
        known = [kept is None or kept.covers(key, start_ms, end_ms) for key in keys.tolist()]
        slots = (self._slots.get(slot_ms, {}).get(dimension) for slot_ms in range(start_ms, end_ms, SLOT_MS))
        return rows_of((packed for packed in slots if packed is not None), keys), np.array(known, np.bool_)

    def forget_before(self, time_ms: int, but: Iterable[tuple[int, int]] = ()) -> None:
        """Drop older slots, but for those in some spans."""
        spans = [*but]
        old = [slot for slot in self._slots if slot < time_ms]
        for slot in old:
            if not any(start <= slot < end for start, end in spans):
                del self._slots[slot]
        oldest = min([time_ms, *(start for start, _ in spans)])
        for kept in self._kept.values():
            kept.forget_before(oldest)

    def snapshot(self) -> HistoryState:
        """All that is kept."""
        return HistoryState(
            {slot: {name: packed.state() for name, packed in it.items()} for slot, it in self._slots.items()},
            {dimension: {k: [*s] for k, s in kept.spans.items()} for dimension, kept in self._kept.items()},
            {dimension: kept.known for dimension, kept in self._kept.items()},
        )

    def restore(self, state: HistoryState) -> None:
        """Go on from a snapshot. Raises ValueError if it is damaged."""
        self._slots = {
            slot: {dimension: unpack(packed) for dimension, packed in it.items()}
            for slot, it in state.slots.items()
        }
        self._kept = {}
        for dimension, spans in state.kept.items():
            kept = self._kept[dimension] = KeptKeys()
            kept.spans = {key: [*mine] for key, mine in spans.items()}
            kept.known = state.known.get(dimension, 0)

    def _add(self, slot_ms: int, dimension: str, packed: PackedCells) -> None:
        slot = self._slots.setdefault(slot_ms, {})
        slot[dimension] = total([slot[dimension], packed]) if dimension in slot else packed
