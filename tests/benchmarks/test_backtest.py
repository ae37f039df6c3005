"""How many times faster than the clock a backtest from rollups is, and where its time goes."""

from __future__ import annotations

import cProfile
import pstats
import time
from itertools import chain
from typing import TYPE_CHECKING

from streams.assembly import engine
from streams.backtest.arrivals import Arrival
from streams.backtest.beside import beside
from streams.backtest.counting import Recount
from streams.backtest.recording import closed_of, recorded
from streams.backtest.story import tell
from streams.config import Settings, Watch
from streams.core.settings import CountingSettings
from streams.core.shard_progress import ClosingSettings
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.events import Record
from streams.formats.native import NativeFormat
from streams.funnel import Funnel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.closed import ClosedBucket

START_MS = 1_762_689_600_000
MINUTES = 20
RATE = 2_000.0
SHOP = ShopSettings(seed=1, slots=50, banners=200, skus=1_000)
WANTED = 1_000


def arrivals() -> Iterator[Arrival]:
    """The shop's traffic as one source partition has it."""
    settings = TrafficSettings(START_MS, RATE, MINUTES * 60_000, shop=SHOP)
    for offset, record in enumerate(simulate(settings)):
        topic = int(record.topic == "orders")
        yield Arrival(record.arrival_ms, 0, topic, Record(offset, record.arrival_ms, record.value))


def record_to(path: Path) -> float:
    """Count the traffic into a recording; seconds."""
    funnel = Funnel()
    forms = NativeFormat(funnel=funnel), NativeFormat(funnel=funnel)
    started = time.perf_counter()
    with path.open("wb") as file:
        for _ in recorded(Recount(CountingSettings(), funnel, forms).rollups(arrivals()), 1, file):
            pass
    return time.perf_counter() - started


def closed(path: Path) -> Iterator[ClosedBucket]:
    """Closed buckets of a recording."""
    return closed_of(path, ClosingSettings())


def test_times_real_time_from_rollups(tmp_path: Path) -> None:
    """Prints the factor, of CPU time and with a second process, and the functions that take the most."""
    path = tmp_path / "rollups"
    counting_s = record_to(path)
    settings = Settings(watch=Watch(min_history_ms=5 * 60_000))
    profile = cProfile.Profile()
    started = time.process_time()
    buckets = sum(1 for _ in closed(path))
    closing_s = time.process_time() - started
    started = time.process_time()
    run = tell(closed(path), engine(settings))
    whole_s = time.process_time() - started
    factor = run.span_ms / 1_000 / whole_s
    print(f"\ncounting {MINUTES} min of events: {counting_s:.0f} s, {path.stat().st_size / 1e6:.1f} MB")
    print(
        f"{buckets} buckets: {whole_s / buckets * 1e3:.1f} ms each, {closing_s / buckets * 1e3:.1f} closing"
    )
    print(f"{factor:,.0f} times real time from rollups on one core (wanted: {WANTED:,})")
    with beside(closed, path) as closed_there:
        # Its start is not counted: a minute of a day's recording.
        first = next(closed_there)
        started, cpu_started = time.perf_counter(), time.process_time()
        tell(chain([first], closed_there), engine(settings))
        beside_s, judging_s = time.perf_counter() - started, time.process_time() - cpu_started
    print(
        f"closed beside: {beside_s / buckets * 1e3:.1f} ms each by the clock, {judging_s / buckets * 1e3:.1f} "
        f"of them this process's; {run.span_ms / 1_000 / beside_s:,.0f} times real time"
    )
    profile.runcall(tell, closed(path), engine(settings))
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    assert buckets > MINUTES * 5
