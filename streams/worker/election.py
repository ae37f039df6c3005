"""Electing the one worker of a deployment that watches, and the one that tells people.

Each office has a Kafka consumer group of its own, ``<kafka.group_id>.watch`` and ``<kafka.group_id>.notify``,
of which every worker that may hold it is a member, whatever else it does; whoever is given partition 0 of
``control`` is elected. Nothing is read, nothing is committed.

Promises: one is elected at a time; whoever is stays so while he lives and is in the group, however many come
(:class:`Incumbent`). Whoever leaves is told to hold still first. Kafka's outages are waited out. Counting
never waits for an election, nor ends because one failed; a worker whose instance id belongs to another ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import KafkaError, NoError, RebalanceInProgressError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streams.errors import KafkaUnreachable
from streams.worker.kafka import kafka_options, open_consumer
from streams.worker.mandate import Mandate
from streams.worker.static_member import InstanceIdTaken, end_if_replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiokafka.cluster import ClusterMetadata

    from streams.config import Kafka
    from streams.worker.mandate import Elected

_LOG = logging.getLogger(__name__)
_PARTITION = 0
_LOOK_MS = 500
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0
_LEAVE_SECONDS = 5.0
# Of a session: who is not heard for that long holds still by the time that another may be elected.
_LEASE = 5 / 6
_STILL_A_MEMBER = frozenset({NoError.errno, RebalanceInProgressError.errno})
# A request to join is answered when all have joined.
_ANSWER_MS = 5_000


class Incumbent:
    """Which member is given the partition: the one who has it; if nobody does, the first by its id.

    aiokafka's own assignors move it for a newcomer, or keep what they remember in their class, which two
    elections of one process would share. Members tell in which generation they were elected; of two who both
    were, the newer one is right.

    Args:
        term: in which generation this member was elected, if it was.
    """

    name = "funnelwatch-incumbent"
    version = 0

    def __init__(self, term: Callable[[], int | None]) -> None:
        self._term = term

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member tells of itself."""
        term = self._term()
        return ConsumerProtocolMemberMetadata(
            self.version, sorted(topics), b"" if term is None else b"%d" % term
        )

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Everything to one member."""
        elected = min(members, key=lambda name: (-_term_of(members[name]), name))
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        there = [(topic, cluster.partitions_for_topic(topic)) for topic in topics]
        found = [(topic, sorted(partitions)) for topic, partitions in there if partitions]
        return {
            name: ConsumerProtocolMemberAssignment(self.version, found if name == elected else [], b"")
            for name in members
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing: the listener is told as well."""


def _term_of(member: ConsumerProtocolMemberMetadata) -> int:
    data: bytes = member.user_data or b""
    return int(data) if data.isdigit() else -1


