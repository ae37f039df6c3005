"""A worker that gets stuck on purpose, as a process: ``python -m tests.support.stuck_worker``.

Arguments: bootstrap servers, group, topic, what is to stand still (``agent``, ``reader``, ``fetching``,
``loop``, ``nothing``), and the watchdog's timeout in seconds. It reads ten records first, then says
``stuck`` and waits for its watchdog.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from aiokafka.protocol.fetch import FetchRequest

from streams.worker.watchdog import Excuse, LastResort, Seen, Watchdog
from tests.support.batch_reader import BatchReader

_LOOK_SECONDS = 0.5
_END_SECONDS = 5.0


def seen(reader: BatchReader) -> Seen:
    """What the watchdog sees of a reader."""
    consumer = reader.consumer
    return Seen(
        excuse=Excuse.REBALANCING if reader.app.rebalancing else None,
        beats=consumer.beats,
        partitions=consumer.readings(),
        progress=consumer.epoch,
    )


async def get_stuck(reader: BatchReader, what: str) -> None:
    """Stop something, in earnest."""
    thread: Any = reader.consumer._thread  # noqa: SLF001  # nowhere else
    if what == "agent":
        reader.may_take.clear()
    elif what == "reader":
        thread.thread_loop.call_soon_threadsafe(time.sleep, 3_600)
    elif what == "fetching":
        client = thread.aiokafka_consumer._client  # noqa: SLF001  # likewise
        client.send = _without_fetches(client.send)
    elif what == "loop":
        asyncio.get_running_loop().call_later(1, time.sleep, 3_600)


def _without_fetches(send: Any) -> Any:
    """Requests for records that never end, and nobody gives up waiting for them."""

    async def sending(node: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            await asyncio.Event().wait()
        return await send(node, request, **options)

    return sending


async def work(servers: str, group: str, topic: str, what: str, timeout_s: float) -> None:
    """Read, get stuck, look.

    Raises:
        Stalled: as the watchdog says.
    """
    dog, beaten_at = Watchdog(timeout_s), time.monotonic()
    guard = LastResort(lambda: time.monotonic() - beaten_at, timeout_s)
    guard.start()
    async with BatchReader(servers, group, topic, settings={"broker_session_timeout": 60.0}) as reader:
        await reader.takes(10)
        await get_stuck(reader, what)
        print("stuck", flush=True)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            beaten_at = time.monotonic()
            stalled = dog.look(beaten_at, seen(reader))
            if stalled is not None:
                guard.end_within(_END_SECONDS)
                print(stalled, flush=True)
                raise stalled


if __name__ == "__main__":
    servers, group, topic, what, seconds = sys.argv[1:]
    asyncio.run(work(servers, group, topic, what, float(seconds)))
