"""The batch transport: one Faust event per fetched batch of records.

Faust hands an agent one record at a time, at the price of two asyncio tasks each. Here a
fetched record list of one partition travels as *one* message whose value is a
:class:`streams.events.RecordBatch`. Group membership, assignment, acknowledgements and commits
stay Faust's: a batch is acknowledged as a whole, and the offset committed is that behind the
last batch of an unbroken run of acknowledged ones.

Built against aiokafka 0.14 and faust-streaming 0.15: it takes records from aiokafka's fetched
results one Kafka batch at a time, without a ``ConsumerRecord`` for each.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import faust
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import (
    AIOKafkaConsumerThread,
    Consumer,
    ConsumerStoppedError,
    Transport,
)
from faust.types.tuples import ConsumerMessage

from streams.events import RecordBatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    import aiokafka
    from faust.types import TP, AppT, Message


class Position(NamedTuple):
    """How far a topic-partition is read: next offset to fetch, its end, and the end of what agents got.

    None where it is not known (yet).
    """

    next_offset: int | None
    end_offset: int | None
    handed_out: int | None


# A batch this large keeps numpy busy and the event loop responsive.
MAX_BATCH_RECORDS = 8192


class BatchSchema(faust.Schema):
    """Hands the batch on as it is: there is nothing to deserialise."""

    def compile(self, app: AppT[Any], **_options: Any) -> Any:
        """Return the function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> Any:  # noqa: ARG001
            return create_event(None, message.value, None, message)

        return decode


def take_batch(result: FetchResult, limit: int) -> RecordBatch | None:
    """Take up to about ``limit`` records out of a fetch result; None if it holds none.

    Whole Kafka batches are taken, so one more batch than the limit asks for may come along.

    Raises:
        CorruptRecordException: a batch fails its checksum.
    """
    source = result._partition_records  # noqa: SLF001 - aiokafka has no public way
    if source._isolation_level == READ_COMMITTED:  # noqa: SLF001
        return _columns(result.getall(limit))
    records: list[Any] = []
    fetched = source._records  # noqa: SLF001
    while fetched.has_next() and len(records) < limit:
        batch = fetched.next_batch()
        if source._check_crcs and not batch.validate_crc():  # noqa: SLF001
            raise CorruptRecordException(f"Invalid CRC - {source._tp}")  # noqa: SLF001
        if not batch.is_control_batch:
            part = list(batch)
            if part and part[0].offset < source.next_fetch_offset:
                part = [record for record in part if record.offset >= source.next_fetch_offset]
            records += part
        source.next_fetch_offset = max(source.next_fetch_offset, batch.next_offset)
    result._update_position()  # noqa: SLF001
    if not fetched.has_next():
        result._partition_records = None  # noqa: SLF001
    return _columns(records)


def _columns(records: list[Any]) -> RecordBatch | None:
    if not records:
        return None
    first, last = records[0].offset, records[-1].offset
    whole = last - first + 1 == len(records)
    return RecordBatch(
        range(first, last + 1) if whole else [record.offset for record in records],
        [record.timestamp for record in records],
        [record.value for record in records],
        records,
    )


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Fetches batches where the base class fetches records."""

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher  # noqa: SLF001
        if consumer._closed or fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001
            return await _fetched_batches(fetcher, active_partitions, timeout or 0.0)


async def _fetched_batches(
    fetcher: Any, partitions: set[TP], timeout: float  # noqa: ASYNC109 - Faust's signature
) -> dict[TP, list[RecordBatch]]:
    """The batched twin of aiokafka's ``Fetcher.fetched_records``."""
    deadline = time.monotonic() + timeout
    while True:
        if fetcher._subscriptions.reassignment_in_progress:  # noqa: SLF001
            await fetcher._subscriptions.wait_for_assignment()  # noqa: SLF001
        drained = _drain(fetcher, partitions)
        left = deadline - time.monotonic()
        if drained or left <= 0:
            return drained
        waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
        done, pending = await asyncio.wait([waiter], timeout=left)
        for late in pending:
            late.cancel()
        if not done or fetcher._closed:  # noqa: SLF001
            return {}
        waiter.result()  # an authorisation error comes out here


