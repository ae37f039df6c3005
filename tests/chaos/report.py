"""What a chaos run says at its end: a table by seed, a summary, and a file of JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks import reporting
from tests.chaos.plan import Kind
from tests.chaos.recovery import TAKING, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.chaos.run import Result

_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "max": 1.0}
_SHOWN_DIFFERENCES: Final = 10
_COLUMNS: Final = (
    *("seed", "brokers", "records", "faults", "figures", "differences"),
    *("stall s", "worker ends", "wall s", "verdict"),
)


def verdict(result: Result) -> str:
    """In a word."""
    if not result.fair:
        return "UNFAIR"
    return "exact" if result.exact else "WRONG"


def row(result: Result) -> tuple[object, ...]:
    """A run as a row of the table."""
    return (
        result.spec.seed,
        result.spec.brokers,
        result.records,
        sum(result.faults.values()),
        result.figures,
        len(result.differences),
        f"{result.stall_s:.1f}",
        len(result.ends),
        f"{result.wall_s:.0f}",
        verdict(result),
    )


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """All runs together."""
    faults: Counter[str] = Counter()
    for result in results:
        faults.update(result.faults)
    return {
        "runs": len(results),
        "exact": sum(result.exact for result in results),
        "unfair": sum(not result.fair for result in results),
        "records": sum(result.records for result in results),
        "differences": sum(len(result.differences) for result in results),
        "faults": dict(faults),
        "worker_ends": sum(len(result.ends) for result in results),
        "recovery_s": recoveries(results),
    }


def recoveries(results: Iterable[Result]) -> dict[str, dict[str, float]]:
    """Quantiles of the time without counting by kind of fault, and how many times there were."""
    seconds: dict[str, list[float]] = {}
    for result in results:
        for kind, found in result.recoveries_s.items():
            seconds.setdefault(kind, []).extend(found)
    return {
        kind: {"count": len(found), **{name: quantile(found, share) for name, share in _QUANTILES.items()}}
        for kind, found in sorted(seconds.items())
    }


def show(results: Sequence[Result]) -> None:
    """The tables, and the first differences of each wrong run."""
    total = summary(results)
    reporting.show(
        "Chaos, by seed",
        _COLUMNS,
        map(row, results),
        f"{total['exact']} of {total['runs']} runs exact: {total['records']:,} records, "
        f"{sum(total['faults'].values()):,} faults, {total['differences']:,} differences",
    )
    reporting.show(
        "Seconds without new counts, by kind of fault",
        ("fault", "done", "measured", *_QUANTILES),
        [
            (kind, done, *recovery_cells(total["recovery_s"].get(kind)))
            for kind, done in sorted(total["faults"].items())
        ],
        f"{', '.join(sorted(TAKING))}: until all partitions of the victim were counted by another life; "
        "others: the longest standstill of any partition in or after them",
    )
    for result in results:
        for line in (*result.differences[:_SHOWN_DIFFERENCES], *result.ends):
            reporting.say(f"seed {result.spec.seed}, brokers {result.spec.brokers}: {line}")


def recovery_cells(found: dict[str, float] | None) -> tuple[object, ...]:
    """Count and quantiles as cells of the table."""
    if found is None:
        return (0, *("-" for _ in _QUANTILES))
    return (found["count"], *(f"{found[name]:.1f}" for name in _QUANTILES))


def write(results: Sequence[Result], command: str) -> Path:
    """Write it all with its circumstances; where it now stands."""
    return reporting.write(
        "chaos",
        {
            "command": command,
            "summary": summary(results),
            "runs": [document(result) for result in results],
        },
    )


def document(result: Result) -> dict[str, Any]:
    """A run in JSON."""
    spec = result.spec
    return {
        "seed": spec.seed,
        "brokers": spec.brokers,
        "seconds": spec.seconds,
        "rate": spec.rate,
        "workers": spec.workers,
        "kinds": [str(kind) for kind in Kind if kind in spec.kinds],
        "verdict": verdict(result),
        "records": result.records,
        "outcomes": dict(result.outcomes),
        "figures": result.figures,
        "differences": [str(difference) for difference in result.differences[:_SHOWN_DIFFERENCES]],
        "different_figures": len(result.differences),
        "faults": dict(result.faults),
        "missed": result.missed,
        "recoveries_s": dict(result.recoveries_s),
        "worker_ends": list(result.ends),
        "stall_s": result.stall_s,
        "settled_s": result.settled_s,
        "oracle_s": result.oracle_s,
        "wall_s": result.wall_s,
    }
