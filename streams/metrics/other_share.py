"""What the keys of one shard add to ``(other)``, where counters outlive the process.

It is shown once it is written down: which keys count in ``(other)`` is decided as the moment has it, and
may be decided otherwise by who counts the same once more. A series that is new in ``(other)`` is
shown at zero first, and then what was counted meanwhile. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.metrics.catalog import KEY_FAMILIES
from streams.metrics.held import Entries, HeldCounters, Labels, entries
from streams.metrics.series_part import OtherPart

if TYPE_CHECKING:
    from collections.abc import Iterable


class OtherShare:
    """See the module: what was told, what is being written down, and what waits."""

    __slots__ = ("_told", "_waiting", "_writing")

    def __init__(self) -> None:
        self._told, self._writing, self._waiting = _nothing(), _nothing(), _nothing()

    @classmethod
    def of(cls, part: OtherPart, other: HeldCounters) -> OtherShare:
        """Continues from what was written down: all that could be told is."""
        share = cls()
        _add(share._waiting, part.untold)
        held = {(family, labels): value for family, labels, value in part.untold}
        for family, labels, value in part.values:
            told = value - held.get((family, labels), 0)
            if told:
                share._told.add(family, labels, told)
        other.absorb(share._told)
        return share

    @property
    def waits(self) -> bool:
        """Whether there is anything to be written down."""
        return any(self._waiting.cells) or any(self._writing.cells)

    def add(self, family: int, labels: Labels, value: int) -> None:
        """Adds ``value``."""
        self._waiting.add(family, labels, value)

    def absorb(self, other: HeldCounters) -> None:
        """Adds all that ``other`` counted."""
        self._waiting.absorb(other)

    def write(self, dimension: str, other: HeldCounters, before: Entries) -> OtherPart:
        """What is to be written down, all of it; what waits for its series to be shown says so."""
        waiting, self._waiting = self._waiting, _nothing()
        for family, labels, value in entries(waiting.cells):
            other.start(family, labels)
            ready = not other.is_held(family, labels)
            (self._writing if ready else self._waiting).add(family, labels, value)
        everything = _nothing()
        for part in (self._told, self._writing, self._waiting):
            everything.absorb(part)
        # What is being written down is told as soon as that is done.
        return OtherPart(dimension, entries(everything.cells), entries(self._waiting.cells), before)

    def written(self, other: HeldCounters) -> None:
        """That is safe now: it goes to the ``(other)`` that is shown."""
        other.absorb(self._writing)
        self._told.absorb(self._writing)
        self._writing = _nothing()

    def tell_all(self, other: HeldCounters) -> None:
        """Nobody else tells it: it is told, written down or not."""
        self._writing.absorb(self._waiting)
        self._waiting = _nothing()
        self.written(other)

    def leave(self, before: HeldCounters) -> None:
        """The shard goes; what it told stays."""
        before.absorb(self._told)


def _nothing() -> HeldCounters:
    return HeldCounters(len(KEY_FAMILIES))


def _add(counters: HeldCounters, values: Iterable[tuple[int, Labels, int]]) -> None:
    for family, labels, value in values:
        counters.add(family, labels, value)
