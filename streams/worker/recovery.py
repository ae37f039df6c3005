"""Counting state from one owner of a source partition to the next, out of the state log.

Whoever gets a source partition reads its log from where the newest marker says, claims it, fences off
what older owners may still send, begins a life of its own and sends again what may not have come
(:mod:`streams.worker.state_log`). It makes no difference whether the owner before went in order, was
killed, or is asleep and will wake up. Of a partition that goes the state is kept until it is known who
has it next: to a worker that gets it back at once, only what others wrote meanwhile is new. With
``counting.standby`` it is kept, and followed, for as long as others have it.
"""

from __future__ import annotations

import logging
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

from streams.codec import encode_fence, sent_again
from streams.core.pipeline import SourcePartition
from streams.errors import CodecError, KafkaUnreachable, TopicError
from streams.results import VERSION, Fence
from streams.worker.kafka import kafka_options
from streams.worker.log_entries import Life, encode_entry, life_key, shape_of
from streams.worker.log_reader import LogReader
from streams.worker.publishing import Outgoing
from streams.worker.ranges import partitions_of
from streams.worker.standby import Standby, is_whole
from streams.worker.state_log import StateLog
from streams.worker.state_topic import StateTopic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streams.clock import Clock
    from streams.config import Settings
    from streams.metrics.pipeline import PipelineMetrics
    from streams.worker.assigned import AssignedPartition
    from streams.worker.counting import Counting
    from streams.worker.log_entries import Marker
    from streams.worker.publishing import Outbox
    from streams.worker.state_topic import Reached

_LOG = logging.getLogger(__name__)
# Each waits for some seconds.
_TRIES = 12
# Kafka deletes no records of a topic that is only compacted.
_REMEDY = (
    "to count on without it, set the topic's cleanup.policy to compact,delete, "
    "delete the records of the partition, and set it back"
)


