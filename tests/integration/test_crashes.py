"""Workers that are killed, put to sleep, and come back to topics that are not what they were: counts stay exact."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.worker.entry import create_topics
from tests.integration.test_end_to_end import assert_exact, differences, shop_traffic, write
from tests.support import oracle
from tests.support.state_topic import append, delete_entries, read_entries
from tests.support.workers import Deployment, WorkerProcess, merged_counts, read_topic, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """Topics of this test's own, and workers whose death is noticed soon."""
    overrides = {"KAFKA__SESSION_TIMEOUT": "6s", "KAFKA__HEARTBEAT_INTERVAL": "1s"}
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, overrides)
    await create_topics(made.settings())
    return made


def said(worker: WorkerProcess, text: str) -> list[dict[str, Any]]:
    """Lines of a worker's log with this text in them."""
    lines = worker.process.log.read_text("utf-8", "replace").splitlines()
    return [json.loads(line) for line in lines if text in line and line.startswith("{")]


async def records_counted(deployment: Deployment) -> int:
    """Records with an outcome."""
    return sum((await merged_counts(deployment)).outcomes.values())


async def test_killed_under_load(deployment: Deployment) -> None:
    """Two workers of which one after the other is killed and comes back: everything counts, once."""
    records = shop_traffic(seed=11, seconds=90)
    part = len(records) // 6
    living = {name: WorkerProcess(deployment, name) for name in ("a0", "b0")}
    try:
        for turn in range(6):
            await write(deployment, records[turn * part : (turn + 1) * part if turn < 5 else None], chunks=4)
            name = "ab"[turn % 2]
            (victim,) = (key for key in living if key.startswith(name))
            await until(living[victim].ready, seconds=60, what=f"{victim} is ready")
            await asyncio.to_thread(living.pop(victim).process.kill)
            living[f"{name}{turn + 1}"] = WorkerProcess(deployment, f"{name}{turn + 1}")
        await assert_exact(deployment)
        for worker in living.values():
            assert worker.process.running
    finally:
        for worker in living.values():
            worker.process.kill()


async def test_one_that_sleeps_past_its_session(deployment: Deployment) -> None:
    """Its partitions go to the other one; when it wakes up it changes nothing that was counted."""
    records = shop_traffic(seed=12, seconds=60)
    third = len(records) // 3
    with WorkerProcess(deployment, "sleeper") as sleeper, WorkerProcess(deployment, "other") as other:
        await until(lambda: sleeper.ready() and other.ready(), seconds=60, what="both are ready")
        await write(deployment, records[:third])
        sleeper.process.signal(signal.SIGSTOP)
        try:
            await write(deployment, records[third : 2 * third])
            await until(
                lambda: len(said(other, "state taken over") + said(other, "no state")) >= 4 + 2,
                seconds=60,
                what="the other one has all partitions",
            )
            await write(deployment, records[2 * third :])
        finally:
            sleeper.process.signal(signal.SIGCONT)
        await assert_exact(deployment)


async def damaged(deployment: Deployment) -> tuple[int, int]:
    """Damage the newest entry of a log; its partition and offset."""
    for number, entries in (await read_entries(deployment)).items():
        if len(entries) > 2:
            offset = await append(deployment, number, entries[-1].key, (entries[-1].value or b"")[:20])
            return number, offset
    raise AssertionError("no state")


async def test_a_damaged_state_ends_the_worker_until_it_is_deleted(deployment: Deployment) -> None:
    """It ends with an error that says where and what to do; that done, it counts on from what is committed."""
    records = shop_traffic(seed=13, seconds=20)
    await write(deployment, records)
    with WorkerProcess(deployment, "first"):
        await assert_exact(deployment)
        before = await records_counted(deployment)
    number, offset = await damaged(deployment)
    with WorkerProcess(deployment, "refuses") as refuses:
        assert await asyncio.to_thread(refuses.process.wait, 60) == 1
        (line,) = said(refuses, "worker ended")
        assert line["reason"] == (
            f"CodecError: {deployment.prefix}.state: state of partition {number}: "
            f"offset {offset}: a damaged entry; to count on without it, set the topic's cleanup.policy to "
            "compact,delete, delete the records of the partition, and set it back"
        )
    await delete_entries(deployment, number)
    more = shop_traffic(seed=14, seconds=20)
    with WorkerProcess(deployment, "starts") as starts:
        await write(deployment, more)
        await until(starts.ready, seconds=60, what="it counts")
        assert [entry["partition"] for entry in said(starts, "no state")] == [number]
        assert len(said(starts, "state taken over")) == 3
        # All was counted and committed when the first one left.
        expected = before + len(more)

        async def all_counted() -> bool:
            return await records_counted(deployment) >= expected

        await until(all_counted, seconds=60, what="all is counted")
        assert await records_counted(deployment) == expected


async def test_records_that_were_deleted_while_no_worker_was_there(deployment: Deployment) -> None:
    """They are counted as lost, with their offsets in the log; all others count exactly."""
    await write(deployment, shop_traffic(seed=15, seconds=10))
    with WorkerProcess(deployment, "first"):
        await assert_exact(deployment)
    kept = [
        await read_topic(deployment.bootstrap_servers, topic)
        for topic in (deployment.clickstream, deployment.orders)
    ]
    # Later than all that was counted when both topics fell silent.
    gap, last = shop_traffic(seed=16, seconds=3), shop_traffic(seed=17, seconds=3)
    await write(deployment, gap)
    admin = AdminClient({"bootstrap.servers": deployment.bootstrap_servers})
    numbers = kept[0]
    places = [TopicPartition(deployment.clickstream, number, OFFSET_END) for number in numbers]
    marks = {
        place.partition: done.result().low_watermark for place, done in admin.delete_records(places).items()
    }
    await write(deployment, last)
    with WorkerProcess(deployment, "second") as second:
        rest = [
            await read_topic(deployment.bootstrap_servers, topic)
            for topic in (deployment.clickstream, deployment.orders)
        ]
        for number in numbers:
            kept[0][number] += rest[0][number]
            kept[1][number] = rest[1][number]
        expected = oracle.add(
            oracle.count(kept[0][number], kept[1][number], oracle.OracleSettings()) for number in numbers
        )

        async def all_counted() -> bool:
            return await records_counted(deployment) >= sum(expected.outcomes.values())

        await until(all_counted, seconds=60, what="all is counted")
        assert differences(await merged_counts(deployment), expected) == []
        lost = {
            entry["partition"]: (entry["from_offset"], entry["to_offset"])
            for entry in said(second, "records were deleted before they were read")
        }
        ends = {number: marks[number] for number in numbers}
        assert {number: end for number, (_, end) in lost.items()} == ends
        (total,) = re.findall(
            rf'^funnelwatch_lost_records_total{{topic="{re.escape(deployment.clickstream)}"}} (\S+)$',
            second.metrics(),
            re.MULTILINE,
        )
        assert float(total) == sum(end - begin for begin, end in lost.values())
        assert float(total) == sum(r.topic == "clickstream" for r in gap)
        # Asked to stop it would wait to be scraped once more.
        second.process.kill()
