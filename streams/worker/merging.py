"""The merging side of a worker: rollups of its key shards into totals and exported series."""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from streams.codec import decode_message
from streams.core.buckets import VISITORS
from streams.core.merge import Applied, ShardMerge, Totals
from streams.errors import CodecError
from streams.metrics.catalog import Family
from streams.results import Fence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.clock import Clock
    from streams.events import RecordBatch
    from streams.metrics.key_series import KeySeries
    from streams.metrics.pipeline import PipelineMetrics
    from streams.results import Rollup

_LOG = logging.getLogger(__name__)
_KEPT_BUCKETS_MS = 300_000
# After so many rollups others have their turn on the event loop.
_AT_ONCE = 64
_OUTCOMES = {Applied.APPLIED: "applied", Applied.REPEATED: "stale", Applied.STALE: "stale"}


class Merging:
    """See the module.

    Args:
        source_topics: names of clickstream and orders.
        series: exported counters.
        clock: wall clock, for freshness.
        metrics: pipeline metrics.
    """

    def __init__(
        self,
        *,
        source_topics: tuple[str, str],
        series: KeySeries,
        clock: Clock,
        metrics: PipelineMetrics,
    ) -> None:
        self._topics = source_topics
        self._series = series
        self._clock = clock
        self._metrics = metrics
        self._shards: dict[int, ShardMerge] = {}
        self.totals: dict[int, Totals] = {}
        self._age_s: float | None = None

    def own(self, shards: frozenset[int]) -> None:
        """Merge these shards from now on; what is known of others is dropped whole."""
        for shard in set(self._shards) - shards:
            # Whoever has it now counts on; coming back we must start from where that one stops.
            del self._shards[shard], self.totals[shard]
        for shard in shards - set(self._shards):
            self._shards[shard] = ShardMerge()
            self.totals[shard] = Totals()
        self._series.own(shards, self._clock.now_ms())

    async def take(self, shard: int, batch: RecordBatch) -> None:
        """Take in one batch of rollups of a shard; one that went elsewhere meanwhile counts there."""
        merge = self._shards.get(shard)
        for number, value in enumerate(batch.values, start=1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if merge is None or self._shards.get(shard) is not merge:
                return
            try:
                message = decode_message(value)
            except CodecError as error:
                self._metrics.merge_rollup("invalid")
                _LOG.warning("rollup cannot be read", extra={"shard": shard, "error": str(error)})
                continue
            if isinstance(message, Fence):
                merge.fence(message)
            else:
                self._apply(shard, message)

    def _apply(self, shard: int, rollup: Rollup) -> None:
        merge = self._shards[shard]
        lost = merge.missing(rollup.partition)
        applied = merge.apply(rollup)
        self._metrics.merge_rollup(_OUTCOMES[applied])
        if applied is not Applied.APPLIED:
            return
        if merge.missing(rollup.partition) > lost:
            _LOG.warning("rollups are missing", extra={"shard": shard, "partition": rollup.partition})
        self.totals[shard].add(rollup)
        self._export(shard, rollup)
        if rollup.counts:
            age_ms = self._clock.now_ms() - rollup.counted_until_ms
            self._age_s = max(age_ms, 0) / 1000
            self._metrics.observe_freshness(self._age_s)

    def _export(self, shard: int, rollup: Rollup) -> None:
        series = self._series
        exported = _exported(rollup.stages, rollup.nodes)
        for counts in rollup.counts:
            keys = counts.keys
            index, columns, count = counts.cells()
            for column in np.flatnonzero(np.bincount(columns)).tolist():
                if column not in exported:
                    continue
                family, labels = exported[column]
                mine = columns == column
                names = [keys[at] for at in index[mine].tolist()]
                series.add_many(shard, family, counts.dimension, labels, names, count[mine].tolist())
        for money in rollup.money:
            dimension, key = money.dimension, money.key
            series.add(shard, Family.ORDERS, dimension, key, (money.kind,), money.orders)
            labels = (money.currency, money.kind)
            series.add(shard, Family.REVENUE, dimension, key, labels, money.amount_minor)
        for outcome in rollup.outcomes:
            series.add_records(shard, self._topics[outcome.topic], outcome.outcome, outcome.records)

    def newest_age_s(self) -> float | None:
        """How old the newest event of the last rollup was when it arrived; None before the first."""
        return self._age_s

    def tick(self) -> None:
        """Admit keys to the shown ones, let old buckets go; once a second."""
        now = self._clock.now_ms()
        self._series.tick(now)
        for totals in self.totals.values():
            newest = max(totals.buckets, default=0)
            totals.forget_before(newest - _KEPT_BUCKETS_MS)


@lru_cache(maxsize=16)
def _exported(stages: tuple[str, ...], nodes: int) -> Mapping[int, tuple[Family, tuple[str, ...]]]:
    """Family and labels behind each column that is exported; outcomes of orders are no nodes."""
    columns: dict[int, tuple[Family, tuple[str, ...]]] = {}
    for number, node in enumerate(stages[:nodes]):
        columns[number] = (Family.EVENTS, (node,))
        columns[VISITORS + number] = (Family.VISITORS, (node,))
    return columns
