"""The counting side of a worker: one :class:`SourcePartition` per assigned partition.

Batches come in from the agent; changes of state, rollups (:mod:`streams.worker.flushes`) and dead
letters go out through the outbox. A batch is acknowledged once every event in it is counted, and the
log and the rollups that say so are with the broker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.closed import Progress
from streams.codec import encode_rollup
from streams.core.ordering import UNREAD, Patience, release_limit
from streams.core.reading import Reading, SourceOffsets
from streams.errors import DeadLetterLimit
from streams.events import Outcome
from streams.results import RollupWriter
from streams.worker.assigned import AssignedPartition
from streams.worker.dead_letters import DeadLetters
from streams.worker.flushes import Flush, Flushes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from streams.clock import Clock
    from streams.core.pipeline import SourcePartition
    from streams.core.settings import CountingSettings
    from streams.core.vocabulary import Vocabulary
    from streams.events import RecordBatch
    from streams.formats.columns import BatchDecoder
    from streams.metrics.pipeline import PipelineMetrics
    from streams.worker.batching import Position
    from streams.worker.publishing import Outbox
    from streams.worker.state_log import StateLog

_LOG = logging.getLogger(__name__)
# Count as soon as this much has come in, without waiting for the next flush.
_PROCESS_AT = 32_768
# After so many rollups others have their turn on the event loop: history may be sparse and long.
_ROLLUPS_AT_ONCE = 64
# One topic may run ahead of the other by this many events before it is held back.
_AHEAD_LIMIT = 400_000
# So many events of a source partition may be counted and in no log; then nothing more is read of it, or a log
# that takes nothing would fill the memory. At full speed half as many come between two flushes.
_UNLOGGED_LIMIT = 200_000
_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class CountingTopics:
    """Names of the topics the counting side reads (clickstream, orders) and writes.

    ``keyed`` says that we write the sources ourselves, keyed by visitor; then records may be repeated.
    """

    sources: tuple[str, str]
    rollups: str
    deadletter: str
    keyed: bool = False


class Counting:
    """See the module.

    Args:
        topics: names.
        decoders: per source topic.
        vocabulary: shared with the decoders.
        settings: the contract's numbers.
        clock: for idle topics and freshness only.
        outbox: where messages leave.
        metrics: pipeline metrics.
        patience: with topics that have nothing left to read.
        stop_after: so many invalid records in a row stop the worker; None for never.

    Attributes:
        partitions: by number, those that are counted.
        newer_life: asks a partition's log whether a newer life has claimed it; None if it cannot tell now.
    """

    def __init__(  # noqa: PLR0913  # its collaborators, by name
        self,
        *,
        topics: CountingTopics,
        decoders: Sequence[BatchDecoder],
        vocabulary: Vocabulary,
        settings: CountingSettings,
        clock: Clock,
        outbox: Outbox,
        metrics: PipelineMetrics,
        patience: Patience = _PATIENCE,
        stop_after: int | None = None,
    ) -> None:
        self._topics = topics
        self._decoders = decoders
        self.vocabulary = vocabulary
        self.settings = settings
        self._clock = clock
        self._metrics = metrics
        self._patience = patience
        self.partitions: dict[int, AssignedPartition] = {}
        self.newer_life: Callable[[AssignedPartition], Awaitable[bool | None]] | None = None
        self._flushes = Flushes(outbox, topics.rollups, self._is_over)
        self._dead_letters = DeadLetters(topics.sources, topics.deadletter, outbox, metrics, stop_after)

    def assign(self, number: int, log: StateLog, counts: SourcePartition) -> AssignedPartition:
        """Begin to count a source partition behind what its log says.

        Args:
            number: the source partition.
            log: of a life that has begun.
            counts: the state that the log tells.
        """
        now = self._clock.monotonic_ms()
        keyed = self._topics.keyed
        readings = Reading(log.sources[0], keyed=keyed), Reading(log.sources[1], keyed=keyed)
        counts.rewind((readings[0].newest_ms, readings[1].newest_ms))
        writer = RollupWriter(self.vocabulary, number, log.generation, counts.limit_ms)
        assigned = AssignedPartition(
            number, counts, log, writer, readings, [now, now], [None, None], counts.limit_ms
        )
        self.partitions[number] = assigned
        return assigned

    def begin_anew(self, topic: str, number: int, offset: int) -> None:
        """A source topic was made anew, or lost its end: offsets known of it mean nothing any more."""
        assigned = self.partitions.get(number)
        if assigned is not None:
            which = self._topics.sources.index(topic)
            readings = list(assigned.readings)
            readings[which] = Reading(
                SourceOffsets(offset, assigned.counts.newest[which]), keyed=self._topics.keyed
            )
            assigned.readings = readings[0], readings[1]

    def take(self, topic: str, number: int, batch: RecordBatch, ack: Callable[[], object]) -> None:
        """Take in one batch of a source topic.

        Raises:
            DeadLetterLimit: too many invalid records in a row.
        """
        started = time.perf_counter()
        assigned = self.partitions[number]
        which = self._topics.sources.index(topic)
        reading = assigned.readings[which]
        fresh = reading.fresh(batch)
        if fresh is None:
            ack()
        else:
            unrepeated = reading.unrepeated(fresh)
            if unrepeated is not None:
                try:
                    self._ingest(assigned, which, unrepeated)
                except DeadLetterLimit:
                    assigned.refused = True
                    raise
            reading.take(fresh, assigned.counts.newest[which], ack)
        assigned.unprocessed += len(batch.offsets)
        assigned.unlogged += len(batch.offsets)
        if assigned.unprocessed >= _PROCESS_AT:
            self._process(assigned, (None, None))
        self._metrics.observe_batch(time.perf_counter() - started, len(batch.offsets))

    def _ingest(self, assigned: AssignedPartition, which: int, batch: RecordBatch) -> None:
        decoded = self._decoders[which].decode(batch)
        accepted = len(decoded.rows)
        timestamps = np.array(batch.timestamps, dtype=np.int64)
        known = assigned.readings[which].known(batch)
        rejected = assigned.counts.ingest(which, decoded, timestamps, known)
        letters = [item for item in rejected if item.outcome is not Outcome.HEARTBEAT]
        if accepted or letters:
            # Heartbeats do not break a silence: what waits for its end would never be counted.
            assigned.taken_at_ms[which] = self._clock.monotonic_ms()
        self._dead_letters.take(assigned, which, batch, letters, accepted)

    def _count_due(self, assigned: AssignedPartition, position: Callable[[str, int], Position]) -> None:
        now = self._clock.monotonic_ms()
        idle = tuple(
            assigned.silent_ms(which, position(topic, assigned.number), now)
            for which, topic in enumerate(self._topics.sources)
        )
        self._process(assigned, (idle[0], idle[1]))
        quiet = all(since is not None and since >= self._patience.idle_ms for since in idle)
        assigned.idle = quiet and not assigned.counts.waiting
        self._observe(assigned)

    def _process(self, assigned: AssignedPartition, idle: tuple[int | None, int | None]) -> None:
        if assigned.counts.newest == (UNREAD, UNREAD):
            return
        limit = release_limit(
            assigned.counts.newest, idle, self.settings.max_out_of_orderness_ms, self._patience
        )
        assigned.limit_ms = max(assigned.limit_ms, limit)
        assigned.counts.process(assigned.limit_ms)
        assigned.unprocessed = 0

    def _observe(self, assigned: AssignedPartition) -> None:
        read = [newest for newest in assigned.counts.newest if newest != UNREAD]
        if read:
            self._metrics.set_watermark_delay(assigned.number, (self._clock.now_ms() - min(read)) / 1000)

    def ahead(self, assigned: AssignedPartition) -> tuple[int, ...]:
        """The topics (0, 1) that must wait: who has run far ahead of the other, both if the log takes nothing."""
        if assigned.unlogged >= _UNLOGGED_LIMIT:
            return 0, 1
        if assigned.counts.waiting < _AHEAD_LIMIT:
            return ()
        newest = assigned.counts.newest
        return (0,) if newest[0] > newest[1] else (1,)

    async def flush(self, position: Callable[[str, int], Position]) -> bool:
        """Count what is due, write all changes to the log, then send the rollups that say the same.

        A batch is acknowledged when everything in it is counted, logged and sent.

        Args:
            position: where reading of a topic-partition stands, to tell topics with nothing left.

        Returns:
            False if the broker did not take everything; what is left goes first next time.
        """
        if not await self._flushes.finish():
            return False
        for assigned in list(self.partitions.values()):
            if not assigned.refused:
                self._count_due(assigned, position)
                await self._capture(assigned)
        return await self._flushes.finish()

    async def give(self, numbers: Iterable[int]) -> list[AssignedPartition]:
        """Let go of source partitions, with all that is counted in the log.

        Returns:
            Those that the broker took wholly; of the others the next owner counts the end again.
        """
        # From here on nothing is taken in: what is still queued is read again by the next owner.
        given = [self.partitions.pop(number) for number in numbers if number in self.partitions]
        held = [assigned for assigned in given if not assigned.refused]
        if not held or not await self._flushes.finish():
            return []
        for assigned in held:
            assigned.idle = False
            self._process(assigned, (None, None))
            await self._capture(assigned)
        return held if await self._flushes.finish() else []

    async def _capture(self, assigned: AssignedPartition) -> None:
        """Put a flush on its way: everything as of one moment, and after that others have their turn."""
        changes, until = assigned.counts.flush(), assigned.counts.counted_until
        assigned.unlogged = 0
        acks = [ack for reading in assigned.readings for ack in reading.counted(assigned.limit_ms)]
        sources, log = assigned.sources, assigned.log
        progress = Progress(assigned.counts.limit_ms, self._clock.now_ms(), assigned.idle)
        nothing_new = not acks and sources == log.sources and assigned.limit_ms == assigned.logged_ms
        if nothing_new and not assigned.rollups.due(progress):
            return
        captured = log.capture(sources)
        assigned.logged_ms = assigned.limit_ms
        rollups = list[tuple[int, bytes]]()
        for number, rollup in enumerate(assigned.rollups.rollups(changes, until, progress), start=1):
            rollups.append((rollup.shard, encode_rollup(rollup)))
            if number % _ROLLUPS_AT_ONCE == 0:
                await asyncio.sleep(0)
        *chunks, marker = log.messages(captured, rollups)
        self._metrics.log_state(sum(len(message.value or b"") for message in (*chunks, marker)))
        self._flushes.begin(Flush(assigned, acks, marker, rollups), chunks)

    async def _is_over(self, assigned: AssignedPartition) -> bool | None:
        """Whether another worker has taken this partition over, by what stands in its log; None if unknown."""
        if assigned.log.strangers is None or self.newer_life is None:
            return False
        over = await self.newer_life(assigned)
        if over:
            _LOG.warning("another worker has this partition", extra={"partition": assigned.number})
            if self.partitions.get(assigned.number) is assigned:  # it may be back, in a new life
                del self.partitions[assigned.number]
        return over

    def state_bytes(self) -> dict[str, int]:
        """Bytes of counting state by kind, over all partitions."""
        total: dict[str, int] = {}
        for assigned in self.partitions.values():
            for kind, size in assigned.counts.nbytes().items():
                total[kind] = total.get(kind, 0) + size
        return total
