"""The embedded broker forgets what a slow reader has not read: that is told as exactly as Kafka's retention."""

from __future__ import annotations

import pytest
from faust.types import TP

from streams.demo.broker import EmbeddedBroker
from tests.support.batch_reader import BatchReader, fill
from tests.support.workers import until

pytest.importorskip("confluent_kafka", reason="the demo's broker is not installed (extra: demo)")


async def test_what_the_embedded_broker_forgets_is_told() -> None:
    """It keeps some 5 MB of a partition: what was read, what was told to be missing, and the rest add up."""
    with EmbeddedBroker() as broker:
        broker.create_topics("clicks")
        address, tp = broker.bootstrap_servers, TP("clicks", 0)
        settings = {"consumer_max_fetch_size": 20_000}
        reader = BatchReader(address, "g", "clicks", buffered=2, settings=settings)
        reader.may_take.clear()
        async with reader:
            await fill(address, "clicks", [b"x" * 1_000] * 1_000)
            await until(lambda: reader.waits == 1, seconds=20, what="the agent to hold a batch")
            await fill(address, "clicks", [b"x" * 1_000] * 12_000)
            reader.may_take.set()
            await until(lambda: reader.breaks, seconds=20, what="the gap")
            await until(
                lambda: reader.offsets()["clicks", 0][-1] == 12_999, seconds=30, what="the last record"
            )
            expected, missing = 0, []
            for offset in reader.offsets()["clicks", 0]:
                if offset != expected:
                    missing.append(("gap", tp, expected, offset))
                expected = offset + 1
            assert reader.breaks == missing
            assert sum(behind - first for _, _, first, behind in missing) > 5_000
