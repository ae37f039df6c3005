"""A small Faust app on the batch transport that notes what its agent gets.

Several may run in one process and one group. What they read, acknowledge and are told can be held up
and looked at; topics are made and filled with the functions below.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from streams.worker.batching import BatchConsumer, BatchSchema, BatchTransport
from streams.worker.wiring import DisklessApp
from tests.support.workers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from typing import Self

    from faust.types import TP

    from streams.events import RecordBatch


class Taken(NamedTuple):
    """One batch as the agent got it, and in which generation of the group; ``ack()`` acknowledges it."""

    tp: TP
    batch: RecordBatch
    ack: Callable[[], object]
    generation: int


class BatchReader:
    """One member of a group; a context manager that is up when its group has settled on it.

    Args:
        bootstrap_servers: where Kafka is.
        group: the group's name.
        topics: what it reads.
        acks: acknowledge each batch at once; None leaves it to Faust.
        buffered: batches that may wait for the agent.
        settings: of Faust, over those here.
        fetch_options: see :class:`BatchTransport`.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        group: str,
        *topics: str,
        acks: bool | None = True,
        buffered: int = 8,
        settings: Mapping[str, Any] | None = None,
        fetch_options: Mapping[str, int] | None = None,
    ) -> None:
        self.acks = acks
        self.taken: list[Taken] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.waits = 0
        self.fails: Exception | None = None
        self.revoked: list[set[TP]] = []
        self.assigned: list[set[TP]] = []
        # Put into the consumer at every assignment; what it told of breaks, as (reason, topic-partition, from, to).
        self.start_at: dict[TP, int] = {}
        self.breaks: list[tuple[str, TP, int, int]] = []
        self.app = DisklessApp(
            group,
            broker=[f"aiokafka://{server}" for server in bootstrap_servers.split(",")],
            **cast(
                "dict[str, Any]",
                {
                    "store": "memory://",
                    "web_enabled": False,
                    "topic_allow_declare": False,
                    "topic_disable_leader": True,
                    "stream_wait_empty": False,
                    "stream_buffer_maxsize": buffered,
                    "broker_commit_interval": 0.1,
                    "broker_heartbeat_interval": 0.1,
                    "broker_session_timeout": 6.0,
                    "loghandlers": [],
                }
                | dict(settings or {}),
            ),
        )
        self.app.transport = BatchTransport(
            self.app.conf.broker,
            self.app,
            fetch_options={"fetch_max_wait_ms": 50} | dict(fetch_options or {}),
        )
        self.app.agent(self.app.topic(*topics, schema=BatchSchema()), name="read")(self._read)

    async def _read(self, stream: Any) -> None:
        async for event in (stream if self.acks is None else stream.noack()).events():
            self.waits += 1
            await self.may_take.wait()
            self.waits -= 1
            self.consumer.took(event.message)
            if self.fails is not None:
                raise self.fails
            message = event.message
            self.taken.append(Taken(message.tp, event.value, event.ack, message.generation_id))
            if self.acks:
                event.ack()

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer."""
        consumer = self.app.consumer
        assert isinstance(consumer, BatchConsumer)
        return consumer

    async def __aenter__(self) -> Self:
        try:
            await self.start()
            await until(self.settled, seconds=30, what="the group to settle")
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the app; it joins in its own time."""
        self.consumer.before_revoke = self.before_revoke
        self.consumer.after_assign = self.after_assign
        self.consumer.on_gap = lambda *gap: self.breaks.append(("gap", *gap))
        self.consumer.on_new_log = lambda *new_log: self.breaks.append(("new log", *new_log))
        await self.app.start()

    async def stop(self) -> None:
        """Stop the app, as often as wanted."""
        await self.app.stop()

    async def before_revoke(self, tps: set[TP]) -> None:
        """Note it; tests may put another in its place."""
        self.revoked.append(tps)

    async def after_assign(self, tps: set[TP]) -> None:
        """Note it; tests may put another in its place."""
        self.assigned.append(tps)
        self.consumer.start_at.update(self.start_at)

    def settled(self) -> bool:
        """Whether it reads, or would if it had partitions; raises what it crashed on."""
        if self.app.crash_reason is not None:
            raise self.app.crash_reason
        return bool(self.assigned) and not self.app.rebalancing

    def offsets(self) -> dict[tuple[str, int], list[int]]:
        """Offsets taken, in the order they came, by topic and partition."""
        found: dict[tuple[str, int], list[int]] = defaultdict(list)
        for taken in self.taken:
            found[taken.tp.topic, taken.tp.partition] += taken.batch.offsets
        return dict(found)

    def count(self) -> int:
        """Records taken."""
        return sum(len(taken.batch.offsets) for taken in self.taken)

    async def takes(self, count: int, seconds: float = 30) -> None:
        """Wait until so many records were taken."""
        await until(
            lambda: self.count() >= count, seconds=seconds, what=f"{count} records (not {self.count()})"
        )


