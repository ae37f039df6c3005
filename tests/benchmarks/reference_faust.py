"""For comparison: the Faust app that its documentation leads to, three tumbling tables, event by event.

Counts events per ten seconds of event time for each slot, banner and SKU, and does nothing else: no
dedupe, no order, no attribution, no visitors, no money. Faust reads and writes JSON by orjson where
that is installed; tables live in memory and, as always, in their changelog topics.

``python -m tests.benchmarks.reference_faust SERVERS TOPIC EVENTS`` prints the cost of the last four
fifths of so many events as JSON and ends.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from typing import Any

import faust
import orjson


class ShopEvent(faust.Record, validation=False):
    """What the counts need of an event; times are made seconds, as Faust's windows want them."""

    event_time: float
    event: str
    slot: str | None = None
    banner: str | None = None
    sku: Any = None

    def __post_init__(self) -> None:
        self.event_time /= 1000


def build(servers: str, topic: str, events: int) -> faust.App:
    """The app; it ends the process when it has counted ``events``."""
    app = faust.App(
        "plain",
        broker=f"kafka://{servers}",
        store="memory://",
        topic_partitions=4,
        topic_replication_factor=1,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )

    def table(name: str) -> Any:
        counts = app.Table(name, default=int).tumbling(10.0, expires=timedelta(hours=1))
        return counts.relative_to_field(ShopEvent.event_time)

    slots, banners, skus = table("slots"), table("banners"), table("skus")
    meter = Meter(events)

    @app.agent(app.topic(topic, value_type=ShopEvent))
    async def count(stream: Any) -> None:
        async for event in stream:
            slots[event.slot] += 1
            banners[event.banner] += 1
            for sku in event.sku if isinstance(event.sku, list) else (event.sku,):
                skus[sku] += 1
            meter.count()

    return app


class Meter:
    """Takes the CPU time after a fifth of the events, and at their end says what the rest cost."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._from = events // 5
        self._counted = 0
        self._started = (0.0, 0.0)

    def count(self, events: int = 1) -> None:
        """So many more are counted."""
        before, self._counted = self._counted, self._counted + events
        if before < self._from <= self._counted:
            self._from = self._counted
            self._started = (time.process_time(), time.monotonic())
        if self._counted >= self._events:
            self._end()

    def _end(self) -> None:
        cpu, wall = self._started
        figures = {
            "events": self._counted - self._from,
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.monotonic() - wall,
        }
        # Faust's spinner leaves an unfinished line.
        print("\n" + orjson.dumps(figures).decode(), flush=True)
        # Orderly shutdown would take seconds and is nothing that is measured here.
        os._exit(0)


def main() -> None:
    """Run the app until it has counted enough."""
    servers, topic, events = sys.argv[1:]
    app = build(servers, topic, int(events))
    faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
