"""What the watcher tells, on its way to the topic of incidents.

Promises: what it told already, and works out again after a crash, is not told twice; what Kafka does
not take waits, and nothing is told before it. Who was replaced while he was asleep may repeat what is
told anyway.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from streams.worker.kafka import kafka_options
from streams.worker.totals_reader import TotalsReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.config import Settings
    from streams.worker.kafka import Producer
    from streams.worker.watch_feed import WatchFeed
    from streams.worker.watch_fold import WatchFold
    from streams.worker.watcher import Message

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 2.0


class Telling:
    """See the module.

    Args:
        settings: the topic's name and how to reach Kafka.
        producer: where messages leave.
    """

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._kafka = settings.kafka
        self._topic = settings.topics.incidents
        self._producer = producer
        self._told: Counter[Message] = Counter()

    async def recall(self, feed: WatchFeed, fold: WatchFold) -> list[bytes] | None:
        """What was told behind the snapshot, newest last: from here on it is not told again.

        None if there is nothing behind it.

        Raises:
            KafkaError: it cannot be read now.
            TopicError: likewise.
        """
        begin, end = await feed.told_since(fold.offsets.incidents)
        fold.offsets.incidents = begin
        self._told.clear()
        if begin >= end:
            return None
        async with TotalsReader(kafka_options(self._kafka), self._topic, time.monotonic) as reader:
            records = await reader.read(0, begin)
        self._told.update((r.key, r.value) for r in records if r.key and r.value)
        return [record.value for record in records if record.value]

    async def tell(self, fold: WatchFold, messages: Sequence[Message]) -> None:
        """Tell what was not told yet, for as long as Kafka needs; the fold knows then up to where."""
        fresh = [message for message in messages if not self._is_known(message)]
        while fresh:
            try:
                offsets = await self._send(fresh)
            except (KafkaError, TimeoutError) as error:
                _LOG.warning("incidents wait for kafka", extra={"error": type(error).__name__})
                await self._producer.discard()
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                fold.offsets.incidents = max(fold.offsets.incidents or 0, max(offsets) + 1)
                return

    def _is_known(self, message: Message) -> bool:
        known = self._told[message] > 0
        if known:
            self._told[message] -= 1
        return known

    async def _send(self, messages: Sequence[Message]) -> list[int]:
        sent = [
            await self._producer.send(self._topic, value=value, key=key, partition=0, headers=())
            for key, value in messages
        ]
        return [found.offset for found in await asyncio.gather(*sent)]
