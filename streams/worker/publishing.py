"""What the worker writes to Kafka: rollups, dead letters and handed-over state.

Nothing written is forgotten before the broker has it: a message that could not be sent is sent
again at the next flush, before anything newer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.worker.kafka import Producer

_LOG = logging.getLogger(__name__)


class Outgoing(NamedTuple):
    """One message on its way out."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Outbox:
    """Messages in order, until the broker has acknowledged them.

    Args:
        producer: where messages leave.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._waiting: deque[Outgoing] = deque()
        self.failing = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Outgoing) -> None:
        """Take in a message; it leaves with the next :meth:`send`."""
        self._waiting.append(message)

    async def send(self) -> bool:
        """Send all that waits; False if the broker did not take it, and it still waits."""
        batch = list(self._waiting)
        if not batch:
            return True
        try:
            sent = [await self._hand_over(message) for message in batch]
            await asyncio.gather(*sent)
        except KafkaError as error:
            _LOG.warning("kafka did not take messages", extra={"error": type(error).__name__, "messages": len(batch)})
            self.failing = True
            return False
        self.failing = False
        for _ in batch:
            self._waiting.popleft()
        return True

    async def _hand_over(self, message: Outgoing) -> asyncio.Future[object]:
        future: asyncio.Future[object] = await self._producer.send(
            message.topic,
            value=message.value,
            key=message.key,
            partition=message.partition,
            headers=message.headers,
        )
        return future
