"""Delivering inside a worker: the one that is elected (:mod:`streams.worker.election`) tells people.

It reads all that was told (``deliveries``) and all that happened (``incidents``) and hands both to whoever tells
people (a :class:`Notifier`, of which this room knows no more); what that wants written down is written. A topic
is all that is kept: whoever takes over knows the same.

Promises: counting and watching wait for no message, nor end because one failed: then delivering begins again
from the topics, after a pause. Before another worker is elected, what is leaving is waited for and written
down, so an election repeats nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import ConfigError, FunnelwatchError
from streams.worker.kafka import Producer, kafka_options, open_consumer
from streams.worker.totals_reader import TotalsReader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Self

    from prometheus_client import CollectorRegistry

    from streams.clock import Clock
    from streams.config import Settings

    MakeNotifier: TypeAlias = Callable[[Settings, CollectorRegistry, Clock], "Notifier"]

_LOG = logging.getLogger(__name__)
_PARTITION = 0
_WAIT_MS = 500
_AT_ONCE = 2_000
_WRITE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0


class Notifier(Protocol):
    """Who tells people."""

    def configure(self, settings: Settings) -> None:
        """Go by other settings from now on; raises ConfigError, and those before stay."""
        ...

    async def run(self, open_mailbox: Callable[[], AbstractAsyncContextManager[KafkaMailbox]]) -> None:
        """Tell people until cancelled."""
        ...

    async def pause(self) -> None:
        """Hold still, once what was leaving has been written down."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def fail(self) -> None:
        """It ended with an error; it is run again."""
        ...


class Post(NamedTuple):
    """Incidents (value, when it was written), and whether those are all there are."""

    records: list[tuple[bytes | None, int]]
    live: bool


class Buried(Protocol):
    """A dead letter."""

    @property
    def key(self) -> bytes:
        """By which it is found."""
        ...

    @property
    def value(self) -> bytes:
        """What could not be told."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """Why, and where it was to go."""
        ...


class KafkaMailbox:
    """What a notifier reads and where it writes; a context manager.

    Args:
        settings: topics, and how to reach Kafka.
        producer: of its own.
    """

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._options = kafka_options(settings.kafka)
        self._topics = settings.topics
        self._producer = producer
        self._incidents = TopicPartition(settings.topics.incidents, _PARTITION)
        self._consumer = AIOKafkaConsumer(
            **self._options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.kafka.fetch_max_wait_ms,
        )

    async def __aenter__(self) -> Self:
        await open_consumer(self._consumer, self._incidents.topic)
        self._consumer.assign([self._incidents])
        await self._consumer.seek_to_beginning(self._incidents)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def deliveries(self) -> list[bytes | None]:
        """All that was told, in order; what was deleted is left out."""
        async with TotalsReader(self._options, self._topics.deliveries, time.monotonic) as reader:
            records = await reader.read(_PARTITION, 0)
        return [record.value for record in records if record.value is not None]

    async def incidents(self) -> Post:
        """What comes next; empty after half a second in which nothing did."""
        fetched = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=_AT_ONCE)
        records = [(one.value, one.timestamp) for ones in fetched.values() for one in ones]
        return Post(records, await self._is_live())

    async def _is_live(self) -> bool:
        end = self._consumer.highwater(self._incidents)
        return end is not None and await self._consumer.position(self._incidents) >= end

    async def write(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Into the topic of deliveries, however long Kafka takes."""
        topic = self._topics.deliveries
        await self._persist(lambda: self._write_once(topic, records), topic)

    async def bury(self, letters: Sequence[Buried]) -> None:
        """Into the topic of dead letters, likewise."""
        topic = self._topics.deadletter
        await self._persist(lambda: self._bury_once(topic, letters), topic)

    async def _write_once(self, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        sent = [
            await self._producer.send(topic, value=value, key=key, partition=_PARTITION, headers=())
            for key, value in records
        ]
        await asyncio.gather(*sent)

    async def _bury_once(self, topic: str, letters: Sequence[Buried]) -> None:
        sent = [
            await self._producer.send(
                topic, value=one.value, key=one.key, partition=None, headers=list(one.headers)
            )
            for one in letters
        ]
        await asyncio.gather(*sent)

    async def _persist(self, send: Callable[[], Awaitable[None]], topic: str) -> None:
        """Written twice is no harm: the newest record of a key counts."""
        while True:
            try:
                async with asyncio.timeout(_WRITE_SECONDS):
                    await send()
            except (KafkaError, TimeoutError, OSError) as error:
                _LOG.warning(
                    "what was told waits for kafka", extra={"topic": topic, "error": type(error).__name__}
                )
                await self._producer.discard()
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)
            else:
                return


class Delivering:
    """See the module.

    Args:
        settings: the whole tree.
        make: makes who tells people; raises ConfigError.
        clock: wall clock.
        registry: of metrics.
    """

    def __init__(
        self, settings: Settings, make: MakeNotifier, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._settings = settings
        self._notifier = make(settings, registry, clock)
        # Of its own: what fails here is not to fail counting.
        self._producer = Producer(settings.kafka)
        self._task: asyncio.Task[None] | None = None

    def configure(self, settings: Settings) -> None:
        """Go by other settings; raises ConfigError where they are wrong, and those before stay."""
        self._notifier.configure(settings)
        self._settings = settings

    async def revoked(self) -> None:
        """Hold still until it is known who delivers."""
        if self._task is not None:
            await self._notifier.pause()

    async def assigned(self, *, mine: bool) -> None:
        """Whether this worker delivers from now on."""
        if not mine:
            await self._drop()
            return
        self._notifier.resume()
        if self._task is None:
            self._task = asyncio.create_task(self._deliver(), name="deliver")

    async def stop(self) -> None:
        """Deliver no more; what is leaving is waited for."""
        await self.revoked()
        await self._drop()
        await self._producer.stop()

    async def _drop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _deliver(self) -> None:
        """Deliver until cancelled, again and again if it fails."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                await self._notifier.run(lambda: KafkaMailbox(self._settings, self._producer))
            except (FunnelwatchError, KafkaError, OSError) as error:
                _LOG.warning("delivering is interrupted", extra={"error": _said(error)})
            except Exception:  # noqa: BLE001  # the edge: counting must not end because telling failed
                _LOG.exception("delivering failed, it begins again")
                self._notifier.fail()
            lasted = time.monotonic() - began > 2 * _LONGEST_PAUSE_SECONDS
            pause = _FIRST_PAUSE_SECONDS if lasted else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)


def _said(error: Any) -> str:  # noqa: ANN401  # an exception
    return str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
