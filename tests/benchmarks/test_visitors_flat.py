"""How the counting path's speed depends on the number of distinct visitors; wanted: within 20 %.

In one process without Kafka: decode, count, rollups. Each number of visitors gets the same events:
first as many clicks as the largest number has visitors, in turn, all within the attribution window, so
that every visitor is remembered; then, measured, the same mix of a shop's traffic by those visitors.

``FUNNELWATCH_BENCH_VISITORS`` (default 10000,200000,1000000,3000000) and ``..._CORE_EVENTS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks import reporting
from tests.benchmarks.core_load import CoreJob, run
from tests.benchmarks.records import Load
from tests.benchmarks.reporting import option, options, say

if TYPE_CHECKING:
    from pathlib import Path

_START_MS: Final = 1_762_689_600_000
_WARM_UP_S: Final = 1_200
_SLICES: Final = 5


def test_speed_by_number_of_visitors(tmp_path: Path) -> None:
    """Every number of visitors counts all events it was given."""
    events, visitors = (
        option("CORE_EVENTS", 1_000_000),
        options("VISITORS", (10_000, 200_000, 1_000_000, 3_000_000)),
    )
    results = []
    for number in visitors:
        results.append(run(job(number, max(visitors), events), tmp_path))
        say(f"{number:,} visitors: {results[-1]['events_per_cpu_s']:,} events/CPU-s")
    rates = [result["events_per_cpu_s"] for result in results]
    relative = [in_decodes(result) for result in results]
    figures = {
        "fastest_over_slowest": round(max(rates) / min(rates), 2),
        "in_decodes": [round(cost, 3) for cost in relative],
        "most_over_least_in_decodes": round(max(relative) / min(relative), 3),
        "by_visitors": results,
    }
    path = reporting.write("visitors_flat", figures)
    show(figures)
    print(f"written to {path}")
    assert all(result["events"] == events // _SLICES * _SLICES for result in results)


def in_decodes(result: dict[str, Any]) -> float:
    """What an event costs, in units of what decoding it costs.

    Decoding knows nothing of visitors, so a machine that is busy elsewhere slows both alike.
    """
    whole: float = result["decode_us"] + result["count_us"] + result["flush_us"]
    return whole / float(result["decode_us"])


def job(visitors: int, most: int, events: int) -> CoreJob:
    """The same events whatever the number of visitors."""
    clicks = Load("clicks", most, _START_MS, rate=max(most // _WARM_UP_S, 1), visitors=visitors)
    traffic = Load("shop", events, _START_MS + clicks.span_ms, visitors=visitors)
    return CoreJob(clicks, traffic, _SLICES)


def show(figures: dict[str, Any]) -> None:
    """The table."""
    reporting.show(
        "Counting path without Kafka, by distinct visitors",
        ("visitors", "events/CPU-s", "decode us", "count us", "flush us", "state", "resident"),
        [
            (
                f"{row['visitors']:,}",
                row["events_per_cpu_s"],
                row["decode_us"],
                row["count_us"],
                row["flush_us"],
                reporting.mib(sum(row["state_bytes"].values())),
                reporting.mib(row["resident_bytes"]),
            )
            for row in figures["by_visitors"]
        ],
        f"fastest over slowest: {figures['fastest_over_slowest']}; in units of decoding, which does not depend "
        f"on visitors: {figures['most_over_least_in_decodes']}",
    )
