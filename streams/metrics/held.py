"""Counters that begin at a value Prometheus has seen.

``increase()`` ignores the first sample of a series, so a series that appears at 7 loses 7. Every
series here is exported at its starting value (0, or where it stopped when it last vanished) from its
first export until the hold has passed, and with its true value after that. Nothing is lost, it is
only told later. Values never go down.
"""

from __future__ import annotations

from typing import TypeAlias

Labels: TypeAlias = tuple[str, ...]
Cells: TypeAlias = tuple[dict[Labels, int], ...]


class _Hold:
    """Series that are exported at ``base`` until a while after ``since_ms``, their first export."""

    __slots__ = ("base", "since_ms")

    def __init__(self, base: Cells) -> None:
        self.base = base
        self.since_ms: int | None = None

    def over(self, now_ms: int, hold_ms: int) -> bool:
        if self.since_ms is None:
            self.since_ms = now_ms
            return False
        return now_ms - self.since_ms >= hold_ms


class HeldCounters:
    """Counters of one thing, one cell of series per family.

    ``cells`` holds the true values and may be added to directly where a series exists already.
    """

    __slots__ = ("_holds", "cells", "settled_ms")

    def __init__(self, families: int) -> None:
        self.cells: Cells = tuple({} for _ in range(families))
        self.settled_ms = 0
        self._holds: list[_Hold] = []

    @property
    def holding(self) -> bool:
        """Whether an export still shows less than the truth."""
        return bool(self._holds)

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
            self._holds = [hold for hold in self._holds if not hold.over(now_ms, hold_ms)]
            if not self._holds:
                self.settled_ms = now_ms
        return self._shown()

    def _shown(self) -> Cells:
        copies = tuple(map(dict.copy, self.cells))
        for hold in self._holds:
            for copy, base in zip(copies, hold.base, strict=True):
                copy.update(base)
        return copies