class Holder(BatchReader):
    """Acknowledges nothing before it has to: what it holds is acknowledged when it goes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, acks=False, **kwargs)
        self.let_go = 0

    async def before_revoke(self, tps: set[TP]) -> None:
        """Acknowledge all of these partitions, after a while."""
        await super().before_revoke(tps)
        held = len(self.taken)
        await asyncio.sleep(0.3)
        assert len(self.taken) == held, "an agent got something while its partitions were going"
        for taken in self.taken[self.let_go :]:
            taken.ack()
        self.let_go = held


async def create(
    bootstrap_servers: str,
    topic: str,
    partitions: int = 1,
    config: Mapping[str, str] | None = None,
    replicas: int = 1,
) -> None:
    """Make a topic."""
    async with administering(bootstrap_servers) as admin:
        new = NewTopic(topic, partitions, replicas, topic_configs=dict(config or {}))
        answer = await admin.create_topics([new])
        assert [error[1] for error in answer.topic_errors] == [0], answer


@contextlib.asynccontextmanager
async def administering(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete_before(bootstrap_servers: str, topic: str, offset: int, partition: int = 0) -> None:
    """Delete the oldest records, as retention does: the log begins at ``offset`` afterwards."""
    async with administering(bootstrap_servers) as admin:
        tp = TopicPartition(topic, partition)
        assert await admin.delete_records({tp: RecordsToDelete(before_offset=offset)}) == {tp: offset}


async def delete_topic(bootstrap_servers: str, topic: str) -> None:
    """Delete a topic, and wait until it is gone."""
    async with administering(bootstrap_servers) as admin:
        answer = await admin.delete_topics([topic])
        assert [code for _, code, *_ in answer.topic_error_codes] == [0], answer

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await until(gone, seconds=20, what=f"{topic} to be gone")


async def commit(bootstrap_servers: str, group: str, topic: str, offset: int, partition: int = 0) -> None:
    """Set what a group without members has committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        await consumer.commit({tp: OffsetAndMetadata(offset, "")})
    finally:
        await consumer.stop()


@contextlib.asynccontextmanager
async def producing(bootstrap_servers: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer, and all it was given is with the broker in the end."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def fill(
    bootstrap_servers: str, topic: str, values: Iterable[bytes | None], partition: int = 0, **options: Any
) -> list[int]:
    """Write records with the values' number as key; returns their offsets."""
    async with producing(bootstrap_servers, **options) as producer:
        sent = [
            await producer.send(topic, value, key=str(number).encode(), partition=partition)
            for number, value in enumerate(values)
        ]
        return [(await future).offset for future in sent]


async def committed(
    bootstrap_servers: str, group: str, topic: str, partitions: Sequence[int] = (0,)
) -> list[int | None]:
    """What the group has committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        return [await consumer.committed(TopicPartition(topic, number)) for number in partitions]
    finally:
        await consumer.stop()


@contextlib.asynccontextmanager
async def load(bootstrap_servers: str, topic: str, partitions: int = 1) -> AsyncIterator[list[int]]:
    """Records are written all the while, many small batches; yields how many each partition has."""
    written = [0] * partitions
    going = True

    async def write(producer: AIOKafkaProducer) -> None:
        while going:
            futures = [
                await producer.send(topic, b"%d" % (count + 1), partition=number)
                for number, count in enumerate(written)
                for _ in range(20)
            ]
            await asyncio.gather(*futures)
            written[:] = [count + 20 for count in written]

    async with producing(bootstrap_servers, linger_ms=1, enable_idempotence=True) as producer:
        writing = asyncio.create_task(write(producer))
        try:
            yield written
        finally:
            going = False
            await writing
