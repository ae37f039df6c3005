"""What the merging side knows outlives its worker: snapshots in the topic of totals.

Of each shard a snapshot is written every few seconds, if anything changed: the rollups seen, the
open buckets, the exported series, and the offset of the first rollup that is not in it. Whoever gets
the shard reads the newest one and then the rollups from that offset on. A batch of rollups is
acknowledged only when a snapshot holds it, so what the group has committed is never ahead.

A snapshot is a *marker* that names *pieces*, each with a checksum; a bucket is a piece of its own and
written again only if it changed. A piece never takes the place of the one that the last marker names
(each has two places, in turn), so a snapshot that was not finished leaves the one before whole.

Whoever takes a shard first writes that he is its *owner*; the offset of that record is his number.
Pieces and markers carry the number of who wrote them, so an owner who does not know that he was
replaced destroys nothing, and his markers behind that record do not count. He sees it when his next snapshot
is acknowledged, for the offsets leave room for a record that is not his; then he tells nothing that
depended on it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from streams.core.totals_state import encode_bucket, encode_shard
from streams.errors import CodecError, TopicError
from streams.metrics.series_part import encode_series
from streams.worker.kafka import kafka_options
from streams.worker.ranges import partitions_of
from streams.worker.totals_entries import (
    OWNER_KEY,
    SHARD_PIECE,
    VERSION,
    Marker,
    Owner,
    Piece,
    chunk_key,
    chunks_of,
    encode,
    is_owner,
    marker_key,
    next_piece,
)
from streams.worker.totals_reader import Heir, TotalsReader, newest_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from aiokafka import ConsumerRecord

    from streams.config import Settings
    from streams.worker.merging import Merging, OwnedShard, Restored
    from streams.worker.publishing import Sender

_LOG = logging.getLogger(__name__)
# Without any record getting through.
_PATIENCE_SECONDS = 30.0
_REMEDY = (
    "to go on without, set the topic's cleanup.policy to compact,delete, delete the records of the "
    "partition, and set it back: counters then start from zero, and open buckets hold what comes from here on"
)


@dataclass(slots=True)
class _Log:
    """One shard's part of the topic, as its owner knows it.

    ``places`` says at which place a bucket lies, ``pieces`` what lies there by the last marker.
    """

    owner: int
    end: int
    garbage: list[bytes]
    places: dict[int, int] = field(default_factory=dict)
    pieces: dict[int, Piece] = field(default_factory=dict)
    marker: Marker | None = None
    lost: bool = False
    due: float = 0.0

    @property
    def closed(self) -> bool:
        """Whether the shard was handed over."""
        return self.marker is not None and self.marker.closed


@dataclass(slots=True)
class _Cut:
    """A shard at one moment, as bytes by place."""

    next_offset: int
    data: dict[int, bytes]
    places: dict[int, int]
    changed: set[int]


class TotalsLog:
    """See the module.

    Args:
        settings: topic names, intervals, and how to reach Kafka.
        merging: whose shards are written down; from now on they outlive the process.
        producer: where snapshots leave; of its own, for what fails here is not to fail elsewhere.
        address: where the series are scraped, e.g. ``host:8080``.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        settings: Settings,
        merging: Merging,
        producer: Sender,
        *,
        address: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = settings.topics.totals
        self._rollups = settings.topics.rollups
        self._total = settings.topics.rollup_shards
        self._interval = settings.merging.snapshot_interval_ms / 1000
        self._kafka = settings.kafka
        self._merging = merging
        self._producer = producer
        self._address = address
        self._monotonic = monotonic
        self._logs: dict[int, _Log] = {}
        self._turn = asyncio.Lock()
        merging.outlive()

    # --- shards that come and go -----------------------------------------------------------------

    async def take(self, shards: Collection[int]) -> dict[int, int]:
        """Take up what is known of shards and merge them from now on, these and no others.

        What was counted of shards that were given is told to the end here; also when a worker
        stops, which has none any more.

        Args:
            shards: all that this worker has now; those it had before go on.

        Returns:
            Where to read rollups from, by shard; none for a shard of which nothing is known.

        Raises:
            CodecError: a snapshot is there but cannot be read.
            TopicError: the topic lacks a partition, cannot be read to its end, or takes nothing.
        """
        async with self._turn:
            stay = {shard for shard in self._logs if shard in shards and await self._reopen(shard)}
            gone = self._logs.keys() - stay
            # Handed over in order, or somebody else has it without our knowing.
            disowned = frozenset(
                shard for shard in gone if self._logs[shard].lost or not self._logs[shard].closed
            )
            for shard in gone:
                del self._logs[shard]
            if gone:
                self._merging.own(frozenset(stay), None, disowned)
            restored = await self._restore(sorted(set(shards) - stay))
            self._merging.own(frozenset(shards), restored)
            for shard in shards:
                self._merging.shards[shard].paused = self._logs[shard].lost
            known = {shard: self._merging.shards[shard].next_offset for shard in shards}
            return {shard: offset for shard, offset in known.items() if offset is not None}

    async def give(self, shards: Collection[int]) -> None:
        """Stop merging shards and write all that is known of them, for whoever gets them next.

        Raises:
            TopicError: Kafka does not take it; then somebody else will go on from what it has.
        """
        async with self._turn:
            held = [shard for shard in shards if shard in self._logs]
            for shard in held:
                self._merging.shards[shard].paused = True
            for shard in held:
                await self._write(shard, closed=True)

    async def flush(self) -> bool:
        """Write the shards whose turn it is, if anything changed; every second or so.

        Returns:
            False if Kafka did not take one (yet); it has its turn again.
        """
        for shard in list(self._logs):
            async with self._turn:
                log = self._logs.get(shard)
                if log is None or log.lost or log.due > self._monotonic():
                    continue
                if not self._merging.changed(shard):
                    continue
                try:
                    await self._write(shard, closed=False)
                except TopicError as error:
                    _LOG.warning("totals cannot be written", extra={"shard": shard, "error": str(error)})
                    return False
                log.due = self._monotonic() + self._interval
        return True

    # --- writing ---------------------------------------------------------------------------------

    async def _write(self, shard: int, *, closed: bool) -> None:
        log, owned = self._logs[shard], self._merging.shards[shard]
        # Before all is read that a dead owner had read, what he wrote down says more than we know.
        if log.lost or owned.next_offset is None or owned.caught_up_at is not None:
            return
        async with self._merging.turn:
            cut = await self._cut(shard, log, owned, owned.next_offset)
        try:
            pieces = {
                place: next_piece(place, log.pieces.get(place), data) for place, data in cut.data.items()
            }
            marked = {SHARD_PIECE: pieces[SHARD_PIECE]} | {
                place: pieces.get(place) or log.pieces[place] for place in cut.places.values()
            }
            messages = [
                (chunk_key(log.owner, piece.number, piece.side, index), chunk)
                for piece in pieces.values()
                for index, chunk in enumerate(chunks_of(cut.data[piece.number]))
            ]
            offsets = await self._send(shard, messages)
            marker = self._marker(log, cut.next_offset, [*marked.values()], closed=closed)
            offsets += await self._send(shard, [(marker_key(log.owner), encode(marker))])
            mine = await self._still_mine(shard, log, offsets)
        except BaseException:
            owned.totals.changed |= cut.changed & owned.totals.buckets.keys()
            raise
        if not mine:
            return
        log.places, log.marker = cut.places, marker
        log.pieces |= marked
        self._merging.kept(shard, cut.next_offset)
        await self._clear(shard, log)

    async def _cut(self, shard: int, log: _Log, owned: OwnedShard, next_offset: int) -> _Cut:
        """All of a shard that the last marker has otherwise; nothing is merged meanwhile."""
        totals = owned.totals
        places = {start: log.places[start] for start in totals.buckets if start in log.places}
        free = (place for place in count(SHARD_PIECE + 1) if place not in set(places.values()))
        changed, totals.changed = totals.changed, set()
        data = {}
        series = encode_series(self._merging.to_be_kept(shard))
        data[SHARD_PIECE] = encode_shard(owned.merge, totals, series)
        # A list: old buckets are let go while others have their turn.
        for start, bucket in list(totals.buckets.items()):
            if start in places and start not in changed:
                continue
            if start not in places:
                places[start] = next(free)
            data[places[start]] = encode_bucket(start, bucket)
            await asyncio.sleep(0)
        return _Cut(next_offset, data, places, changed)

    def _marker(self, log: _Log, next_offset: int, pieces: list[Piece], *, closed: bool) -> Marker:
        return Marker(VERSION, log.owner, self._address, self._total, closed, next_offset, pieces)

    async def _reopen(self, shard: int) -> bool:
        """Go on with a shard that was handed over and has come back, unless somebody had it meanwhile."""
        log = self._logs[shard]
        if log.marker is None:
            return not log.lost and await self._still_mine(shard, log, ())
        await self._write(shard, closed=False)
        return not log.lost

    async def _still_mine(self, shard: int, log: _Log, offsets: Sequence[int]) -> bool:
        """Whether nobody has taken the shard before these records of ours were written."""
        if offsets and min(offsets) >= 0 and max(offsets) + 1 - log.end == len(offsets):
            log.end += len(offsets)
            return True
        async with self._reader() as reader:
            records = await reader.read(shard, log.end)
        for record in records:
            if is_owner(record):
                log.lost = True
                self._merging.shards[shard].paused = True
                _LOG.warning("shard is somebody else's", extra={"shard": shard})
                return False
        log.end = records[-1].offset + 1 if records else log.end
        return True

    async def _clear(self, shard: int, log: _Log) -> None:
        """Let go what earlier owners have written, once it is not needed any more."""
        if not log.garbage:
            return
        try:
            offsets = await self._send(shard, [(key, None) for key in log.garbage])
        except TopicError:
            # They take up room until the next time, and nothing else.
            return
        log.garbage = []
        await self._still_mine(shard, log, offsets)

    async def _send(self, shard: int, messages: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        """Their offsets, -1 where Kafka does not say."""
        try:
            sent = []
            for key, value in messages:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    sent.append(
                        await self._producer.send(
                            self._topic, value=value, key=key, partition=shard, headers=()
                        )
                    )
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return [found.offset for found in await asyncio.gather(*sent)]
        except (KafkaError, TimeoutError) as error:
            await self._producer.discard()
            raise TopicError(f"{self._topic}: kafka does not take the totals of shard {shard}") from error

    # --- reading ---------------------------------------------------------------------------------

    async def _restore(self, shards: Sequence[int]) -> dict[int, Restored]:
        if not shards:
            return {}
        there = await partitions_of(kafka_options(self._kafka), [self._topic])
        missing = set(shards) - set(there)
        if missing:
            raise TopicError(f"{self._topic}: no partition {min(missing)}: it needs one per shard")
        restored = {}
        async with self._reader() as reader:
            for number, shard in enumerate(shards):
                token = secrets.token_hex(8)
                owner = encode(Owner(VERSION, token, self._address))
                await self._send(shard, [(OWNER_KEY + token.encode(), owner)])
                records = await reader.read(shard, 0)
                log = self._logs[shard] = self._own(shard, token, records)
                if log.lost:
                    continue
                # Not all shards at the same moment.
                log.due = self._monotonic() + self._interval * (number + 1) / len(shards)
                end = await reader.end_of(self._rollups, shard)
                theirs = [record for record in records if record.offset < log.owner]
                try:
                    found = newest_totals(theirs, Heir(self._address, self._total, self._rollups, end))
                except CodecError as error:
                    raise CodecError(f"{self._topic}: totals of shard {shard}: {error}; {_REMEDY}") from error
                if found is not None:
                    restored[shard] = found
        return restored

    def _own(self, shard: int, token: str, records: Sequence[ConsumerRecord]) -> _Log:
        mine = next((r.offset for r in records if r.key == OWNER_KEY + token.encode()), None)
        if mine is None:
            raise TopicError(f"{self._topic}: what was written of shard {shard} cannot be read")
        garbage = sorted({r.key for r in records if r.offset != mine})
        lost = any(is_owner(record) and record.offset > mine for record in records)
        return _Log(mine, records[-1].offset + 1, garbage, lost=lost)

    def _reader(self) -> TotalsReader:
        return TotalsReader(kafka_options(self._kafka), self._topic, self._monotonic)
