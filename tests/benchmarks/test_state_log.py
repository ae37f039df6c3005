"""What the log of counting state costs, and whether it stays as large as it is.

Counting by the worker's own parts, four source partitions, its log and its rollups on Apache Kafka, a
flush for every second of event time.

Overhead: each of a million visitors has clicked within the attribution window, and all ids are there that
events at the measured rate leave within the dedupe horizon and the lateness; then a shop's traffic by these
visitors. One rate after the other, each of its own life. CPU time of the log (taking changes, encoding, compressing, sending) over that of
all else: decoding, counting, rollups and their sending. Fetching and Faust, which are neither, would make
the share smaller. Wanted: under 25 %.

Flat: an hour of a shop's steady traffic with memory made shorter, so that it is full within a part of
it: ids and visitors are kept for five minutes and the allowed lateness of three more. Then the mean of
bytes and entries written a minute and of bytes of state, and the most that a recovery would read and that
compaction leaves (both rise and fall with each rotation), the last ten minutes against ten minutes that
lie twenty before. None of these is a matter of time: no machine can change them.

``FUNNELWATCH_BENCH_LOG_VISITORS`` (default 1,000,000), ``..._LOG_RATES`` (1000,5000,20000),
``..._LOG_SECONDS`` (20), ``..._FLAT_MINUTES`` (60), ``..._FLAT_RATE`` (1,000).
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import islice
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from streams.core.settings import CountingSettings
from streams.worker.entry import create_topics
from tests.benchmarks import reporting
from tests.benchmarks.counting_side import CountingSide, MeteredLog, by_interval, parts, run
from tests.benchmarks.records import Load
from tests.benchmarks.reporting import mib, option, options, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streams.worker.app import Worker

_START_MS: Final = 1_762_689_600_000
_PARTITIONS: Final = 4
_CLICKS_S: Final = 1_200
_FLUSH_MS: Final = 1_000
# The shop begins in the middle of its day: its first orders have lost their clicks.
_SETTLE_S: Final = 10
_SETTINGS: Final = CountingSettings()
_REMEMBERED_MS: Final = _SETTINGS.dedupe_horizon_ms + _SETTINGS.allowed_lateness_ms
_MEMORY: Final = {
    "COUNTING__DEDUPE_HORIZON": "5m",
    "COUNTING__ATTRIBUTION_WINDOW": "5m",
    "COUNTING__ALLOWED_LATENESS": "3m",
}
_FLAT_VISITORS: Final = 100_000
# Longer than a rotation, which takes about as long as memory, or one span would see more of it.
_SPAN_MINUTES: Final = 10
_APART_MINUTES: Final = 20
_SHOWN_MINUTES: Final = 5
_FLUSHES_A_MINUTE: Final = 60
# Rotations are of some minutes, and a minute may have the larger part of one.
_FLAT: Final = 1.1
# A table whose load is at its limit doubles late, by chance; it does so once.
_DOUBLED: Final = 1.5
# A finished copy and the changes beside it, and as much again of the one under way.
_MOST_TO_READ: Final = 6


def test_share_of_the_log_in_counting(servers: str) -> None:
    """Every event is counted and logged at each rate; what the log takes stands beside the rest."""
    visitors = option("LOG_VISITORS", 1_000_000)
    figures = run(_overhead(servers, visitors, options("LOG_RATES", (1_000, 5_000, 20_000))))
    path = reporting.write("state_log_overhead", figures)
    show_overhead(figures)
    print(f"written to {path}")
    assert all(row["log_bytes"] > 0 for row in figures["by_rate"])


async def _overhead(servers: str, visitors: int, rates: Sequence[int]) -> dict[str, Any]:
    rows = []
    for rate in rates:
        async with parts(servers, _START_MS, TOPICS__STATE=f"state.{rate}") as worker:
            await create_topics(worker.settings)
            rows.append(await _at_rate(worker, visitors, rate))
        gc.collect()
        say(f"{rate:,} events/s: {rows[-1]['log_share_of_the_rest']:.1%}")
    return {"visitors": visitors, "flush_ms": _FLUSH_MS, "partitions": _PARTITIONS, "by_rate": rows}


async def _at_rate(worker: Worker, visitors: int, rate: int) -> dict[str, Any]:
    side = CountingSide(worker, _PARTITIONS)
    await side.begin()
    clicks = Load("clicks", visitors, _START_MS, rate=max(visitors // _CLICKS_S, 1), visitors=visitors)
    # One flush for what is a backlog of a minute.
    for chunk in by_interval(clicks.records(), 60 * _FLUSH_MS):
        await side.feed(chunk)
    now_ms, remembered_s = clicks.start_ms + clicks.span_ms, _REMEMBERED_MS // 1000
    side.remember_ids(rate * remembered_s - visitors, range(now_ms - _REMEMBERED_MS, now_ms))
    load = Load("shop", rate * (_SETTLE_S + option("LOG_SECONDS", 20)), now_ms, rate=rate, visitors=visitors)
    seconds = by_interval(load.records(), _FLUSH_MS)
    for chunk in islice(seconds, _SETTLE_S):
        await side.feed(chunk)
    side.start_again()
    before = {id(log): len(log.flushes_written) for log in side.logs()}
    for chunk in seconds:
        await side.feed(chunk)
    flushes = [flush for log in side.logs() for flush in log.flushes_written[before[id(log)] :]]
    rest = side.cpu - side.costs.total
    return {
        "rate": rate,
        "events": side.fed,
        "log_share_of_the_rest": round(side.costs.total / rest, 3),
        "rest_us": round(rest / side.fed * 1e6, 2),
        "encode_us": round(side.costs.encode / side.fed * 1e6, 2),
        "send_us": round(side.costs.send / side.fed * 1e6, 2),
        "log_bytes": sum(flush.bytes for flush in flushes),
        "log_bytes_per_event": round(sum(flush.bytes for flush in flushes) / side.fed),
        "entries_per_event": round(sum(flush.entries for flush in flushes) / side.fed, 2),
        "state_bytes": _state_bytes(side),
    }


def _state_bytes(side: CountingSide) -> int:
    return sum(side.worker.counting.state_bytes().values())


def test_an_hour_of_steady_traffic(servers: str) -> None:
    """Log rate, what a recovery reads and state are as large at the end as they were twenty minutes before."""
    minutes = option("FLAT_MINUTES", 60)
    figures = run(_flat(servers, minutes, option("FLAT_RATE", 1_000)))
    path = reporting.write("state_log_flat", figures)
    show_flat(figures)
    print(f"written to {path}")
    ratios = dict(figures["late_over_early"])
    assert ratios.pop("state_bytes") < _DOUBLED
    assert all(1 / _FLAT < ratio < _FLAT for ratio in ratios.values())
    assert figures["most_to_read_over_live"] < _MOST_TO_READ


@dataclass(slots=True)
class Minute:
    """One minute of event time."""

    written_bytes: int
    entries: int
    kept_bytes: int
    to_read_bytes: int
    to_read_entries: int
    state_bytes: int


async def _flat(servers: str, minutes: int, rate: int) -> dict[str, Any]:
    load = Load("shop", rate * 60 * minutes, _START_MS, rate=rate, visitors=_FLAT_VISITORS)
    rows = list[Minute]()
    async with parts(servers, load.start_ms, **_MEMORY) as worker:
        side = CountingSide(worker, 1)
        await side.begin()
        (log,) = side.logs()
        for number, chunk in enumerate(by_interval(load.records(), _FLUSH_MS), start=1):
            await side.feed(chunk)
            if number % _FLUSHES_A_MINUTE == 0:
                rows.append(_minute(log, side))
                if len(rows) % _SHOWN_MINUTES == 0:
                    say(f"minute {len(rows)}: {rows[-1]}")
        rotations = _rotations(log)
        live = side.live_entries()
    early, late = rows[-_APART_MINUTES - _SPAN_MINUTES : -_APART_MINUTES], rows[-_SPAN_MINUTES:]
    names: dict[str, Callable[[Iterable[int]], float]] = {
        "written_bytes": mean,
        "entries": mean,
        "kept_bytes": max,
        "to_read_bytes": max,
        "state_bytes": mean,
    }
    return {
        "minutes": len(rows),
        "rate": rate,
        "events": side.fed,
        "memory": _MEMORY,
        "late_over_early": {
            name: round(of(getattr(m, name) for m in late) / of(getattr(m, name) for m in early), 3)
            for name, of in names.items()
        },
        "flushes_per_rotation": [flushes for flushes, _ in rotations],
        "entries_per_rotation": [entries for _, entries in rotations],
        "live_entries": live,
        "most_to_read_entries": max(m.to_read_entries for m in rows),
        "most_to_read_over_live": round(max(m.to_read_entries for m in rows) / live, 2),
        "by_minute": rows[_SHOWN_MINUTES - 1 :: _SHOWN_MINUTES],
    }


def _minute(log: MeteredLog, side: CountingSide) -> Minute:
    last, to_read = log.flushes_written[-_FLUSHES_A_MINUTE:], log.to_read()
    return Minute(
        sum(flush.bytes for flush in last),
        sum(flush.entries for flush in last),
        log.kept,
        sum(flush.bytes for flush in to_read),
        sum(flush.entries for flush in to_read),
        _state_bytes(side),
    )


def _rotations(log: MeteredLog) -> list[tuple[int, int]]:
    """Flushes and entries of every whole one."""
    found, flushes, entries = list[tuple[int, int]](), 0, 0
    for flush in log.flushes_written:
        if flush.begins and flushes:
            found.append((flushes, entries))
            flushes = entries = 0
        flushes, entries = flushes + 1, entries + flush.entries
    return found


def show_overhead(figures: dict[str, Any]) -> None:
    """The table."""
    reporting.show(
        f"CPU of the state log, {figures['visitors']:,} visitors, a flush a second",
        (
            "events/s",
            "log / rest",
            "rest us",
            "encode us",
            "send us",
            "entries/event",
            "bytes/event",
            "state",
        ),
        [
            (
                f"{row['rate']:,}",
                f"{row['log_share_of_the_rest']:.1%}",
                row["rest_us"],
                row["encode_us"],
                row["send_us"],
                row["entries_per_event"],
                row["log_bytes_per_event"],
                mib(row["state_bytes"]),
            )
            for row in figures["by_rate"]
        ],
    )


def show_flat(figures: dict[str, Any]) -> None:
    """The table."""
    reporting.show(
        f"The state log over {figures['minutes']} minutes of {figures['rate']:,} events/s",
        ("minute", "written/min", "to read", "entries to read", "kept", "state"),
        [
            (
                str(number * _SHOWN_MINUTES),
                mib(row.written_bytes),
                mib(row.to_read_bytes),
                row.to_read_entries,
                mib(row.kept_bytes),
                mib(row.state_bytes),
            )
            for number, row in enumerate(figures["by_minute"], start=1)
        ],
        f"last {_SPAN_MINUTES} minutes over those {_APART_MINUTES} minutes before: {figures['late_over_early']}; "
        f"a recovery reads at most {figures['most_to_read_over_live']} times the {figures['live_entries']:,} "
        f"live entries; flushes per rotation {figures['flushes_per_rotation']}",
    )
