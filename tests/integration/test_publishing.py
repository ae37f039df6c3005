"""What the worker writes reaches Apache Kafka in order, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition

from streams.config import load_settings
from streams.errors import TopicError
from streams.worker.kafka import Producer
from streams.worker.publishing import Outbox, Outgoing
from tests.integration.conftest import skip_if_unavailable
from tests.support.apache_kafka import KafkaCluster
from tests.support.batch_reader import create
from tests.support.processes import free_ports
from tests.support.workers import read_topic, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.integration.conftest import TopicNames

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def mine() -> Iterator[KafkaCluster]:
    """A broker of this module's own, to stop and to start."""
    with skip_if_unavailable():
        cluster = KafkaCluster()
    with cluster:
        yield cluster


def producer_for(cluster: KafkaCluster) -> Producer:
    """A producer that is not connected yet."""
    return Producer(
        load_settings(None, {"FUNNELWATCH__KAFKA__BOOTSTRAP_SERVERS": cluster.bootstrap_servers}).kafka
    )


@pytest.fixture
async def producer(mine: KafkaCluster) -> AsyncIterator[Producer]:
    """A connected producer."""
    made = producer_for(mine)
    await made.connect(lambda _: None)
    yield made
    await made.stop()


@pytest.fixture
async def topic(mine: KafkaCluster, topic_names: TopicNames) -> str:
    """A topic of one partition."""
    name = topic_names("rollups")
    await create(mine.bootstrap_servers, name)
    return name


def message(topic: str, text: str) -> Outgoing:
    """A message that says something."""
    return Outgoing(topic, 0, None, text.encode())


async def written(cluster: KafkaCluster, topic: str) -> list[bytes | None]:
    """What the topic holds."""
    return [record.value for record in (await read_topic(cluster.bootstrap_servers, topic))[0]]


async def test_messages_arrive_as_put_in(mine: KafkaCluster, producer: Producer, topic: str) -> None:
    """Key, value and headers arrive, in the order of putting; then nothing waits."""
    outbox = Outbox(producer)
    assert await outbox.send()
    outbox.put(Outgoing(topic, 0, b"key", b"value", [("reason", b"not_json")]))
    outbox.put(Outgoing(topic, None, b"key", None))
    assert len(outbox) == 2
    assert await outbox.send()
    assert (len(outbox), outbox.failing) == (0, False)
    records = (await read_topic(mine.bootstrap_servers, topic))[0]
    assert [(r.key, r.value, r.headers) for r in records] == [
        (b"key", b"value", (("reason", b"not_json"),)),
        (b"key", None, ()),
    ]


async def test_an_outage(mine: KafkaCluster, producer: Producer, topic: str) -> None:
    """Without the broker each call ends in bounded time and says why; later all is there, once and in order."""
    outbox = Outbox(producer, patience_seconds=0.5)
    outbox.put(message(topic, "before"))
    assert await outbox.send()
    leaving = producer_for(mine)
    await leaving.connect(lambda _: None)
    last = Outbox(leaving, patience_seconds=0.5)
    await asyncio.to_thread(mine.kill_broker, 0)
    for number in range(3):
        outbox.put(message(topic, f"during {number}"))
        async with asyncio.timeout(5):
            assert not await outbox.send()
        assert (len(outbox), outbox.failing) == (number + 1, True)
    # Who leaves gives up what Kafka does not take, and does not wait for it.
    last.put(message(topic, "given up"))
    assert not await last.send()
    async with asyncio.timeout(15):
        await leaving.stop()
    said: list[str] = []
    late = producer_for(mine)
    waiting = asyncio.create_task(late.connect(said.append))
    await until(lambda: len(said) >= 2, seconds=10, what="an attempt")
    address = mine.bootstrap_servers
    assert said[:2] == [
        f"connecting to kafka: {address}",
        f"kafka unreachable: {address}: KafkaConnectionError",
    ]
    await asyncio.to_thread(mine.start_broker, 0)
    outbox.put(message(topic, "after"))
    await until(outbox.send, seconds=30, what="the broker to take them")
    assert (len(outbox), outbox.failing) == (0, False)
    assert await written(mine, topic) == [b"before", b"during 0", b"during 1", b"during 2", b"after"]
    await asyncio.wait_for(waiting, 20)
    await late.stop()


async def test_waiting_for_kafka_can_be_ended() -> None:
    """A worker that is stopped before Kafka is there leaves nothing behind."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    producer = Producer(load_settings(None, {"FUNNELWATCH__KAFKA__BOOTSTRAP_SERVERS": address}).kafka)
    said: list[str] = []
    connecting = asyncio.create_task(producer.connect(said.append))
    await until(lambda: len(said) >= 2, seconds=10, what="an attempt")
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await producer.stop()


@pytest.mark.parametrize("size", [60_000, 5 << 20])
async def test_a_message_that_is_refused_for_good(
    mine: KafkaCluster, producer: Producer, topic_names: TopicNames, size: int
) -> None:
    """A message too large for its topic or for any is an error with topic and size, and it is kept."""
    name = topic_names("small")
    await create(mine.bootstrap_servers, name, config={"max.message.bytes": "20000"})
    outbox = Outbox(producer)
    outbox.put(message(name, "fits"))
    assert await outbox.send()
    # Random enough not to shrink below the limit when compressed.
    outbox.put(
        Outgoing(
            name, 0, None, b"".join(hash(str(n)).to_bytes(8, "big", signed=True) for n in range(size // 8))
        )
    )
    with pytest.raises(
        TopicError, match=rf"{name}: kafka refuses a message of {size} bytes: MessageSizeTooLarge"
    ):
        await outbox.send()
    assert await written(mine, name) == [b"fits"]
    assert len(outbox) == 1


async def test_a_spent_producer_is_replaced(mine: KafkaCluster, producer: Producer, topic: str) -> None:
    """A producer whose sequence the broker does not accept any more is exchanged; nothing is lost or reordered."""
    outbox = Outbox(producer)
    outbox.put(message(topic, "one"))
    assert await outbox.send()
    inner = producer._producer  # noqa: SLF001  # what a broker's data loss does to it, without the loss
    inner._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 5)  # type: ignore[union-attr]  # noqa: SLF001  # as above
    outbox.put(message(topic, "two"))
    outbox.put(message(topic, "three"))
    assert not await outbox.send()
    assert (len(outbox), outbox.failing) == (2, True)
    assert await outbox.send()
    assert await written(mine, topic) == [b"one", b"two", b"three"]
