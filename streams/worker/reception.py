"""Where what people say goes in, and what is known of incidents is looked up: two topics, as bytes.

For pages and commands. Promises: what :meth:`Reception.write` returned from is in Kafka; what
:meth:`Reception.newest` returns stood in the topic when it was asked, or a second before. Bounded: of the
incidents that changed last, so many; reading goes on where it ended. Everything takes as long as
``patience_seconds`` at most, for somebody waits for the answer.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar

from aiokafka.errors import KafkaConnectionError, KafkaError

from streams.errors import KafkaUnreachable, TopicError
from streams.worker.kafka import Producer, kafka_options
from streams.worker.totals_reader import TotalsReader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from aiokafka import ConsumerRecord

    from streams.config import Settings

T = TypeVar("T")

PATIENCE_SECONDS: Final = 8.0
_FRESH_SECONDS: Final = 1.0
_MOST_INCIDENTS: Final = 5_000
_PARTITION: Final = 0


class Reception:
    """See the module.

    Args:
        settings: names of topics, and how to reach Kafka.
        patience_seconds: of one call.
        most: incidents that are kept.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        settings: Settings,
        patience_seconds: float = PATIENCE_SECONDS,
        most: int = _MOST_INCIDENTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = kafka_options(settings.kafka)
        self._topics = settings.topics
        self._patience = patience_seconds
        self._most = most
        self._monotonic = monotonic
        self._producer = Producer(settings.kafka)
        self._reading = asyncio.Lock()
        self._newest: dict[bytes, bytes] = {}
        self._next_offset = 0
        self._fresh_until = monotonic()

    async def newest(self) -> Mapping[bytes, bytes]:
        """The newest record of each incident by its id, the one that changed last at the end.

        Raises:
            TopicError: it cannot be read; :class:`KafkaUnreachable` if no broker answers in time.
        """
        async with self._reading:
            if self._monotonic() >= self._fresh_until:
                self._take(await self._in_time(self._read(self._topics.incidents, self._next_offset)))
                self._fresh_until = self._monotonic() + _FRESH_SECONDS
            return dict(self._newest)

    async def said(self) -> list[bytes]:
        """The records of the control topic, oldest first: compacted, so what was taken back may be gone.

        Raises:
            TopicError: as :meth:`newest`.
        """
        records = await self._in_time(self._read(self._topics.control, 0))
        return [record.value for record in records if record.value is not None]

    async def write(self, key: bytes, record: bytes) -> None:
        """Write down what somebody said.

        Raises:
            TopicError: Kafka does not take it; :class:`KafkaUnreachable` if it does not answer in time.
                Whether it was written then is not known.
        """
        try:
            await self._in_time(self._send(key, record))
        except TopicError:
            await self._producer.discard()
            raise

    async def stop(self) -> None:
        """Disconnect; what comes afterwards connects anew."""
        await self._producer.stop()

    async def _send(self, key: bytes, record: bytes) -> None:
        sent = await self._producer.send(
            self._topics.control, value=record, key=key, partition=_PARTITION, headers=()
        )
        await sent

    async def _read(self, topic: str, since: int) -> list[ConsumerRecord]:
        async with TotalsReader(self._options, topic, self._monotonic) as reader:
            # A topic that was made anew is shorter than what was read of the one before.
            begin = since if since <= await reader.end_of(topic, _PARTITION) else 0
            return await reader.read(_PARTITION, begin)

    def _take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            self._next_offset = record.offset + 1
            if record.key is not None and record.value is not None:
                self._newest.pop(record.key, None)
                self._newest[record.key] = record.value
        for key in list(self._newest)[: max(len(self._newest) - self._most, 0)]:
            del self._newest[key]

    async def _in_time(self, doing: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await doing
        except TopicError:
            raise
        except TimeoutError as error:
            raise KafkaUnreachable("kafka does not answer in time") from error
        except (KafkaConnectionError, OSError) as error:
            raise KafkaUnreachable(f"kafka unreachable: {type(error).__name__}") from error
        except KafkaError as error:
            raise TopicError(f"kafka: {type(error).__name__}") from error
