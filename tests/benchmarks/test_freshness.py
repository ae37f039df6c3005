"""How old an event is when it stands in the metrics, at a steady 5,000 events/s through real Kafka.

The shop sends each event when it happens, with up to 3.5 s of ordinary delay and 2 % late. Two views:

- the worker's own ``funnelwatch_freshness_seconds``, quantiles interpolated within its buckets;
- from outside: how old the newest event on ``/metrics`` is whenever somebody looks. The page says how
  many events are counted; the same seed says when that many had happened.

Both are given beyond ``max_out_of_orderness`` (5 s), which every event waits. Wanted: p99 under 3 s.

``FUNNELWATCH_BENCH_LIVE_RATE`` (default 5,000), ``..._LIVE_SECONDS`` (default 60).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streams.clock import SystemClock
from streams.core.settings import CountingSettings
from streams.funnel import DEFAULT_NODES
from tests.benchmarks import reporting
from tests.benchmarks.producer import Job, producing
from tests.benchmarks.records import Load
from tests.benchmarks.reporting import option
from tests.benchmarks.worker_process import RunningWorker, cpu_time, total

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from prometheus_client.samples import Sample

_BOUND_S: Final = CountingSettings().max_out_of_orderness_ms / 1000
_LEAD_MS: Final = 4_000
_WARM_UP_S: Final = 15.0
_LOOK_S: Final = 1.037  # never in step with the flush
_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def test_event_to_metric_latency(servers: str, tmp_path: Path) -> None:
    """Events reach the metrics while they are looked at; the latency is written, not judged."""
    rate, seconds = option("LIVE_RATE", 5_000), option("LIVE_SECONDS", 60)
    with RunningWorker(servers, tmp_path) as worker:
        worker.wait_until_ready()
        start_ms = SystemClock().now_ms() + _LEAD_MS
        load = Load("shop", int((_WARM_UP_S + seconds) * rate), start_ms, rate=rate)
        shop = producing(Job(load, servers, live=True), tmp_path)
        with shop:
            time.sleep(_LEAD_MS / 1000 + _WARM_UP_S)
            first, cpu = worker.metrics(), cpu_time(worker.pid)
            seen = look(worker, seconds - _LEAD_MS / 1000)
            last, spent = worker.metrics(), cpu_time(worker.pid).since(cpu)
            shop.wait(60)
    ages = ages_s(seen, load)
    figures = {
        "rate": rate,
        "seconds": seconds,
        "worker_says_s": histogram_quantiles(buckets(first), buckets(last)),
        "outside_s": {name: round(float(np.quantile(ages, q)) - _BOUND_S, 2) for name, q in _QUANTILES.items()},
        "outside_max_s": round(float(ages.max()) - _BOUND_S, 2),
        "looks": len(seen),
        "cpu_share": round(spent.total / (seconds - _LEAD_MS / 1000), 3),
    }
    path = reporting.write("freshness", figures)
    show(figures)
    print(f"written to {path}")
    assert seen[-1][1] > seen[0][1], "nothing was counted while we looked"


def look(worker: RunningWorker, seconds: float) -> list[tuple[int, int]]:
    """Look at ``/metrics`` again and again; when (ms) and how many events of nodes it said."""
    clock, seen = SystemClock(), []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        asked = clock.now_ms()
        seen.append((asked, events_of_nodes(worker.metrics())))
    return seen


def events_of_nodes(samples: list[Sample]) -> int:
    """Events counted, of all nodes."""
    return total(samples, "funnelwatch_node_events_total", dimension="all")


def ages_s(seen: list[tuple[int, int]], load: Load) -> NDArray[np.float64]:
    """How long ago the last event that the page had counted had happened, for every look."""
    times = np.array(sorted(event_times(load)))
    looked, counted = np.array(seen).T
    return (looked - times[counted - 1]) / 1000


def event_times(load: Load) -> list[int]:
    """Event times of all that is counted at a node: once each, nothing spoiled, nothing from the future."""
    first: dict[bytes, int] = {}
    nodes = tuple(f'"event":"{node}"'.encode() for node in DEFAULT_NODES)
    for record in load.records():
        if any(node in record.value for node in nodes):
            _note(record.value, record.event_time_ms, record.arrival_ms, first)
    return list(first.values())


def _note(value: bytes, time_ms: int, arrival_ms: int, first: dict[bytes, int]) -> None:
    if time_ms <= arrival_ms + CountingSettings().max_future_ms:
        first.setdefault(value[: value.index(b",")], time_ms)


def buckets(samples: list[Sample]) -> dict[float, float]:
    """The cumulative buckets of the freshness histogram."""
    name = "funnelwatch_freshness_seconds_bucket"
    return {float(s.labels["le"]): s.value for s in samples if s.name == name}


def histogram_quantiles(before: Mapping[float, float], after: Mapping[float, float]) -> dict[str, float]:
    """Quantiles of what came between, beyond the bound; linear within a bucket, as PromQL does it."""
    bounds = sorted(after)[:-1]
    grown = np.array([after[bound] - before.get(bound, 0.0) for bound in bounds])
    whole = after[float("inf")] - before.get(float("inf"), 0.0)
    found = np.interp([q * whole for q in _QUANTILES.values()], [0.0, *grown], [0.0, *bounds])
    return {name: round(float(value) - _BOUND_S, 2) for name, value in zip(_QUANTILES, found, strict=True)}


def show(figures: dict[str, Any]) -> None:
    """The table."""
    views = {"worker_says_s": "funnelwatch_freshness_seconds", "outside_s": "newest event on /metrics"}
    reporting.show(
        f"Event to metric at {figures['rate']:,} events/s, seconds beyond the {_BOUND_S:g} s bound",
        ("", *_QUANTILES),
        [(title, *(f"{figures[view][name]:.2f}" for name in _QUANTILES)) for view, title in views.items()],
        f"{figures['looks']} looks from outside, at most {figures['outside_max_s']:.2f} s; "
        f"the worker used {figures['cpu_share']:.0%} of a core",
    )
