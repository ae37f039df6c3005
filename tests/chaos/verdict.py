"""Whether what was counted is true: the oracle's counts of what stands in Kafka, against merged rollups."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support import oracle
from tests.support.workers import merged_counts, read_topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.events import Record
    from streams.replay import Counts
    from tests.chaos.journal import Journal
    from tests.chaos.watching import RollupWatch
    from tests.support.workers import Deployment

_PROCESSES: Final = 2
_TABLES: Final = ("cells", "money", "outcomes")
_POLL_S: Final = 3.0
# Longer than between two flushes.
_STILL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what it should be; a pair is (events, visitors) or (orders, amount)."""

    table: str
    key: tuple[object, ...]
    counted: object
    expected: object

    def __str__(self) -> str:
        return f"{self.table} {self.key}: {self.counted} instead of {self.expected}"


async def truth(deployment: Deployment, settings: oracle.OracleSettings) -> oracle.OracleResult:
    """What the oracle counts of the records as they stand in Kafka, by several processes."""
    clickstream = await read_topic(deployment.bootstrap_servers, deployment.clickstream)
    orders = await read_topic(deployment.bootstrap_servers, deployment.orders)
    loop = asyncio.get_running_loop()
    # Forked, a process would have locks of Kafka's clients that nobody opens again.
    with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        counted = [
            loop.run_in_executor(pool, _count, clickstream[number], orders[number], settings)
            for number in clickstream
        ]
        return oracle.add(await asyncio.gather(*counted))


def _count(
    clickstream: Sequence[Record], orders: Sequence[Record], settings: oracle.OracleSettings
) -> oracle.OracleResult:
    return oracle.count(clickstream, orders, settings)


def differences(counts: Counts, expected: oracle.OracleResult) -> list[Difference]:
    """Every figure in which counts and truth differ."""
    found = []
    for table in _TABLES:
        ours: Mapping[tuple[object, ...], object] = dict(getattr(counts, table))
        theirs: Mapping[tuple[object, ...], object] = dict(getattr(expected, table))
        found += [
            Difference(table, key, ours.get(key), theirs.get(key))
            for key in sorted(ours.keys() | theirs.keys(), key=str)
            if ours.get(key) != theirs.get(key)
        ]
    return found


async def settled_counts(
    deployment: Deployment,
    watch: RollupWatch,
    journal: Journal,
    *,
    records: int,
    quiet_s: float,
    within_s: float,
) -> Counts:
    """What was counted, once every record has an outcome or nothing more is counted.

    Args:
        deployment: names of the topics.
        watch: sees rollups as they come.
        journal: tells the time.
        records: in the source topics.
        quiet_s: after so long without a rollup nothing more will come.
        within_s: how long to wait at most; then what there is is returned.
    """
    deadline_s = journal.now_s() + within_s
    while journal.now_s() < deadline_s:
        # What takes seconds to merge is merged when nothing has come for a moment.
        await asyncio.sleep(max(_POLL_S, _STILL_S - _quiet_s(watch, journal)))
        if _quiet_s(watch, journal) < _STILL_S:
            continue
        seen, counts = watch.rollups, await _merged(deployment)
        final = sum(counts.outcomes.values()) == records or _quiet_s(watch, journal) > quiet_s
        if final and seen == watch.rollups:
            return counts
    journal.note(f"counts still change {within_s} s after the stream's end")
    return await _merged(deployment)


def _quiet_s(watch: RollupWatch, journal: Journal) -> float:
    """For how long no rollup has come."""
    return journal.now_s() - watch.last_s


async def _merged(deployment: Deployment) -> Counts:
    """In a thread of its own: merging takes seconds in which proxies must go on."""
    return await asyncio.to_thread(asyncio.run, merged_counts(deployment))
