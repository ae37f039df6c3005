"""The agents and timers of a worker's app: thin, they call the worker's parts and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streams.errors import DeadLetterLimit
from streams.worker.batching import BatchSchema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.worker.app import Worker
    from streams.worker.republishing import Republishing

_TICK_SECONDS = 0.1
_SECOND = 1.0
_REPUBLISH_SECONDS = 0.05


def add_agents(worker: Worker) -> None:
    """Count the sources, merge the rollups; key the sources first, if that is asked for."""
    _add_count(worker)
    _add_merge(worker)
    if worker.republishing is not None:
        _add_rekey(worker, worker.republishing)


def _add_count(worker: Worker) -> None:
    counting = worker.counting

    @worker.app.agent(worker.app.topic(*worker.sources, schema=BatchSchema()), name="count")
    async def count(stream: Any) -> None:  # noqa: ANN401  # Faust types it wrongly
        async for event in stream.noack().events():
            message = event.message
            worker.consumer.took(message)
            # The event lives until it is acknowledged; what it carried need not.
            batch, event.value, message.value = event.value, None, None
            if message.partition in counting.partitions:
                try:
                    counting.take(message.topic, message.partition, batch, event.ack)
                except DeadLetterLimit as error:
                    worker.give_up(error)
                await worker.keep_up()


def _add_merge(worker: Worker) -> None:
    rollups = worker.app.topic(worker.settings.topics.rollups, schema=BatchSchema())

    @worker.app.agent(rollups, name="merge")
    async def merge(stream: Any) -> None:  # noqa: ANN401  # likewise
        async for event in stream.noack().events():
            worker.consumer.took(event.message)
            async with worker.merging_turn:
                await worker.merging.take(event.message.partition, event.value, event.ack)


def _add_rekey(worker: Worker, republishing: Republishing) -> None:
    raw = worker.app.topic(*republishing.topics, schema=BatchSchema())

    @worker.app.agent(raw, name="rekey")
    async def rekey(stream: Any) -> None:  # noqa: ANN401  # likewise
        async for event in stream.noack().events():
            message = event.message
            worker.consumer.took(message)
            batch, event.value, message.value = event.value, None, None
            republishing.take(message.topic, message.partition, batch, event.ack)

    @worker.app.task  # type: ignore[untyped-decorator]  # Faust's
    async def republish() -> None:
        while not worker.app.should_stop:
            await worker.republish()
            await asyncio.sleep(_REPUBLISH_SECONDS)


def add_timers(worker: Worker) -> None:
    """What has to be done again and again."""
    _every(worker, _TICK_SECONDS, "tick", worker.tick)
    _every(worker, worker.settings.counting.flush_interval_ms / 1000, "flush", worker.flush)
    _every(worker, _SECOND, "keep totals", worker.keep_totals)
    _every(worker, _SECOND, "watch", worker.watch)


def _every(worker: Worker, seconds: float, name: str, do: Callable[[], Awaitable[None]]) -> None:
    @worker.app.timer(seconds, name=name)  # type: ignore[untyped-decorator]  # Faust's
    async def timer() -> None:
        await do()
