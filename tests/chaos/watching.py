"""Watches a run from outside: how far each partition is counted, and which worker has it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from streams.codec import decode_rollup
from streams.errors import CodecError
from tests.chaos.recovery import Growth

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    While the group makes up its mind, the last answer holds.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._group = f"{deployment.prefix}.group"
        self._topic = deployment.clickstream
        self._admin = AdminClient(
            {
                "bootstrap.servers": deployment.bootstrap_servers,
                "log_level": 0,
                "reconnect.backoff.max.ms": 200,
            }
        )
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
            # No answer while brokers are away: then what was true before is as good as known.
            with contextlib.suppress(KafkaException):
                await asyncio.to_thread(self._ask)
            await asyncio.sleep(_GROUP_PAUSE_S)

    def _ask(self) -> None:
        asked = self._admin.describe_consumer_groups([self._group], request_timeout=_GROUP_TIMEOUT_S)
        group = asked[self._group].result()
        if group.state is not ConsumerGroupState.STABLE:
            return
        self._held = {
            member.client_id: frozenset(
                place.partition for place in member.assignment.topic_partitions if place.topic == self._topic
            )
            for member in group.members
        }
