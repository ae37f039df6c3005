"""Who tells people of incidents, as the worker knows it: a mailbox in, messages out through every channel.

Nothing of the worker is imported here; it knows this by its methods, and brings the mailbox. Promises: nothing is
told before all that was told and all that happened is known; settings are taken up while it runs, and wrong
ones change nothing; paused, it holds still once what was leaving has been written down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar

from alerts.dispatch import Dispatch, Heard, Paper, Tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from alerts.notify_plan import NotifyPlan
    from alerts.stages.knowledge import Knowledge

_LOG: Final = logging.getLogger(__name__)
# A rebalance waits so long for what is leaving; what takes longer may be told twice.
_PAUSE_SECONDS: Final = 5.0
# More at once than this are a crowd: it is heard out, until nothing comes for a moment, before anything is told.
_CROWD: Final = 10
_CROWD_MS: Final = 1_000
_LULL_SECONDS: Final = 0.1
# After a turn that took long, the next one that only time or an answer calls for waits so many times as long.
_FOR_TIME: Final = 10
_FOR_NEWS: Final = 1
S = TypeVar("S")
# Records of incidents as Kafka has them (value, when it was written), and whether those are all there are.
Post: TypeAlias = tuple[Sequence[tuple[bytes | None, int]], bool]


class Mailbox(Paper, Protocol):
    """What the worker brings."""

    async def deliveries(self) -> Sequence[bytes | None]:
        """All records of what was told, in order."""
        ...

    async def incidents(self) -> Post:
        """The next incidents, from the oldest there are; empty after a moment in which none came."""
        ...


class IncidentNotifier(Generic[S]):
    """See the module.

    Args:
        settings: of the deployment.
        read: the plan in them; raises ConfigError.
        tools: what it works with.

    Raises:
        ConfigError: what ``read`` says of the settings.
    """

    def __init__(self, settings: S, read: Callable[[S], NotifyPlan], tools: Tools) -> None:
        self._read = read
        self._plan = read(settings)
        self._tools = tools
        self._clock = tools.clock
        self._metrics = tools.metrics
        self._changed = asyncio.Event()
        self._going = True
        self._dispatch: Dispatch | None = None
        self._reading: asyncio.Future[Post] | None = None

    def configure(self, settings: S) -> None:
        """Go by other settings from now on.

        Raises:
            ConfigError: they are wrong; those before stay.
        """
        plan = self._read(settings)
        if plan != self._plan:
            self._plan = plan
            self._changed.set()

    async def pause(self) -> None:
        """Hold still; what is leaving is waited for, for a while."""
        self._going = False
        dispatch = self._dispatch
        if dispatch is None:
            return
        dispatch.gate.close()
        try:
            async with asyncio.timeout(_PAUSE_SECONDS):
                await dispatch.gate.idle()
        except TimeoutError:
            _LOG.warning("a message was not answered in time, it may be sent again")

    def resume(self) -> None:
        """Go on."""
        self._going = True
        if self._dispatch is not None:
            self._dispatch.gate.open()

    def fail(self) -> None:
        """It ended with an error, which whoever runs it has told."""
        self._metrics.fail()

    async def run(self, open_mailbox: Callable[[], AbstractAsyncContextManager[Mailbox]]) -> None:
        """Tell people until cancelled; without channels nothing is read either."""
        while True:
            self._changed.clear()
            if self._plan.channels:
                async with open_mailbox() as mailbox:
                    await self._serve(mailbox)
            else:
                await self._changed.wait()

    async def _serve(self, mailbox: Mailbox) -> None:
        """With one plan after the other, while there are channels."""
        known: Knowledge | None = None
        try:
            while self._plan.channels:
                self._changed.clear()
                async with Dispatch(self._plan, self._tools, known) as dispatch:
                    await self._open(dispatch, mailbox, first=known is None)
                    await self._turns(dispatch, mailbox)
                    await self._finish(dispatch, mailbox)
                    known = dispatch.known
        finally:
            reading, self._reading = self._reading, None
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            self._dispatch = None
            self._metrics.notify(notifying=False)

    async def _open(self, dispatch: Dispatch, mailbox: Mailbox, *, first: bool) -> None:
        if first:
            dispatch.learn(await mailbox.deliveries())
        await dispatch.begin(mailbox)
        live = not first
        while not live:
            records, live = await mailbox.incidents()
            await asyncio.to_thread(dispatch.hear, [Heard(*one) for one in records])
        self._dispatch = dispatch
        if not self._going:
            dispatch.gate.close()
        self._metrics.notify(notifying=True)
        _LOG.info("telling people", extra={"channels": [one.name for one in self._plan.channels]})

    async def _turns(self, dispatch: Dispatch, mailbox: Mailbox) -> None:
        """A turn whenever something came, and at least every moment, until there is another plan."""
        ended_ms = took_ms = 0
        while not self._changed.is_set():
            heard = await self._some(dispatch, mailbox)
            now_ms = self._clock.monotonic_ms()
            times = _FOR_NEWS if dispatch.news.is_set() else _FOR_TIME
            if heard or now_ms >= ended_ms + took_ms * times:
                await dispatch.turn(heard, mailbox)
                ended_ms = self._clock.monotonic_ms()
                took_ms = ended_ms - now_ms
            else:
                await asyncio.sleep(_moment(took_ms))

    async def _some(self, dispatch: Dispatch, mailbox: Mailbox) -> list[Heard]:
        """Wait for incidents or answers; the incidents, a crowd of them whole: the worst may come last."""
        heard = await self._next(mailbox, dispatch.news)
        until_ms = self._clock.monotonic_ms() + _CROWD_MS
        while len(heard) > _CROWD and self._clock.monotonic_ms() < until_ms:
            more = await self._next(mailbox, None, _LULL_SECONDS)
            if not more:
                break
            heard += more
        return heard

    async def _next(
        self, mailbox: Mailbox, news: asyncio.Event | None, seconds: float | None = None
    ) -> list[Heard]:
        """What is read next; nothing if there is news, or time is up. Then it is read on by whoever asks next."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(mailbox.incidents())
        await _first(self._reading, news, seconds)
        if not self._reading.done():
            return []
        (records, _), self._reading = self._reading.result(), None
        return [Heard(*one) for one in records]

    async def _finish(self, dispatch: Dispatch, mailbox: Mailbox) -> None:
        """Wait for what is leaving; each attempt ends in time."""
        dispatch.gate.close()
        idle = asyncio.ensure_future(dispatch.gate.idle())
        try:
            while not idle.done():
                await _first(idle, dispatch.news)
                await dispatch.turn((), mailbox)
        finally:
            idle.cancel()


def _moment(took_ms: int) -> float:
    return min(max(took_ms / 1000, 0.01), 0.5)


async def _first(
    future: asyncio.Future[Any], event: asyncio.Event | None, seconds: float | None = None
) -> None:
    """Wait for either, for so long."""
    if event is None:
        await asyncio.wait({future}, timeout=seconds)
        return
    waiting: asyncio.Future[Any] = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({future, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
