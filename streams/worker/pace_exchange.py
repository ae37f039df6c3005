"""Workers tell each other how far their republishing is, through a topic of one partition.

What is told is of use for a moment only: nobody waits for it to arrive, and who begins to listen
begins at the end. While Kafka is away nothing is heard, and :mod:`streams.core.pace` says what then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.worker.kafka import kafka_options, start
from streams.worker.rekeying import RawPartition

if TYPE_CHECKING:
    from streams.config import Kafka
    from streams.worker.publishing import Sender
    from streams.worker.rekeying import Rekeying

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_LONGEST_WAIT_MS = 100


# Raw topic (0 clickstream, 1 orders), partition, event time.
_Told = list[tuple[int, int, int]]
_encode = msgspec.msgpack.encode
_read = msgspec.msgpack.Decoder(_Told).decode


class PaceExchange:
    """See the module.

    Args:
        kafka: how to reach it.
        topic: the topic's name.
        rekeying: whose progress is told, and who hears that of others.
        producer: where messages leave.
    """

    def __init__(self, kafka: Kafka, topic: str, rekeying: Rekeying, producer: Sender) -> None:
        self._kafka = kafka
        self._topic = topic
        self._rekeying = rekeying
        self._producer = producer
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    async def tell(self) -> None:
        """Say how far this worker is, if anybody has to know."""
        progress = self._rekeying.progress
        if not progress:
            return
        told = [(stream.topic, stream.partition, reached) for stream, reached in progress.items()]
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_PAUSE_SECONDS):
                sent = await self._producer.send(
                    self._topic, value=_encode(told), key=b"", partition=0, headers=()
                )
                sent.add_done_callback(_look_at)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (KafkaError, OSError) as error:
                _LOG.warning("other workers are not heard", extra={"error": type(error).__name__})
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _listen_once(self) -> None:
        consumer = AIOKafkaConsumer(
            **kafka_options(self._kafka), enable_auto_commit=False, fetch_max_wait_ms=_LONGEST_WAIT_MS
        )
        tp = TopicPartition(self._topic, 0)
        try:
            await start(consumer)
            consumer.assign([tp])
            await consumer.seek_to_end(tp)
            while True:
                for record in (await consumer.getmany(tp, timeout_ms=1000)).get(tp, ()):
                    self._hear(record.value)
        finally:
            await consumer.stop()

    def _hear(self, value: bytes | None) -> None:
        try:
            told = _read(value or b"")
        except msgspec.MsgspecError:
            return  # of another version: as good as not heard
        self._rekeying.hear({RawPartition(topic, partition): reached for topic, partition, reached in told})


def _look_at(future: asyncio.Future[object]) -> None:
    """Asyncio reports errors at which nobody has looked."""
    if not future.cancelled():
        future.exception()
