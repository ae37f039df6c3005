"""For comparison: the Faust app that its documentation leads to, three tumbling tables, event by event.

Counts events per ten seconds of event time for each slot, banner and SKU, and does nothing else: no
dedupe, no order, no attribution, no visitors, no money. Faust reads and writes JSON by orjson where
that is installed; tables live in memory and, as always, in their changelog topics.

``python -m tests.benchmarks.reference_faust SERVERS TOPIC EVENTS`` prints the cost of the last four
fifths of so many events as JSON and ends.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import faust

from tests.benchmarks.meter import Meter


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
        # Nothing is to be left where the benchmark was started.
        datadir=Path(tempfile.gettempdir(), "plain-faust"),
        broker=f"kafka://{servers}",
        store="memory://",
        topic_partitions=4,
        topic_replication_factor=1,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )

    def table(name: str) -> Any:
        counts = app.Table(name, default=int).tumbling(10.0, expires=timedelta(hours=1))
        # On the class the field is its descriptor, which no annotation says.
        field: Any = ShopEvent.event_time
        return counts.relative_to_field(field)

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


def main() -> None:
    """Run the app until it has counted enough."""
    servers, topic, events = sys.argv[1:]
    app = build(servers, topic, int(events))
    faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
