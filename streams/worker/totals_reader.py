"""Reading the topic of totals: a shard's records to their end, and the snapshot that stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.core.totals_state import decode_bucket, decode_shard
from streams.errors import CodecError, TopicError
from streams.metrics.series_part import Carried, SeriesPart, decode_series
from streams.worker.kafka import open_consumer
from streams.worker.merging import OwnedShard, Restored
from streams.worker.totals_entries import SHARD_PIECE, Marker, address_of, data_of, is_owner, read_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from aiokafka import ConsumerRecord

_READ_MS = 250
# Without any record coming in.
_PATIENCE_SECONDS = 30.0


class TotalsReader:
    """A consumer without a group, for as long as it is needed; a context manager.

    Args:
        options: of a client of Kafka.
        topic: of the totals.
        monotonic: seconds that never go back.
    """

    def __init__(self, options: Mapping[str, Any], topic: str, monotonic: Callable[[], float]) -> None:
        self._consumer = AIOKafkaConsumer(
            **options, enable_auto_commit=False, fetch_max_wait_ms=50, auto_offset_reset="earliest"
        )
        self._topic = topic
        self._monotonic = monotonic

    async def __aenter__(self) -> Self:
        await open_consumer(self._consumer, self._topic)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def end_of(self, topic: str, partition: int) -> int:
        """The offset of the next record of a topic-partition."""
        tp = TopicPartition(topic, partition)
        return int((await self._consumer.end_offsets([tp]))[tp])

    async def read(self, shard: int, since: int) -> list[ConsumerRecord]:
        """The records of a shard from an offset up to the end as the fetch response names it.

        Raises:
            TopicError: nothing comes in for long.
        """
        consumer, tp = self._consumer, TopicPartition(self._topic, shard)
        consumer.assign([tp])
        if since:
            consumer.seek(tp, since)
        else:
            await consumer.seek_to_beginning(tp)
        found: list[ConsumerRecord] = []
        patience = self._monotonic() + _PATIENCE_SECONDS
        while (end := consumer.highwater(tp)) is None or await consumer.position(tp) < end:
            records = (await consumer.getmany(tp, timeout_ms=_READ_MS)).get(tp, ())
            if records:
                found += records
                patience = self._monotonic() + _PATIENCE_SECONDS
            elif self._monotonic() > patience:
                raise TopicError(f"{self._topic}: shard {shard} cannot be read to its end")
        return found


class Heir(NamedTuple):
    """Who asks for a snapshot: address of the series, shards there are, topic and end of the shard's rollups."""

    address: str
    shards: int
    rollups: str
    end: int


def newest_totals(records: Sequence[ConsumerRecord], heir: Heir) -> Restored | None:
    """What the last owner wrote down last; None if nobody has written any.

    Args:
        records: of the shard, up to the heir's own.
        heir: who asks.

    Raises:
        CodecError: it cannot be read, or is of another deployment.
    """
    newest = {record.key: record.value for record in records}
    markers = [read_marker(v) for key, v in newest.items() if key.startswith(b"marker/") and v is not None]
    if not markers:
        return None
    marker = max(markers, key=lambda found: found.owner)
    if marker.shards != heir.shards:
        raise CodecError(f"written for {marker.shards} shards, there are {heir.shards}")
    if marker.next_offset > heir.end:
        raise CodecError(
            f"they hold {heir.rollups} up to offset {marker.next_offset}, but that ends at {heir.end}"
        )
    owned = OwnedShard(next_offset=marker.next_offset, caught_up_at=heir.end)
    series = b""
    for piece in marker.pieces:
        data = data_of(newest, marker.owner, piece)
        if piece.number == SHARD_PIECE:
            owned.merge, series = decode_shard(data, owned.totals)
        else:
            decode_bucket(data, owned.totals)
    since = [record for record in records if is_owner(record) and record.offset > marker.owner]
    return Restored(owned, _carried(marker, decode_series(series), since, heir.address))


def _carried(
    marker: Marker, part: SeriesPart, since: Sequence[ConsumerRecord], address: str
) -> Carried | None:
    mine = all(theirs == address for theirs in (marker.address, *map(address_of, since)))
    if since and (marker.closed or not mine):
        # Owners of whom nothing is known but that they were there.
        return Carried(None, mine=False)
    return None if marker.closed else Carried(part, mine)
