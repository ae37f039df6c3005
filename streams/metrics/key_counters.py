"""The counters of one key: what it counted, for which day it is shown, and since when it stands still.

A counter that never goes down and is first shown where it stood (:mod:`streams.metrics.held`). Pure.
"""

from __future__ import annotations

from typing import Final

from streams.metrics.catalog import KEY_FAMILIES, Family
from streams.metrics.held import HeldCounters
from streams.metrics.labels import Candidate

NO_SHARD: Final = -1
EVENTS: Final = int(Family.EVENTS)


class KeyCounters(HeldCounters):
    """The counters of one key, the day for which it is shown, and since when it stands still."""

    __slots__ = ("base_traffic", "day", "frozen_ms", "shard")

    def __init__(self, shard: int, *, gated: bool = False) -> None:
        super().__init__(len(KEY_FAMILIES), gated=gated)
        self.shard = shard
        self.day = 0
        self.base_traffic = 0
        self.frozen_ms: int | None = None

    @property
    def traffic(self) -> int:
        """Events of all nodes in the life of the process."""
        return sum(self.cells[EVENTS].values())

    def candidate(self, key: str) -> Candidate:
        """The key with its events since the measuring period began."""
        return Candidate(self.traffic - self.base_traffic, key, self.shard)
