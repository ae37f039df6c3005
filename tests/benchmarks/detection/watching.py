"""Whoever watches: what the benchmark asks of a detector, and the yardsticks dressed up as one.

Promises: everything that is judged here goes through ``Watcher``, closed bucket by closed bucket, so
ours and a rule see the same; what it says is cut down to ``Told``, which is all that scores look at.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np

from streams.closed import BUCKET_MS, VISITORS, Cells
from streams.funnel import CORE_DIMENSIONS, DEFAULT_NODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.closed import ClosedBucket
    from tests.benchmarks.detection.rules import Rule

Scope: TypeAlias = tuple[tuple[str, str], ...]
_TICKS_PER_MINUTE: Final = 6
_GAP_MS: Final = 30 * 60_000
_FIVE_MINUTES: Final = 30  # buckets


class Word(StrEnum):
    """What a watcher says of an incident."""

    FIRED = "fired"
    UPDATED = "updated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Told:
    """One message about an incident.

    Attributes:
        at_ms: event time at which it was decided: the end of a bucket.
        word: what happened to the incident.
        incident: its id.
        kind: as in ``alerts.model.Kind``.
        scope: (dimension, key) pairs; the total is (("all", "all"),).
        step: the two nodes; None where it is about no step.
        since_ms: estimated change point.
        candidates: places that it names as the cause, best first.
        detail: what tells incidents of a kind apart: a payment method, a partition.
    """

    at_ms: int
    word: Word
    incident: str
    kind: str
    scope: Scope
    step: tuple[str, str] | None
    since_ms: int
    candidates: tuple[Scope, ...] = ()
    detail: str = ""


class Watcher(Protocol):
    """Is fed closed buckets in order."""

    def observe(self, closed: ClosedBucket) -> Sequence[Told]:
        """What is to be said after this bucket."""
        ...

    def sold_out(self, sku: str, at_ms: int) -> None:
        """The shop's stock system says that a SKU has ended."""
        ...

    def snapshot(self) -> object:
        """All it knows, as plain data that later calls leave alone."""
        ...

    def restore(self, state: object) -> None:
        """Go on from a snapshot."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms allowed, the only thing that is set, and what the funnel looks like.

    Attributes:
        per_week: of all series of ``level`` together; of everything if that is empty.
        level: dimension that the number is about.
        nodes: of the funnel.
        dimensions: that are watched.
    """

    per_week: float
    level: str = ""
    nodes: tuple[str, ...] = DEFAULT_NODES
    dimensions: tuple[str, ...] = CORE_DIMENSIONS

    @classmethod
    def per_slot(cls, slots: int, days: float, nodes: tuple[str, ...]) -> Budget:
        """One false alarm in so many days of each slot; only slots and the total are watched."""
        return cls(slots * 7 / days, "slot", nodes, ("all", "slot"))


@dataclass(slots=True)
class RuleWatcher:
    """A yardstick on one step of one dimension's keys: it knows one kind, and no place but the series.

    Attributes:
        make: a rule in its first state.
        ticks: buckets per call of the rule: 1, or 6 for a minute's clock.
        dimension: whose keys are its series.
        step: the two nodes whose visitors it compares.
        least: visitors at the earlier node in the last five minutes for it to say anything.
    """

    make: Callable[[], Rule]
    ticks: int = _TICKS_PER_MINUTE
    kind: str = "conversion_drop"
    dimension: str = "slot"
    step: tuple[str, str] = ("click", "order")
    least: int = 0
    _entries: deque[np.ndarray] = field(init=False)
    _rule: Rule = field(init=False)
    _cells: list[Cells] = field(init=False, default_factory=list)
    _last: dict[int, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._rule = self.make()
        self._entries = deque(maxlen=_FIVE_MINUTES // self.ticks)

    def observe(self, closed: ClosedBucket) -> Sequence[Told]:
        """See ``Watcher``."""
        self._cells.append(closed.cells(self.dimension))
        if len(self._cells) < self.ticks:
            return ()
        keys = len(closed.names[self.dimension])
        cells = Cells(*map(np.concatenate, zip(*self._cells, strict=True)))
        self._cells = []
        clicks, orders = (cells.column(VISITORS + closed.stages.index(node), keys) for node in self.step)
        start = closed.end_ms - self.ticks * BUCKET_MS
        self._entries.append(clicks)
        alarms = self._rule.step(start, clicks, orders)
        if self.least:
            alarms = alarms & (np.sum(self._entries, axis=0) >= self.least)
        rows = np.flatnonzero(alarms).tolist()
        return [told for row in rows if (told := self._tell(row, closed)) is not None]

    def _tell(self, row: int, closed: ClosedBucket) -> Told | None:
        before = self._last.get(row)
        self._last[row] = closed.end_ms
        if before is not None and closed.end_ms - before <= _GAP_MS:
            return None
        name = closed.names[self.dimension][row]
        return Told(
            at_ms=closed.end_ms,
            word=Word.FIRED,
            incident=f"{self.dimension} {name} {self.step[1]}@{closed.end_ms}",
            kind=self.kind,
            scope=((self.dimension, name),),
            step=self.step,
            since_ms=closed.start_ms,
        )

    def sold_out(self, sku: str, at_ms: int) -> None:
        """It would not know what to do with it."""

    def snapshot(self) -> object:
        """See ``Watcher``."""
        return copy.deepcopy((self._rule, self._cells, self._last, self._entries))

    def restore(self, state: object) -> None:
        """See ``Watcher``."""
        assert isinstance(state, tuple)
        self._rule, self._cells, self._last, self._entries = copy.deepcopy(state)


@dataclass(slots=True)
class Together:
    """Several rules on the same buckets, as one sets them up for a shop: each says what it sees."""

    rules: Sequence[RuleWatcher]

    def observe(self, closed: ClosedBucket) -> Sequence[Told]:
        """See ``Watcher``."""
        return [told for rule in self.rules for told in rule.observe(closed)]

    def sold_out(self, sku: str, at_ms: int) -> None:
        """None of them knows of it."""

    def snapshot(self) -> object:
        """See ``Watcher``."""
        return [rule.snapshot() for rule in self.rules]

    def restore(self, state: object) -> None:
        """See ``Watcher``."""
        assert isinstance(state, list)
        for rule, known in zip(self.rules, state, strict=True):
            rule.restore(known)
