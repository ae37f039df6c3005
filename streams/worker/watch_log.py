"""Snapshots of the watcher in a compacted topic: one process at a time writes them, the next goes on from them.

A snapshot is chunks and a marker that names them; chunks never take the place of those that the last
marker names, so one that was not finished leaves the one before whole. Whoever takes the partition
first writes that he is its owner; the offset of that record is his number, and he sees when somebody
took it after him: then what he writes counts nowhere, and he writes no more. The entries are those of
:mod:`streams.worker.totals_entries`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from streams.errors import CodecError, TopicError
from streams.worker.totals_entries import (
    OWNER_KEY,
    SHARD_PIECE,
    VERSION,
    Marker,
    Owner,
    Piece,
    chunk_key,
    chunks_of,
    data_of,
    encode,
    is_owner,
    marker_key,
    next_piece,
    read_marker,
)
from streams.worker.totals_reader import TotalsReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from streams.worker.publishing import Sender

_LOG = logging.getLogger(__name__)
_PATIENCE_SECONDS = 30.0
_PARTITION = 0


@dataclass(slots=True)
class _Claim:
    """The partition as its owner knows it."""

    owner: int
    end: int
    garbage: list[bytes]
    piece: Piece | None = None
    # Whether nobody knows if the last marker arrived: then neither is known what it names.
    unsure: bool = False
    lost: bool = False


class WatchLog:
    """See the module.

    Args:
        options: of a client of Kafka.
        topic: its name; partition 0 is used.
        producer: where entries leave.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        topic: str,
        producer: Sender,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._topic = topic
        self._producer = producer
        self._monotonic = monotonic
        self._claim: _Claim | None = None

    async def take(self) -> bytes | None:
        """Become the owner; the newest whole snapshot of those before, None if there is none.

        A snapshot that cannot be read is told and left: what it holds can be worked out anew.

        Raises:
            TopicError: the topic cannot be read to its end, or takes nothing.
        """
        self._claim = None
        token = secrets.token_hex(8)
        key = OWNER_KEY + token.encode()
        await self._send([(key, encode(Owner(VERSION, token, "")))])
        records = await self._read(0)
        mine = next((record.offset for record in records if record.key == key), None)
        if mine is None:
            raise TopicError(f"{self._topic}: what was just written cannot be read")
        garbage = sorted({record.key for record in records if record.offset != mine})
        lost = any(is_owner(record) and record.offset > mine for record in records)
        self._claim = _Claim(mine, records[-1].offset + 1, garbage, lost=lost)
        try:
            return newest_snapshot([record for record in records if record.offset < mine])
        except CodecError as error:
            _LOG.error(
                "snapshot cannot be read, going on without", extra={"topic": self._topic, "error": str(error)}
            )  # its text says it
            return None

    async def write(self, data: bytes) -> bool:
        """Write a snapshot; False if the partition is somebody else's by now, and then it counts nowhere.

        Raises:
            TopicError: Kafka does not take it; the one before stands.
        """
        claim = self._claim
        if claim is None or claim.lost:
            return False
        if claim.unsure:
            await self._look_up(claim)
        piece = next_piece(SHARD_PIECE, claim.piece, data)
        claim.unsure = True
        chunks = enumerate(chunks_of(data))
        offsets = await self._send(
            [(chunk_key(claim.owner, SHARD_PIECE, piece.side, at), chunk) for at, chunk in chunks]
        )
        marker = Marker(VERSION, claim.owner, "", 0, False, 0, [piece])
        offsets += await self._send([(marker_key(claim.owner), encode(marker))])
        if not await self._still_mine(claim, offsets):
            return False
        claim.piece, claim.unsure = piece, False
        await self._clear(claim)
        return True

    async def _look_up(self, claim: _Claim) -> None:
        """What our last marker names."""
        key = marker_key(claim.owner)
        mine = [record.value for record in await self._read(0) if record.key == key]
        claim.piece = read_marker(mine[-1]).pieces[0] if mine else None

    async def _still_mine(self, claim: _Claim, offsets: Sequence[int]) -> bool:
        if claim.lost:
            return False
        # The offsets leave room for nobody else's record.
        if offsets and min(offsets) >= 0 and max(offsets) + 1 - claim.end == len(offsets):
            claim.end += len(offsets)
            return True
        records = await self._read(claim.end)
        claim.lost = any(is_owner(record) for record in records)
        claim.end = records[-1].offset + 1 if records else claim.end
        return not claim.lost

    async def _clear(self, claim: _Claim) -> None:
        """Let go what earlier owners have written, now that there is something newer."""
        if claim.garbage:
            try:
                offsets = await self._send([(key, None) for key in claim.garbage])
            except TopicError:
                # They take up room until the next time, and nothing else.
                return
            claim.garbage = []
            await self._still_mine(claim, offsets)

    async def _read(self, since: int) -> list[ConsumerRecord]:
        async with TotalsReader(self._options, self._topic, self._monotonic) as reader:
            return await reader.read(_PARTITION, since)

    async def _send(self, messages: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        """Their offsets, -1 where Kafka does not say."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                sent = [
                    await self._producer.send(
                        self._topic, value=value, key=key, partition=_PARTITION, headers=()
                    )
                    for key, value in messages
                ]
                return [found.offset for found in await asyncio.gather(*sent)]
        except (KafkaError, TimeoutError) as error:
            await self._producer.discard()
            raise TopicError(f"{self._topic}: kafka does not take a snapshot") from error


def newest_snapshot(records: Sequence[ConsumerRecord]) -> bytes | None:
    """What the last owner wrote down last; None if nobody has written any.

    Raises:
        CodecError: it cannot be read.
    """
    newest = {record.key: record.value for record in records}
    markers = [read_marker(v) for key, v in newest.items() if key.startswith(b"marker/") and v is not None]
    if not markers:
        return None
    marker = max(markers, key=lambda found: found.owner)
    return b"".join(data_of(newest, marker.owner, piece) for piece in marker.pieces)