class Election:
    """See the module.

    Args:
        kafka: how to reach it, and which group's election it is.
        office: what is to be held: the end of the group's name.
        topic: whose partition 0 it is about.
        elected: who is told whose turn it is.
        fail: is told what must end the worker.
    """

    def __init__(
        self, kafka: Kafka, office: str, topic: str, elected: Elected, fail: Callable[[Exception], object]
    ) -> None:
        self._kafka = kafka
        self._group = f"{kafka.group_id}.{office}"
        self._topic = topic
        self._fail = fail
        self._mandate = Mandate(elected, kafka.session_timeout_ms * _LEASE / 1000, fail)
        self._task: asyncio.Task[None] | None = None
        self._waiting_for = f"group {self._group}: joining"

    @property
    def waiting_for(self) -> str:
        """Why this worker can neither be elected nor stay so; empty if it can."""
        if not self._waiting_for and not self._mandate.answered:
            return f"group {self._group}: kafka does not answer"
        return self._waiting_for

    def start(self) -> None:
        """Stand for it, on the running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._stand(), name=self._group)

    async def stop(self) -> None:
        """Stand no more; whoever was elected holds still before the group hears of it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _stand(self) -> None:
        """Be a member until cancelled, again and again if that fails."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._be_member()
            except InstanceIdTaken as error:
                self._waiting_for = f"group {self._group}: {error}"
                self._fail(error)
                return
            except (KafkaUnreachable, KafkaError, OSError) as error:
                pause = _FIRST_PAUSE_SECONDS if not self._waiting_for else pause
                self._waiting_for = f"group {self._group}: {_said(error)}"
                _LOG.warning("no part in the election", extra={"group": self._group, "error": _said(error)})
            except Exception as error:  # noqa: BLE001  # the edge: counting must not end because of it
                self._waiting_for = f"group {self._group}: {_said(error)}"
                _LOG.exception("the election failed, it begins again", extra={"group": self._group})
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _be_member(self) -> None:
        consumer = self._consumer()
        await open_consumer(consumer, self._group)
        listener = _Listener(consumer, TopicPartition(self._topic, _PARTITION), self._mandate, self._stands)
        try:
            coordinator = consumer._coordinator  # noqa: SLF001  # aiokafka has no public way
            end_if_replaced(coordinator)
            _note_answers(coordinator, self._mandate.heard)
            consumer.subscribe([self._topic], listener=listener)
            while True:
                # Whoever asks for nothing is thrown out of the group; it also raises what went wrong.
                await consumer.getmany(timeout_ms=_LOOK_MS)
                await self._mandate.look()
        finally:
            # Whoever stops us while we are leaving waits: the group is not to hear of it any earlier.
            departing = asyncio.ensure_future(self._depart(consumer, listener))
            try:
                await asyncio.shield(departing)
            except asyncio.CancelledError:
                await departing
                raise

    async def _depart(self, consumer: AIOKafkaConsumer, listener: _Listener) -> None:
        listener.left = True
        await self._mandate.withhold()
        await self._mandate.end()
        await _leave(consumer)

    def _consumer(self) -> AIOKafkaConsumer:
        kafka = self._kafka
        return AIOKafkaConsumer(
            **kafka_options(kafka),
            group_id=self._group,
            # An empty id would be an id like any other.
            group_instance_id=kafka.instance_id or None,
            session_timeout_ms=kafka.session_timeout_ms,
            heartbeat_interval_ms=kafka.heartbeat_interval_ms,
            rebalance_timeout_ms=kafka.rebalance_timeout_ms,
            request_timeout_ms=max(kafka.rebalance_timeout_ms, kafka.session_timeout_ms) + _ANSWER_MS,
            partition_assignment_strategy=(Incumbent(lambda: self._mandate.term),),
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )

    def _stands(self, waiting_for: str, *, elected: bool = False) -> None:
        self._waiting_for = waiting_for and f"group {self._group}: {waiting_for}"
        if not waiting_for:
            _LOG.info("voted", extra={"group": self._group, "elected": elected})


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """What the group says to a member, as his mandate."""

    def __init__(
        self, consumer: AIOKafkaConsumer, seat: TopicPartition, mandate: Mandate, stands: Callable[..., None]
    ) -> None:
        self._consumer = consumer
        self._seat = seat
        self._mandate = mandate
        self._stands = stands
        self.left = False

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002  # aiokafka's
        """Hold still before the others can go on; also if the session is over already."""
        if self.left:
            return
        self._stands("electing")
        await self._mandate.withhold()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Act, or be done with it."""
        if self.left:
            return
        assigned = set(assigned)
        self._consumer.pause(*assigned)
        coordinator: Any = self._consumer._coordinator  # noqa: SLF001  # aiokafka has no public way
        # aiokafka begins only when this call is over, and who is told may take his time.
        coordinator._start_heartbeat_task()  # noqa: SLF001  # likewise
        elected = self._seat in assigned
        self._stands("", elected=elected)
        await (self._mandate.give(coordinator.generation) if elected else self._mandate.end())


def _note_answers(coordinator: Any, heard: Callable[[float], None]) -> None:  # noqa: ANN401  # not typed
    """Have aiokafka's coordinator tell when it asked what only a member is answered well."""
    send = coordinator._send_req  # noqa: SLF001  # aiokafka has no public way

    async def noting(request: Any) -> Any:  # noqa: ANN401  # likewise
        asked_at = time.monotonic()
        answer = await send(request)
        if isinstance(request, HeartbeatRequest | SyncGroupRequest) and answer.error_code in _STILL_A_MEMBER:
            heard(asked_at)
        return answer

    coordinator._send_req = noting  # noqa: SLF001  # likewise


async def _leave(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close the connections, also while Kafka is away."""
    try:
        async with asyncio.timeout(_LEAVE_SECONDS):
            await consumer.stop()
    except (TimeoutError, KafkaError, OSError):
        # It ends at the first of its parts that fails: the others are still there, heartbeats too.
        coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001  # no public way
        for close in (
            coordinator._stop_heartbeat_task,  # noqa: SLF001  # likewise
            coordinator._stop_commit_offsets_refresh_task,  # noqa: SLF001  # likewise
            fetcher.close,
            consumer._client.close,  # noqa: SLF001  # likewise
        ):
            with contextlib.suppress(KafkaError, OSError):
                await close()


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, KafkaUnreachable) else f"{type(error).__name__}: {error}"
