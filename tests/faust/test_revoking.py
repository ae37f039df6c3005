"""A shard that goes while one of its batches is being merged."""

from __future__ import annotations

import asyncio

from faust.types import TP

from streams.codec import encode_rollup
from streams.config import load_settings
from streams.events import Record, RecordBatch
from streams.worker.app import Worker
from tests.support.clock import ManualClock
from tests.support.rollups import rollup


async def test_a_batch_of_rollups_is_merged_wholly_before_its_shard_goes() -> None:
    """What is written down of a shard says up to where it was merged: never to the middle of a batch."""
    worker = Worker(load_settings(None, {}), ManualClock())
    worker.merging.own(frozenset({1}))
    topic = worker.settings.topics.rollups
    batch = RecordBatch.of(
        [Record(n, 0, encode_rollup(rollup({("all", "all"): {0: 1}}, sequence=n))) for n in range(1_000)]
    )
    async with worker.app.agents["merge"].test_context() as agent:
        message = agent.to_message(None, batch, partition=1)
        message.topic = topic
        channel = agent.stream().channel
        event = await channel.decode(message)
        await channel.put(event)
        counted = 0
        while not counted:
            await asyncio.sleep(0)
            counted = sum(sum(c.values()) for c in worker.merging.totals[1].cells.values())
        assert counted < 1_000
        await worker.rebalancing.before_revoke({TP(topic, 1)})
        counted = sum(sum(c.values()) for c in worker.merging.totals[1].cells.values())
        assert counted == 1_000
    await worker.consumer.stop()
