"""Who tells people: what comes is told, settings change under way, and a pause holds still."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Self

import pytest
from prometheus_client import CollectorRegistry

from alerts.dispatch import Tools
from alerts.model import Severity
from alerts.notifier import IncidentNotifier
from alerts.notify_metrics import NotifyMetrics
from streams.clock import SystemClock
from streams.errors import ConfigError
from tests.support.bots import Bot, bot
from tests.support.deliveries import incident
from tests.support.telling import MemoryMailbox, channel, plan_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from alerts.notify_plan import NotifyPlan
    from tests.support.vendors import Call

NOBODY = plan_of()


def fine(_: Call) -> tuple[int, bytes]:
    """It is taken."""
    return 200, b"{}"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that other tasks do."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # whatever the condition is
            await asyncio.sleep(0.01)


def told(server: Bot) -> list[str]:
    """Incidents, in the order in which the webhook heard of them."""
    return [json.loads(call.body)["incidents"][0]["id"] for call in server.calls]


class Running:
    """A notifier that runs on a mailbox in memory; its settings are plans."""

    def __init__(self, plan: NotifyPlan) -> None:
        self.mailbox = MemoryMailbox()
        self.opened = 0
        tools = Tools(SystemClock(), lambda: 0.0, NotifyMetrics(CollectorRegistry()))
        self.notifier = IncidentNotifier(plan, self._read, tools)

    @staticmethod
    def _read(plan: NotifyPlan) -> NotifyPlan:
        if not isinstance(plan, type(NOBODY)):
            raise ConfigError("notify", "a plan")
        return plan

    @contextlib.asynccontextmanager
    async def _mailbox(self) -> AsyncIterator[MemoryMailbox]:
        self.opened += 1
        self.mailbox.rewind()
        yield self.mailbox

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.notifier.run(self._mailbox))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_what_comes_is_told() -> None:
    """What was there before, and what comes later."""
    async with bot(fine) as server:
        running = Running(plan_of(channel("ops", server.url)))
        running.mailbox.put(incident("before"))
        async with running:
            await until(lambda: told(server) == ["before"])
            running.mailbox.put(incident("later"))
            await until(lambda: told(server) == ["before", "later"])


async def test_without_channels_nothing_is_read() -> None:
    """Until there is one; what is open then is told."""
    async with bot(fine) as server, Running(NOBODY) as running:
        running.mailbox.put(incident())
        await asyncio.sleep(0)
        assert running.opened == 0
        running.notifier.configure(plan_of(channel("ops", server.url)))
        await until(lambda: told(server) == ["i"])


async def test_a_channel_that_is_new_is_told_what_is_open_and_the_old_one_nothing_again() -> None:
    """What was told stays known over a change of settings."""
    async with bot(fine) as server, bot(fine) as other:
        ops, mail = channel("ops", server.url), channel("mail", other.url)
        async with Running(plan_of(ops)) as running:
            running.mailbox.put(incident())
            await until(lambda: len(running.mailbox.told) == 2)
            running.notifier.configure(plan_of(ops, mail))
            await until(lambda: told(other) == ["i"])
            running.notifier.configure(plan_of(mail))
            running.mailbox.put(incident("j"))
            await until(lambda: told(other) == ["i", "j"])
            assert told(server) == ["i"]
            assert running.opened == 1


async def test_wrong_settings_change_nothing() -> None:
    """Whoever hands them over is told."""
    async with bot(fine) as server, Running(plan_of(channel("ops", server.url))) as running:
        with pytest.raises(ConfigError):
            running.notifier.configure("nonsense")  # type: ignore[arg-type]  # that is the point
        running.mailbox.put(incident())
        await until(lambda: told(server) == ["i"])


async def test_a_pause_waits_for_what_is_leaving_and_then_nothing_leaves() -> None:
    """What was answered is written down when the pause begins; the rest goes when it is over."""
    async with bot(fine) as server, Running(plan_of(channel("ops", server.url))) as running:
        running.mailbox.put(incident())
        await until(lambda: len(server.calls) == 1)
        await running.notifier.pause()
        assert len(running.mailbox.told) == 2
        running.mailbox.put(incident("j"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert told(server) == ["i"]
        running.notifier.resume()
        await until(lambda: told(server) == ["i", "j"])


async def test_a_crowd_is_heard_out_before_anything_is_told() -> None:
    """The worst of it comes last, in a record of its own, and is told first."""
    async with bot(fine) as server, Running(plan_of(channel("ops", server.url))) as running:
        running.mailbox.put(incident("before"))
        await until(lambda: told(server) == ["before"])
        running.mailbox.put(*(incident(f"i{number}") for number in range(30)))
        await until(lambda: not running.mailbox.came.is_set())
        running.mailbox.put(incident("worst", severity=Severity.CRITICAL))
        await until(lambda: len(server.calls) > 1)
        assert told(server)[1] == "worst"
