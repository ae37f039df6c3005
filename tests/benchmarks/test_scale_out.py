"""How much faster two workers are than one, on the same backlog in the same run.

A shop's traffic lies in Kafka, four partitions. One worker counts it, then two of another group, each
with rollups and state of its own, then one again, and so on. When how much was counted is read off the
broker's time stamps of rollups afterwards, so that nobody but the workers, Kafka and scrapes every five
seconds takes CPU meanwhile. Rates are those between a fifth and nine tenths of the backlog.

Wanted: two at least 1.8 times one, by the clock. The broker runs on the same cores as the workers, so
where there are only two of them, two workers share with it what one had beside it. Hence one worker is
also run on half of the cores, the broker on the same half: two workers on all of them have twice that.

``FUNNELWATCH_BENCH_SCALE_EVENTS`` (default 3,000,000), ``..._SCALE_ROUNDS`` (2).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from streams.clock import SystemClock
from streams.codec import decode_message
from streams.core.merge import Applied, ShardMerge
from streams.results import Fence
from streams.topics import topic_specs
from streams.worker.topic_admin import create_topics
from tests.benchmarks import reporting
from tests.benchmarks.producer import Job, fill
from tests.benchmarks.records import RATE, Load
from tests.benchmarks.reporting import option, say
from tests.benchmarks.worker_process import SHARDS, RunningWorker, cpu_time, total

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TIMEOUT_S: Final = 1800.0
_SCRAPE_S: Final = 5.0
_SAMPLE_S: Final = 0.1
_IDLE_S: Final = 1.0
_FROM, _TO = 0.2, 0.9
_CORES: Final = frozenset(os.sched_getaffinity(0))
_HALF: Final = frozenset(sorted(_CORES)[: max(len(_CORES) // 2, 1)])
_RUNS: Final = ((1, _HALF), (1, _CORES), (2, _CORES))
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Counted:
    """One run of one or two workers, from a fifth of the backlog to nine tenths.

    Attributes:
        workers: how many.
        cores: that they and the broker may use.
        events: in this part of the backlog.
        wall_s: by the broker's clock.
        cpu_s: of all workers.
        machine_busy: share of all cores that anybody used.
        workers_busy: share of all cores that the workers used.
        least_share: of the workers' CPU time, that of the one that used least.
    """

    workers: int
    cores: int
    events: int
    wall_s: float
    cpu_s: float
    machine_busy: float
    workers_busy: float
    least_share: float

    @property
    def per_s(self) -> float:
        """Events per second by the clock."""
        return self.events / self.wall_s

    @property
    def per_cpu_s(self) -> float:
        """Events per CPU-second of the workers."""
        return self.events / self.cpu_s


def test_two_workers_on_the_backlog_of_one(servers: str, tmp_path: Path) -> None:
    """One worker and two count all of it, and as much; how fast is written, not judged."""
    load = Load("shop", option("SCALE_EVENTS", 3_000_000), 0, rate=RATE)
    load = replace(load, start_ms=SystemClock().now_ms() - load.span_ms)
    written = fill(Job(load, servers), tmp_path)
    say(f"{written:,} events wait in Kafka")
    runs = []
    for number in range(option("SCALE_ROUNDS", 2)):
        for workers, cores in _RUNS:
            name = f"run-{number}-{workers}-{len(cores)}"
            (tmp_path / name).mkdir()
            with confined(cores):
                runs.append(count(servers, name, workers, written, tmp_path / name))
            say(f"{workers} on {len(cores)}: {runs[-1].per_s:,.0f}/s, {runs[-1].per_cpu_s:,.0f}/CPU-s")
    half, one, two = (
        [run for run in runs if (run.workers, run.cores) == (workers, len(cores))] for workers, cores in _RUNS
    )
    figures = {
        "events": written,
        "two_over_one_on_half": ratio([run.per_s for run in two], [run.per_s for run in half]),
        "two_over_one": ratio([run.per_s for run in two], [run.per_s for run in one]),
        "two_over_one_per_cpu_s": ratio([run.per_cpu_s for run in two], [run.per_cpu_s for run in one]),
        "runs": [asdict(run) | {"per_s": round(run.per_s)} for run in runs],
    }
    path = reporting.write("scale_out", figures)
    show(figures, runs)
    print(f"written to {path}")


def ratio(two: Sequence[float], one: Sequence[float]) -> float:
    """Median over median."""
    return round(median(two) / median(one), 2)


@contextmanager
def confined(cores: frozenset[int]) -> Iterator[None]:
    """Let this process, what it has started and what it starts use these cores only."""
    confine(cores)
    try:
        yield
    finally:
        confine(_CORES)


def confine(cores: frozenset[int]) -> None:
    """All threads there are; new ones inherit it."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for pid in ["self", *children]:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            # A thread may have ended meanwhile.
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)


