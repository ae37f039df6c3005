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
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import orjson
from confluent_kafka import Consumer, TopicPartition

from streams.clock import SystemClock
from streams.codec import decode_message
from streams.results import Fence, Rollup
from tests.benchmarks import reporting
from tests.benchmarks.counting_side import CountingSide, TakenOver, by_interval, parts, run
from tests.benchmarks.producer import Job, fill, producing
from tests.benchmarks.records import Load
from tests.benchmarks.reporting import mib, option, say
from tests.benchmarks.worker_process import SHARDS, RunningWorker, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client.samples import Sample

    from streams.demo.simulator import SimulatedRecord
    from streams.worker.app import Worker

_START_MS: Final = 1_762_689_600_000
_PARTITIONS: Final = 4
_CLICKS_S: Final = 1_200
_RATE: Final = 20_000
_FURTHER_S: Final = 3
_FURTHER_EVENTS: Final = 100 * _FURTHER_S * _RATE
_CALM: Final = 3
# Records, over all partitions: a second or two of live traffic.
_LITTLE_LAG: Final = 20_000
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
    shop = Load(
        "shop", events + _FURTHER_EVENTS, clicks.start_ms + clicks.span_ms, rate=_RATE, visitors=visitors
    )
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
        worker = await stack.enter_async_context(parts(self._servers, self._now_ms, COUNTING__STANDBY=switch))
        if standby:
            await worker.recovery.take([])
            await _settled(worker)
        for chunk in islice(meanwhile or iter(()), _FURTHER_S):
            if standby:
                await asyncio.sleep(1)
            await self.side.feed(chunk)
            self._now_ms = chunk[-1].arrival_ms
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


@dataclass(frozen=True, slots=True)
class Failover:
    """Seconds from a kill to the first new count of each partition that the killed worker had.

    Attributes:
        noticed: until the other worker gave up its own partitions for a new assignment.
        assigned: from then until it had one.
        recovered: from then until the state was taken over.
        counted: from then until each partition had its first new count.
        state_bytes: that the killed worker had.
        bytes_read: of log, for all partitions of the new assignment.
    """

    noticed: float
    assigned: float
    recovered: float
    counted: float
    state_bytes: int
    bytes_read: int

    @property
    def seconds(self) -> float:
        """All of it but until it was noticed."""
        return self.assigned + self.recovered + self.counted


