"""How long it takes to take over the counting state of a million visitors, on Apache Kafka.

By the worker's parts: each of a million visitors clicks within the attribution window and goes on as a
shop's visitors do, over four source partitions; then somebody else takes all of them, from nothing or
from a standby copy: seconds, CPU seconds and bytes of log read.

By workers as they run: two of them under live traffic, each with half of the partitions and in all twice
a million visitors to remember. The first is killed. From then until the second has counted the first new
event of the partitions that it inherits, as the broker's time stamps of rollups say, split into the time
until the group has noticed (Kafka's session time-out, ten seconds here, thirty by default) and the time
from then on. The killed worker comes back and is killed again, some times, first without standby copies
and then with. Wanted: from nothing under 30 s, with a copy under 5 s.

``FUNNELWATCH_BENCH_RECOVERY_VISITORS`` (default 1,000,000), ``..._RECOVERY_EVENTS`` (1,000,000),
``..._RECOVERY_TIMES`` (5), ``..._KILLS`` (3 each), ``..._KILL_RATE`` (2,000 events/s).
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from streams.clock import SystemClock
from streams.codec import decode_message
from streams.results import Rollup
from tests.benchmarks import reporting
from tests.benchmarks.counting_side import CountingSide, TakenOver, by_interval, parts, run
from tests.benchmarks.producer import Job, fill, producing
from tests.benchmarks.records import Load
from tests.benchmarks.reporting import mib, option, say
from tests.benchmarks.worker_process import SHARDS, RunningWorker, cpu_time, memory, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streams.worker.app import Worker

_START_MS: Final = 1_762_689_600_000
_PARTITIONS: Final = 4
_CLICKS_S: Final = 1_200
_RATE: Final = 20_000
_FURTHER_S: Final = 3
_FURTHER_EVENTS: Final = 100 * _FURTHER_S * _RATE
_CALM: Final = 3
_TIMEOUT_S: Final = 600.0
_SESSION_S: Final = 10
_LOOK_S: Final = 0.2
_LEAD_MS: Final = 3_000
# Live traffic for as long as all kills may take.
_LIVE_S: Final = 3_600
_ROLLUPS: Final = "funnelwatch.rollups"
_CLICKSTREAM: Final = "clickstream"




@dataclass(frozen=True, slots=True)
class Takeover:
    """What it took to take all partitions, and what is there then."""

    seconds: float
    cpu_s: float
    bytes_read: int
    live_entries: int


def test_taking_over_the_state(servers: str) -> None:
    """Whoever takes over has as much as the owner before, with a copy as without."""
    visitors, events = option("RECOVERY_VISITORS", 1_000_000), option("RECOVERY_EVENTS", 1_000_000)
    figures = run(_take_over(servers, visitors, events, option("RECOVERY_TIMES", 5)))
    path = reporting.write("recovery_state", figures)
    show_state(figures)
    print(f"written to {path}")
    assert all(row["live_entries"] >= visitors for way in ("cold", "standby") for row in figures[way]["all"])


async def _take_over(servers: str, visitors: int, events: int, times: int) -> dict[str, Any]:
    clicks = Load("clicks", visitors, _START_MS, rate=max(visitors // _CLICKS_S, 1), visitors=visitors)
    shop = Load("shop", events + _FURTHER_EVENTS, clicks.start_ms + clicks.span_ms, rate=_RATE, visitors=visitors)
    seconds = by_interval(shop.records(), 1_000)
    async with Owners(servers) as owners:
        await owners.change(standby=False)
        for chunk in by_interval(clicks.records(), 60_000):
            await owners.side.feed(chunk)
        for chunk in islice(seconds, events // _RATE):
            await owners.side.feed(chunk)
        state_bytes = sum(owners.side.worker.counting.state_bytes().values())
        to_read = [flush for log in owners.side.logs() for flush in log.to_read()]
        say(f"state {mib(state_bytes)}, to read {mib(sum(flush.bytes for flush in to_read))}")
        found = dict[str, list[Takeover]]()
        for way, standby in (("cold", False), ("standby", True)):
            found[way] = [await owners.change(standby=standby, meanwhile=seconds) for _ in range(times)]
            say(f"{way}: {found[way]}")
    return {
        "visitors": visitors,
        "partitions": _PARTITIONS,
        "state_bytes": state_bytes,
        "log_bytes": sum(flush.bytes for flush in to_read),
        "log_entries": sum(flush.entries for flush in to_read),
        **{way: _summary(takeovers) for way, takeovers in found.items()},
    }


def _summary(takeovers: Sequence[Takeover]) -> dict[str, Any]:
    seconds = [took.seconds for took in takeovers]
    return {
        **quantiles(seconds),
        "cpu_p50_s": round(float(np.quantile([took.cpu_s for took in takeovers], 0.5)), 2),
        "bytes_read": [took.bytes_read for took in takeovers],
        "all": [asdict(took) for took in takeovers],
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum; of few values they are what they are."""
    return {
        "p50_s": round(float(np.quantile(seconds, 0.5)), 2),
        "p95_s": round(float(np.quantile(seconds, 0.95)), 2),
        "max_s": round(max(seconds), 2),
    }


class Owners:
    """One owner of all partitions after the other; a context manager."""

    side: CountingSide

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._stack = AsyncExitStack()
        self._now_ms = _START_MS
        self._offsets: dict[tuple[int, str], int] = defaultdict(int)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def change(
        self, *, standby: bool, meanwhile: Iterator[list[SimulatedRecord]] | None = None
    ) -> Takeover:
        """A new owner takes all; with ``standby`` it has followed while the old one went on counting."""
        stack = AsyncExitStack()
        switch = "on" if standby else "off"
        worker = await stack.enter_async_context(
            parts(self._servers, self._now_ms, COUNTING__STANDBY=switch)
        )
        if standby:
            await worker.recovery.take([])
            await _settled(worker)
        for chunk in islice(meanwhile or iter(()), _FURTHER_S):
            await self.side.feed(chunk)
            self._now_ms = chunk[-1].arrival_ms
            if standby:
                await asyncio.sleep(1)
        # What waits with the old owner would be read again from the source: that is not measured here.
        side = CountingSide(worker, _PARTITIONS, _offsets=self._offsets)
        took = await _timed(side)
        await self._stack.aclose()
        self._stack, self.side = stack, side
        gc.collect()
        return took


async def _timed(side: CountingSide) -> Takeover:
    with TakenOver() as told:
        begun, cpu = time.perf_counter(), time.process_time()
        await side.begin()
        seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    return Takeover(round(seconds, 3), round(cpu_s, 3), told.bytes, side.live_entries())


async def _settled(worker: Worker) -> None:
    """Until copies are there and have not grown for some looks."""
    before, calm = 0, 0
    while calm < _CALM:
        await asyncio.sleep(1)
        now = worker.recovery.copied_bytes()
        calm = calm + 1 if now and now == before else 0
        before = now


def show_state(figures: dict[str, Any]) -> None:
    """The table."""
    reporting.show(
        f"Taking over the state of {figures['visitors']:,} visitors, by the worker's parts",
        ("", "p50 s", "p95 s", "max s", "CPU s", "read"),
        [
            (
                title,
                *(figures[way][name] for name in ("p50_s", "p95_s", "max_s", "cpu_p50_s")),
                mib(max(figures[way]["bytes_read"])),
            )
            for way, title in (("cold", "from nothing"), ("standby", "with a copy"))
        ],
        f"state {mib(figures['state_bytes'])}; its log {mib(figures['log_bytes'])}, "
        f"{figures['log_entries']:,} entries",
    )