def count(servers: str, name: str, workers: int, written: int, folder: Path) -> Counted:
    """Let so many new workers of a new group count the backlog."""
    rollups = f"{name}.rollups"
    names: dict[str, Any] = {
        "rollups": rollups,
        "state": f"{name}.state",
        "deadletter": f"{name}.deadletter",
        "totals": f"{name}.totals",
        "incidents": f"{name}.incidents",
        "control": f"{name}.control",
        "deliveries": f"{name}.deliveries",
        "watch": f"{name}.watch",
    }
    asyncio.run(create_topics(servers, topic_specs(rollup_shards=SHARDS, **names)))
    settings = {f"FUNNELWATCH__TOPICS__{key.upper()}": value for key, value in names.items()}
    settings["FUNNELWATCH__KAFKA__GROUP_ID"] = name
    with ExitStack() as stack:
        running = []
        for number in range(workers):
            mine = folder / str(number)
            mine.mkdir()
            running.append(stack.enter_context(RunningWorker(servers, mine, settings=settings)))
        sampler = stack.enter_context(Sampler([worker.pid for worker in running]))
        wait_until_counted(running, written)
    curve = counted_by_time(servers, rollups)
    if curve[-1].records != written:
        raise AssertionError(f"{name}: {curve[-1].records:,} of {written:,} events are counted")
    begun, ended = (
        next(point for point in curve if point.records >= share * written) for share in (_FROM, _TO)
    )
    return sampler.between(begun, ended)


def wait_until_counted(workers: Sequence[RunningWorker], written: int) -> None:
    """Scrape as Prometheus would until all is there."""
    deadline = time.monotonic() + _TIMEOUT_S
    for worker in workers:
        worker.wait_until_ready()
    while sum(total(worker.metrics(), "funnelwatch_records_total") for worker in workers) < written:
        if time.monotonic() > deadline:
            raise TimeoutError("not all is counted")
        time.sleep(_SCRAPE_S)


class Point(NamedTuple):
    """How much was counted, and when the broker said so."""

    at_ms: int
    records: int


def counted_by_time(servers: str, topic: str) -> list[Point]:
    """Records counted, by the time at which their rollups came."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "curve", "log_level": 0})
    consumer.assign([TopicPartition(topic, shard, 0) for shard in range(SHARDS)])
    merges = [ShardMerge() for _ in range(SHARDS)]
    steps = list[tuple[int, int]]()
    while messages := consumer.consume(1_000, timeout=_IDLE_S):
        for message in messages:
            if message.error() is not None:
                continue
            said = decode_message(message.value())
            if isinstance(said, Fence):
                merges[said.shard].fence(said)
            elif merges[said.shard].apply(said) is Applied.APPLIED:
                records = sum(outcome.records for outcome in said.outcomes)
                steps.append((message.timestamp()[1], records))
    consumer.close()
    steps.sort()
    sums = np.cumsum([records for _, records in steps]).tolist()
    return [Point(at_ms, records) for (at_ms, _), records in zip(steps, sums, strict=True)]


class Sampler:
    """Notes CPU time of processes and of the machine ten times a second; a context manager."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._clock = SystemClock()
        # When, ms; CPU seconds of each process; of the whole machine.
        self._samples: list[tuple[float, ...]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            spent = [cpu_time(pid).total for pid in self._pids]
            self._samples.append((self._clock.now_ms(), *spent, busy_s()))

    def between(self, begun: Point, ended: Point) -> Counted:
        """What was spent between two moments."""
        times, *spent = np.array(self._samples).T
        used = [float(np.diff(np.interp([begun.at_ms, ended.at_ms], times, column))[0]) for column in spent]
        *workers, machine = used
        wall_s = (ended.at_ms - begun.at_ms) / 1000
        cores = wall_s * (os.cpu_count() or 1)
        return Counted(
            len(workers),
            len(os.sched_getaffinity(0)),
            ended.records - begun.records,
            round(wall_s, 2),
            round(sum(workers), 2),
            round(machine / cores, 3),
            round(sum(workers) / cores, 3),
            round(min(workers) / sum(workers), 3),
        )


def busy_s() -> float:
    """CPU seconds of the whole machine that were not idle."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, softirq = (int(word) for word in words[:7])
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def show(figures: dict[str, Any], runs: Sequence[Counted]) -> None:
    """The table."""
    reporting.show(
        "The same backlog by one worker and by two",
        (
            "workers",
            "cores",
            "events/s",
            "events/CPU-s",
            "wall s",
            "CPU s",
            "workers use",
            "all use",
            "least",
        ),
        [
            (
                str(run.workers),
                str(run.cores),
                round(run.per_s),
                round(run.per_cpu_s),
                run.wall_s,
                run.cpu_s,
                f"{run.workers_busy:.0%}",
                f"{run.machine_busy:.0%}",
                f"{run.least_share:.0%}",
            )
            for run in runs
        ],
        f"two over one: {figures['two_over_one_on_half']} if one has half of the cores, "
        f"{figures['two_over_one']} if it has all, by the clock; "
        f"{figures['two_over_one_per_cpu_s']} per CPU-second of the workers; "
        f"use is that of all {os.cpu_count()} cores",
    )