def test_a_worker_is_killed(servers: str, tmp_path: Path) -> None:
    """After each kill every partition is counted on, by the worker that is left."""
    visitors, kills = option("RECOVERY_VISITORS", 1_000_000), option("KILLS", 3)
    rate = option("KILL_RATE", 2_000)
    clicks = Load("clicks", 2 * visitors, 0, rate=max(2 * visitors // _CLICKS_S, 1), visitors=2 * visitors)
    clicks = replace(clicks, start_ms=SystemClock().now_ms() - clicks.span_ms)
    written = fill(Job(clicks, servers), tmp_path)
    start_ms = SystemClock().now_ms() + _LEAD_MS
    live = Load("shop", rate * _LIVE_S, start_ms, rate=rate, visitors=2 * visitors)
    found = {}
    with producing(Job(live, servers, live=True), tmp_path), RollupTail(servers) as tail:
        for way, standby in (("cold", "off"), ("standby", "on")):
            pair = Pair(servers, tmp_path, tail, standby)
            with pair:
                pair.settle(written)
                found[way] = [pair.fail_over() for _ in range(kills)]
            say(f"{way}: {found[way]}")
    figures = {
        "visitors": visitors,
        "rate": rate,
        "session_timeout_s": _SESSION_S,
        **{way: _of_kills(failovers) for way, failovers in found.items()},
    }
    path = reporting.write("recovery_kill", figures)
    show_kills(figures)
    print(f"written to {path}")
    assert all(len(failovers) == kills for failovers in found.values())


def _of_kills(failovers: Sequence[Failover]) -> dict[str, Any]:
    return {
        "from_notice": quantiles([one.seconds for one in failovers]),
        "from_kill": quantiles([one.noticed + one.seconds for one in failovers]),
        "all": [asdict(one) for one in failovers],
    }


class RollupTail:
    """The newest rollups, and when the broker got them; a context manager."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "tail", "log_level": 0})
        self._lives: dict[int, int] = {}
        # When the present life of each partition counted for the first time, ms.
        self.first_ms: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._consumer.assign([TopicPartition(_ROLLUPS, shard, 0) for shard in range(SHARDS)])
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def poll(self) -> None:
        """Take note of what has come."""
        while messages := self._consumer.consume(1_000, timeout=_LOOK_S):
            for message in messages:
                if message.error() is None:
                    self._note(decode_message(message.value()), message.timestamp()[1])

    def _note(self, message: Rollup | Fence, at_ms: int) -> None:
        if isinstance(message, Fence) or message.generation != message.written_by:
            return
        if message.generation > self._lives.get(message.partition, -1):
            self._lives[message.partition] = message.generation
            self.first_ms[message.partition] = at_ms


class Pair:
    """Two workers of one group, the first of which is killed and comes back; a context manager."""

    def __init__(self, servers: str, folder: Path, tail: RollupTail, standby: str) -> None:
        self._servers = servers
        self._folder = folder
        self._tail = tail
        self._standby = standby == "on"
        self._settings = {
            "FUNNELWATCH__COUNTING__STANDBY": standby,
            "FUNNELWATCH__KAFKA__SESSION_TIMEOUT": f"{_SESSION_S}s",
            "FUNNELWATCH__LOGGING__LEVEL": "INFO",
            "FUNNELWATCH__LOGGING__JSON": "on",
        }
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._victim, self._survivor = self._start("victim"), self._start("survivor")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, name: str) -> RunningWorker:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return self._stack.enter_context(RunningWorker(self._servers, folder, settings=self._settings))

    def settle(self, written: int = 0) -> None:
        """Wait until both have their half, have counted what there is, and copies are there."""
        _until(lambda: all(len(_partitions(worker)) == _PARTITIONS // 2 for worker in self._both()), "halves")
        _until(lambda: sum(_lag(worker) for worker in self._both()) < _LITTLE_LAG, "the backlog is read")
        if self._standby:
            calm, before = 0, -1
            while calm < _CALM:
                self._tail.poll()
                time.sleep(1)
                now = sum(_state(worker, "copies") for worker in self._both())
                calm, before = (calm + 1 if now and now == before else 0), now
        self._tail.poll()

    def _both(self) -> tuple[RunningWorker, RunningWorker]:
        return self._victim, self._survivor

    def fail_over(self) -> Failover:
        """Kill the first, wait until the second counts for it, bring the first back."""
        inherited, state_bytes = _partitions(self._victim), _state(self._victim, "")
        spent = _recovery_s(self._survivor)
        killed_ms = SystemClock().now_ms()
        self._victim.process.kill()

        def counted() -> bool:
            self._tail.poll()
            return all(self._tail.first_ms[number] > killed_ms for number in inherited)

        _until(counted, "new counts of the partitions of the killed worker")
        given = [line for line in _lines(self._survivor, "state handed over") if _ms(line) > killed_ms]
        taken = [line for line in _lines(self._survivor, "state taken over") if _ms(line) > killed_ms]
        noticed_ms, taken_ms = min(map(_ms, given)), max(map(_ms, taken))
        recovered = _recovery_s(self._survivor) - spent
        found = Failover(
            round((noticed_ms - killed_ms) / 1000, 2),
            round((taken_ms - noticed_ms) / 1000 - recovered, 2),
            round(recovered, 2),
            round((max(self._tail.first_ms[number] for number in inherited) - taken_ms) / 1000, 2),
            state_bytes,
            sum(line["bytes"] for line in taken),
        )
        say(str(found))
        self._victim = self._start("victim")
        self.settle()
        return found


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(_LOOK_S)


def _samples(worker: RunningWorker) -> list[Sample]:
    try:
        return worker.metrics()
    except OSError:
        return []


def _partitions(worker: RunningWorker) -> set[int]:
    """Source partitions that it has."""
    return {
        int(sample.labels["partition"])
        for sample in _samples(worker)
        if sample.name == "funnelwatch_consumer_lag_records" and sample.labels["topic"] == _CLICKSTREAM
    }


def _lag(worker: RunningWorker) -> int:
    return total(_samples(worker), "funnelwatch_consumer_lag_records")


def _state(worker: RunningWorker, kind: str) -> int:
    """Bytes of one kind of state; of all that it counts with for ""."""
    samples = worker.metrics()
    if kind:
        return total(samples, "funnelwatch_state_bytes", kind=kind)
    return total(samples, "funnelwatch_state_bytes") - total(
        samples, "funnelwatch_state_bytes", kind="copies"
    )


def _recovery_s(worker: RunningWorker) -> float:
    return sum(s.value for s in worker.metrics() if s.name == "funnelwatch_recovery_seconds_sum")


def _lines(worker: RunningWorker, event: str) -> list[dict[str, Any]]:
    """Lines of its log that say so."""
    lines = (orjson.loads(line) for line in worker.process.log.read_bytes().splitlines() if line[:1] == b"{")
    return [line for line in lines if line.get("event") == event]


def _ms(line: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(line["time"]).timestamp() * 1000)


def show_kills(figures: dict[str, Any]) -> None:
    """The table."""
    titles = {"cold": "from nothing", "standby": "with a copy"}
    summary = [f"{title} {figures[way]['from_notice']}" for way, title in titles.items()]
    reporting.show(
        f"A worker with {figures['visitors']:,} visitors in state is killed at {figures['rate']:,} events/s",
        ("", "noticed", "assigned", "recovered", "counted", "without noticing", "log read", "state"),
        [
            (
                title,
                *(f"{row[name]:.1f} s" for name in ("noticed", "assigned", "recovered", "counted")),
                f"{sum(row[name] for name in ('assigned', 'recovered', 'counted')):.1f} s",
                mib(row["bytes_read"]),
                mib(row["state_bytes"]),
            )
            for way, title in titles.items()
            for row in figures[way]["all"]
        ],
        f"without noticing: {', '.join(summary)}; session time-out {figures['session_timeout_s']} s",
    )


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
