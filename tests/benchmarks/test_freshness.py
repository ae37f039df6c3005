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
from dataclasses import dataclass
from itertools import takewhile
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
# A new series stands at zero for twenty seconds, so that Prometheus sees its first step.
_WARM_UP_S: Final = 30.0
_START_TIMEOUT_S: Final = 120.0
_LOOK_S: Final = 1.037  # never in step with the flush
_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Look:
    """One look at ``/metrics``: when (ms), and how many events of nodes it said."""

    at_ms: int
    counted: int


def test_event_to_metric_latency(servers: str, tmp_path: Path) -> None:
    """Events reach the metrics while they are looked at; the latency is written, not judged."""
    rate, seconds = option("LIVE_RATE", 5_000), option("LIVE_SECONDS", 60)
    with RunningWorker(servers, tmp_path) as worker:
        worker.wait_until_ready()
        start_ms = SystemClock().now_ms() + _LEAD_MS
        enough = int(rate * (seconds + _WARM_UP_S + _START_TIMEOUT_S))
        # Without broken records: those happened at no time.
        load = Load("shop", enough, start_ms, rate=rate, invalid=0.0)
        with producing(Job(load, servers, live=True), tmp_path):
            await_first(worker)
            before, cpu = buckets(worker.metrics()), cpu_time(worker.pid)
            looks = look(worker, seconds)
            after, spent = buckets(worker.metrics()), cpu_time(worker.pid).since(cpu)
    ages = ages_s(looks, load)
    figures = {
        "rate": rate,
        "seconds": seconds,
        "worker_says_s": histogram_quantiles(before, after),
        "outside_s": {
            name: round(float(np.quantile(ages, q)) - _BOUND_S, 2) for name, q in _QUANTILES.items()
        },
        "outside_max_s": round(float(ages.max()) - _BOUND_S, 2),
        "looks": len(looks),
        "cpu_share": round(spent.total / seconds, 3),
    }
    path = reporting.write("freshness", figures)
    show(figures)
    print(f"written to {path}")
    assert looks[-1].counted > looks[0].counted > 0, "nothing was counted while we looked"


def await_first(worker: RunningWorker) -> None:
    """Wait until the page shows events, and has done so long enough to be in its stride."""
    worker.process.wait_until(
        lambda: events_of_nodes(worker.metrics()) > 0, timeout=_START_TIMEOUT_S, what="events on /metrics"
    )
    time.sleep(_WARM_UP_S)


def look(worker: RunningWorker, seconds: float) -> list[Look]:
    """Look at ``/metrics`` about once a second."""
    clock, looks = SystemClock(), []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        asked_ms = clock.now_ms()
        looks.append(Look(asked_ms, events_of_nodes(worker.metrics())))
    return looks


def events_of_nodes(samples: list[Sample]) -> int:
    """Events counted, of all nodes."""
    return total(samples, "funnelwatch_node_events_total", dimension="all")


def ages_s(looks: list[Look], load: Load) -> NDArray[np.float64]:
    """For every look, how long ago the last of the events that it counted had happened."""
    times, arrivals = events_by(load, looks[-1].at_ms)
    ages = []
    for one in looks:
        arrived = np.sort(times[arrivals <= one.at_ms])
        ages.append((one.at_ms - arrived[one.counted - 1]) / 1000)
    return np.array(ages)


def events_by(load: Load, until_ms: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Event time and arrival, ms, of all that counts at a node: once each, nothing from the future."""
    first: dict[bytes, tuple[int, int]] = {}
    nodes = tuple(f'"event":"{node}"'.encode() for node in DEFAULT_NODES)
    latest_ms = CountingSettings().max_future_ms
    for record in takewhile(lambda record: record.arrival_ms <= until_ms, load.records()):
        counts = any(node in record.value for node in nodes)
        if counts and record.event_time_ms <= record.arrival_ms + latest_ms:
            event_id = record.value[: record.value.index(b",")]
            first.setdefault(event_id, (record.event_time_ms, record.arrival_ms))
    times, arrivals = np.array(list(first.values())).T
    return times, arrivals


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
