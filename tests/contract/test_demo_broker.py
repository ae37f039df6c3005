"""The embedded broker as a Kafka broker: what the demo and the worker need of it, over the wire."""

from __future__ import annotations

import socket
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from streams.demo.broker import EmbeddedBroker
from streams.demo.simulator import TrafficSettings, simulate
from streams.demo.sinks import KafkaSink, at_once, deliver
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiokafka import ConsumerRecord

pytest.importorskip("confluent_kafka", reason="the extra [demo] is not installed")

START_MS = 1_762_689_600_000
PARTITIONS = 4


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    """One broker for all tests; each uses topics of its own."""
    with EmbeddedBroker() as embedded:
        yield embedded


async def everything(broker: EmbeddedBroker, *topics: str) -> list[ConsumerRecord]:
    """All records of these topics, each partition in order of offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning()
        left = sum((await consumer.end_offsets(places)).values())
        found: list[ConsumerRecord] = []
        while len(found) < left:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found += records
        return found
    finally:
        await consumer.stop()


def test_topics_appear_when_asked_for(broker: EmbeddedBroker) -> None:
    """Any number of topics, four partitions each, on loopback only."""
    assert broker.create_topics("one", "two") == {"one": PARTITIONS, "two": PARTITIONS}
    assert broker.bootstrap_servers.startswith("127.0.0.1:")


async def test_what_is_produced_is_consumed(broker: EmbeddedBroker) -> None:
    """Key, value, headers, timestamp and partition come back as they were sent; a null value too."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    await producer.start()
    try:
        headers = [("reason", b"not_json")]
        sent = await producer.send_and_wait(
            "plain", b"value", key=b"key", partition=2, timestamp_ms=START_MS, headers=headers
        )
        await producer.send_and_wait("plain", None, key=b"key", partition=2, timestamp_ms=START_MS + 1)
    finally:
        await producer.stop()
    first, second = await everything(broker, "plain")
    assert (sent.partition, sent.offset, first.offset, second.offset) == (2, 0, 0, 1)
    assert (first.key, first.value, first.timestamp) == (b"key", b"value", START_MS)
    assert first.headers == (("reason", b"not_json"),)
    assert second.value is None


async def test_a_group_joins_and_keeps_its_commits(broker: EmbeddedBroker) -> None:
    """One member gets all partitions; what it commits is there for the next one."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    await producer.start()
    try:
        for number in range(8):
            await producer.send_and_wait("joined", b"%d" % number, partition=number % PARTITIONS)
    finally:
        await producer.stop()
    place = TopicPartition("joined", 1)
    member = AIOKafkaConsumer(
        "joined",
        bootstrap_servers=broker.bootstrap_servers,
        group_id="counters",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await member.start()
    try:
        values = {(await member.getone()).value for _ in range(8)}
        assert values == {b"%d" % number for number in range(8)}
        assert len(member.assignment()) == PARTITIONS
        await member.commit({place: 1})
    finally:
        await member.stop()
    successor = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers, group_id="counters")
    await successor.start()
    try:
        successor.assign([place])
        assert await successor.committed(place) == 1
        assert (await successor.getone()).value == b"5"
    finally:
        await successor.stop()


async def test_simulated_traffic_is_complete_and_co_partitioned(broker: EmbeddedBroker) -> None:
    """Every record arrives, per partition in order of arrival, a visitor's in one partition of both topics."""
    settings = TrafficSettings(start_ms=START_MS, rate=50, events=20_000)
    records = list(simulate(settings))
    topics = {"clickstream": "shop.clickstream", "orders": "shop.orders"}
    async with KafkaSink(broker.bootstrap_servers, topics=topics) as sink:
        written = await deliver(at_once(iter(records)), sink)
    found = await everything(broker, *topics.values())
    assert written.total() == len(found) == 20_000
    assert {(each.topic, each.value, each.timestamp) for each in found} == {
        (topics[each.topic], each.value, each.arrival_ms) for each in records
    }
    partitions: defaultdict[bytes, set[int]] = defaultdict(set)
    for each in found:
        partitions[each.key].add(each.partition)
    assert {len(numbers) for numbers in partitions.values()} == {1}
    assert set.union(*partitions.values()) == set(range(PARTITIONS))
    for topic in topics.values():
        for number in range(PARTITIONS):
            times = [each.timestamp for each in found if (each.topic, each.partition) == (topic, number)]
            assert times == sorted(times)


async def test_records_can_be_stamped_by_a_clock(broker: EmbeddedBroker) -> None:
    """A live shop stamps its records when it sends them."""
    clock = ManualClock(START_MS + 77)
    topics = {"clickstream": "live.clickstream", "orders": "live.orders"}
    async with KafkaSink(broker.bootstrap_servers, topics=topics, stamp=clock) as sink:
        await deliver(at_once(simulate(TrafficSettings(start_ms=START_MS, events=50))), sink)
    assert {each.timestamp for each in await everything(broker, *topics.values())} == {START_MS + 77}


async def test_records_larger_than_a_batch_are_sent(broker: EmbeddedBroker) -> None:
    """The size of batches is a matter of speed, never a reason to lose a record."""
    topics = {"clickstream": "large.clickstream", "orders": "large.orders"}
    small = {"max_batch_size": 256}
    async with KafkaSink(broker.bootstrap_servers, topics=topics, options=small) as sink:
        settings = TrafficSettings(start_ms=START_MS, events=100, payload_bytes=400)
        await deliver(at_once(simulate(settings)), sink)
    assert len(await everything(broker, *topics.values())) == 100


async def test_when_it_ends_nothing_listens() -> None:
    """Leaving the context closes the port, and a sink then says so instead of hanging."""
    with EmbeddedBroker() as embedded:
        address = embedded.bootstrap_servers
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    assert embedded.bootstrap_servers == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
    with pytest.raises(KafkaConnectionError):
        async with KafkaSink(address):
            pass


def test_a_cluster_may_have_several_brokers() -> None:
    """Each has its own address."""
    with EmbeddedBroker(brokers=3) as embedded:
        assert len(set(embedded.bootstrap_servers.split(","))) == 3
