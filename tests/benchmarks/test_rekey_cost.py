"""What it costs to republish sources by visitor, in units of counting the same records.

In one process without Kafka, chunk by chunk in turns, so that a machine that is busy elsewhere slows
both alike: republishing (visitors, order, batches made and compressed), the filter in front of counting,
and counting (decode, count, rollups). ``FUNNELWATCH_BENCH_REKEY_EVENTS``.
"""

from __future__ import annotations

import asyncio
import time
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from faust.types import TP

from streams.core.pace import Pace
from streams.core.republished import Republished
from streams.events import Record, RecordBatch
from streams.formats.visitors import NativeVisitors
from streams.worker.entry import _quiet_collector
from streams.worker.positions import Position
from streams.worker.rekeying import Rekeying, RekeyTopics
from tests.benchmarks import reporting
from tests.benchmarks.core_load import Core
from tests.benchmarks.records import Load
from tests.benchmarks.reporting import option
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.demo.simulator import SimulatedRecord
    from streams.worker.batch_producer import KeyedRecord

_START_MS: Final = 1_762_689_600_000
_TOPICS: Final = RekeyTopics(("clickstream", "orders"), ("keyed.clickstream", "keyed.orders"))
_RAW: Final = 8
_KEYED: Final = 4
_CHUNK: Final = 16_384
_BATCH_BYTES: Final = 256 * 1024


class Sink:
    """Makes batches as the producer does, and drops them."""

    def __init__(self) -> None:
        self.kept: list[Sequence[KeyedRecord]] = []
        self.nbytes = 0

    async def partitions_of(self, topic: str) -> int:
        """Of either kind."""
        return _KEYED if topic in _TOPICS.keyed else _RAW

    async def deliver(self, topic: str, partition: int, records: Sequence[KeyedRecord]) -> int:
        """Fill and compress one batch."""
        batch = DefaultRecordBatchBuilder(2, DefaultRecordBatch.CODEC_ZSTD, 0, -1, -1, 0, _BATCH_BYTES)
        count = 0
        for timestamp_ms, key, value, headers in records:
            if batch.append(count, timestamp_ms, key=key, value=value, headers=headers) is None:
                break
            count += 1
        self.nbytes += len(batch.build())
        if (topic, partition) == (_TOPICS.keyed[0], 0):
            self.kept.append(records[:count])
        return count

    async def discard(self) -> None:
        """Nothing is under way."""


async def republish(chunks: Sequence[list[SimulatedRecord]], core: Core, sink: Sink) -> tuple[float, int]:
    """Republish and count in turns; CPU seconds of republishing, and how many records."""
    rekeying = Rekeying(
        topics=_TOPICS,
        readers=[NativeVisitors(), NativeVisitors()],
        producer=sink,
        clock=ManualClock(_START_MS * 2),
        pace=Pace(2_500, 10_000),
        max_future_ms=300_000,
        patience_ms=30_000,
    )
    await rekeying.assigned({TP(topic, number) for topic in _TOPICS.raw for number in range(_RAW)})
    offsets: dict[tuple[str, int], int] = {}
    spent, fed = 0.0, 0
    for chunk in chunks:
        batches = []
        for topic in _TOPICS.raw:
            mine = [record for record in chunk if record.topic == topic]
            for number in range(_RAW):
                start = offsets.get((topic, number), 0)
                records = [
                    Record(start + at, r.arrival_ms, r.value) for at, r in enumerate(mine[number::_RAW])
                ]
                offsets[topic, number] = start + len(records)
                if records:
                    batches.append((topic, number, RecordBatch.of(records)))
        begun = time.process_time()
        for topic, number, batch in batches:
            rekeying.take(topic, number, batch, lambda: None)
        assert await rekeying.publish(lambda *_: Position(0, 0, None))
        spent += time.process_time() - begun
        fed += len(chunk)
        core.feed(iter(chunk))
    return spent, fed


def filtering(kept: Sequence[Sequence[KeyedRecord]]) -> float:
    """CPU seconds per record of the filter, on what one keyed partition got."""
    records = [
        Record(at, item.timestamp_ms, item.value, item.key, tuple(item.headers))
        for at, item in enumerate(chain.from_iterable(kept))
    ]
    batches = [RecordBatch.of(records[start : start + 4096]) for start in range(0, len(records), 4096)]
    republished, begun = Republished(), time.process_time()
    for batch in batches:
        assert republished.fresh(batch) is not None
        republished.state(batch.offsets[-1] + 1)
    spent = time.process_time() - begun
    assert republished.repeated == 0
    return spent / len(records)


def test_cost_of_republishing() -> None:
    """All records are republished, and nothing is dropped."""
    events = option("REKEY_EVENTS", 500_000)
    source = Load("shop", events, _START_MS).records()
    chunks = []
    while chunk := list(islice(source, _CHUNK)):
        chunks.append(chunk)
    core, sink = Core(), Sink()
    _quiet_collector()  # as a worker does
    spent, fed = asyncio.run(republish(chunks, core, sink))
    counting, rekeying, filtered = core.costs.total / fed, spent / fed, filtering(sink.kept)
    figures: dict[str, Any] = {
        "events": fed,
        "count_us": round(counting * 1e6, 2),
        "rekey_us": round(rekeying * 1e6, 2),
        "filter_us": round(filtered * 1e6, 2),
        "rekey_and_filter_over_count": round((rekeying + filtered) / counting, 2),
        "bytes_per_event_compressed": round(sink.nbytes / fed, 1),
    }
    path = reporting.write("rekey_cost", figures)
    for name, figure in figures.items():
        print(f"{name}: {figure}")
    print(f"written to {path}")
    assert fed == events
