"""The merging side of a worker: rollups of its key shards into totals and exported series.

Where a :class:`streams.worker.totals_log.TotalsLog` keeps what is merged, a batch is acknowledged once
that has written down what was merged of it; else as soon as it is merged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from streams.codec import decode_message
from streams.core.buckets import VISITORS
from streams.core.merge import Applied, ShardMerge, Totals
from streams.core.vocabulary import INNER_DIMENSIONS
from streams.errors import CodecError
from streams.metrics.catalog import Family
from streams.results import Fence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.clock import Clock
    from streams.events import RecordBatch
    from streams.metrics.key_series import KeySeries
    from streams.metrics.pipeline import PipelineMetrics
    from streams.metrics.series_part import Carried, SeriesPart
    from streams.results import Rollup

_LOG = logging.getLogger(__name__)
_KEPT_BUCKETS_MS = 300_000
# After so many rollups others have their turn on the event loop.
_AT_ONCE = 64
_OUTCOMES = {Applied.APPLIED: "applied", Applied.REPEATED: "stale", Applied.STALE: "stale"}


@dataclass(slots=True)
class OwnedShard:
    """What is merged of a shard.

    Attributes:
        merge: which rollups were seen.
        totals: what they add up to.
        next_offset: behind the last rollup that was looked at; None before the first.
        caught_up_at: from this offset on a dead owner has read nothing; None once that is reached.
        kept_until: the offset up to which all is written down.
        paused: rollups are not looked at.
    """

    merge: ShardMerge = field(default_factory=ShardMerge)
    totals: Totals = field(default_factory=Totals)
    next_offset: int | None = None
    caught_up_at: int | None = None
    kept_until: int = -1
    paused: bool = False
    unacknowledged: deque[tuple[int, Callable[[], object]]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Restored:
    """A shard as it was written down; ``carried`` unless its owner has handed it over."""

    owned: OwnedShard
    carried: Carried | None


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
        self._outlives = False
        self.shards: dict[int, OwnedShard] = {}
        # Held while a batch is merged, and while all that is known of a shard must stand still.
        self.turn = asyncio.Lock()
        self._age_s: float | None = None

    @property
    def totals(self) -> dict[int, Totals]:
        """By shard; of the last five minutes, and of all times the records by outcome."""
        return {shard: owned.totals for shard, owned in self.shards.items()}

    def outlive(self) -> None:
        """From now on somebody writes down what is merged, and acknowledges it then."""
        self._outlives = True
        self._series.outlive()

    def own(
        self,
        shards: frozenset[int],
        restored: Mapping[int, Restored] | None = None,
        disowned: frozenset[int] = frozenset(),
    ) -> None:
        """Merge these shards from now on; what is known of others is dropped whole.

        Args:
            shards: all of them; those that were there go on.
            restored: of those that come, what is known of them.
            disowned: of those that go, the ones that others merge already.
        """
        restored = restored or {}
        for shard in set(self.shards) - shards:
            # Whoever has it now counts on; coming back we must start from where that one stops.
            del self.shards[shard]
        for shard in shards - set(self.shards):
            self.shards[shard] = restored[shard].owned if shard in restored else OwnedShard()
        carried = {shard: it.carried for shard, it in restored.items()}
        self._series.own(shards, self._clock.now_ms(), carried, disowned)
        for shard in shards:
            owned = self.shards[shard]
            owned.paused = False
            self._catch_up(shard, owned, owned.next_offset)

    async def take(self, shard: int, batch: RecordBatch, ack: Callable[[], object] | None = None) -> None:
        """Take in one batch of rollups of a shard; one that went elsewhere meanwhile counts there.

        Args:
            shard: whose they are.
            batch: rollups and fences; those below the offset from which on they are new are left out.
            ack: called once the batch is not needed any more.
        """
        owned = self.shards.get(shard)
        async with self.turn:
            for number, (offset, value) in enumerate(zip(batch.offsets, batch.values, strict=True), start=1):
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
                if owned is None or owned.paused or self.shards.get(shard) is not owned:
                    return
                if owned.next_offset is None or offset >= owned.next_offset:
                    self._catch_up(shard, owned, offset)
                    self._look_at(shard, owned, value)
                    owned.next_offset = offset + 1
            if owned is not None:
                self._catch_up(shard, owned, owned.next_offset)
                self._acknowledge(owned, batch.offsets[-1] + 1, ack)

    def _look_at(self, shard: int, owned: OwnedShard, value: bytes | None) -> None:
        try:
            message = decode_message(value)
        except CodecError as error:
            self._metrics.merge_rollup("invalid")
            _LOG.warning("rollup cannot be read", extra={"shard": shard, "error": str(error)})
            return
        if isinstance(message, Fence):
            owned.merge.fence(message)
        else:
            self._apply(shard, owned, message)

    def _catch_up(self, shard: int, owned: OwnedShard, offset: int | None) -> None:
        if owned.caught_up_at is not None and offset is not None and offset >= owned.caught_up_at:
            owned.caught_up_at = None
            self._series.caught_up(shard)

    def _acknowledge(self, owned: OwnedShard, until: int, ack: Callable[[], object] | None) -> None:
        if ack is None:
            return
        if self._outlives and until > owned.kept_until:
            owned.unacknowledged.append((until, ack))
        else:
            ack()

    def to_be_kept(self, shard: int) -> SeriesPart:
        """The series of a shard as they are to be written down."""
        return self._series.write(shard)

    def changed(self, shard: int) -> bool:
        """Whether there is anything to be written down of a shard."""
        owned = self.shards[shard]
        if owned.paused or owned.next_offset is None or owned.caught_up_at is not None:
            return False
        return owned.next_offset != owned.kept_until or self._series.waits(shard)

    def kept(self, shard: int, until: int) -> None:
        """All that was merged of a shard is written down up to an offset: those batches are done with."""
        owned = self.shards[shard]
        owned.kept_until = until
        self._series.written(shard)
        while owned.unacknowledged and owned.unacknowledged[0][0] <= until:
            owned.unacknowledged.popleft()[1]()

    def _apply(self, shard: int, owned: OwnedShard, rollup: Rollup) -> None:
        merge = owned.merge
        lost = merge.missing(rollup.partition)
        applied = merge.apply(rollup)
        self._metrics.merge_rollup(_OUTCOMES[applied])
        if applied is not Applied.APPLIED:
            return
        if merge.missing(rollup.partition) > lost:
            _LOG.warning("rollups are missing", extra={"shard": shard, "partition": rollup.partition})
        owned.totals.add(rollup)
        self._export(shard, rollup)
        if rollup.counts:
            age_ms = self._clock.now_ms() - rollup.counted_until_ms
            self._age_s = max(age_ms, 0) / 1000
            self._metrics.observe_freshness(self._age_s)

    def _export(self, shard: int, rollup: Rollup) -> None:
        series = self._series
        exported = _exported(rollup.stages, rollup.nodes)
        for counts in rollup.counts:
            if counts.dimension in INNER_DIMENSIONS:
                continue
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
