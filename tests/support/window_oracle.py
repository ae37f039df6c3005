"""Closed buckets written by hand, and a slow way to sum them up: every count is looked at every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from streams.closed import Cells, ClosedBucket
from tests.support.rollups import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from streams.core.merge import MoneyKey

# (dimension, key, column) -> how many
Counts = dict[tuple[str, str, int], int]
BUCKET = 10_000
QUARTER = 900_000


@dataclass
class Buckets:
    """Makes closed buckets, and remembers everything that was in them."""

    names: dict[str, list[str]] = field(default_factory=dict)
    seen: list[tuple[int, str, str, int, int]] = field(default_factory=list)
    paid: list[tuple[int, MoneyKey, int, int]] = field(default_factory=list)
    began: int | None = None
    end: int = 0
    known: dict[tuple[int, int], Counter[tuple[str, str, int]]] = field(default_factory=dict)

    def close(
        self,
        start_ms: int,
        counts: Counts | None = None,
        late: Iterable[tuple[int, Counts]] = (),
        money: Mapping[MoneyKey, tuple[int, int]] | None = None,
    ) -> ClosedBucket:
        """A bucket, with what came late of others."""
        self.began = start_ms if self.began is None else self.began
        self.end = start_ms + BUCKET
        self.known.clear()
        for at_ms, some in [(start_ms, counts or {}), *late]:
            self.seen += [(at_ms, *cell, count) for cell, count in some.items()]
        self.paid += [(start_ms, key, *sums) for key, sums in (money or {}).items()]
        cells = self._cells(counts or {})
        behind = tuple((at_ms, self._cells(some)) for at_ms, some in late)
        names = {dimension: tuple(keys) for dimension, keys in self.names.items()}
        return ClosedBucket(
            start_ms, self.end, True, STAGES.names, STAGES.nodes, names, cells, behind, money or {}
        )

    def sums(self, start_ms: int, end_ms: int) -> Counter[tuple[str, str, int]]:
        """Counts by dimension, key and column in a span; looked up once all buckets are closed."""
        span = (start_ms, end_ms)
        if span not in self.known:
            self.known[span] = self._sums(start_ms, end_ms)
        return self.known[span]

    def _sums(self, start_ms: int, end_ms: int) -> Counter[tuple[str, str, int]]:
        sums: Counter[tuple[str, str, int]] = Counter()
        for at_ms, dimension, key, column, count in self.seen:
            if start_ms <= at_ms < end_ms:
                sums[dimension, key, column] += count
        return sums

    def money(self, start_ms: int, end_ms: int) -> dict[MoneyKey, tuple[int, int]]:
        """Orders and amounts in a span."""
        sums: dict[MoneyKey, tuple[int, int]] = {}
        for at_ms, key, orders, amount in self.paid:
            if start_ms <= at_ms < end_ms:
                before = sums.get(key, (0, 0))
                sums[key] = (before[0] + orders, before[1] + amount)
        return sums

    def _cells(self, counts: Counts) -> dict[str, Cells]:
        rows: dict[str, list[tuple[int, int, int]]] = {}
        for (dimension, key, column), count in counts.items():
            keys = self.names.setdefault(dimension, [])
            if key not in keys:
                keys.append(key)
            rows.setdefault(dimension, []).append((keys.index(key), column, count))
        return {
            dimension: Cells(*np.array(sorted(some), dtype=np.int64).reshape(-1, 3).T)
            for dimension, some in rows.items()
        }


def midnight_before(at_ms: int, zone: ZoneInfo) -> int:
    """The last moment up to this one at which a local day began, by looking at every quarter of an hour."""
    today, at_ms = _date(at_ms, zone), at_ms // QUARTER * QUARTER
    while _date(at_ms - 1, zone) == today:
        at_ms -= QUARTER
    return at_ms


def _date(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms // 1000, zone).date()
