"""The command ``heartbeat``: a record of ours into every partition of both source topics, again and again.

Promises: every ten seconds, also after Kafka was away; what it did not take is not sent later, for a
heartbeat of then says nothing of now. A topic that is missing ends it with a reason, an outage does not.
New partitions are found at the next beat. Ends on SIGINT and SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from streams.clock import SystemClock
from streams.errors import KafkaUnreachable, TopicError
from streams.heartbeats import encode_heartbeat
from streams.worker.batch_producer import BatchProducer

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.config import Settings

_LOG = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
# Of one beat; the next one comes in time.
_PATIENCE_SECONDS = 8.0
_TOPIC_SECONDS = 3.0


class Heart:
    """See the module.

    Args:
        settings: names of the source topics, and how to reach Kafka.
        clock: wall clock.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._topics = (settings.topics.clickstream, settings.topics.orders)
        self._producer = BatchProducer(settings.kafka)
        self._clock = clock

    async def beat(self) -> int:
        """Send one heartbeat to every partition; how many there were.

        Raises:
            TopicError: a source topic is missing.
            KafkaUnreachable: Kafka does not take it in time.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._beat()
        except (KafkaError, OSError, TimeoutError) as error:
            await self._producer.discard()
            raise KafkaUnreachable(f"kafka takes no heartbeat: {type(error).__name__}") from error

    async def _beat(self) -> int:
        value = encode_heartbeat(self._clock.now_ms())
        places = [(topic, at) for topic in self._topics for at in range(await self._partitions_of(topic))]
        sent = [
            await self._producer.send(topic, value=value, key=None, partition=at, headers=())
            for topic, at in places
        ]
        await asyncio.gather(*sent)
        return len(sent)

    async def _partitions_of(self, topic: str) -> int:
        try:
            async with asyncio.timeout(_TOPIC_SECONDS):
                return await self._producer.partitions_of(topic)
        except TimeoutError as error:
            # Its client asks again and again, for much longer.
            raise TopicError(f"{topic}: no such topic, or kafka does not say") from error

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()


async def run_heartbeat(settings: Settings, *, once: bool) -> int:
    """Send heartbeats until a signal comes, or one; 0.

    Raises:
        TopicError: a source topic is missing; with ``once`` also if Kafka takes nothing.
    """
    heart, running = Heart(settings, SystemClock()), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel if running else lambda: None)
    try:
        if once:
            await heart.beat()
        else:
            await _beat_on(heart)
    except asyncio.CancelledError:
        _LOG.info("no more heartbeats")
    finally:
        await heart.stop()
    return 0


async def _beat_on(heart: Heart) -> None:
    failing, loop = None, asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            partitions = await heart.beat()
        except KafkaUnreachable as error:
            _LOG.warning("no heartbeat", extra={"error": str(error)})
            failing = True
        else:
            if failing is not False:
                _LOG.info("heartbeats", extra={"partitions": partitions})
            failing = False
        await asyncio.sleep(max(began + EVERY_SECONDS - loop.time(), 0.0))
