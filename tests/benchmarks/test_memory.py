"""Memory of the worker with a million visitors to remember, and under a million SKUs that nobody knows.

Through real Kafka: one click of each visitor within the last twenty minutes, so all of them lie in the
attribution window; then a shop's traffic by the same visitors; then exposures of a new SKU each. After
each of these the worker's resident memory is read once all is counted. Wanted: under 1 GiB with the
visitors, and with the SKUs nothing that grows but ``(other)``.

``FUNNELWATCH_BENCH_MEMORY_VISITORS`` (default 1,000,000), ``..._MEMORY_EVENTS``, ``..._UNKNOWN_SKUS``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from streams.clock import SystemClock
from tests.benchmarks import reporting
from tests.benchmarks.producer import Job, fill
from tests.benchmarks.records import Load
from tests.benchmarks.reporting import mib, option, say
from tests.benchmarks.worker_process import RunningWorker, Tally, memory, total

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.samples import Sample

_TIMEOUT_S: Final = 1800.0
_CLICKS_S: Final = 1_200
# The worker sets the bytes of its state at every flush, and frees what it had fetched.
_SETTLE_S: Final = 3.0


def test_memory_of_a_million_visitors_and_skus(servers: str, tmp_path: Path) -> None:
    """Every load is counted in full before its memory is taken."""
    stages = []
    with RunningWorker(servers, tmp_path) as worker, Tally(servers) as tally:
        worker.wait_until_ready()
        stages.append(stage("ready", worker, 0))
        written = 0
        for name, load in loads():
            written += fill(Job(load, servers), tmp_path)
            tally.until(written, worker, _TIMEOUT_S)
            time.sleep(_SETTLE_S)
            stages.append(stage(name, worker, load.events))
            say(f"{name}: {mib(stages[-1]['resident_bytes'])}")
        assert tally.records == written
    path = reporting.write("memory", {"visitors": visitors(), "stages": stages})
    show(stages)
    print(f"written to {path}")


def visitors() -> int:
    """How many there are to remember."""
    return option("MEMORY_VISITORS", 1_000_000)


def loads() -> Iterator[tuple[str, Load]]:
    """One after the other in event time, the last one ending about now."""
    shop, skus = option("MEMORY_EVENTS", 2_000_000), option("UNKNOWN_SKUS", 1_000_000)
    rate = max(visitors() // _CLICKS_S, 1)
    sizes = {"clicks": (visitors(), rate), "shop": (shop, 20_000), "skus": (skus, 20_000)}
    span_ms = sum(events * 1000 // pace for events, pace in sizes.values())
    start_ms = SystemClock().now_ms() - span_ms
    titles = {"clicks": "each visitor clicked", "shop": "shop traffic", "skus": "unknown SKUs"}
    for kind, (events, pace) in sizes.items():
        load = Load(kind, events, start_ms, rate=pace, visitors=visitors())
        yield titles[kind], load
        start_ms += load.span_ms


def stage(name: str, worker: RunningWorker, events: int) -> dict[str, Any]:
    """Memory and what is known by name, now."""
    now, samples = memory(worker.pid), worker.metrics()
    return {
        "after": name,
        "events": events,
        "resident_bytes": now.resident,
        "peak_bytes": now.peak,
        "state_bytes": state_bytes(samples),
        "tracked_skus": total(samples, "funnelwatch_tracked_keys", dimension="sku"),
        "shown_skus": total(samples, "funnelwatch_shown_keys", dimension="sku"),
        "events_of_other_skus": total(
            samples, "funnelwatch_node_events_total", dimension="sku", key="(other)"
        ),
        "samples_on_page": len(samples),
    }


def state_bytes(samples: list[Sample]) -> dict[str, int]:
    """The worker's own account of its state, by kind."""
    return {s.labels["kind"]: round(s.value) for s in samples if s.name == "funnelwatch_state_bytes"}


def show(stages: list[dict[str, Any]]) -> None:
    """The table."""
    reporting.show(
        f"Memory of the worker, {visitors():,} visitors",
        ("after", "events", "resident", "peak", "state", "tracked SKUs", "shown SKUs", "samples"),
        [
            (
                row["after"],
                row["events"],
                mib(row["resident_bytes"]),
                mib(row["peak_bytes"]),
                mib(sum(row["state_bytes"].values())),
                row["tracked_skus"],
                row["shown_skus"],
                row["samples_on_page"],
            )
            for row in stages
        ],
        "; ".join(f"{kind} {mib(size)}" for kind, size in stages[-1]["state_bytes"].items()),
    )