class Recovery:
    """See the module.

    Args:
        settings: topic names and how to reach Kafka.
        counting: whose partitions come and go.
        outbox: where claims, fences and what is sent again leave.
        clock: for generations, which also exceed all that the log names.
        metrics: pipeline metrics.
        waiting_for: is told what takes long.
        contested: is called when another worker has begun a life of what was given to us: one of us
            was asleep, and the group shall say which.

    Attributes:
        entries_read: of the logs read last, as a sign of getting on.
    """

    def __init__(  # its collaborators
        self,
        settings: Settings,
        counting: Counting,
        outbox: Outbox,
        clock: Clock,
        metrics: PipelineMetrics,
        waiting_for: Callable[[str], object],
        contested: Callable[[], object],
    ) -> None:
        self._topics = settings.topics
        self._kafka = settings.kafka
        self._counting = counting
        self._outbox = outbox
        self._clock = clock
        self._metrics = metrics
        self._waiting_for = waiting_for
        self._contested = contested
        self._shape = shape_of(counting.vocabulary, counting.settings.attribution)
        # Of partitions that are counted, and of those that just went.
        self._readers: dict[int, LogReader] = {}
        self._kept: dict[int, LogReader] = {}
        self.entries_read = 0
        self._standby = settings.counting.standby
        self._copies = Standby(self._open_quietly, self._reader)
        counting.newer_life = self._newer_life

    async def give(self, numbers: Iterable[int]) -> None:
        """Write all that is counted of partitions that go; what Kafka does not take is counted again."""
        numbers = list(numbers)
        given = await self._counting.give(numbers)
        for assigned in given:
            reader = self._readers[assigned.number]
            if assigned.log.strangers is None:
                reader.continue_after(assigned.log)
                self._kept[assigned.number] = reader
            _LOG.info("state handed over", extra={"partition": assigned.number})
        for number in numbers:
            self._readers.pop(number, None)

    async def take(self, numbers: Sequence[int]) -> None:
        """Begin to count partitions where their log ends, or from nothing where there is none.

        Raises:
            CodecError: a state is there but cannot be read.
            KafkaUnreachable: it is not to be read now; what was kept is kept for another try.
            TopicError: the state topic lacks a partition, cannot be read to its end, or takes nothing.
        """
        began = time.monotonic()
        there = await self._be_there(numbers)
        kept, self._kept = self._kept | await self._copies.release(), {}
        if numbers:
            try:
                async with self._open_topic() as topic:
                    readers = await self._read(topic, numbers, kept)
                    await self._claim(topic, readers)
            except KafkaUnreachable:
                self._kept = kept
                raise
            self._metrics.set_recovery_left(0)
            self._metrics.observe_recovery(time.monotonic() - began)
        if self._standby:
            self._copies.follow(there - set(numbers), kept)

    async def stop(self) -> None:
        """Keep no copies any more."""
        await self._copies.release()

    async def _read(
        self, topic: StateTopic, numbers: Sequence[int], kept: Mapping[int, LogReader]
    ) -> dict[int, LogReader]:
        """What has read the logs of partitions to their end, with what is kept of them if it is of use."""
        newest = await topic.newest(numbers)
        readers = {number: self._reader(newest[number], kept.get(number)) for number in numbers}
        for reader in readers.values():
            # From here on: what was read as a copy took nobody's time.
            reader.bytes_read = 0
        await topic.read(readers)
        useless = [number for number in kept.keys() & readers.keys() if not is_whole(readers[number])]
        again = {number: self._reader(newest[number]) for number in useless}
        await topic.read(again)
        readers |= again
        for number, reader in readers.items():
            # Before a word is written into a log that is another build's.
            self._check(number, reader)
        return readers

    def _open_topic(self) -> StateTopic:
        return StateTopic(self._kafka, self._topics.state, self._tell)

    def _open_quietly(self) -> StateTopic:
        return StateTopic(self._kafka, self._topics.state, lambda _: None)

    def copied_bytes(self) -> int:
        """Memory that copies of other workers' partitions take."""
        return sum(self._copies.nbytes().values())

    def _tell(self, reached: Reached) -> None:
        self.entries_read = reached.entries
        self._metrics.set_recovery_left(reached.total - reached.entries)
        self._waiting_for(
            f"reading state: {reached.entries} of {reached.total} entries, "
            f"{reached.rate:.0f} a second, {reached.seconds_left:.0f} s left"
        )
        _LOG.info(
            "reading state",
            extra={"entries": reached.entries, "of": reached.total, "seconds_left": reached.seconds_left},
        )

    def _reader(self, newest: Marker | None, kept: LogReader | None = None) -> LogReader:
        """One that goes on where ours stopped, unless others have counted since: what began them may be gone."""
        if kept is not None and (newest is None or newest.generation <= kept.generation):
            return kept
        vocabulary = self._counting.vocabulary
        counts = SourcePartition(vocabulary, self._counting.settings)
        return LogReader(counts, vocabulary, self._shape, newest.begin if newest is not None else None)

    async def _be_there(self, numbers: Sequence[int]) -> set[int]:
        """All partitions of the state topic, these among them."""
        topic = self._topics.state
        there = set(await partitions_of(kafka_options(self._kafka), [topic]))
        missing = set(numbers) - there
        if missing:
            raise TopicError(f"{topic}: no partition {min(missing)}: it needs as many as the sources")
        return there

    async def _claim(self, topic: StateTopic, readers: Mapping[int, LogReader]) -> None:
        """Begin a life of each partition; what comes of older ones from here on is void."""
        now, owner = self._clock.now_ms(), secrets.randbits(62)
        lives = {number: max(now, reader.seen + 1) for number, reader in readers.items()}
        await self._send(self._life(number, Life(life, owner, begun=False)) for number, life in lives.items())
        shards = range(self._topics.rollup_shards)
        await self._send(self._fence(number, life, at) for number, life in lives.items() for at in shards)
        begun: dict[int, int] = {}
        await self._send(
            self._life(number, Life(life, owner, begun=True))._replace(
                arrived=partial(begun.__setitem__, number)
            )
            for number, life in lives.items()
        )
        await topic.read(readers, begun)
        for number, reader in readers.items():
            if (reader.generation, reader.owner) == (lives[number], owner):
                await self._begin(number, reader)
            elif reader.generation < lives[number]:
                raise TopicError(f"{self._topics.state}: partition {number} lacks what was just written")
            else:
                _LOG.warning("another worker has this partition", extra={"partition": number})
                self._contested()

    def _life(self, number: int, life: Life) -> Outgoing:
        return Outgoing(self._topics.state, number, life_key(life), encode_entry(life))

    def _fence(self, number: int, generation: int, shard: int) -> Outgoing:
        fence = Fence(VERSION, number, generation, shard)
        return Outgoing(self._topics.rollups, shard, None, encode_fence(fence))

    async def _begin(self, number: int, reader: LogReader) -> None:
        self._check(number, reader)
        await self._send(
            Outgoing(self._topics.rollups, shard, None, sent_again(data, reader.generation))
            for rollups in reader.unsent
            for shard, data in rollups
        )
        log = StateLog(self._topics.state, number, reader, self._counting.vocabulary)
        self._readers[number] = reader
        self._counting.assign(number, log, reader.counts)
        if reader.begin is None:
            _LOG.warning(
                "no state: counting begins where the group has committed", extra={"partition": number}
            )
        else:
            _LOG.info("state taken over", extra={"partition": number, "bytes": reader.bytes_read})

    def _check(self, number: int, reader: LogReader) -> None:
        try:
            reader.check()
        except CodecError as error:
            raise CodecError(
                f"{self._topics.state}: state of partition {number}: {error}; {_REMEDY}"
            ) from error

    async def _send(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            self._outbox.put(message)
        for _ in range(_TRIES):
            if await self._outbox.send():
                return
            self._waiting_for(f"kafka does not take messages: {len(self._outbox)} wait")
        raise KafkaUnreachable(f"{self._topics.state}: kafka does not take the state")

    async def _newer_life(self, assigned: AssignedPartition) -> bool | None:
        """Whether a newer life than this one's stands among entries that are not its own."""
        strangers = assigned.log.strangers
        if strangers is None:
            return False
        try:
            async with self._open_quietly() as topic:
                lives = await topic.lives(assigned.number, strangers)
        except TopicError as error:
            _LOG.warning(
                "who else has this partition cannot be read now",
                extra={"partition": assigned.number, "reason": str(error)},
            )
            return None
        newer = any(life.generation > assigned.log.generation for life in lives)
        if newer:
            self._contested()
        return newer
