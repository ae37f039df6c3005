"""Rollups written by hand: nested dictionaries instead of columns of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.core.vocabulary import Stages
from streams.funnel import Funnel
from streams.results import VERSION, KeyCounts, MoneyCounts, OutcomeCounts, Rollup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T0 = 1_762_689_600_000
STAGES = Stages.of(Funnel())
# (dimension, key) -> cell -> (value, previous)
Counts = dict[tuple[str, str], dict[int, tuple[int, int]]]
# (dimension, key, currency, kind) -> (orders, amount, previous orders, previous amount)
Money = dict[tuple[str, str, str, str], tuple[int, int, int, int]]
# (topic, outcome) -> (records, previous)
Outcomes = dict[tuple[int, str], tuple[int, int]]


def key_counts(dimension: str, keys: Mapping[str, Mapping[int, Sequence[int]]]) -> KeyCounts:
    """Counts of one dimension: key -> cell -> (value, previous)."""
    entries = [
        (at, cell, *values) for at, cells in enumerate(keys.values()) for cell, values in cells.items()
    ]
    index, column, value, previous = np.array(entries, dtype=np.uint64).reshape(-1, 4).T
    return KeyCounts(
        dimension,
        list(keys),
        index.astype("<u4").tobytes(),
        column.astype(np.uint8).tobytes(),
        value.astype("<u8").tobytes(),
        previous.astype("<u8").tobytes(),
    )


def rollup(
    counts: Counts | None = None,
    money: Money | None = None,
    outcomes: Outcomes | None = None,
    *,
    partition: int = 0,
    generation: int = 1,
    part: int = 0,
    open_from: int = 0,
    until: int = 0,
) -> Rollup:
    """A rollup of the bucket at T0; ``until`` is how far the source has counted, ms after T0."""
    dimensions: dict[str, dict[str, dict[int, tuple[int, int]]]] = {}
    for (dimension, key), cells in (counts or {}).items():
        dimensions.setdefault(dimension, {})[key] = cells
    return Rollup(
        VERSION,
        partition,
        generation,
        0,
        T0,
        part,
        open_from,
        T0 + until,
        STAGES.names,
        STAGES.nodes,
        [key_counts(dimension, keys) for dimension, keys in dimensions.items()],
        [MoneyCounts(*key, *values) for key, values in (money or {}).items()],
        [OutcomeCounts(*key, *values) for key, values in (outcomes or {}).items()],
    )
