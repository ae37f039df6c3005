"""The part of a worker that republishes sources by visitor, alone: in this process or in one of its own.

``python -m tests.support.rekey_worker`` takes its settings from the environment, as a worker does, and
runs until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from streams.clock import SystemClock
from streams.config import load_settings
from streams.worker.batch_producer import BatchProducer
from streams.worker.batching import BatchConsumer, BatchSchema
from streams.worker.pace_exchange import PaceExchange
from streams.worker.wiring import faust_app, rekeying
from tests.support.processes import Process

if TYPE_CHECKING:
    from typing import Self

    from faust.types import TP

    from streams.config import Settings
    from streams.worker.positions import Position
    from tests.support.workers import Deployment

_TICK_SECONDS = 0.05
# Batches read while nothing is taken in: a full queue would stop reading.
_BUFFERED_BATCHES = 4096


class RekeyWorker:
    """Republishes until it is stopped; a context manager.

    Attributes:
        may_take: cleared, nothing more is taken in, though it is read.
        assigned: its present partitions.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.producer = BatchProducer(settings.kafka)
        self.rekeying = rekeying(settings, self.producer, SystemClock())
        self.exchange = PaceExchange(settings.kafka, settings.topics.progress, self.rekeying, self.producer)
        self.app = faust_app(settings)
        self.app.conf.stream_buffer_maxsize = _BUFFERED_BATCHES
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.assigned: set[TP] = set()
        self._throttled: set[TP] = set()
        self._add_agents()

    def _add_agents(self) -> None:
        raw = self.app.topic(*self.rekeying.topics.raw, schema=BatchSchema())

        @self.app.agent(raw, name="rekey")
        async def rekey(stream: Any) -> None:
            async for event in stream.noack().events():
                await self.may_take.wait()
                message = event.message
                batch, event.value, message.value = event.value, None, None
                self.rekeying.take(message.topic, message.partition, batch, event.ack)

        @self.app.task  # type: ignore[untyped-decorator]  # Faust's
        async def publish() -> None:
            while not self.app.should_stop:
                await self.publish()
                await asyncio.sleep(_TICK_SECONDS)

    async def publish(self) -> None:
        """Send what is due, tell the others, and hold back who is ahead."""
        if self.app.rebalancing or self.app.consumer is None:
            return
        await self.rekeying.publish(self.position)
        await self.exchange.tell()
        ahead = {tp for tp in self.consumer.assignment() if tuple(tp) in self.rekeying.ahead()}
        self.consumer.throttle(ahead - self._throttled)
        self.consumer.unthrottle(self._throttled - ahead)
        self._throttled = ahead

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer."""
        consumer = self.app.consumer
        assert isinstance(consumer, BatchConsumer)
        return consumer

    def position(self, topic: str, partition: int) -> Position:
        """Where reading stands."""
        return self.consumer.read_position(topic, partition)

    async def before_revoke(self, tps: set[TP]) -> None:
        """Let go."""
        self.assigned = set()
        await self.rekeying.revoked()

    async def after_assign(self, tps: set[TP]) -> None:
        """Begin."""
        self._throttled.clear()
        await self.rekeying.assigned(tps)
        self.assigned = tps

    async def __aenter__(self) -> Self:
        await self.producer.connect(lambda _: None)
        self.exchange.start()
        self.consumer.before_revoke = self.before_revoke
        self.consumer.after_assign = self.after_assign
        await self.app.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.stop()
        await self.exchange.stop()
        await self.producer.stop()


class RekeyProcess:
    """The same as a process; a context manager that kills it in the end."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        self.process = Process(
            f"rekeying {name}",
            [sys.executable, "-m", "tests.support.rekey_worker"],
            log=deployment.folder / f"{name}.log",
            env=deployment.environment(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()


async def _run() -> None:
    async with RekeyWorker(load_settings(None, os.environ)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run())
