"""The agents are thin: they hand whole batches on, and acknowledge only what they may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.codec import encode_rollup
from streams.config import load_settings
from streams.events import Record, RecordBatch
from streams.worker.app import Worker
from tests.support.builders import click, stream
from tests.support.clock import ManualClock
from tests.support.rollups import rollup

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker that is not started: its agents are run by the tests."""
    made = Worker(load_settings(None, {}), ManualClock())
    yield made
    made.app.loop.close()


def test_names_are_plain(worker: Worker) -> None:
    """Agents are known by what they do, in logs and metrics."""
    assert sorted(worker.app.agents) == ["count", "merge"]


def test_nothing_of_fausts_own_is_declared(worker: Worker) -> None:
    """No tables, no leader topic, no web server: Faust carries batches and nothing else."""
    assert not worker.app.tables
    assert worker.app.conf.topic_disable_leader
    assert not worker.app.conf.topic_allow_declare
    assert not worker.app.conf.web_enabled


async def test_count_takes_batches_of_its_partitions(worker: Worker) -> None:
    """A whole batch is taken in and stays unacknowledged; one of a partition that has gone is left alone."""
    assigned = worker.counting.assign(2)
    batch = RecordBatch.of(stream([click("v1", 0), click("v2", 1)]))
    async with worker.app.agents["count"].test_context() as agent:
        taken = await agent.put(batch, partition=2)
        gone = await agent.put(batch, partition=3)
        await agent.put(RecordBatch.of([Record(2, 0, b"{")]), partition=2)
    assert assigned.next_offset == [3, None]
    assert assigned.counts.waiting == 2
    assert len(assigned.unacknowledged) == 2
    assert not taken.message.acked
    assert not gone.message.acked
    assert worker.counting.partitions.keys() == {2}


async def test_merge_takes_batches_of_its_shards(worker: Worker) -> None:
    """Rollups are merged at once; one that cannot be read is left out, and those behind it are not."""
    worker.merging.own(frozenset({1}))
    good = encode_rollup(rollup({("all", "all"): {0: (5, 0)}}, until=1_000))
    batch = RecordBatch.of([Record(0, 0, b"no rollup"), Record(1, 0, good), Record(2, 0, good)])
    async with worker.app.agents["merge"].test_context() as agent:
        await agent.put(batch, partition=1)
    (cells,) = worker.merging.totals[1].cells.values()
    assert sum(cells.values()) == 5
