"""The worker as a Faust app: two thin agents over the counting and the merging side.

:class:`Worker` builds everything from settings and starts nothing; it holds the parts. Importing this
module has no side effects.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from streams.clock import Clock, SystemClock
from streams.metrics.http import Readiness
from streams.metrics.key_series import KeySeries
from streams.metrics.last_scrape import LastScrape
from streams.worker.agents import add_agents, add_timers
from streams.worker.backpressure import Backpressure
from streams.worker.batching import BatchConsumer
from streams.worker.frame import WorkerFrame
from streams.worker.kafka import Producer
from streams.worker.merging import Merging
from streams.worker.publishing import Outbox
from streams.worker.rebalancing import Rebalancing
from streams.worker.recovery import Recovery
from streams.worker.republishing import Republishing
from streams.worker.totals_log import TotalsLog
from streams.worker.wiring import counting, faust_app, key_series_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.config import Settings
    from streams.worker.batching import Position
    from streams.worker.delivering import MakeNotifier
    from streams.worker.frame import MakePages
    from streams.worker.watcher import MakeWatcher

_MOST_UNSENT = 10_000


class Worker(WorkerFrame):
    """A worker that counts, whatever else it may be elected to: agents, state, and all of a frame.

    Args:
        settings: the whole tree.
        clock: wall clock.
        make_watcher: makes who judges what was counted; None watches nothing.
        make_pages: makes what its HTTP server shows beside metrics and health.
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
        clock = clock or SystemClock()
        self.sources = settings.topics.counted
        self.series = KeySeries(key_series_settings(settings, self.sources))
        self.last_scrape = LastScrape(self.series, settings.metrics, clock)
        super().__init__(
            settings, clock, make_watcher, make_pages, make_notifier, scrape=self.last_scrape.scrape
        )
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
        self.recovery = Recovery(
            settings,
            self.counting,
            self.outbox,
            self.clock,
            self.metrics,
            self.heartbeat.wait_for,
            self._contested,
        )
        self.republishing = Republishing(settings, self.clock) if settings.topics.rekey else None
        # Held while what is counted is flushed: a source partition never goes in between.
        self.flushing_turn = asyncio.Lock()
        # Held while a batch of rollups is merged and acknowledged: a shard never goes in between.
        self.merging_turn = asyncio.Lock()
        self.backpressure = Backpressure(self.sources, self.counting, self.republishing)
        self.rebalancing = Rebalancing(self)
        self.app = faust_app(settings)
        add_agents(self)
        add_timers(self)

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer, of the batch transport."""
        consumer = self.app.consumer
        if not isinstance(consumer, BatchConsumer):
            raise TypeError("the app runs without the batch transport")
        return consumer

    def readiness(self) -> Readiness:
        """Whether the worker counts and does what else is its part, and if not, what it waits for."""
        reasons = (*self._not_counting(), *super().readiness().reasons)
        return Readiness(not reasons, reasons)

    def _not_counting(self) -> Iterator[str]:
        """Why it does not count; while it is yet to begin, the frame knows."""
        if self.heartbeat.waiting_for:
            return
        if self.app.rebalancing:
            yield "rebalancing"
        elif self.republishing is not None and self.republishing.failing:
            yield "kafka does not take what is republished"
        elif self.outbox.failing:
            yield f"kafka does not take messages: {len(self.outbox)} wait"

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

    async def _work(self) -> None:
        await self.producer.connect(self.heartbeat.wait_for)
        if self.republishing is not None:
            await self.republishing.start(self.heartbeat.wait_for)
        self.heartbeat.wait_for("joining the group")
        self.rebalancing.listen(self.consumer)
        await self.app.start()
        stopped = asyncio.ensure_future(self.app.wait_until_stopped())
        try:
            await self._until_ended(stopped)
        finally:
            stopped.cancel()
        if self.app.crash_reason is not None:
            self.supervision.end_soon()
            raise self.app.crash_reason

    async def _end(self) -> None:
        """Leave all offices first, then hand over the state, whole."""
        try:
            await super()._end()
        finally:
            await self.app.stop()
            await self.totals.take(())
            await self.recovery.stop()
            if self.republishing is not None:
                await self.republishing.stop()
            await self.totals_producer.stop()
            await self.producer.stop()
            await self.last_scrape.wait()

    def _contested(self) -> None:
        self.consumer.rejoin()
