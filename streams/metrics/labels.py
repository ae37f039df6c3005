"""The label budget: which keys of a dimension are shown by name.

Promises: while all keys seen fit into the places, all are shown; else the places go to the keys with
most events, half of them not before it is known which are busy. A place changes hands only for a key
that is busier without doubt, and few do at a time. Of keys not shown it remembers the
events of a bounded number. Pure: nothing here reads a clock.
"""

from __future__ import annotations

import heapq
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


# Twice the events of the other, and a hundred of them: no chance of two equally busy keys, and no
# to and fro, since whoever lost the place would need twice the winner's to have it back.
CLEARLY_BUSIER: Final = 2
ENOUGH_EVENTS: Final = 100
# Of the places; charts keep most of their lines, and what is exported grows by no more than this.
LARGEST_SHARE_EXCHANGED: Final = 0.1


class Candidate(NamedTuple):
    """A key and its events in the present measuring period."""

    traffic: int
    key: str
    shard: int


def busiest(candidates: Iterable[Candidate], places: int) -> list[Candidate]:
    """The keys with most events; ties by name, so that every run decides alike."""
    return heapq.nsmallest(places, candidates, key=lambda candidate: (-candidate.traffic, candidate.key))


def idlest(candidates: Iterable[Candidate], places: int) -> list[Candidate]:
    """The keys with fewest events; ties by name, the last first, as :func:`busiest` leaves them out."""
    ranked = sorted(candidates, key=lambda candidate: candidate.key, reverse=True)
    return heapq.nsmallest(places, ranked, key=lambda candidate: candidate.traffic)


def exchanges(
    waiting: Iterable[Candidate], shown: Iterable[Candidate], places: int
) -> list[tuple[Candidate, Candidate]]:
    """Which waiting keys take the place of which shown ones, as (winner, loser).

    The busiest waiting key is held against the least busy shown one, the second against the second,
    and so on.
    """
    most = max(1, int(places * LARGEST_SHARE_EXCHANGED))
    pairs = zip(busiest(waiting, most), idlest(shown, most), strict=False)
    return [(winner, loser) for winner, loser in pairs if _is_clearly_busier(winner, loser)]


def _is_clearly_busier(winner: Candidate, loser: Candidate) -> bool:
    return winner.traffic >= max(ENOUGH_EVENTS, CLEARLY_BUSIER * loser.traffic)


def open_places(places: int, shown: int, seen: int, *, warming: bool) -> int:
    """How many more keys may be shown.

    While it is too early to tell busy keys from idle ones (``warming``), half of the places stay free.
    """
    if seen > places and warming:
        places = max(1, places // 2)
    return max(0, places - shown)


def local_day(now_ms: int, zone: tzinfo) -> int:
    """Number of the day that it is in ``zone``."""
    return datetime.fromtimestamp(now_ms / 1000, zone).toordinal()


class Waiting:
    """Events of the keys that are seen but not shown, by shard; of too many, the idle half is forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._shards: dict[int, dict[str, int]] = {}

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Candidate]:
        for shard, keys in self._shards.items():
            for key, traffic in keys.items():
                yield Candidate(traffic, key, shard)

    def of(self, shard: int) -> dict[str, int]:
        """The waiting keys of a shard with their events, to be added to where a key is there."""
        return self._shards.get(shard, {})

    def put(self, candidate: Candidate) -> None:
        """Lets a new key wait."""
        self._shards.setdefault(candidate.shard, {})[candidate.key] = candidate.traffic
        self._size += 1
        if self._size > self._limit:
            self._halve()

    def remove(self, candidate: Candidate) -> None:
        """Ends the waiting of a key, if it waits."""
        if self._shards.get(candidate.shard, {}).pop(candidate.key, None) is not None:
            self._size -= 1

    def drop(self, shards: frozenset[int]) -> None:
        """Forgets the keys of shards that went elsewhere."""
        for shard in shards:
            self._size -= len(self._shards.pop(shard, ()))

    def restart(self) -> None:
        """Begins a new measuring period: all keys wait on, with no events yet."""
        self._shards = {shard: dict.fromkeys(keys, 0) for shard, keys in self._shards.items()}

    def clear(self) -> None:
        """Forgets all keys."""
        self._shards = {}
        self._size = 0

    def _halve(self) -> None:
        keep = self._limit // 2
        ranked = sorted(
            (traffic for keys in self._shards.values() for traffic in keys.values()), reverse=True
        )
        floor = ranked[keep]
        # Ties share the places that the busier ones leave. Fewer than half must not be kept, or the
        # table would forget that there are too many keys.
        spare = keep - ranked.index(floor)
        for shard, keys in self._shards.items():
            kept = {key: traffic for key, traffic in keys.items() if traffic > floor}
            ties = [key for key, traffic in keys.items() if traffic == floor][:spare]
            spare -= len(ties)
            self._shards[shard] = kept | dict.fromkeys(ties, floor)
        self._size = keep
