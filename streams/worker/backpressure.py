"""Which source topic-partitions are held back: those that have run far ahead of their partner or of the log.

Promises: what waits in memory for its partner, for the log or for being republished stays bounded, and
nothing is held back for longer. Refuses to touch the consumer: it says what changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faust.types import TP

if TYPE_CHECKING:
    from streams.worker.counting import Counting
    from streams.worker.republishing import Republishing


class Backpressure:
    """See the module.

    Args:
        sources: names of the topics that are counted.
        counting: the counting side.
        republishing: what keys the sources first; None if they are keyed.
    """

    def __init__(
        self, sources: tuple[str, str], counting: Counting, republishing: Republishing | None
    ) -> None:
        self._sources = sources
        self._counting = counting
        self._republishing = republishing
        self._held: set[TP] = set()

    def change(self) -> tuple[set[TP], set[TP]]:
        """What is to be held back from now on, and what is to be let go."""
        ahead = {
            TP(self._sources[which], assigned.number)
            for assigned in self._counting.partitions.values()
            for which in self._counting.ahead(assigned)
        }
        if self._republishing is not None:
            ahead |= {TP(*place) for place in self._republishing.ahead()}
        held, self._held = self._held, ahead
        return ahead - held, held - ahead

    def forget(self) -> None:
        """Partitions moved: nothing is held back."""
        self._held.clear()