def _drain(fetcher: Any, partitions: set[TP]) -> dict[TP, list[RecordBatch]]:
    drained: dict[TP, list[RecordBatch]] = {}
    for tp, result in list(fetcher._records.items()):  # noqa: SLF001
        if tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):  # noqa: SLF001
                del fetcher._records[tp]  # noqa: SLF001
            continue
        if type(result) is not FetchResult:
            if drained:
                return drained  # its error is raised at the next call
            _release(fetcher, tp)
            result.check_raise()
            continue
        batch = take_batch(result, MAX_BATCH_RECORDS) if _ready(result, tp) else None
        if not result.has_more():
            _release(fetcher, tp)
        if batch is not None:
            drained[tp] = [batch]
    return drained


def _ready(result: FetchResult, tp: TP) -> bool:
    return bool(result.check_assignment(tp) and result.has_more())


def _release(fetcher: Any, tp: TP) -> None:
    """Let aiokafka ask for more of this partition."""
    del fetcher._records[tp]  # noqa: SLF001
    fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001


class BatchConsumer(Consumer):
    """Faust's consumer, one message per batch.

    ``before_revoke`` is awaited with the partitions that are about to go, while this worker is
    still a member of the group: what it acknowledges is committed before they move.
    ``after_assign`` is awaited with all partitions of the worker before any of them is read.
    """

    before_revoke: Callable[[set[TP]], Awaitable[None]] | None = None
    after_assign: Callable[[set[TP]], Awaitable[None]] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Batches handed out per partition, oldest first: (first offset, offset behind the last).
        self._spans: dict[TP, deque[tuple[int, int]]] = defaultdict(deque)
        self._handed_out: dict[TP, int] = {}

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Yield one message per partition with anything new."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        for tp, batches in cast("dict[TP, list[RecordBatch]]", records).items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                # Taken but not handed out: read again from what is committed.
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            for batch in batches:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._to_batch_message(tp, batch)

    def _to_batch_message(self, tp: TP, batch: RecordBatch) -> ConsumerMessage:
        behind = batch.offsets[-1] + 1
        self._spans[tp].append((batch.offsets[0], behind))
        self._handed_out[tp] = behind
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.offsets[0],
            batch.timestamps[-1] / 1000.0,
            0,
            None,
            None,
            None,
            None,
            -1,
            -1,
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        message.value = cast("bytes", batch)
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to do: batches know where they end, so offsets between them are no gaps."""

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset behind the unbroken run of acknowledged batches, if it moved."""
        spans, acked = self._spans[tp], self._acked_index[tp]
        behind = None
        while spans and spans[0][0] in acked:
            first, behind = spans.popleft()
            acked.discard(first)
        self._acked[tp][:] = sorted(acked)
        return behind

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the worker finish what it holds, commit it, then let go."""
        if self.before_revoke is not None and revoked:
            self.stop_flow()
            await self.before_revoke(revoked)
            await self.commit(start_new_transaction=False)
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._spans.pop(tp, None)
            self._handed_out.pop(tp, None)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Let the worker get ready, then begin to read."""
        if self.after_assign is not None:
            await self.after_assign(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_stop(self) -> None:
        """Let the worker finish what it holds, commit it, then leave the group."""
        if self.before_revoke is not None:
            await self.before_revoke(set(self.assignment()))
        await super().on_stop()

    async def perform_seek(self) -> None:
        """Read on from what is committed; batches handed out but not committed come again."""
        self._spans.clear()
        self._handed_out.clear()
        self._acked.clear()
        self._acked_index.clear()
        await super().perform_seek()

    def read_position(self, topic: str, partition: int) -> Position:
        """Where reading of a topic-partition stands, as the last fetch response left it."""
        tp = TopicPartition(topic, partition)
        consumer = self._thread._consumer
        subscription = consumer._subscription.subscription if consumer is not None else None
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None or tp not in assignment.tps:
            return Position(None, None, None)
        state = assignment.state_value(tp)
        position = state._position if state.has_valid_position else None
        return Position(position, state.highwater, self._handed_out.get(tp))

    def throttle(self, tps: Iterable[TP]) -> None:
        """Stop reading these partitions until :meth:`unthrottle`."""
        self.pause_partitions(tps)

    def unthrottle(self, tps: Iterable[TP]) -> None:
        """Read these partitions again."""
        assigned = self.assignment()
        self.resume_partitions({tp for tp in tps if tp in assigned})


class BatchTransport(Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = BatchConsumer
