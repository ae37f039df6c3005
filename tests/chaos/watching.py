"""Watches a run from outside: how far each partition is counted, and which worker has it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, for_code

from streams.codec import decode_rollup
from streams.errors import CodecError
from tests.chaos.recovery import Growth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.chaos.journal import Journal
    from tests.support.workers import Deployment

_GROUP_PAUSE_S: Final = 0.5
_GROUP_TIMEOUT_S: Final = 5.0


class RollupWatch:
    """Reads the rollups topic as it is written; an async context manager.

    Attributes:
        growths: every step that a source partition was seen to make.
        rollups: how many were read.
        last_s: when the last one was read, by the journal's time.
    """

    def __init__(self, deployment: Deployment, journal: Journal, shards: int) -> None:
        self.growths: list[Growth] = []
        self.rollups = 0
        self.last_s = 0.0
        self._deployment = deployment
        self._journal = journal
        self._shards = shards
        self._newest: dict[int, tuple[int, int]] = {}

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._deployment.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await self._consumer.start()
        self._consumer.assign(
            [TopicPartition(self._deployment.rollups, shard) for shard in range(self._shards)]
        )
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._consumer.stop()

    async def _watch(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                self.last_s = self._journal.now_s()
                for record in records:
                    self.rollups += 1
                    self._see(record.value)

    def _see(self, value: bytes | None) -> None:
        """Take note of a rollup, unless it is something else or says nothing new."""
        with contextlib.suppress(CodecError):
            rollup = decode_rollup(value)
            state = (rollup.generation, rollup.counted_until_ms)
            newest = self._newest.get(rollup.partition, (-1, -1))
            if state[0] >= newest[0] and state[1] > newest[1]:
                self._newest[rollup.partition] = state
                self.growths.append(Growth(self.last_s, rollup.partition, rollup.generation))


class GroupWatch:
    """Asks who has which partitions of the clickstream; an async context manager.

    While the group makes up its mind, or no broker answers, the last answer holds. Not by librdkafka's
    admin client: that ends the whole process when a broker goes away at the wrong moment.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._servers = deployment.bootstrap_servers
        self._group = f"{deployment.prefix}.group"
        self._topic = deployment.clickstream
        self._held: Mapping[str, frozenset[int]] = {}

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def held(self, client_id: str) -> frozenset[int]:
        """The partitions that a worker has, as far as is known."""
        return self._held.get(client_id, frozenset())

    async def _watch(self) -> None:
        while True:
            # A client that has lost its broker is best replaced.
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await self._ask_on()
            await asyncio.sleep(_GROUP_PAUSE_S)

    async def _ask_on(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        try:
            await admin.start()
            while True:
                async with asyncio.timeout(_GROUP_TIMEOUT_S):
                    (answer,) = await admin.describe_consumer_groups([self._group])
                self._take(answer.groups[0])
                await asyncio.sleep(_GROUP_PAUSE_S)
        finally:
            await admin.close()

    def _take(self, group: Sequence[Any]) -> None:
        """Take in a group as Kafka describes it."""
        error, _, state, _, _, members = group[:6]
        if error:
            raise for_code(error)
        if state == "Stable":
            self._held = {member[1]: self._assigned(member[4]) for member in members}

    def _assigned(self, assignment: bytes) -> frozenset[int]:
        decoded = ConsumerProtocolMemberAssignment.decode(assignment)
        return frozenset(place.partition for place in decoded.partitions() if place.topic == self._topic)
