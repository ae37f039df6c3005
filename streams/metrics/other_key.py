"""``(other)`` of one dimension: what its keys counted while they were not shown, of all shards.

Promises: it never vanishes and never goes down. Where counters outlive the process, each shard has a
share of it that is shown once it is written down (:mod:`streams.metrics.other_share`); what shards
counted that are elsewhere now stays in it. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.metrics.catalog import KEY_FAMILIES
from streams.metrics.held import HeldCounters, entries
from streams.metrics.key_counters import NO_SHARD, KeyCounters
from streams.metrics.other_share import OtherShare

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.metrics.held import Entries
    from streams.metrics.series_part import OtherPart


class OtherKey:
    """See the module; ``counters`` are those that are shown."""

    def __init__(self) -> None:
        self.counters = KeyCounters(NO_SHARD)
        self._gated = False
        self._shares: dict[int, OtherShare] = {}
        # Of shards that are elsewhere.
        self._before = HeldCounters(len(KEY_FAMILIES))

    def gate(self) -> None:
        """From now on counters outlive the process."""
        self._gated = True

    def share(self, shard: int) -> KeyCounters | OtherShare:
        """Where to count what a key of a shard adds; may be added to directly."""
        if not self._gated:
            return self.counters
        if shard not in self._shares:
            self._shares[shard] = OtherShare()
        return self._shares[shard]

    def leave(self, shards: frozenset[int], *, tell: bool) -> None:
        """Shards went; what was not told yet is told, or else somebody has it who tells it."""
        for shard in shards & self._shares.keys():
            share = self._shares.pop(shard)
            if tell:
                share.tell_all(self.counters)
            share.leave(self._before)

    def write(self, dimension: str, shard: int) -> OtherPart:
        """What is to be written down of a shard."""
        share = self._shares.setdefault(shard, OtherShare())
        return share.write(dimension, self.counters, entries(self._before.cells))

    def written(self, shard: int) -> None:
        """That is safe now, and may be told."""
        if shard in self._shares:
            self._shares[shard].written(self.counters)

    def waits(self, shard: int) -> bool:
        """Whether anything of a shard can be told only after it is written down."""
        return shard in self._shares and self._shares[shard].waits

    def take_up(self, parts: Iterable[tuple[int, OtherPart]], before: Entries) -> None:
        """Continues from the shares of its shards and what other shards had put into it."""
        self._before.take_up(before, [])
        self.counters.absorb(self._before)
        for shard, part in parts:
            self._shares[shard] = OtherShare.of(part, self.counters)
        # It was shown before: to show it from zero would be a reset.
        self.counters.take_up((), [])

    @property
    def holding(self) -> bool:
        """Whether an export now would show less than what is counted."""
        return self.counters.holding or any(share.waits for share in self._shares.values())
