"""What every worker process has: what it may be elected to, when it is ready, why it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.config import load_settings
from streams.errors import Stalled
from streams.worker.frame import WorkerFrame
from tests.support.clock import ManualClock
from tests.support.listener import Listener
from tests.support.workers import until

if TYPE_CHECKING:
    from streams.config import Settings

# Nobody listens there.
AWAY = {"FUNNELWATCH__KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "FUNNELWATCH__HTTP__PORT": "0"}


def settings(**more: str) -> Settings:
    """Of a worker that reaches no Kafka."""
    return load_settings(None, AWAY | {f"FUNNELWATCH__{name}": value for name, value in more.items()})


async def test_who_watches_stands_for_election() -> None:
    """It is not ready before it is in the group that elects, and says which that is."""
    frame = WorkerFrame(settings(KAFKA__GROUP_ID="shop"), ManualClock(), lambda *_: Listener())
    assert not frame.readiness().ready
    assert frame.readiness().reasons[-1] == "group shop.watch: joining"
    frame.heartbeat.ready()
    assert frame.readiness().reasons == ("group shop.watch: joining",)


async def test_who_does_not_watch_is_in_no_election() -> None:
    """Nor waits for one."""
    frame = WorkerFrame(settings(WATCH__ENABLED="false"), ManualClock(), lambda *_: Listener())
    assert frame.elections == []
    frame.heartbeat.ready()
    assert frame.readiness().ready


@pytest.mark.timeout(30)
async def test_it_ends_for_a_reason() -> None:
    """In order, also while Kafka is away; the first reason is the one that is told."""
    frame = WorkerFrame(settings(), ManualClock(), lambda *_: Listener())
    running = asyncio.create_task(frame.run())
    await until(lambda: frame.http.port, seconds=10, what="it serves")
    frame.give_up(Stalled("reader", 6))
    frame.give_up(ZeroDivisionError())
    with pytest.raises(Stalled):
        await running
    assert frame.watching is not None
    assert not frame.watching.watching
