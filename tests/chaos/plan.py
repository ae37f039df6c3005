"""What will go wrong, when, and for how long: plain data, drawn from a seed.

Promises: the same arguments give the same plan; every kind that was asked for occurs if there is a
minute of time; no worker has two faults at once, nor has the network, and between two faults of brokers
there is time to come back; all is over when the time is. Refuses to know how a fault is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# All brokers, as the target of a fault of the network.
EVERY: Final = -1
_MS: Final = 1_000


class Kind(StrEnum):
    """What can go wrong."""

    KILL = "kill"
    PAUSE = "pause"
    ADD = "add"
    REMOVE = "remove"
    BROKER_RESTART = "broker restart"
    LEADER_KILL = "leader kill"
    RESET = "reset"
    CUT = "cut"
    HANG = "hang"
    DELAY = "delay"


# What can be asked for on the command line.
FAMILIES: Final[dict[str, tuple[Kind, ...]]] = {
    "kill": (Kind.KILL,),
    "pause": (Kind.PAUSE,),
    "scale": (Kind.ADD, Kind.REMOVE),
    "broker": (Kind.BROKER_RESTART, Kind.LEADER_KILL),
    "network": (Kind.RESET, Kind.CUT, Kind.HANG, Kind.DELAY),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, times in ms after the beginning.

    Attributes:
        at_ms: when it begins.
        until_ms: when it is undone: the worker started again or woken, the broker started, the
            network mended.
        target: number of the worker (``KILL``, ``PAUSE``, ``ADD``, ``REMOVE``); of the broker, or
            ``EVERY`` (``BROKER_RESTART`` and the network's); of the source partition whose leader it
            is (``LEADER_KILL``).
        delay_ms: of ``DELAY``, each way.
    """

    at_ms: int
    kind: Kind
    target: int
    until_ms: int
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """What faults can befall.

    Attributes:
        workers: how many run when all is well; one more is added and removed.
        brokers: of Kafka.
        partitions: of the sources.
        session_ms: after which the group gives a silent worker up.
        first_ms: no fault before this.
    """

    workers: int = 2
    brokers: int = 1
    partitions: int = 4
    session_ms: int = 6 * _MS
    first_ms: int = 4 * _MS


@dataclass(frozen=True, slots=True)
class _Habit:
    """How often a kind occurs, how long it lasts, and how long what it befell is then left alone."""

    weight: int
    lasts_ms: tuple[int, int]
    rest_ms: tuple[int, int]


# Mostly long enough to count again before the next blow: a dead member holds its group up for a session.
# At times it falls while the worker is still starting, or restoring.
_WORKER_REST: Final = (1 * _MS, 24 * _MS)
# A broker needs some seconds to start, and to catch up.
_BROKER_REST: Final = (13 * _MS, 18 * _MS)
_NETWORK_REST: Final = (2 * _MS, 14 * _MS)
_HABITS: Final = {
    Kind.KILL: _Habit(8, (200, 3_000), _WORKER_REST),
    Kind.PAUSE: _Habit(3, (1_500, 5_000), _WORKER_REST),  # on top of the session
    Kind.ADD: _Habit(2, (5_000, 15_000), _WORKER_REST),
    Kind.REMOVE: _Habit(2, (500, 8_000), _WORKER_REST),
    Kind.BROKER_RESTART: _Habit(2, (200, 2_000), _BROKER_REST),
    Kind.LEADER_KILL: _Habit(2, (200, 3_000), _BROKER_REST),
    Kind.RESET: _Habit(1, (0, 0), _NETWORK_REST),
    Kind.CUT: _Habit(2, (1_000, 8_000), _NETWORK_REST),
    Kind.HANG: _Habit(2, (1_000, 8_000), _NETWORK_REST),
    Kind.DELAY: _Habit(2, (3_000, 10_000), _NETWORK_REST),
}
_DELAYS_MS: Final = (50, 500)
_GAP_MS: Final = (500, 3_000)
# What would have to wait for longer is not planned.
_LONGEST_QUEUE_MS: Final = 30 * _MS
_OPENING_REST_MS: Final = 4 * _MS


def kinds_of(families: Iterable[str]) -> tuple[Kind, ...]:
    """The kinds behind names such as ``kill`` and ``network``; raises KeyError for an unknown one."""
    return tuple(kind for family in dict.fromkeys(families) for kind in FAMILIES[family])


def plan(seed: int, seconds: float, scene: Scene, kinds: Collection[Kind]) -> list[Fault]:
    """The faults of a run, by their beginning."""
    if not kinds:
        return []
    return sorted(_Drawing(seed, round(seconds * _MS), scene).faults(kinds), key=lambda fault: fault.at_ms)


class _Drawing:
    """Draws a plan: first every kind once, as early as can be, then whatever fits."""

    def __init__(self, seed: int, end_ms: int, scene: Scene) -> None:
        self._rng = Random(seed)
        self._end_ms = end_ms
        self._scene = scene
        # From when on a worker, the brokers or the network may be befallen again.
        self._free_at: dict[str, int] = {}

    def faults(self, kinds: Collection[Kind]) -> list[Fault]:
        """All that fit in before the end."""
        rng, now, found = self._rng, self._scene.first_ms, list[Fault]()
        # What lasts or rests long comes first, or a short run would have no room for it.
        for kind in sorted(kinds, key=lambda kind: (-_HABITS[kind].rest_ms[0], rng.random())):
            found += self._draw(kind, now, opening=True)
            now += rng.randint(*_GAP_MS) // 2
        now, weights = self._scene.first_ms, [_HABITS[kind].weight for kind in kinds]
        while now < self._end_ms:
            (kind,) = rng.choices(list(kinds), weights)
            # Later than now where its victims are busy: then another kind may come before it.
            found += self._draw(kind, now)
            now += rng.randint(*_GAP_MS)
        return found

    def _draw(self, kind: Kind, now: int, *, opening: bool = False) -> list[Fault]:
        rng, habit = self._rng, _HABITS[kind]
        target, victim = self._victim(kind)
        at = max(now, self._free_at.get(victim, 0))
        lasts = rng.randint(*habit.lasts_ms) + (self._scene.session_ms if kind is Kind.PAUSE else 0)
        delay = rng.randint(*_DELAYS_MS) if kind is Kind.DELAY else 0
        if at + lasts > self._end_ms or (at > now + _LONGEST_QUEUE_MS and not opening):
            return []
        rest = rng.randint(*habit.rest_ms)
        # Or one worker would have no time for a fault of each kind.
        rest = min(rest, habit.rest_ms[0] + _OPENING_REST_MS) if opening else rest
        self._free_at[victim] = at + lasts + rest
        return [Fault(at, kind, target, at + lasts, delay)]

    def _victim(self, kind: Kind) -> tuple[int, str]:
        """The target, and what must be free for it."""
        rng, scene = self._rng, self._scene
        if kind is Kind.ADD:
            return scene.workers, f"worker {scene.workers}"
        if kind in {Kind.KILL, Kind.PAUSE, Kind.REMOVE}:
            # Whoever has been left alone for longest: a busy one would wait.
            worker = min(
                range(scene.workers), key=lambda n: (self._free_at.get(f"worker {n}", 0), rng.random())
            )
            return worker, f"worker {worker}"
        if kind is Kind.LEADER_KILL:
            return rng.randrange(scene.partitions), "brokers"
        if kind is Kind.BROKER_RESTART:
            return rng.randrange(scene.brokers), "brokers"
        everybody = scene.brokers == 1 or rng.random() < 0.4  # more brokers: mostly one of them
        return EVERY if everybody else rng.randrange(scene.brokers), "network"
