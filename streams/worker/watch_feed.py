"""What the watcher reads: all shards of the rollups and the control topic, without a group.

Promises: each shard in order from where it is told to begin; shards are read evenly, so that none is
far ahead of another in event time while that one has anything left; and it is known when all was read
that there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.events import Record
from streams.worker.kafka import kafka_options, open_consumer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from streams.config import Settings
    from streams.worker.watch_fold import Offsets

_WAIT_MS = 500
_AT_ONCE = 500
_MOST_AHEAD_MS = 300_000
# Who has lost everything learns from these what is open: five hundred that are told of each hour, for two days.
_MOST_TOLD = 24_000


class Fed(NamedTuple):
    """Records by shard, control records, and whether there is nothing more at present."""

    rollups: dict[int, list[Record]]
    controls: list[Record]
    live: bool


class WatchFeed:
    """See the module; a context manager.

    Args:
        settings: topic names, shards, and how to reach Kafka.
    """

    def __init__(self, settings: Settings) -> None:
        topics = settings.topics
        self._shards = [TopicPartition(topics.rollups, shard) for shard in range(topics.rollup_shards)]
        self._control = TopicPartition(topics.control, 0)
        self._incidents = TopicPartition(topics.incidents, 0)
        self._consumer = AIOKafkaConsumer(
            **kafka_options(settings.kafka),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.kafka.fetch_max_wait_ms,
            max_partition_fetch_bytes=settings.kafka.max_partition_fetch_bytes,
        )

    async def __aenter__(self) -> Self:
        await open_consumer(self._consumer, self._shards[0].topic)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def begin(self, offsets: Offsets, since_ms: int) -> None:
        """Read from these offsets on; where there is none, from what came since a time of day.

        Control is read whole then: it is short, and a silence may be old.
        """
        self._consumer.assign([*self._shards, self._control])
        known = dict(zip(self._shards, offsets.shards, strict=True))
        first = await self._offsets_since([tp for tp, offset in known.items() if offset is None], since_ms)
        for tp, offset in (known | first).items():
            self._consumer.seek(tp, offset)
        if offsets.control is None:
            await self._consumer.seek_to_beginning(self._control)
        else:
            self._consumer.seek(self._control, offsets.control)

    async def told_since(self, offset: int | None) -> tuple[int, int]:
        """Where what was told behind an offset of the incidents begins and ends; None for all that is kept.

        Of very many the last ones.
        """
        tps = [self._incidents]
        begin = (await self._consumer.beginning_offsets(tps))[self._incidents]
        end = (await self._consumer.end_offsets(tps))[self._incidents]
        return min(max(offset or 0, begin, end - _MOST_TOLD), end), end

    async def _offsets_since(self, tps: list[TopicPartition], since_ms: int) -> dict[TopicPartition, int]:
        if not tps:
            return {}
        found = await self._consumer.offsets_for_times(dict.fromkeys(tps, since_ms))
        ends = await self._consumer.end_offsets(tps)
        return {tp: found[tp].offset if found[tp] is not None else ends[tp] for tp in tps}

    async def next(self) -> Fed:
        """What comes next; empty after half a second in which nothing did."""
        fetched = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=_AT_ONCE)
        taken = {
            tp: [Record(one.offset, one.timestamp, one.value, one.key) for one in records]
            for tp, records in fetched.items()
        }
        controls = taken.pop(self._control, [])
        rollups = {tp.partition: records for tp, records in taken.items()}
        return Fed(rollups, controls, await self.lag() == 0)

    async def lag(self) -> int | None:
        """Records of the rollups that are not read yet; None while Kafka has not said."""
        behind = 0
        for tp in self._shards:
            left = await self._left(tp)
            if left is None:
                return None
            behind += left
        return behind

    async def _left(self, tp: TopicPartition) -> int | None:
        end = self._consumer.highwater(tp)
        return None if end is None else max(end - await self._consumer.position(tp), 0)

    async def be_even(self, ahead_ms: Callable[[int], int]) -> None:
        """Let the shards that are far ahead wait for those that have anything left."""
        paused = {tp for tp in self._shards if ahead_ms(tp.partition) > _MOST_AHEAD_MS}
        behind = [tp for tp in self._shards if tp not in paused]
        if not any([await self._left(tp) != 0 for tp in behind]):
            paused = set()
        self._switch(paused)

    def _switch(self, paused: Iterable[TopicPartition]) -> None:
        wanted, present = set(paused), set(self._consumer.paused())
        if wanted - present:
            self._consumer.pause(*(wanted - present))
        if present - wanted:
            self._consumer.resume(*(present - wanted))
