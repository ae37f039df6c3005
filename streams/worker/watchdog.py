"""Ends a worker that stands still, so that whoever supervises it starts it anew.

Promises: a stall is told only when there is work that this worker could do and for the whole timeout
nothing of it was done, by a clock that never jumps. What is not ours to do is no stall: an idle topic, a
partition held back, Kafka out of reach, a process that was suspended. A rebalance and a recovery may take
ten times as long.
Decisions are pure: times and what is seen come in as values. A loop that hangs cannot look at itself:
for that there is :class:`LastResort`, a thread.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError

from streams.errors import Stalled

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from faust.types import TP

# Looks further apart than this: nobody was looking in between, and it does not count.
_UNWATCHED_SECONDS = 10.0
_TICK_SECONDS = 1.0
# A rebalance waits for others, a recovery for much to be read: so many times the timeout without progress.
_LONG = 10
# So many ticks in a row the loop must hang: after a suspension it has its turn first.
_HANGING_TICKS = 5
# EX_SOFTWARE of sysexits.h.
_EXIT_STATUS = 70


class Stall(StrEnum):
    """What stands still, the one that holds up the others first."""

    BROKER = "broker_refuses"
    FLUSH = "flush"
    AGENT = "agent"
    READER = "reader"
    FETCHING = "fetching"
    REBALANCE = "rebalance"


class Excuse(StrEnum):
    """Why a worker may stand still as a whole."""

    STARTING = "starting"
    REBALANCING = "rebalancing"
    RECOVERING = "recovering"
    KAFKA = "kafka_unreachable"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the reading of one topic-partition goes.

    Attributes:
        left: whether records wait that could be read: not while the partition is held back, nor while its
            broker does not answer.
        read: what changes whenever anything is read.
        untaken: batches on their way to the agent.
        taken: how many batches the agent has taken so far.
    """

    left: bool
    read: Hashable
    untaken: int
    taken: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a worker finds.

    Attributes:
        excuse: why nothing needs to move, if so.
        beats: rises as long as the reading thread lives.
        flushes: how many flushes were completed.
        unflushed: whether anything was taken in that is not acknowledged yet.
        refused: whether Kafka answers, and does not take what is sent to it.
        partitions: of those assigned.
        progress: what changes as a rebalance or recovery goes on.
    """

    excuse: Excuse | None = None
    beats: int = 0
    flushes: int = 0
    unflushed: bool = False
    refused: bool = False
    partitions: Mapping[TP, Reading] = field(default_factory=dict)
    progress: Hashable = None


@dataclass(slots=True)
class _Standing:
    mark: Hashable
    since: float


class Watchdog:
    """Remembers since when what should move has stood still.

    Args:
        timeout_s: longer than a request to Kafka may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout = timeout_s
        self._standing: dict[tuple[Stall, str], _Standing] = {}
        self._looked_at: float | None = None

    def look(self, now: float, seen: Seen) -> Stalled | None:
        """Look at the worker, about once a second.

        Args:
            now: seconds that never jump.
            seen: what there is to see.

        Returns:
            what stands still, the innermost first; None if nothing does, or not for long enough.
        """
        self._pass_over(now)
        expected = dict(_expected(seen))
        self._standing = {key: self._moved_on(key, mark, now) for key, mark in expected.items()}
        for reason, place in sorted(self._standing, key=lambda key: list(Stall).index(key[0])):
            seconds = now - self._standing[reason, place].since
            if seconds >= self._timeout * (_LONG if reason is Stall.REBALANCE else 1):
                return Stalled(reason, seconds, place)
        return None

    def seconds(self, now: float) -> dict[Stall, float]:
        """For how long each has stood still."""
        found = dict.fromkeys(Stall, 0.0)
        for (reason, _), standing in self._standing.items():
            found[reason] = max(found[reason], now - standing.since)
        return found

    def _moved_on(self, key: tuple[Stall, str], mark: Hashable, now: float) -> _Standing:
        before = self._standing.get(key)
        return before if before is not None and before.mark == mark else _Standing(mark, now)

    def _pass_over(self, now: float) -> None:
        apart = now - self._looked_at if self._looked_at is not None else 0.0
        self._looked_at = now
        if apart > _UNWATCHED_SECONDS:
            for standing in self._standing.values():
                standing.since += apart


def _expected(seen: Seen) -> Iterator[tuple[tuple[Stall, str], Hashable]]:
    """What should move, and the mark that tells whether it does."""
    if seen.excuse in {Excuse.REBALANCING, Excuse.RECOVERING}:
        yield (Stall.REBALANCE, ""), seen.progress
    if seen.excuse is not None:
        return
    yield (Stall.READER, ""), seen.beats
    if seen.unflushed:
        yield (Stall.BROKER if seen.refused else Stall.FLUSH, ""), seen.flushes
    for tp, reading in seen.partitions.items():
        place = f"{tp.topic}/{tp.partition}"
        if reading.untaken:
            yield (Stall.AGENT, place), reading.taken
        elif reading.left:
            yield (Stall.FETCHING, place), reading.read


def refuses(error: BaseException) -> bool:
    """Whether Kafka has answered and said no, for good; else it is out of reach, or will be ready soon."""
    away = isinstance(error, KafkaConnectionError | NodeNotReadyError | KafkaTimeoutError)
    return isinstance(error, KafkaError) and not error.retriable and not away


class LastResort:
    """A thread that ends the process when its event loop hangs, or when an orderly end takes too long.

    Args:
        age: seconds since the loop last came round.
        limit_s: how long it may take to come round.
        end: ends the process; by default with a stack of every thread on stderr and status 70.
    """

    def __init__(
        self, age: Callable[[], float], limit_s: float, end: Callable[[str], None] | None = None
    ) -> None:
        self._age = age
        self._limit = limit_s
        self._end = end or _end_process
        self._stopped = threading.Event()
        self._deadline: float | None = None
        self._hanging = 0
        self._thread = threading.Thread(target=self._watch, name="last-resort", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def end_within(self, seconds: float) -> None:
        """The worker is about to end; if it has not after so long, it is ended."""
        self._deadline = time.monotonic() + seconds

    def stop(self) -> None:
        """The worker has ended in order."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            reason = self.verdict(time.monotonic())
            if reason:
                self._end(reason)
                return

    def verdict(self, now: float) -> str:
        """Why the process must be ended now; empty if it need not."""
        if self._deadline is not None and now >= self._deadline:
            return "the worker did not end in time"
        self._hanging = self._hanging + 1 if self._age() >= self._limit else 0
        return "the event loop hangs" if self._hanging >= _HANGING_TICKS else ""


def _end_process(reason: str) -> None:
    """Not by an exception or a log line: whoever could handle them may be what hangs."""
    os.write(2, f"worker ended: {reason}\n".encode())
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    os._exit(_EXIT_STATUS)
