"""The agents are thin: they hand whole batches on, and acknowledge only what they may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from streams.codec import encode_rollup
from streams.config import load_settings
from streams.events import Record, RecordBatch
from streams.worker.app import Worker
from tests.support.builders import click, paid, stream
from tests.support.clock import ManualClock
from tests.support.rollups import rollup
from tests.support.state_log import MemoryLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faust.types import EventT


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """A worker that is not started: its agents are run by the tests."""
    made = Worker(load_settings(None, {}), ManualClock())
    yield made
    await made.consumer.stop()


async def test_names_are_plain(worker: Worker) -> None:
    """Agents are known by what they do, in logs and metrics."""
    assert sorted(worker.app.agents) == ["count", "merge"]


async def test_nothing_of_fausts_own_is_declared(worker: Worker) -> None:
    """No tables, no leader topic, no web server: Faust carries batches and nothing else."""
    assert not worker.app.tables
    assert worker.app.conf.topic_disable_leader
    assert not worker.app.conf.topic_allow_declare
    assert not worker.app.conf.web_enabled


async def hand(agent: Any, topic: str, partition: int, batch: RecordBatch) -> EventT[Any]:
    """Let an agent have a batch as the transport hands it on; returns when it is through with it."""
    message = agent.to_message(None, batch, partition=partition)
    message.topic = topic
    channel = agent.stream().channel
    event: EventT[Any] = await channel.decode(message)
    done = agent.processed_offset
    await channel.put(event)
    async with agent.new_value_processed:
        await asyncio.wait_for(agent.new_value_processed.wait_for(lambda: agent.processed_offset > done), 5)
    await asyncio.sleep(0)  # it is told that the agent gets it; now the agent has had it
    return event


async def test_count_takes_batches_of_its_partitions(worker: Worker) -> None:
    """A whole batch is taken in and stays unacknowledged; one of a partition that has gone is left alone."""
    clickstream, orders = worker.sources
    counts, log = MemoryLog().begin(worker.counting.vocabulary, worker.counting.settings)
    assigned = worker.counting.assign(2, log, counts)
    async with worker.app.agents["count"].test_context() as agent:
        taken = await hand(agent, clickstream, 2, RecordBatch.of(stream([click("v1", 0), click("v2", 1)])))
        other = await hand(agent, orders, 2, RecordBatch.of(stream([paid("v1", 2), b"{"])))
        gone = await hand(agent, orders, 3, RecordBatch.of(stream([paid("v1", 2)])))
        assert [event.message.acked for event in (taken, other, gone)] == [False, False, False]
    assert [reading.next_offset for reading in assigned.readings] == [2, 2]
    assert assigned.counts.waiting == 3
    assert [reading.unacknowledged for reading in assigned.readings] == [1, 1]
    assert worker.counting.partitions.keys() == {2}


async def test_merge_takes_batches_of_its_shards(worker: Worker) -> None:
    """Rollups are merged at once; one that cannot be read is left out, one seen twice changes nothing."""
    worker.merging.own(frozenset({1}))
    good = encode_rollup(rollup({("all", "all"): {0: 5}}, until=1_000))
    batch = RecordBatch.of([Record(0, 0, b"no rollup"), Record(1, 0, good), Record(2, 0, good)])
    async with worker.app.agents["merge"].test_context() as agent:
        await hand(agent, worker.settings.topics.rollups, 1, batch)
    (cells,) = worker.merging.totals[1].cells.values()
    assert sum(cells.values()) == 5
