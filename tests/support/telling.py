"""Telling people on a clock that stands still: two topics in memory, real senders, real HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, generate_latest

from alerts.content.writing import WritingSettings
from alerts.dispatch import Dispatch, Heard, Tools
from alerts.incident import encode_incident
from alerts.notify.guard import Guard
from alerts.notify.registry import ChannelKind, ChannelPlan
from alerts.notify.secrets import Secret
from alerts.notify.sending import Patience
from alerts.notify_metrics import NotifyMetrics
from alerts.notify_plan import NotifyPlan, channel_rule, pipeline_of
from alerts.rounds import OutboxSettings
from alerts.stages.route import Route
from tests.support.clock import ManualClock
from tests.support.findings import T0

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.dead_letters import Letter


class MemoryMailbox:
    """Both topics as lists; what is written can be refused for a while."""

    def __init__(self) -> None:
        self.told: dict[bytes, bytes] = {}
        self.incidents_written: list[tuple[bytes | None, int]] = []
        self.dead: list[Letter] = []
        self._read = 0
        self.came = asyncio.Event()

    def put(self, *incidents: Any, at_ms: int = T0) -> list[Heard]:
        """Incidents into the topic."""
        records = [Heard(encode_incident(one), at_ms) for one in incidents]
        self.incidents_written += records
        self.came.set()
        return records

    def rewind(self) -> None:
        """For another reader."""
        self._read = 0
        self.came.set()

    async def deliveries(self) -> list[bytes | None]:
        """All that was told."""
        return list(self.told.values())

    async def incidents(self) -> tuple[list[tuple[bytes | None, int]], bool]:
        """What was not read yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self.came.wait()
        self.came.clear()
        new, self._read = self.incidents_written[self._read :], len(self.incidents_written)
        return new, True

    async def write(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Into the compacted topic."""
        for key, value in records:
            self.told.pop(key, None)
            if value is not None:
                self.told[key] = value

    async def bury(self, letters: Sequence[Letter]) -> None:
        """Into the dead letters."""
        self.dead += letters


def channel(name: str, url: str, kind: ChannelKind = ChannelKind.WEBHOOK) -> ChannelPlan:
    """A channel on loopback."""
    return ChannelPlan(
        name,
        kind,
        Secret(url),
        Secret("a-secret-of-the-test") if kind is not ChannelKind.ALERTMANAGER else None,
        guard=Guard(allow_private=True),
        patience=Patience(total_ms=2_000),
    )


def plan_of(
    *channels: ChannelPlan,
    routes: tuple[Route, ...] = (),
    budget: dict[str, int] | None = None,
    outbox: OutboxSettings | None = None,
) -> NotifyPlan:
    """All channels are told of everything unless routes say otherwise."""
    names = tuple(one.name for one in channels)
    return NotifyPlan(
        channels,
        pipeline_of(
            routes or ((Route("all", names),) if names else ()),
            {one.name: channel_rule(one, budget) for one in channels},
            worse_factor=2.0,
            linger_ms=60_000,
            order_nodes=frozenset({"order", "paid"}),
        ),
        WritingSettings(ZoneInfo("UTC")),
        outbox or OutboxSettings(),
    )


class Office:
    """A dispatch, its mailbox and its clock."""

    def __init__(self, plan: NotifyPlan, clock: ManualClock | None = None) -> None:
        self.plan = plan
        self.clock = clock or ManualClock(T0)
        self.mailbox = MemoryMailbox()
        self.registry = CollectorRegistry()
        self.tools = Tools(self.clock, lambda: 0.5, NotifyMetrics(self.registry), self._sleep)
        self._dispatch: Dispatch | None = None
        self._stack = contextlib.AsyncExitStack()

    async def _sleep(self, seconds: float) -> None:
        """Time goes by when somebody waits for it."""
        await asyncio.sleep(0)
        self.clock.advance(max(round(seconds * 1000), 1))

    @property
    def dispatch(self) -> Dispatch:
        """The one that is open."""
        assert self._dispatch is not None
        return self._dispatch

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def open(self) -> None:
        """A dispatch that knows what the topics say."""
        self._dispatch = await self._stack.enter_async_context(Dispatch(self.plan, self.tools))
        self.dispatch.learn(await self.mailbox.deliveries())
        await self.dispatch.begin(self.mailbox)
        self.dispatch.hear(Heard(*one) for one in self.mailbox.incidents_written)

    async def restart(self) -> None:
        """The process dies; another one reads the topics."""
        await self._stack.aclose()
        self._stack = contextlib.AsyncExitStack()
        await self.open()

    async def turn(self, *incidents: Any, after_ms: int = 0) -> None:
        """A turn with what is new; all that it sends is answered, and the answers are written down."""
        self.clock.advance(after_ms)
        await self.dispatch.turn(self.mailbox.put(*incidents, at_ms=self.clock.now_ms()), self.mailbox)
        while any(self.dispatch.waiting.values()) or self.dispatch.gate.busy or self.dispatch.news.is_set():
            async with asyncio.timeout(20):
                await self.dispatch.news.wait()
            await self.dispatch.turn((), self.mailbox)

    def metrics(self) -> str:
        """The page."""
        return generate_latest(self.registry).decode()
