"""The keys of one dimension, from first sight until their series vanish.

Promises: at most ``places`` keys are shown beside ``all``, ``(none)`` and ``(other)``, and a shown key
stays shown for the local day unless a much busier one waits for its place. Each increment stands in exactly one series, for good: what a key counted
while it was not shown stays in ``(other)``. Memory is bounded; a flood of unknown keys makes ``(other)``
grow and nothing else. Pure: time comes in as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.funnel import ALL, NONE, OTHER
from streams.metrics.key_counters import EVENTS, NO_SHARD, KeyCounters
from streams.metrics.labels import Candidate, Waiting, busiest, exchanges, open_places
from streams.metrics.other_key import OtherKey
from streams.metrics.series_part import KeyPart, OtherPart, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.metrics.held import Cells, Labels

PINNED: Final = frozenset({ALL, NONE, OTHER})
NO_DAY: Final = -1
# A key that left is waited for so long to be scraped; then Prometheus has forgotten it anyway.
PATIENCE_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one dimension, and for each family the series that a shown key has from the start."""

    zero: tuple[tuple[Labels, ...], ...]
    vanish_hold_ms: int
    waiting_keys: int
    retired_keys: int


class DimensionKeys:
    """The keys of one dimension, from first sight to the vanishing of their series.

    A key is *fresh* (counted, but not yet judged), then *shown*, or *waiting* (counts in ``(other)``).
    A shown key whose shard or day is over, or whose place another took, is *frozen* (exported as it stands) and then *retired* (not
    exported, remembered for its return). ``live`` holds fresh and shown keys and may be added to
    directly. ``other`` is what ``(other)`` counts. ``places`` and ``warming`` are set from outside.
    """

    def __init__(self, limits: Limits) -> None:
        self.live: dict[str, KeyCounters] = {}
        self.places = 1
        self.warming = True
        self.day = 0
        self._limits = limits
        self._fresh: dict[str, KeyCounters] = {}
        self._frozen: dict[str, KeyCounters] = {}
        self._retired: dict[str, KeyCounters] = {}
        self._waiting = Waiting(limits.waiting_keys)
        self._full = False
        self._gated = False
        self.other = OtherKey()

    def gate(self) -> None:
        """From now on counters outlive the process."""
        self._gated = True
        self.other.gate()
        for counters in self._frozen.values():
            counters.gated = True

    @property
    def shown(self) -> int:
        """Keys shown by name."""
        return len(self.live) - len(self._fresh) - len(PINNED & self.live.keys())

    @property
    def seen(self) -> int:
        """Keys known by name, shown or not."""
        return self.shown + len(self._fresh) + len(self._waiting)

    def prepare(self, key: str) -> None:
        """Exports a pinned key at 0 before anything is counted, so that its first step is not held."""
        if key == OTHER:
            self._complete(self.other.counters)
        else:
            self._frozen[key] = self._complete(KeyCounters(NO_SHARD))

    def waiting(self, shard: int) -> dict[str, int]:
        """Events of the shard's keys that wait; those of a key that is there may be added to."""
        return self._waiting.of(shard)

    def miss(self, shard: int, family: int, key: str, labels: Labels, value: int) -> None:
        """Counts for a key that is neither ``live`` nor waiting."""
        events = value if family == EVENTS else 0
        if key == OTHER:
            self.other.share(shard).add(family, labels, value)
        elif key in PINNED:
            self._pin(shard, key).add(family, labels, value)
        elif self._full:
            self._waiting.put(Candidate(events, key, shard))
            self.other.share(shard).add(family, labels, value)
        else:
            self._meet(shard, key).add(family, labels, value)

    def settle(self) -> None:
        """Judges the fresh keys, and shows as many as there are places for."""
        room = open_places(self.places, self.shown, self.seen, warming=self.warming)
        if room and (self._fresh or self._waiting):
            for candidate in busiest(self._applicants(), room):
                self._show(candidate)
        self._fold(list(self._fresh))
        self.review()

    def review(self) -> None:
        """Notes whether there is a place to be had; if not, a new key need not be kept for judgement."""
        self._full = open_places(self.places, self.shown, self.seen, warming=self.warming) == 0

    def exchange(self, now_ms: int) -> None:
        """Gives the places of the least busy shown keys to keys that wait and are clearly busier.

        Who loses its place waits on with what it counted, and does not come back with its shard.
        """
        shown = (counters.candidate(key) for key, counters in self.shown_items() if key not in PINNED)
        for winner, loser in exchanges(self._waiting, shown, self.places):
            self._freeze(loser.key, now_ms)
            self._frozen[loser.key].day = NO_DAY
            self._show(winner)
            self._waiting.put(loser)

    def settle_if_all_fit(self) -> None:
        """Judges the fresh keys early if the verdict cannot depend on more events."""
        if self._fresh and self.seen <= self.places:
            self.settle()

    def lose(self, shards: frozenset[int], now_ms: int) -> None:
        """Freezes the keys of shards that went elsewhere; all that they counted here is told here."""
        self._fold([key for key, counters in self._fresh.items() if counters.shard in shards])
        for key in [key for key, counters in self.live.items() if counters.shard in shards]:
            self._freeze(key, now_ms)
        for counters in self._frozen.values():
            if counters.shard in shards:
                counters.gated = False
        self._waiting.drop(shards)
        self.other.leave(shards, tell=True)

    def disown(self, shards: frozenset[int]) -> None:
        """Drops the keys of shards that somebody else has taken over, and tells what was not told yet."""
        for key in [key for key, counters in self.live.items() if counters.shard in shards]:
            self._fresh.pop(key, None)
            del self.live[key]
        for key in [key for key, counters in self._frozen.items() if counters.shard in shards]:
            del self._frozen[key]
        self._waiting.drop(shards)
        self.other.leave(shards, tell=False)

    def gain(self, shards: frozenset[int]) -> None:
        """Brings back what was shown today of shards that came back, and measures all keys anew.

        Keys of different shards can only be compared over a time for which all were here.
        """
        for key in [*self._frozen, *self._retired]:
            if self._returns(key, shards):
                self.live[key] = self._recall(key)
        self._restart()

    def new_day(self, day: int, now_ms: int) -> None:
        """Chooses the shown keys anew from the events of the period that ends."""
        self.day = day
        shown = [counters.candidate(key) for key, counters in self.shown_items() if key not in PINNED]
        active = (candidate for candidate in (*shown, *self._applicants()) if candidate.traffic)
        chosen = {candidate.key: candidate for candidate in busiest(active, self.places)}
        for candidate in shown:
            if candidate.key not in chosen:
                self._freeze(candidate.key, now_ms)
        for candidate in chosen.values():
            self._show(candidate)
        self._fold(list(self._fresh))
        self._waiting.clear()
        self._restart()

    def vanish(self, now_ms: int) -> None:
        """Retires frozen keys whose last value has been there to be scraped for long enough."""
        for key in [key for key, counters in self._frozen.items() if self._is_over(counters, now_ms)]:
            self._retired[key] = self._frozen.pop(key)
        while len(self._retired) > self._limits.retired_keys:
            del self._retired[next(iter(self._retired))]

    def write(self, dimension: str, shard: int) -> tuple[list[KeyPart], OtherPart]:
        """What is to be written down of a shard."""
        parts = []
        for key, counters, standing in self._of(shard):
            values, held = counters.write()
            parts.append(KeyPart(dimension, key, standing, counters.day, values, held))
        return parts, self.other.write(dimension, shard)

    def written(self, shard: int, now_ms: int) -> None:
        """That is safe now, and may be told."""
        for _, counters, _ in self._of(shard):
            counters.written(now_ms)
        self.other.written(shard)

    def waits(self, shard: int) -> bool:
        """Whether anything of a shard can be told only after it is written down."""
        return self.other.waits(shard) or any(c.ripe for _, c, _ in self._of(shard))

    def take_up(self, shard: int, part: KeyPart, now_ms: int) -> None:
        """Continues the counters of a key of a shard that comes."""
        key, counters = part.key, KeyCounters(shard, gated=self._gated)
        counters.take_up(part.values, part.held)
        counters.day, counters.base_traffic = part.day, counters.traffic
        self._frozen.pop(key, None)
        if part.standing is Standing.FROZEN:
            counters.frozen_ms = now_ms
            self._frozen[key] = counters
            return
        self.live[key] = counters
        if part.standing is Standing.FRESH:
            self._fresh[key] = counters
        else:
            self.day = max(self.day, part.day)

    def _of(self, shard: int) -> Iterator[tuple[str, KeyCounters, Standing]]:
        for key, counters in self.live.items():
            if counters.shard == shard:
                yield key, counters, Standing.FRESH if key in self._fresh else Standing.SHOWN
        for key, counters in self._frozen.items():
            if counters.shard == shard and counters.gated:
                yield key, counters, Standing.FROZEN

    @property
    def holding(self) -> bool:
        """Whether an export now would show less than what is counted."""
        return self.other.holding or any(c.holding for c in (*self.live.values(), *self._frozen.values()))

    def export(self, now_ms: int, hold_ms: int) -> Iterator[tuple[str, Cells]]:
        """Every exported key with its values at ``now_ms``, copied."""
        for key, counters in self.shown_items():
            yield key, counters.export(now_ms, hold_ms)
        for key, counters in self._frozen.items():
            yield key, counters.export(now_ms, hold_ms)

    def shown_items(self) -> Iterator[tuple[str, KeyCounters]]:
        """The keys shown and still counted here, with ``(none)`` and ``(other)``."""
        fresh = self._fresh
        yield OTHER, self.other.counters
        yield from ((key, counters) for key, counters in self.live.items() if key not in fresh)

    def _applicants(self) -> Iterator[Candidate]:
        for key, counters in self._fresh.items():
            yield counters.candidate(key)
        yield from self._waiting

    def _meet(self, shard: int, key: str) -> KeyCounters:
        if len(self._fresh) >= self._limits.waiting_keys:
            self.settle()
        counters = self.live[key] = self._fresh[key] = KeyCounters(shard, gated=self._gated)
        return counters

    def _pin(self, shard: int, key: str) -> KeyCounters:
        known = key in self._frozen or key in self._retired
        counters = self._recall(key) if known else KeyCounters(shard, gated=self._gated)
        counters.shard = shard
        self.live[key] = counters
        return self._complete(counters)

    def _show(self, candidate: Candidate) -> None:
        key = candidate.key
        counters = self.live.get(key)
        if counters is None:
            counters = KeyCounters(candidate.shard, gated=self._gated)
        if key in self._frozen or key in self._retired:
            before = self._recall(key)
            before.absorb(counters)
            counters = before
        self._fresh.pop(key, None)
        self._waiting.remove(candidate)
        counters.day = self.day
        counters.base_traffic = counters.traffic - candidate.traffic
        self.live[key] = self._complete(counters)

    def _complete(self, counters: KeyCounters) -> KeyCounters:
        for family, series in enumerate(self._limits.zero):
            for labels in series:
                counters.start(family, labels)
        return counters

    def _fold(self, keys: Iterable[str]) -> None:
        for key in keys:
            counters = self._fresh.pop(key)
            del self.live[key]
            self.other.share(counters.shard).absorb(counters)
            self._waiting.put(counters.candidate(key))

    def _freeze(self, key: str, now_ms: int) -> None:
        counters = self._frozen[key] = self.live.pop(key)
        counters.frozen_ms = now_ms

    def _recall(self, key: str) -> KeyCounters:
        counters = self._frozen.pop(key, None)
        if counters is None:
            counters = self._retired.pop(key)
            counters.reappear()
        elif self._gated:
            # Its next increments are told once it is written down that it is shown again.
            counters.reappear()
        counters.frozen_ms = None
        counters.gated = self._gated
        return counters

    def _returns(self, key: str, shards: frozenset[int]) -> bool:
        counters = self._frozen[key] if key in self._frozen else self._retired[key]
        if counters.shard not in shards:
            return False
        return key in PINNED or (counters.day == self.day and self.shown < self.places)

    def _is_over(self, counters: KeyCounters, now_ms: int) -> bool:
        since = counters.frozen_ms
        if since is None or (counters.holding and now_ms - since < PATIENCE_MS):
            return False
        return now_ms - max(since, counters.settled_ms) >= self._limits.vanish_hold_ms

    def _restart(self) -> None:
        self._waiting.restart()
        for counters in self.live.values():
            counters.base_traffic = counters.traffic
