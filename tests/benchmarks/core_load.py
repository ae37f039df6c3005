"""The counting path of one source partition in a process of its own: decode, count, rollups.

Everything of the worker but Kafka and Faust. ``python -m tests.benchmarks.core_load JOB`` reads a
:class:`CoreJob` from a file of JSON and prints what it cost as JSON; :func:`run` starts it. CPU time is
taken around the counting only, so making the records is off the clock.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from streams.closed import Progress
from streams.codec import encode_rollup
from streams.core.ordering import UNREAD
from streams.core.pipeline import SourcePartition
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.events import Record, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.results import RollupWriter
from tests.benchmarks.records import Load  # noqa: TC001 - msgspec reads annotations
from tests.benchmarks.reporting import ROOT
from tests.benchmarks.worker_process import memory
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.demo.simulator import SimulatedRecord

_TOPICS: Final = ("clickstream", "orders")
_FETCH: Final = 8192
# A worker that keeps up with 100,000 events/s flushes every second.
_FLUSH_EVERY: Final = 100_000
_TIMEOUT_S: Final = 1800.0


@dataclass(frozen=True, slots=True)
class CoreJob:
    """What to feed: first unmeasured, then ``slices`` times ``slice_events`` of a shop's traffic."""

    warm_up: Load
    traffic: Load
    slices: int


@dataclass(slots=True)
class Costs:
    """CPU seconds by what they were spent on."""

    decode: float = 0.0
    count: float = 0.0
    flush: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.decode + self.count + self.flush


class Core:
    """One source partition, fed as the worker feeds it."""

    def __init__(self) -> None:
        funnel = Funnel()
        self.vocabulary = Vocabulary(funnel, key_objection)
        self.decoder = create_columns(NativeFormat(funnel=funnel), self.vocabulary)
        self.settings = CountingSettings()
        self.partition = SourcePartition(self.vocabulary, self.settings)
        self.writer = RollupWriter(self.vocabulary, 0, 0)
        self.costs = Costs()
        self.rollup_bytes = 0
        self._offsets = [0, 0]
        self._unflushed = 0

    def feed(self, records: Iterator[SimulatedRecord]) -> int:
        """Count all of them; how many there were."""
        fed = 0
        while chunk := list(islice(records, _FETCH)):
            batches = [self._batch(topic, chunk) for topic in (0, 1)]
            for topic, batch in enumerate(batches):
                if batch is not None:
                    self._count(topic, batch)
            fed += len(chunk)
            self._unflushed += len(chunk)
            if self._unflushed >= _FLUSH_EVERY:
                self._flush()
        return fed

    def _batch(self, topic: int, chunk: list[SimulatedRecord]) -> RecordBatch | None:
        mine = [record for record in chunk if record.topic == _TOPICS[topic]]
        if not mine:
            return None
        start = self._offsets[topic]
        self._offsets[topic] += len(mine)
        return RecordBatch.of([Record(start + at, r.arrival_ms, r.value, r.key) for at, r in enumerate(mine)])

    def _count(self, topic: int, batch: RecordBatch) -> None:
        begun = time.process_time()
        decoded = self.decoder.decode(batch)
        done = time.process_time()
        self.costs.decode += done - begun
        self.partition.ingest(topic, decoded, np.array(batch.timestamps, dtype=np.int64))
        read = [newest for newest in self.partition.newest if newest != UNREAD]
        self.partition.process(min(read) - self.settings.max_out_of_orderness_ms)
        self.costs.count += time.process_time() - done

    def _flush(self) -> None:
        begun = time.process_time()
        progress = Progress(self.partition.limit_ms, 0, idle=False)
        written = self.writer.rollups(self.partition.flush(), self.partition.counted_until, progress)
        rollups = [encode_rollup(rollup) for rollup in written]
        self.costs.flush += time.process_time() - begun
        self.rollup_bytes += sum(map(len, rollups))
        self._unflushed = 0


def measure(job: CoreJob) -> dict[str, Any]:
    """Feed it all; the median rate over the slices, and what is held in the end."""
    core = Core()
    core.feed(job.warm_up.records())
    core.costs, core.rollup_bytes = Costs(), 0
    records = job.traffic.records()
    rates, fed, spent = [], 0, 0.0
    for _ in range(job.slices):
        events = core.feed(islice(records, job.traffic.events // job.slices))
        rates.append(events / (core.costs.total - spent))
        fed, spent = fed + events, core.costs.total
    costs = core.costs
    return {
        "visitors": job.traffic.visitors,
        "warm_up_events": job.warm_up.events,
        "events": fed,
        "events_per_cpu_s": round(median(rates)),
        "slices_per_cpu_s": [round(rate) for rate in rates],
        "decode_us": round(costs.decode / fed * 1e6, 2),
        "count_us": round(costs.count / fed * 1e6, 2),
        "flush_us": round(costs.flush / fed * 1e6, 2),
        "rollup_bytes_per_event": round(core.rollup_bytes / fed, 1),
        "state_bytes": core.partition.nbytes(),
        "resident_bytes": memory("self").resident,
    }


def run(job: CoreJob, folder: Path) -> dict[str, Any]:
    """Measure in a fresh process, so that nothing of another run is left."""
    task = folder / f"core-{job.traffic.visitors}.json"
    task.write_bytes(msgspec.json.encode(job))
    command = [sys.executable, "-m", "tests.benchmarks.core_load", str(task)]
    with Process("core", command, log=task.with_suffix(".out.json"), cwd=ROOT) as process:
        if process.wait(_TIMEOUT_S):
            raise RuntimeError(process.explain("failed"))
    figures: dict[str, Any] = msgspec.json.decode(process.log.read_bytes())
    return figures


def main() -> None:
    """Read the job's file, do it, print the figures."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=CoreJob)
    print(msgspec.json.encode(measure(job)).decode())


if __name__ == "__main__":
    main()
