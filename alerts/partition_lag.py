"""Source partitions that fall behind, or of which nothing is said any more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.closed import Progress


class Symptom(StrEnum):
    """What is wrong with data."""

    SILENT = "silent"
    BEHIND = "behind"
    WORKER = "worker"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class LagSettings:
    """When a partition is behind.

    Attributes:
        behind_ms: events are counted so late.
        growing_ms: and later by so much than ``over_ms`` ago. A backlog that gets less is no outage.
        over_ms: see there.
        worker_ms: its worker has said nothing for so long. Longer than a restart takes.
    """

    behind_ms: int = 30_000
    growing_ms: int = 10_000
    over_ms: int = 30_000
    worker_ms: int = 60_000


class Trouble(NamedTuple):
    """A partition's symptom, since when, and how far it is behind."""

    symptom: Symptom
    since_ms: int
    behind_ms: int


class _Mark(msgspec.Struct):
    """How far behind a partition was at a time, and its trouble since when."""

    told_ms: int
    behind_ms: int
    since_ms: int | None = None


class PartitionLag:
    """See the module."""

    def __init__(self, settings: LagSettings | None = None) -> None:
        self._settings = settings or LagSettings()
        self._marks: dict[int, _Mark] = {}

    def observe(self, progress: Mapping[int, Progress], now_ms: int) -> dict[int, Trouble]:
        """Take in what the partitions said until now; those in trouble."""
        troubles: dict[int, Trouble] = {}
        for partition, said in progress.items():
            silence_ms = now_ms - said.told_at_ms
            if silence_ms >= self._settings.worker_ms:
                troubles[partition] = Trouble(Symptom.WORKER, said.told_at_ms, silence_ms)
            else:
                since_ms = self._falling_behind(partition, said)
                if since_ms is not None:
                    behind_ms = said.told_at_ms - said.complete_until_ms
                    troubles[partition] = Trouble(Symptom.BEHIND, since_ms, behind_ms)
        self._marks = {partition: mark for partition, mark in self._marks.items() if partition in progress}
        return troubles

    def _falling_behind(self, partition: int, said: Progress) -> int | None:
        """Since when a partition falls behind; None if it does not."""
        behind_ms = 0 if said.idle else said.told_at_ms - said.complete_until_ms
        mark = self._marks.setdefault(partition, _Mark(said.told_at_ms, behind_ms))
        if behind_ms < self._settings.behind_ms:
            mark.since_ms = None
        elif mark.since_ms is None and behind_ms >= mark.behind_ms + self._settings.growing_ms:
            mark.since_ms = mark.told_ms
        if said.told_at_ms - mark.told_ms >= self._settings.over_ms or behind_ms < mark.behind_ms:
            mark.told_ms, mark.behind_ms = said.told_at_ms, behind_ms
        return mark.since_ms

    def snapshot(self) -> list[Any]:
        """All that is known, as plain data."""
        return [[partition, msgspec.to_builtins(mark)] for partition, mark in self._marks.items()]

    def restore(self, state: list[Any]) -> None:
        """Take up a snapshot."""
        self._marks = {partition: msgspec.convert(mark, _Mark) for partition, mark in state}
