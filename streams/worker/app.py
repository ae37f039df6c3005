"""The worker as a Faust app: two thin agents over the counting and the merging side.

``create_app`` builds everything from settings and starts nothing; the returned :class:`Worker`
holds the parts. Importing this module has no side effects.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from streams.clock import Clock, SystemClock
from streams.logs import configure as configure_logs
from streams.metrics.exposition import Exposition
from streams.metrics.http import HttpServer, Readiness
from streams.metrics.key_series import KeySeries
from streams.metrics.last_scrape import LastScrape
from streams.metrics.pipeline import PipelineMetrics
from streams.metrics.promotion_targets import TargetCollector
from streams.metrics.reloads import PromotionCollector, ReloadMetrics
from streams.worker.agents import add_agents, add_timers
from streams.worker.backpressure import Backpressure
from streams.worker.batching import BatchConsumer
from streams.worker.delivering import Delivering
from streams.worker.kafka import Producer
from streams.worker.merging import Merging
from streams.worker.publishing import Outbox
from streams.worker.rebalancing import Rebalancing
from streams.worker.recovery import Recovery
from streams.worker.republishing import Republishing
from streams.worker.supervision import Supervision
from streams.worker.totals_log import TotalsLog
from streams.worker.watching import Watching
from streams.worker.wiring import counting, faust_app, key_series_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.config import Settings
    from streams.errors import DeadLetterLimit, Stalled
    from streams.metrics.http import Pages
    from streams.web.picture import Picture
    from streams.worker.batching import Position
    from streams.worker.delivering import MakeNotifier
    from streams.worker.watcher import MakeWatcher

    MakePages = Callable[["Worker"], Sequence[Pages]]

_LOOK_SECONDS = 0.1
_MOST_UNSENT = 10_000


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


class Worker:
    """One worker process: agents, state, metrics, HTTP.

    Args:
        settings: the whole tree.
        clock: wall clock.
        make_watcher: makes who judges what was counted; None watches nothing.
        make_pages: makes what its HTTP server shows beside metrics and health, once all else is made.
        make_notifier: makes who tells people of what went wrong; None tells nobody. Raises ConfigError.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        make_watcher: MakeWatcher | None = None,
        make_pages: MakePages | None = None,
        make_notifier: MakeNotifier | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.registry = CollectorRegistry()
        self.sources = settings.topics.counted
        self.metrics = PipelineMetrics(self.registry, topics=self.sources)
        self.series = KeySeries(key_series_settings(settings, self.sources))
        self.producer = Producer(settings.kafka)
        self.outbox = Outbox(self.producer)
        self.counting = counting(settings, self.clock, self.outbox, self.metrics)
        self.merging = Merging(
            source_topics=self.sources, series=self.series, clock=self.clock, metrics=self.metrics
        )
        # Of its own: what fails here is not to fail there.
        self.totals_producer = Producer(settings.kafka)
        self.totals = TotalsLog(
            settings,
            self.merging,
            self.totals_producer,
            address=f"{socket.gethostname()}/{settings.http.host}:{settings.http.port}",
        )
        self.heartbeat = Heartbeat(time.monotonic())
        self.recovery = Recovery(
            settings,
            self.counting,
            self.outbox,
            self.clock,
            self.metrics,
            self.heartbeat.wait_for,
            self._contested,
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
        self.last_scrape = LastScrape(self.series, settings.metrics, self.clock)
        # Who has the control topic runs them.
        self.elected = [one for one in (self.watching, self.delivering) if one is not None]
        self.supervision = Supervision(
            settings.counting.stall_timeout_ms / 1000, self.heartbeat.age, self.metrics
        )
        self.republishing = Republishing(settings, self.clock) if settings.topics.rekey else None
        # Held while what is counted is flushed: a source partition never goes in between.
        self.flushing_turn = asyncio.Lock()
        # Held while a batch of rollups is merged and acknowledged: a shard never goes in between.
        self.merging_turn = asyncio.Lock()
        self.backpressure = Backpressure(self.sources, self.counting, self.republishing)
        self.rebalancing = Rebalancing(self)
        self.app = faust_app(settings)
        self._limit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        add_agents(self)
        add_timers(self)
        # Told of settings that are taken up, after all that may refuse them.
        self.also_configure: list[Callable[[Settings], None]] = []
        self.http = self._http(() if make_pages is None else make_pages(self))

    def _picture(self) -> Picture | None:
        return None if self.watching is None else self.watching.picture

    def _http(self, pages: Sequence[Pages]) -> HttpServer:
        more = self.watching.capture if self.watching is not None else None
        return HttpServer(
            self.settings.http.host,
            self.settings.http.port,
            page=Exposition(self.registry, self.last_scrape.scrape, more),
            heartbeat_age=self.heartbeat.age,
            readiness=self.readiness,
            pages=pages,
        )

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

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer, of the batch transport."""
        consumer = self.app.consumer
        if not isinstance(consumer, BatchConsumer):
            raise TypeError("the app runs without the batch transport")
        return consumer

    def readiness(self) -> Readiness:
        """Whether the worker counts, and if not, what it waits for."""
        if self.heartbeat.waiting_for:
            return Readiness(False, (self.heartbeat.waiting_for,))
        if self.app.rebalancing:
            return Readiness(False, ("rebalancing",))
        if self.republishing is not None and self.republishing.failing:
            return Readiness(False, ("kafka does not take what is republished",))
        if self.outbox.failing:
            return Readiness(False, (f"kafka does not take messages: {len(self.outbox)} wait",))
        return Readiness(True)

    @property
    def records_read(self) -> int:
        """Offsets that were read of the assigned source partitions."""
        readings = (reading for it in self.counting.partitions.values() for reading in it.readings)
        return sum(reading.next_offset or 0 for reading in readings)

    def position(self, topic: str, partition: int) -> Position:
        """Where reading of a source topic-partition stands."""
        return self.consumer.read_position(topic, partition)

    async def tick(self) -> None:
        """Keep the topics in step; ten times a second."""
        if self.app.rebalancing or self.app.consumer is None:
            return
        held, let_go = self.backpressure.change()
        if held:
            self.consumer.throttle(held)
        if let_go:
            self.consumer.unthrottle(let_go)

    async def flush(self) -> None:
        """Count what is due and send what changed; once per flush interval."""
        if self.app.rebalancing or self.app.consumer is None:
            return
        async with self.flushing_turn:
            self.supervision.flushes += await self.counting.flush(self.position)
        self.merging.tick()
        for kind, size in self.counting.state_bytes().items():
            self.metrics.set_state_bytes(kind, size)
        self.metrics.set_state_bytes("copies", self.recovery.copied_bytes())
        self._observe_lag()

    async def watch(self) -> None:
        """End in order, with the reason, if what should move stands still; once a second."""
        if self.app.should_stop or self._limit.done() or self.app.consumer is None:
            return
        stalled = self.supervision.look(
            self.consumer,
            rebalancing=self.app.rebalancing,
            refusal=self.outbox.problem,
            progress=(self.consumer.epoch, self.recovery.entries_read),
        )
        if stalled is not None:
            self.supervision.end_soon()
            self.give_up(stalled)

    async def republish(self) -> None:
        """Key what was read by visitor, as far as it is due; twenty times a second."""
        if self.republishing is not None and not self.app.rebalancing and self.app.consumer is not None:
            await self.republishing.publish(self.position)

    async def keep_totals(self) -> None:
        """Write down what is merged, as far as it is time; once a second."""
        if not self.app.rebalancing:
            await self.totals.flush()

    async def keep_up(self) -> None:
        """Read no further while too much waits to be sent: behind a slow Kafka memory stays bounded."""
        while len(self.outbox) > _MOST_UNSENT and not self.app.rebalancing and not self.app.should_stop:
            await self.flush()

    def _observe_lag(self) -> None:
        for assigned in self.counting.partitions.values():
            for which, topic in enumerate(self.sources):
                end = self.position(topic, assigned.number).end_offset
                taken = assigned.readings[which].next_offset
                if end is not None and taken is not None:
                    self.metrics.set_lag(topic, assigned.number, max(end - taken, 0))

    async def run(self) -> None:
        """Serve and count until the app is stopped.

        Raises:
            BaseException: what the worker crashed on.
        """
        await self.http.start()
        beating = asyncio.create_task(self._beat())
        self.supervision.start()
        try:
            await self.producer.connect(self.heartbeat.wait_for)
            if self.republishing is not None:
                await self.republishing.start(self.heartbeat.wait_for)
            self.heartbeat.wait_for("joining the group")
            self.rebalancing.listen(self.consumer)
            await self.app.start()
            await self._until_ended()
            if self.app.crash_reason is not None:
                self.supervision.end_soon()
                raise self.app.crash_reason
        finally:
            try:
                await self.app.stop()
                for one in self.elected:
                    await one.stop()
                await self.totals.take(())
                await self.recovery.stop()
                if self.republishing is not None:
                    await self.republishing.stop()
                await self.totals_producer.stop()
                await self.producer.stop()
                await self.last_scrape.wait()
            finally:
                await self.http.stop()
                self.supervision.stop()
                beating.cancel()

    async def _beat(self) -> None:
        """Show that the event loop lives, from the first to the last."""
        while True:
            self.heartbeat.beat()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _until_ended(self) -> None:
        """Until the app has stopped, or a limit is reached: then the state is whole and handed over."""
        stopped = asyncio.ensure_future(self.app.wait_until_stopped())
        await asyncio.wait({stopped, self._limit}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self._limit.done():
            self._limit.result()

    def give_up(self, error: DeadLetterLimit | Stalled) -> None:
        """End in order, for this reason."""
        if not self._limit.done():
            self._limit.set_exception(error)

    def _contested(self) -> None:
        self.consumer.rejoin()
