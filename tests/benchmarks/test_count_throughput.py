"""Events per CPU-second of the worker, from a real broker, beside what one would write without us.

A backlog of a shop's traffic lies in Kafka before the worker starts: four partitions, 200-byte native
events, 40 slots, 200 banners, 5,000 SKUs by Zipf's law, 200,000 visitors, 70 % exposures, duplicates,
late, future and broken records among them, event times as at 20,000 events/s. CPU time is that of the
worker's whole process between a fifth and nine tenths of the backlog, with ``/metrics`` scraped every
five seconds, and everything in it switched on.

``FUNNELWATCH_BENCH_EVENTS`` (default 5,000,000), ``..._RATE``, ``..._LOOP_EVENTS``, ``..._PLAIN_EVENTS``.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from streams.clock import SystemClock
from tests.benchmarks import reporting
from tests.benchmarks.producer import Job, fill
from tests.benchmarks.records import RATE, Load
from tests.benchmarks.reporting import option, say
from tests.benchmarks.worker_process import (
    PLAIN_TOPICS,
    RunningWorker,
    Tally,
    make_plain_topics,
    memory,
    total,
)
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.worker_process import Moment

SCRAPE_S = 5.0
TIMEOUT_S = 1800.0
SETTLE_S = 60.0


class Scraper:
    """Reads ``/metrics`` as Prometheus would, when it is due."""

    def __init__(self, worker: RunningWorker) -> None:
        self._worker = worker
        self._due = time.monotonic() + SCRAPE_S
        self.scrapes = 0

    def __call__(self) -> None:
        """Scrape, if the last time is long enough ago."""
        if time.monotonic() >= self._due:
            self._worker.metrics()
            self.scrapes += 1
            self._due = time.monotonic() + SCRAPE_S


def test_events_per_cpu_second(servers: str, tmp_path: Path) -> None:
    """All records of the backlog are counted; what that costs stands beside the two references."""
    load = Load("shop", option("EVENTS", 5_000_000), 0, rate=option("RATE", RATE))
    load = replace(load, start_ms=SystemClock().now_ms() - load.span_ms)
    written = fill(Job(load, servers), tmp_path)
    say(f"{written:,} events wait in Kafka")
    worker = measure_worker(servers, written, tmp_path)
    say(f"worker: {worker['events_per_cpu_s']:,} events/CPU-s")
    references = {"loop": option("LOOP_EVENTS", 1_000_000), "faust": option("PLAIN_EVENTS", 40_000)}
    fill_plain(servers, load, max(references.values()), tmp_path)
    loop, plain = (measure_reference(name, servers, events, tmp_path) for name, events in references.items())
    figures = {
        "load": {"events": written, "rate": load.rate, "visitors": load.visitors, "event_bytes": 200},
        "worker": worker,
        "plain_faust": plain,
        "bare_loop": loop,
        "times_plain_faust": round(worker["events_per_cpu_s"] / plain["events_per_cpu_s"], 1),
        "times_bare_loop": round(worker["events_per_cpu_s"] / loop["events_per_cpu_s"], 2),
    }
    path = reporting.write("count_throughput", figures)
    show(figures)
    print(f"written to {path}")
    assert worker["counted"] == written, "outcomes do not add up to the records written"


def measure_worker(servers: str, written: int, folder: Path) -> dict[str, Any]:
    """Count the backlog; its cost from a fifth to nine tenths of it."""
    with RunningWorker(servers, folder) as worker, Tally(servers) as tally:
        worker.wait_until_ready()
        scraper = Scraper(worker)
        begun = tally.until(written // 5, worker, TIMEOUT_S, scraper)
        before = scraper.scrapes
        ended = tally.until(written * 9 // 10, worker, TIMEOUT_S, scraper)
        scrapes = scraper.scrapes - before
        tally.until(written, worker, TIMEOUT_S)
        return {
            **between(begun, ended),
            "scrapes": scrapes,
            "peak_memory_bytes": memory(worker.pid).peak,
            "counted": counted(worker, written),
        }


def between(begun: Moment, ended: Moment) -> dict[str, Any]:
    """Events and CPU time between two moments."""
    events, cpu, wall = ended.records - begun.records, ended.cpu.since(begun.cpu), ended.at - begun.at
    return {
        "events": events,
        "events_per_cpu_s": round(events / cpu.total),
        "events_per_s": round(events / wall),
        "cpu_s": round(cpu.total, 2),
        "wall_s": round(wall, 2),
        "cpu_system_share": round(cpu.system / cpu.total, 3),
        "cpu_main_thread_share": round(cpu.main_thread / cpu.total, 3),
    }


def counted(worker: RunningWorker, written: int) -> int:
    """Records on ``/metrics``, once they are all there or have had the time for it."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        found = total(worker.metrics(), "funnelwatch_records_total")
        if found >= written or time.monotonic() > deadline:
            return found
        time.sleep(1)


def fill_plain(servers: str, load: Load, events: int, folder: Path) -> None:
    """Give the references the first part of the same traffic, in a topic of its own.

    Without what a broken producer has spoiled: they would stop at the first of it.
    """
    make_plain_topics(servers)
    # They read the clickstream only, so there must be somewhat more of both topics together.
    part = replace(load, events=events * 11 // 10, invalid=0.0)
    fill(Job(part, servers, *PLAIN_TOPICS), folder)


def measure_reference(name: str, servers: str, events: int, folder: Path) -> dict[str, Any]:
    """Run one of the references; it measures itself."""
    command = [sys.executable, "-m", f"tests.benchmarks.reference_{name}", servers, PLAIN_TOPICS[0]]
    with Process(name, [*command, str(events)], log=folder / f"{name}.json", cwd=reporting.ROOT) as process:
        if process.wait(TIMEOUT_S):
            raise RuntimeError(process.explain("failed"))
    figures: dict[str, Any] = orjson.loads(process.log_tail(1))
    rate = round(figures["events"] / figures["cpu_s"])
    say(f"{name}: {rate:,} events/CPU-s")
    rounded = {key: round(value, 2) for key, value in figures.items()}
    return {**rounded, "events_per_cpu_s": rate}


def show(figures: dict[str, Any]) -> None:
    """The table."""
    names = {
        "worker": "Funnelwatch worker, all of it",
        "bare_loop": "aiokafka + orjson + three dicts",
        "plain_faust": "Faust, three tumbling tables",
    }
    rate = figures["worker"]["events_per_cpu_s"]
    reporting.show(
        "Events per CPU-second from Apache Kafka",
        ("", "events/CPU-s", "CPU s", "events", "worker is"),
        [
            (
                title,
                figures[name]["events_per_cpu_s"],
                f"{figures[name]['cpu_s']:.1f}",
                figures[name]["events"],
                f"{rate / figures[name]['events_per_cpu_s']:.2f} x",
            )
            for name, title in names.items()
        ],
        f"of the worker's CPU time {figures['worker']['cpu_main_thread_share']:.0%} in its main thread, "
        f"{figures['worker']['cpu_system_share']:.0%} in the kernel; {figures['worker']['scrapes']} scrapes; "
        f"peak memory {reporting.mib(figures['worker']['peak_memory_bytes'])}",
    )
