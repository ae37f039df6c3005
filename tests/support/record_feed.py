"""Closed buckets of which only the records and the partitions' progress matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.closed import BUCKET_MS, ClosedBucket, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A Tuesday, 12:00 UTC.
NOON = 1_762_862_400_000
NOON -= NOON % BUCKET_MS
LAG_MS = 7_000
# Records per minute by (bucket number, partition, topic).
Rate = "Callable[[int, int, int], float]"


def closed_bucket(
    number: int,
    records: Mapping[tuple[int, int, str], int],
    *,
    partitions: int = 1,
    closed_at_ms: int | None = None,
    complete: bool = True,
    progress: Mapping[int, Progress] | None = None,
    start_ms: int = NOON,
) -> ClosedBucket:
    """The bucket of that number after ``start_ms``, closed a little after its end unless told."""
    end_ms = start_ms + (number + 1) * BUCKET_MS
    told_ms = end_ms + LAG_MS if closed_at_ms is None else closed_at_ms
    return ClosedBucket(
        start_ms=end_ms - BUCKET_MS,
        closed_at_ms=told_ms,
        complete=complete,
        stages=(),
        nodes=0,
        names={},
        counts={},
        records=records,
        progress=progress
        or {partition: Progress(end_ms, told_ms, idle=False) for partition in range(partitions)},
    )


def feed(
    rate: Callable[[int, int, int], float], buckets: int, *, partitions: int = 1, seed: int = 0
) -> Iterator[ClosedBucket]:
    """Buckets with Poisson counts.

    Args:
        rate: records per minute by (bucket number, partition, topic).
        buckets: how many.
        partitions: source partitions.
        seed: of the counts.
    """
    chance = np.random.default_rng(seed)
    for number in range(buckets):
        records = {
            (partition, topic, "accepted"): int(chance.poisson(rate(number, partition, topic) / 6))
            for partition in range(partitions)
            for topic in (0, 1)
        }
        kept = {key: count for key, count in records.items() if count}
        yield closed_bucket(number, kept, partitions=partitions)
