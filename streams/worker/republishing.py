"""The part of a worker that keys sources by visitor (``topics.rekey``), put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.worker.batch_producer import BatchProducer
from streams.worker.pace_exchange import PaceExchange
from streams.worker.wiring import rekeying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from faust.types import TP

    from streams.clock import Clock
    from streams.config import Settings
    from streams.events import RecordBatch
    from streams.worker.positions import Position


class Republishing:
    """See the module.

    Args:
        settings: the whole tree.
        clock: wall clock.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._producer = BatchProducer(settings.kafka)
        self._rekeying = rekeying(settings, self._producer, clock)
        self._exchange = PaceExchange(
            settings.kafka, settings.topics.progress, self._rekeying, self._producer
        )
        self.topics = self._rekeying.topics.raw

    @property
    def failing(self) -> bool:
        """Whether Kafka does not take what is republished."""
        return self._rekeying.failing

    async def start(self, waiting_for: Callable[[str], None]) -> None:
        """Connect, and hear how far others are; ``waiting_for`` is told why it takes long."""
        await self._producer.connect(waiting_for)
        self._exchange.start()

    async def stop(self) -> None:
        """Disconnect; nothing is published any more."""
        await self._exchange.stop()
        await self._producer.stop()

    async def assigned(self, tps: Iterable[TP]) -> None:
        """Begin anew with the raw partitions among these.

        Raises:
            TopicError: a topic is missing, or the keyed ones differ in partitions.
        """
        await self._rekeying.assigned(tps)

    async def revoked(self) -> None:
        """Stop publishing: what waits is left to whoever reads it next."""
        await self._rekeying.revoked()

    def take(self, topic: str, partition: int, batch: RecordBatch, ack: Callable[[], object]) -> None:
        """Take in one batch of a raw topic."""
        self._rekeying.take(topic, partition, batch, ack)

    def ahead(self) -> set[tuple[str, int]]:
        """Raw topic-partitions that must wait to be read on."""
        return self._rekeying.ahead()

    async def publish(self, position: Callable[[str, int], Position]) -> None:
        """Send what is due, and tell others how far that is.

        Raises:
            TopicError: Kafka refuses a record, and would do so again.
        """
        await self._rekeying.publish(position)
        await self._exchange.tell()
