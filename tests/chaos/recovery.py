"""How long partitions stood still, judged by what was counted: pure.

A *growth* is the moment at which a source partition was seen to have counted further. Whoever takes a
partition over counts under a new generation, so a fault that takes a worker's partitions is over for a
partition with the first growth under a newer generation than before. Of faults that take nothing away
for certain, the longest time without growth from their beginning on, or from within them, is told.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.chaos.plan import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What takes partitions from a worker.
TAKING: Final = frozenset({Kind.KILL, Kind.PAUSE, Kind.REMOVE})


class Growth(NamedTuple):
    """A source partition has counted further: when that was seen, s, and by which life."""

    at_s: float
    partition: int
    generation: int


@dataclass(frozen=True, slots=True)
class Done:
    """A fault as it was: from when to when, and which source partitions its victim had (``TAKING``)."""

    kind: Kind
    began_s: float
    ended_s: float
    held: frozenset[int] = frozenset()


class Recoveries:
    """Answers for one run.

    Args:
        growths: in the order of their time.
    """

    def __init__(self, growths: Iterable[Growth]) -> None:
        self._of: dict[int, list[Growth]] = defaultdict(list)
        for growth in growths:
            self._of[growth.partition].append(growth)

    def seconds(self, done: Done) -> float | None:
        """How long counting stood still because of a fault; None if that cannot be said."""
        if done.kind not in TAKING:
            return self._standstill(done)
        waits = [self._takeover(done.began_s, self._of[partition]) for partition in done.held]
        known = [wait for wait in waits if wait is not None]
        return max(known) if known and len(known) == len(waits) else None

    @staticmethod
    def _takeover(began_s: float, growths: Sequence[Growth]) -> float | None:
        before = max((growth.generation for growth in growths if growth.at_s <= began_s), default=None)
        if before is None:
            return None
        taken = (growth.at_s for growth in growths if growth.at_s > began_s and growth.generation > before)
        first = next(taken, None)
        return None if first is None else first - began_s

    def _standstill(self, done: Done) -> float | None:
        gaps = (
            after.at_s - max(before.at_s, done.began_s)
            for growths in self._of.values()
            for before, after in pairwise(growths)
            if before.at_s <= done.ended_s and after.at_s >= done.began_s
        )
        return max(gaps, default=None)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many are not above; of an empty list there is none: IndexError."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-round(share * 1_000) * len(ordered) // 1_000) - 1))]
