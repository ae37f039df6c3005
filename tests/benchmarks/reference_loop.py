"""For comparison: the least that can be done in Python, an aiokafka loop over three dicts.

Counts events per ten seconds of event time for each slot, banner and SKU with orjson and ``dict``, in
memory, without group, commits, checks or output.

``python -m tests.benchmarks.reference_loop SERVERS TOPIC EVENTS`` prints the cost of the last four
fifths of so many events as JSON and ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.benchmarks.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARTITIONS = 4
_FETCH_BYTES = 4 << 20
_BATCH = 8192

Counts = defaultdict[tuple[int, Any], int]


async def run(servers: str, topic: str, events: int) -> None:
    """Count until there were so many events."""
    slots: Counts = defaultdict(int)
    banners: Counts = defaultdict(int)
    skus: Counts = defaultdict(int)
    meter = Meter(events)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, max_partition_fetch_bytes=_FETCH_BYTES
    )
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(_PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    while True:
        for records in (await consumer.getmany(timeout_ms=500, max_records=_BATCH)).values():
            _count(records, slots, banners, skus)
            meter.count(len(records))


def _count(records: Sequence[Any], slots: Counts, banners: Counts, skus: Counts) -> None:
    for record in records:
        event = orjson.loads(record.value)
        window = event["event_time"] // 10_000
        slots[window, event.get("slot")] += 1
        banners[window, event.get("banner")] += 1
        sku = event.get("sku")
        for one in sku if isinstance(sku, list) else (sku,):
            skus[window, one] += 1


def main() -> None:
    """Run the loop."""
    servers, topic, events = sys.argv[1:]
    asyncio.run(run(servers, topic, int(events)))


if __name__ == "__main__":
    main()
