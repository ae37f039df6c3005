"""The label budget: which keys of a dimension are shown by name.

Promises: while all keys seen fit into the places, all are shown; else the places go to the keys with
most events, half of them not before it is known which are busy. Of keys not shown it remembers the
events of a bounded number. Pure: nothing here reads a clock.
"""

from __future__ import annotations

import heapq
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Candidate(NamedTuple):
    """A key and its events in the present measuring period."""

    traffic: int
    key: str
    shard: int


def busiest(candidates: Iterable[Candidate], places: int) -> list[Candidate]:
    """The keys with most events; ties by name, so that every run decides alike."""
    return heapq.nsmallest(places, candidates, key=lambda candidate: (-candidate.traffic, candidate.key))


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

    def count(self, shard: int, key: str, events: int) -> bool:
        """Adds to a waiting key; False if it does not wait."""
        keys = self._shards.get(shard)
        if keys is None or key not in keys:
            return False
        keys[key] += events
        return True

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
