"""What every worker process has, whatever it does: health, metrics, pages, settings that change, and elections.

On its own it is a worker that counts nothing: it watches, or tells people, when it is elected to, and it is no
member of the group that counts. A worker that counts is one of these as well (:mod:`streams.worker.app`).
Importing this module has no side effects.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from streams.clock import Clock, SystemClock
from streams.logs import configure as configure_logs
from streams.metrics.exposition import Exposition
from streams.metrics.http import HttpServer, Readiness
from streams.metrics.pipeline import PipelineMetrics
from streams.metrics.promotion_targets import TargetCollector
from streams.metrics.reloads import PromotionCollector, ReloadMetrics
from streams.worker.delivering import Delivering
from streams.worker.election import Election
from streams.worker.supervision import Supervision
from streams.worker.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.config import Settings
    from streams.metrics.http import Pages
    from streams.metrics.key_series import ExportSnapshot
    from streams.web.picture import Picture
    from streams.worker.delivering import MakeNotifier
    from streams.worker.watcher import MakeWatcher

    MakePages = Callable[["WorkerFrame"], Sequence[Pages]]

_LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Heartbeat:
    """When the event loop last came round, and what it is waiting for if it is not ready."""

    beaten_at: float
    waiting_for: str = "kafka: not connected yet"

    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self.beaten_at

    def beat(self) -> None:
        """The event loop comes round."""
        self.beaten_at = time.monotonic()

    def wait_for(self, what: str) -> None:
        """It is not ready, for this reason."""
        self.beat()
        self.waiting_for = what

    def ready(self) -> None:
        """It waits for nothing any more."""
        self.waiting_for = ""


class WorkerFrame:
    """See the module; to be made on the loop that it runs on.

    Args:
        settings: the whole tree.
        clock: wall clock.
        make_watcher: makes who judges what was counted; None watches nothing.
        make_pages: makes what its HTTP server shows beside metrics and health, once all else is made.
        make_notifier: makes who tells people of what went wrong; None tells nobody. Raises ConfigError.
        scrape: what was counted, for whoever scrapes; None counts nothing.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        make_watcher: MakeWatcher | None = None,
        make_pages: MakePages | None = None,
        make_notifier: MakeNotifier | None = None,
        *,
        scrape: Callable[[], ExportSnapshot] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.registry = CollectorRegistry()
        self.metrics = PipelineMetrics(self.registry, topics=settings.topics.counted)
        self.heartbeat = Heartbeat(time.monotonic())
        self.supervision = Supervision(
            settings.counting.stall_timeout_ms / 1000, self.heartbeat.age, self.metrics
        )
        self.calendar = settings.calendar()
        self.reloads = ReloadMetrics(self.registry)
        PromotionCollector(lambda: self.calendar, self.clock, self.registry)
        self.watching = (
            Watching(settings, make_watcher, self.clock, self.registry)
            if make_watcher is not None and settings.watch.enabled
            else None
        )
        self.delivering = (
            Delivering(settings, make_notifier, self.clock, self.registry)
            if make_notifier is not None
            else None
        )
        TargetCollector(self._picture, lambda: self.calendar, self.registry)
        self.elections = [
            Election(settings.kafka, office, settings.topics.control, elected, self.give_up)
            for office, elected in (("watch", self.watching), ("notify", self.delivering))
            if elected is not None
        ]
        self._limit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Told of settings that are taken up, after all that may refuse them.
        self.also_configure: list[Callable[[Settings], None]] = []
        more = self.watching.capture if self.watching is not None else None
        self.http = HttpServer(
            settings.http.host,
            settings.http.port,
            page=Exposition(self.registry, scrape, more),
            heartbeat_age=self.heartbeat.age,
            readiness=self.readiness,
            pages=() if make_pages is None else make_pages(self),
        )

    def _picture(self) -> Picture | None:
        return None if self.watching is None else self.watching.picture

    def configure(self, settings: Settings) -> None:
        """Take up what can be changed while the worker runs: log level, promotions, who watches and is told.

        Raises:
            ConfigError: a channel lacks something; nothing is changed then.
        """
        if self.delivering is not None:
            self.delivering.configure(settings)
        configure_logs(settings)
        self.calendar = settings.calendar()
        if self.watching is not None:
            self.watching.configure(settings)
        for configure in self.also_configure:
            configure(settings)

    def readiness(self) -> Readiness:
        """Whether the worker does its part, or would if it were elected; if not, what it waits for."""
        waiting = (self.heartbeat.waiting_for, *(election.waiting_for for election in self.elections))
        reasons = tuple(filter(None, waiting))
        return Readiness(not reasons, reasons)

    async def run(self) -> None:
        """Serve and work until cancelled, or until there is a reason to end.

        Raises:
            BaseException: what the worker ended on.
        """
        await self.http.start()
        beating = asyncio.create_task(self._beat())
        self.supervision.start()
        try:
            for election in self.elections:
                election.start()
            await self._work()
        finally:
            try:
                await self._end()
            finally:
                await self.http.stop()
                self.supervision.stop()
                beating.cancel()

    async def _work(self) -> None:
        """Whatever there is to do beside what it may be elected to: nothing."""
        self.heartbeat.ready()
        await self._until_ended()

    async def _end(self) -> None:
        """Leave all offices in order: what is leaving is waited for, what is known is written down."""
        await asyncio.gather(*(election.stop() for election in self.elections))
        for one in (self.watching, self.delivering):
            if one is not None:
                await one.stop()

    async def _beat(self) -> None:
        """Show that the event loop lives, from the first to the last."""
        while True:
            self.heartbeat.beat()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _until_ended(self, *others: asyncio.Future[Any]) -> None:
        """Until there is a reason to end, or one of these is done."""
        await asyncio.wait({self._limit, *others}, return_when=asyncio.FIRST_COMPLETED)
        if self._limit.done():
            self._limit.result()

    def give_up(self, error: Exception) -> None:
        """End in order, for this reason."""
        if not self._limit.done():
            self._limit.set_exception(error)
