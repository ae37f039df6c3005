"""Counters that begin at a value Prometheus has seen.

``increase()`` ignores the first sample of a series, so a series that appears at 7 loses 7. Every
series here is exported at its starting value (0, or where it stopped when it last vanished) from its
first export until the hold has passed, and with its true value after that. Nothing is lost, it is
only told later. Values never go down.

Where counters outlive the process (``gated``), a hold that has passed ends only once that is written
down for good (:meth:`HeldCounters.write`, :meth:`HeldCounters.written`). So who reads it back knows
what may have been shown: a series whose hold it still finds was shown at its base at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Labels: TypeAlias = tuple[str, ...]
Cells: TypeAlias = tuple[dict[Labels, int], ...]
# (family, labels, value): cells as plain data
Entries: TypeAlias = list[tuple[int, Labels, int]]


class _Hold:
    """Series that are exported at ``base`` until a while after ``since_ms``, their first export."""

    __slots__ = ("base", "ripe", "since_ms", "writing")

    def __init__(self, base: Cells) -> None:
        self.base = base
        self.since_ms: int | None = None
        self.ripe = False
        self.writing = False

    def over(self, now_ms: int, hold_ms: int) -> bool:
        if self.since_ms is None:
            self.since_ms = now_ms
        else:
            self.ripe = self.ripe or now_ms - self.since_ms >= hold_ms
        return self.ripe


class HeldCounters:
    """Counters of one thing, one cell of series per family.

    ``cells`` holds the true values and may be added to directly where a series exists already. With
    ``gated`` a hold ends when it is written down that it may.
    """

    __slots__ = ("_holds", "cells", "gated", "settled_ms")

    def __init__(self, families: int, *, gated: bool = False) -> None:
        self.cells: Cells = tuple({} for _ in range(families))
        self.settled_ms = 0
        self.gated = gated
        self._holds: list[_Hold] = []

    @property
    def holding(self) -> bool:
        """Whether an export still shows less than the truth."""
        return bool(self._holds)

    @property
    def ripe(self) -> bool:
        """Whether a hold could end, if that were written down."""
        return any(hold.ripe for hold in self._holds)

    def is_held(self, family: int, labels: Labels) -> bool:
        """Whether a series is shown at its base for now."""
        return any(labels in hold.base[family] for hold in self._holds)

    def add(self, family: int, labels: Labels, value: int) -> None:
        """Adds ``value``; a new series is born at 0."""
        cell = self.cells[family]
        if labels not in cell:
            self.start(family, labels)
        cell[labels] += value

    def start(self, family: int, labels: Labels) -> None:
        """Bears a series at 0, if it does not exist."""
        cell = self.cells[family]
        if labels in cell:
            return
        cell[labels] = 0
        if not self._holds or self._holds[-1].since_ms is not None:
            self._holds.append(_Hold(tuple({} for _ in self.cells)))
        self._holds[-1].base[family][labels] = 0

    def absorb(self, other: HeldCounters) -> None:
        """Adds all that ``other`` counted."""
        for family, cell in enumerate(other.cells):
            for labels, value in cell.items():
                self.add(family, labels, value)

    def reappear(self) -> None:
        """Holds every series where its last export stood, from the next export on."""
        self._holds = [_Hold(self._shown())]

    def export(self, now_ms: int, hold_ms: int) -> Cells:
        """The values to show at ``now_ms``, as a copy."""
        if self._holds:
            over = [hold for hold in self._holds if hold.over(now_ms, hold_ms)]
            if not self.gated:
                self._end(over, now_ms)
        return self._shown()

    def write(self) -> tuple[Entries, Entries]:
        """What is to be written down: all values, and where series are held that are not ripe yet."""
        held: Entries = []
        for hold in self._holds:
            hold.writing = hold.ripe
            if not hold.ripe:
                held += entries(hold.base)
        return entries(self.cells), held

    def written(self, now_ms: int) -> None:
        """That is safe now: what was ripe then may be told."""
        self._end([hold for hold in self._holds if hold.writing], now_ms)

    def take_up(self, values: Iterable[tuple[int, Labels, int]], held: Entries) -> None:
        """Sets the series that were written down; those that were held are so again."""
        for family, labels, value in values:
            self.cells[family][labels] = value
        base: Cells = tuple({} for _ in self.cells)
        for family, labels, value in held:
            base[family][labels] = value
        self._holds = [_Hold(base)] if held else []

    def retreat(self) -> None:
        """Forgets what was not told yet: somebody else tells it."""
        self.cells, self._holds = self._shown(), []

    def _end(self, holds: list[_Hold], now_ms: int) -> None:
        if holds:
            self._holds = [hold for hold in self._holds if hold not in holds]
            if not self._holds:
                self.settled_ms = now_ms

    def _shown(self) -> Cells:
        copies = tuple(map(dict.copy, self.cells))
        for hold in self._holds:
            for copy, base in zip(copies, hold.base, strict=True):
                copy.update(base)
        return copies


def entries(cells: Cells) -> Entries:
    """Cells as plain data."""
    return [(family, labels, value) for family, cell in enumerate(cells) for labels, value in cell.items()]
