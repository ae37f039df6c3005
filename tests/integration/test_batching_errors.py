"""What cannot go on ends the app, on Apache Kafka: nothing is skipped over in silence."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException, KafkaError

from tests.support.batch_reader import BatchReader, Holder, committed, create, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faust.types import TP

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka


async def ends(reader: BatchReader, seconds: float = 20) -> BaseException | None:
    """Wait until the app ends of itself; returns why."""
    await asyncio.wait_for(reader.app.wait_until_stopped(), seconds)
    return reader.app.crash_reason


async def test_an_error_in_a_hook_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """An error while partitions come or go stops the app with that error; the hook is not asked again."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    calls: list[str] = []

    async def fail(_: set[TP]) -> None:
        calls.append("asked")
        raise ValueError("no state")

    coming = BatchReader(kafka.bootstrap_servers, group, topic)
    coming.after_assign = fail  # type: ignore[method-assign,assignment]  # in this one
    await coming.start()
    assert str(await ends(coming)) == "no state"
    await coming.stop()
    async with BatchReader(kafka.bootstrap_servers, group, topic) as going:
        await going.takes(10)
        going.consumer.before_revoke = fail
        other = BatchReader(kafka.bootstrap_servers, group, topic)
        await other.start()
        assert str(await ends(going)) == "no state"
        await other.stop()
    assert calls == ["asked", "asked"]
    assert coming.count() == 0


async def test_an_error_in_an_agent_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Faust would start the agent anew behind the batch it failed on; what it read is not committed."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    async with BatchReader(kafka.bootstrap_servers, group, topic) as reader:
        await reader.takes(10)
        reader.fails = ValueError("bad luck")
        await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
        assert str(await ends(reader)) == "bad luck"
    assert await committed(kafka.bootstrap_servers, group, topic) == [10]


async def test_a_group_that_refuses_us_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A group whose members speak another protocol: the app ends, it does not wait for ever."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    stranger = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap_servers, group_id=group)
    await stranger.start()
    try:
        reader = BatchReader(kafka.bootstrap_servers, group, topic)
        await reader.start()
        assert isinstance(await ends(reader), KafkaError)
        await reader.stop()
    finally:
        await stranger.stop()


@contextlib.contextmanager
def damaged(log: Path, value: bytes) -> Iterator[None]:
    """A byte of one value has changed on the broker's disk."""
    whole = log.read_bytes()
    at = whole.index(value)
    with log.open("r+b") as file:
        file.seek(at)
        file.write(b"!")
        file.flush()
        yield
        file.seek(at)
        file.write(whole[at : at + 1])


async def test_a_wrong_checksum_ends_the_app(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A damaged batch is never handed out and never skipped; undamaged, all is read from where it stopped."""
    topic, group = topic_names("clicks"), topic_names("g")
    await create(kafka.bootstrap_servers, topic)
    for number in range(5):
        await fill(kafka.bootstrap_servers, topic, [b"value %d" % number] * 10)
    log = kafka.directory(0) / "data" / f"{topic}-0" / f"{0:020d}.log"
    settings = {"consumer_max_fetch_size": 200}
    # It acknowledges when it has to: also after the crash that is still committed.
    reader = Holder(kafka.bootstrap_servers, group, topic, settings=settings)
    with damaged(log, b"value 3"):
        await reader.start()
        assert isinstance(await ends(reader), CorruptRecordException)
        await reader.stop()
        assert reader.offsets()[topic, 0] == list(range(30))
        assert await committed(kafka.bootstrap_servers, group, topic) == [30]
    async with BatchReader(kafka.bootstrap_servers, group, topic) as again:
        await again.takes(20)
        assert again.offsets() == {(topic, 0): list(range(30, 50))}
