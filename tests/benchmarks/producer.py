"""Writes a load into Kafka from a process of its own, so that making it costs the measured one nothing.

``python -m tests.benchmarks.producer JOB`` reads a :class:`Job` from a file of JSON and prints how many
records each topic got; :func:`fill` and :func:`producing` start it.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streams.clock import SystemClock
from streams.demo.sinks import KafkaSink, at_once, deliver, in_real_time
from tests.benchmarks.records import Load  # noqa: TC001 - msgspec reads annotations
from tests.benchmarks.reporting import ROOT
from tests.support.processes import Process

_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Job:
    """A load and where it goes; ``live`` sends each record when it is due, else all at once."""

    load: Load
    servers: str
    clickstream: str = "clickstream"
    orders: str = "orders"
    live: bool = False


async def _produce(job: Job) -> dict[str, int]:
    clock = SystemClock()
    records = job.load.records()
    live = in_real_time(records, clock, origin_ms=clock.now_ms()) if job.live else at_once(records)
    topics = {"clickstream": job.clickstream, "orders": job.orders}
    async with KafkaSink(job.servers, topics=topics, stamp=clock if job.live else None) as sink:
        return dict(await deliver(live, sink))


def producing(job: Job, folder: Path) -> Process:
    """The process that does it, started; its log is what it wrote."""
    written = folder / f"producer-{job.clickstream}-{job.load.kind}.json"
    task = folder / f"{written.stem}-job.json"
    task.write_bytes(msgspec.json.encode(job))
    command = [sys.executable, "-m", "tests.benchmarks.producer", str(task)]
    return Process("producer", command, log=written, cwd=ROOT)


def fill(job: Job, folder: Path) -> int:
    """Write all of it; how many records that is."""
    process = producing(job, folder)
    if process.wait(_TIMEOUT_S):
        raise RuntimeError(process.explain("failed"))
    written: dict[str, int] = msgspec.json.decode(process.log.read_bytes())
    return sum(written.values())


def main() -> None:
    """Read the job's file, do it, print the counts by topic."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    print(msgspec.json.encode(asyncio.run(_produce(job))).decode())


if __name__ == "__main__":
    main()
