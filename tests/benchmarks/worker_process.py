"""The worker as it is run, a process of its own, and what can be seen of it from outside.

Promises: CPU time is the operating system's for the whole process, all threads, user and system; how
much is counted is read off the rollups topic, so an event is counted when the broker says so; the
worker runs with its default settings but for addresses. Linux only: figures come from ``/proc``.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self
from urllib.request import urlopen

from confluent_kafka import Consumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from streams.codec import decode_message
from streams.core.merge import Applied, ShardMerge
from streams.results import Fence
from streams.topics import topic_specs
from streams.worker.topic_admin import create_topics
from tests.benchmarks.reporting import ROOT
from tests.support.processes import Process, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client.samples import Sample

SHARDS: Final = 4
PLAIN_TOPICS: Final = ("plain.clickstream", "plain.orders")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_READY_TIMEOUT_S: Final = 60.0
# It hands its state over before it goes, and waits to be scraped once more.
_STOP_TIMEOUT_S: Final = 120.0
_IDLE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU seconds of a process so far: in user and system mode, and of its main thread alone."""

    user: float
    system: float
    main_thread: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.user + self.system

    def since(self, other: CpuTime) -> CpuTime:
        """What came after another moment."""
        return CpuTime(
            self.user - other.user, self.system - other.system, self.main_thread - other.main_thread
        )


def cpu_time(pid: int) -> CpuTime:
    """CPU time of a process and its threads, those that have ended included."""
    user, system = _ticks(Path(f"/proc/{pid}/stat"))
    return CpuTime(user, system, sum(_ticks(Path(f"/proc/{pid}/task/{pid}/stat"))))


def _ticks(stat: Path) -> tuple[float, float]:
    # The name, in brackets, may hold anything; utime and stime are the 12th and 13th after it.
    words = stat.read_text().rpartition(")")[2].split()
    return int(words[11]) / _TICKS_PER_S, int(words[12]) / _TICKS_PER_S


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory that a process has, and the most that it ever had."""

    resident: int
    peak: int


def memory(pid: int | str) -> Memory:
    """Memory of a process; "self" is this one."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
    return Memory(int(kib["VmRSS"]) << 10, int(kib["VmHWM"]) << 10)


def make_topics(servers: str) -> None:
    """Create Funnelwatch's topics under their default names."""
    asyncio.run(create_topics(servers, topic_specs(rollup_shards=SHARDS)))


def make_plain_topics(servers: str) -> None:
    """Create two more source topics, for a slice of the load."""
    named = topic_specs(clickstream=PLAIN_TOPICS[0], orders=PLAIN_TOPICS[1])
    asyncio.run(create_topics(servers, named[:2]))


class RunningWorker:
    """A worker process; a context manager that kills it.

    Args:
        servers: Kafka's addresses.
        folder: for its log.
        program: what Python runs instead of ``streams.cli``, e.g. a profiler of it.
        settings: variables over those that say where Kafka is and where to serve.
    """

    def __init__(
        self,
        servers: str,
        folder: Path,
        *,
        program: Sequence[str] = ("-m", "streams.cli"),
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        (self.port,) = free_ports(1)
        command = [sys.executable, *program, "worker"]
        environment = {
            "FUNNELWATCH__KAFKA__BOOTSTRAP_SERVERS": servers,
            "FUNNELWATCH__HTTP__PORT": str(self.port),
            "FUNNELWATCH__LOGGING__LEVEL": "WARNING",
            **settings,
        }
        self.process = Process("worker", command, log=folder / "worker.log", env=environment, cwd=ROOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            print(self.process.explain("was running"))
        self.process.kill()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self.process.terminate(_STOP_TIMEOUT_S)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_until_ready(self) -> None:
        """Wait until it has joined its group."""
        self.process.wait_until(self._ready, timeout=_READY_TIMEOUT_S, what="readiness")

    def _ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def metrics(self) -> list[Sample]:
        """What ``/metrics`` says now."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            page = answer.read().decode()
        return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def total(samples: Sequence[Sample], name: str, **labels: str) -> int:
    """The sum of a metric's samples that carry these labels."""
    return round(sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items()))


@dataclass(slots=True)
class Moment:
    """How far counting was, and what it had cost."""

    records: int
    at: float
    cpu: CpuTime


@dataclass(slots=True)
class Tally:
    """Records counted so far, of all outcomes, as the rollups topic has them; a context manager."""

    servers: str
    topic: str = "funnelwatch.rollups"
    records: int = 0
    _merges: dict[int, ShardMerge] = field(default_factory=dict)
    _consumer: Consumer = field(init=False)

    def __enter__(self) -> Self:
        self._consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "tally", "log_level": 0})
        self._consumer.assign([TopicPartition(self.topic, shard, 0) for shard in range(SHARDS)])
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def poll(self) -> int:
        """Read what has come, up to the next pause; how many records are counted now."""
        while messages := self._consumer.consume(100, timeout=_IDLE_S):
            for message in messages:
                if message.error() is None:
                    self._add(message.value())
        return self.records

    def _add(self, value: bytes | None) -> None:
        message = decode_message(value)
        merge = self._merges.setdefault(message.shard, ShardMerge())
        if isinstance(message, Fence):
            merge.fence(message)
        elif merge.apply(message) is Applied.APPLIED:
            self.records += sum(outcome.records for outcome in message.outcomes)

    def until(
        self, records: int, worker: RunningWorker, timeout_s: float, each: Callable[[], None] | None = None
    ) -> Moment:
        """Wait until so many records are counted; ``each`` is called after every look."""
        deadline = time.monotonic() + timeout_s
        while self.poll() < records:
            if not worker.process.running or time.monotonic() > deadline:
                raise TimeoutError(worker.process.explain(f"counted {self.records:,} of {records:,}"))
            if each is not None:
                each()
        return Moment(self.records, time.monotonic(), cpu_time(worker.pid))
