"""What a worker does when the group moves partitions: give away what goes, take up what comes.

Promises: all that is counted of a partition is in the log, and all that is merged of a shard is
written down, before it goes, as far as Kafka takes it; what comes is read on from where its state ends
and not from where the group has committed. Nothing is flushed or merged in between.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from faust.types import TP

from streams.errors import TopicError
from streams.worker.kafka import patiently

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.worker.app import Worker
    from streams.worker.batching import BatchConsumer

T = TypeVar("T")

_LOG = logging.getLogger(__name__)


class Rebalancing:
    """See the module; ``worker`` is whose parts give and take."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._sources = worker.sources
        self._rollups = worker.settings.topics.rollups

    def listen(self, consumer: BatchConsumer) -> None:
        """Be told by the consumer of what moves and what is missing."""
        consumer.before_revoke = self.before_revoke
        consumer.after_assign = self.assigned
        consumer.on_gap = self.lost
        consumer.on_new_log = self.begun_anew

    async def before_revoke(self, revoked: set[TP]) -> None:
        """Get all that is counted into the log before the partitions go."""
        worker = self._worker
        numbers = {tp.partition for tp in revoked if tp.topic in self._sources}
        if worker.republishing is not None:
            await worker.republishing.revoked()
        async with worker.merging_turn, worker.flushing_turn:
            await worker.recovery.give(sorted(numbers))
            await self._give_totals({tp.partition for tp in revoked if tp.topic == self._rollups})
        for tp in revoked:
            if tp.topic in self._sources:
                worker.metrics.forget_partition(tp.topic, tp.partition)
                worker.metrics.forget_watermark(tp.partition)

    async def _give_totals(self, shards: set[int]) -> None:
        try:
            await self._worker.totals.give(shards)
        except TopicError as error:
            # Whoever has them next goes on from the snapshot before.
            _LOG.warning("totals are not handed over", extra={"error": str(error)})

    async def assigned(self, tps: set[TP]) -> None:
        """Take up the state of the source partitions, and the shards of the rollups."""
        worker = self._worker
        worker.supervision.joined = worker.supervision.recovering = True
        worker.metrics.rebalance()
        for topic in (*self._sources, self._rollups):
            worker.metrics.set_assigned_partitions(topic, sum(tp.topic == topic for tp in tps))
        merged = {tp.partition for tp in tps if tp.topic == self._rollups}
        shards = await self._patiently(partial(worker.totals.take, merged))
        worker.consumer.start_at |= {TP(self._rollups, shard): offset for shard, offset in shards.items()}
        numbers = sorted({tp.partition for tp in tps if tp.topic in self._sources})
        async with worker.flushing_turn:
            await self._patiently(partial(worker.recovery.take, numbers))
        self._start_where_state_ends()
        if worker.republishing is not None:
            await worker.republishing.assigned(tps)
        worker.backpressure.forget()
        worker.supervision.recovering = False
        worker.heartbeat.ready()

    async def _patiently(self, take: Callable[[], Awaitable[T]]) -> T:
        # Others wait for us as long as a rebalance may take.
        return await patiently(
            take, self._worker.heartbeat.wait_for, self._worker.settings.kafka.rebalance_timeout_ms / 1000
        )

    def _start_where_state_ends(self) -> None:
        """Not where the group has committed: state may be ahead of that."""
        worker = self._worker
        for assigned in worker.counting.partitions.values():
            for topic, reading in zip(self._sources, assigned.readings, strict=True):
                if reading.next_offset is not None:
                    worker.consumer.start_at[TP(topic, assigned.number)] = reading.next_offset

    def lost(self, tp: TP, begin: int, end: int) -> None:
        """Records were deleted before they were read."""
        if tp.topic in self._sources:
            self._worker.metrics.lose(tp.topic, end - begin)

    def begun_anew(self, tp: TP, begin: int, end: int) -> None:  # noqa: ARG002  # the consumer's hook
        """A topic was made anew while we were away."""
        worker = self._worker
        worker.metrics.new_log(tp.topic)
        if tp.topic in self._sources:
            worker.counting.begin_anew(tp.topic, tp.partition, end)
