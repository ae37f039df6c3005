"""Rollups written by hand: nested dictionaries instead of columns of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.core.vocabulary import Stages
from streams.funnel import Funnel
from streams.results import VERSION, KeyCounts, MoneyCounts, OutcomeCounts, Rollup

if TYPE_CHECKING:
    from collections.abc import Mapping

T0 = 1_762_689_600_000
STAGES = Stages.of(Funnel())
# (dimension, key) -> column -> how many were added
Counts = dict[tuple[str, str], dict[int, int]]
# (dimension, key, currency, kind) -> (orders, amount)
Money = dict[tuple[str, str, str, str], tuple[int, int]]
# (topic, outcome) -> records
Outcomes = dict[tuple[int, str], int]


def key_counts(dimension: str, keys: Mapping[str, Mapping[int, int]]) -> KeyCounts:
    """Counts of one dimension: key -> column -> how many were added."""
    entries = [(at, *cell) for at, cells in enumerate(keys.values()) for cell in cells.items()]
    index, column, count = np.array(entries, dtype=np.uint64).reshape(-1, 3).T
    return KeyCounts(
        dimension,
        list(keys),
        index.astype("<u4").tobytes(),
        column.astype(np.uint8).tobytes(),
        count.astype("<u8").tobytes(),
    )


def rollup(  # noqa: PLR0913  # its fields, by name
    counts: Counts | None = None,
    money: Money | None = None,
    outcomes: Outcomes | None = None,
    *,
    partition: int = 0,
    generation: int = 1,
    written_by: int | None = None,
    shard: int = 0,
    sequence: int = 0,
    bucket_ms: int = T0,
    until: int = 0,
    complete: int = 0,
    told_at: int = 0,
    idle: bool = False,
) -> Rollup:
    """A rollup, sent by the life that counted it.

    ``until`` is how far that has counted, ``complete`` up to where all is counted, ``told_at`` when
    it said so: ms after T0.
    """
    dimensions: dict[str, dict[str, dict[int, int]]] = {}
    for (dimension, key), cells in (counts or {}).items():
        dimensions.setdefault(dimension, {})[key] = cells
    return Rollup(
        VERSION,
        partition,
        generation,
        generation if written_by is None else written_by,
        shard,
        sequence,
        bucket_ms,
        T0 + until,
        T0 + complete,
        T0 + told_at,
        idle,
        STAGES.names,
        STAGES.nodes,
        [key_counts(dimension, keys) for dimension, keys in dimensions.items()],
        [MoneyCounts(*key, *sums) for key, sums in (money or {}).items()],
        [OutcomeCounts(*key, records) for key, records in (outcomes or {}).items()],
    )
