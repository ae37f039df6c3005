"""Taking whole batches out of aiokafka's fetcher: the part of the transport in the consumer thread.

Promises: records of a partition leave in offset order, each once per position read; control batches
and records of aborted transactions never leave; a batch that fails its checksum is never skipped.
It reaches into aiokafka 0.14, which has no public way to records without a ``ConsumerRecord`` for
each; tests/integration/test_batching.py pins what it relies on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, OffsetResetStrategy
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import TopicPartition
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, ConsumerRebalanceListener
from mode import Service

from streams.events import RecordBatch
from streams.worker.log_breaks import LogBreaks
from streams.worker.static_member import end_if_replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import aiokafka
    from faust.types import TP

    from streams.worker.batching import BatchConsumer

# A batch this large keeps numpy busy and the event loop responsive.
MAX_BATCH_RECORDS = 16_384
_WATCH_SECONDS = 1.0


def take_batch(result: FetchResult, limit: int) -> RecordBatch | None:
    """Take about ``limit`` records out of a fetch result; None if it holds none that may be seen.

    Whole Kafka batches are taken, so up to one more of those than the limit asks for.

    Raises:
        CorruptRecordException: a batch fails its checksum; the result is of no use any more.
    """
    source = result._partition_records
    # A generator that aiokafka has begun and we never use: it and the records hold each other, and
    # megabytes of fetched data would wait for the garbage collector.
    source._records_iterator = None
    fetched = source._records
    records: list[Any] = []
    while fetched.has_next() and len(records) < limit:
        batch = fetched.next_batch()
        if source._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(
                f"{source._tp}: checksum wrong behind offset {source.next_fetch_offset}"
            )
        if not _is_hidden(source, batch):
            records += _not_yet_read(batch, source.next_fetch_offset)
        # Also over what compaction and transactions left out, or it would be fetched for ever.
        behind = records[-1].offset + 1 if records else 0
        source.next_fetch_offset = max(source.next_fetch_offset, batch.next_offset, behind)
    result._update_position()
    if not fetched.has_next():
        result._partition_records = None
    return _columns(records)


def _is_hidden(source: Any, batch: Any) -> bool:
    """Whether a Kafka batch is none of a reader's business: a marker, or rolled back."""
    if source._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        source._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and source._contains_abort_marker(batch):
            source._aborted_producers.discard(batch.producer_id)
        elif batch.is_transactional and batch.producer_id in source._aborted_producers:
            return True
    return bool(batch.is_control_batch)


def _not_yet_read(batch: Iterable[Any], position: int) -> list[Any]:
    """Kafka sends whole batches, also where only the end of one was asked for."""
    records = list(batch)
    if records and records[0].offset < position:
        return [record for record in records if record.offset >= position]
    return records


def _columns(records: list[Any]) -> RecordBatch | None:
    if not records:
        return None
    first, last = records[0].offset, records[-1].offset
    whole = last - first + 1 == len(records)
    timestamps = [record.timestamp for record in records]
    if timestamps[0] is None:  # written before Kafka 0.10
        timestamps = [-1 if timestamp is None else timestamp for timestamp in timestamps]
    return RecordBatch(
        range(first, last + 1) if whole else [record.offset for record in records],
        timestamps,
        [record.value for record in records],
        records,
    )


def drain(
    fetcher: Any,
    partitions: set[TP],
    taken: set[TopicPartition],
    refused: Callable[[TopicPartition], None],
) -> dict[TopicPartition, RecordBatch]:
    """Take at most one batch of each partition out of what aiokafka has fetched.

    Args:
        fetcher: aiokafka's.
        partitions: those to look at; of others results stay where they are.
        taken: each partition is added before anything of it is taken.
        refused: called for one whose next offset the broker does not have; the result stays.

    Raises:
        KafkaError: of the first partition, if that has one; of a later one at a later call.
    """
    drained: dict[TopicPartition, RecordBatch] = {}
    for tp, result in list(fetcher._records.items()):
        if tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        if _is_refused(result):
            refused(tp)
            continue
        try:
            batch = _drain_one(fetcher, tp, result, taken)
        except KafkaError:
            if drained:
                break  # the same is fetched again, and raised
            raise
        if batch is not None:
            drained[tp] = batch
    return drained


def _is_refused(result: Any) -> bool:
    return type(result) is FetchError and isinstance(result._error, OffsetOutOfRangeError)


def _drain_one(
    fetcher: Any, tp: TopicPartition, result: Any, taken: set[TopicPartition]
) -> RecordBatch | None:
    taken.add(tp)
    used_up = True
    try:
        if type(result) is not FetchResult:
            result.check_raise()
        batch = take_batch(result, MAX_BATCH_RECORDS) if result.check_assignment(tp) else None
        used_up = not result.has_more()
    finally:
        # Also after an error: read on in a result, and the batch that is damaged would be skipped.
        if used_up:
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
    return batch


def note_answers(fetcher: Any, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Have aiokafka's fetcher note on each partition's state when it was asked for, and when it was answered.

    ``asked_at`` and ``heard_at``, in seconds that never jump. aiokafka's own note of an answer is by the
    time of day; that it has changed tells that an answer came. A request that fails is no answer.
    """
    fetch = fetcher._proc_fetch_request

    async def noting(assignment: Any, node_id: Any, request: Any) -> Any:
        tps = (TopicPartition(topic, part[0]) for topic, parts in request.topics for part in parts)
        states = [assignment.state_value(tp) for tp in tps]
        before = [state.timestamp for state in states]
        for state in states:
            state.asked_at = monotonic()
        try:
            return await fetch(assignment, node_id, request)
        finally:
            now = monotonic()
            for state, answered_before in zip(states, before, strict=True):
                state.asked_at = now
                if state.timestamp != answered_before:
                    state.heard_at = now

    fetcher._proc_fetch_request = noting


class GroupListener(ConsumerRebalanceListener):
    """What the group's protocol tells a member."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Send heartbeats from now on: aiokafka begins only when this call is over.

        Reading large states back may take longer than a session lasts.
        """
        self._thread._ensure_consumer()._coordinator._start_heartbeat_task()
        await super().on_partitions_assigned(assigned)


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Fetches batches where the base class fetches records."""

    consumer: BatchConsumer

    def __post_init__(self) -> None:
        super().__post_init__()
        # Partitions of which something is taken and not handed out: the main thread clears it.
        self.taken: set[TopicPartition] = set()
        self.breaks = LogBreaks(self)
        # Rises once a second while the thread lives.
        self.beats = 0
        self.broken = False

    async def on_start(self) -> None:
        """Connect; the fetcher asks for nothing before the group has been joined."""
        await super().on_start()
        note_answers(self._ensure_consumer()._fetcher)
        end_if_replaced(self._ensure_consumer()._coordinator)

    @property
    def aiokafka_consumer(self) -> aiokafka.AIOKafkaConsumer | None:
        """What fetches; None before the thread has started."""
        return self._consumer

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: :mod:`streams.worker.watchdog` looks for partitions that are stuck.

        Faust's own watch compares seconds since the machine was started with the time of day, so it never
        speaks, and it would crash on a position that is being looked up.
        """

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # What its producer has rolled back was never there. Faust ties this to its transactions.
        consumer._isolation_level = "read_committed"
        # An offset that the broker refuses comes to us: aiokafka would go on elsewhere without a word.
        consumer._auto_offset_reset = "none"
        for name, value in transport.fetch_options.items():
            setattr(consumer, f"_{name}", value)
        return consumer

    def rejoin(self) -> None:
        """Ask the group for a new assignment. Called from the main thread."""
        consumer = self.aiokafka_consumer
        if consumer is not None:
            self.thread_loop.call_soon_threadsafe(consumer._coordinator.request_rejoin)

    async def seek_start(self, start_at: Mapping[TP, int]) -> dict[TP, tuple[int | None, int | None]]:
        """Read the assigned partitions from here, else from the committed offset, else by the settings.

        Returns:
            per partition where reading begins, None if that is yet to be asked, and the committed offset.
        """
        return await self.call_thread(self._seek, start_at)  # type: ignore[no-any-return]  # Faust types it Any

    async def _seek(self, start_at: Mapping[TP, int]) -> dict[TP, tuple[int | None, int | None]]:
        consumer = self._ensure_consumer()
        asked = consumer._subscription.assigned_partitions()
        found = await consumer._coordinator.fetch_committed_offsets(list(asked))
        policy = OffsetResetStrategy.from_str(self.app.conf.consumer_auto_offset_reset)
        sought: dict[TP, tuple[int | None, int | None]] = {}
        for tp in ensure_TPset(asked & consumer._subscription.assigned_partitions()):
            offset = found[tp].offset if tp in found else -1
            committed = offset if offset >= 0 else None
            start = start_at.get(tp, committed)
            sought[tp] = (start, committed)
            if start is None:
                consumer._fetcher.request_offset_reset([tp], policy)
            else:
                consumer.seek(tp, start)
        return sought

    async def stop(self) -> None:
        """Stop, also if never started: then nobody else closes the thread's loop."""
        if not self._thread_started.is_set():
            self.thread_loop.close()
        await super().stop()

    async def on_thread_stop(self) -> None:
        """Leave the group and close the connections, also while Kafka is away."""
        # A fetch that waits to be tried again is cancelled by aiokafka, and its cancellation comes out here:
        # the thread would end without a word, and whoever waits for it would wait for a minute.
        with contextlib.suppress(asyncio.CancelledError):
            await self.breaks.stop()
            await super().on_thread_stop()
        if self._consumer is not None:
            await self._consumer._client.close()

    async def crash(self, reason: BaseException) -> None:
        """End the app for something that happened in this thread, which ends at once."""
        self.broken = True
        await super().crash(reason)

    def _stopped_set(self) -> None:
        with contextlib.suppress(RuntimeError):  # a broken thread has closed its loop by itself
            super()._stopped_set()

    def close(self) -> None:
        """Nothing: the base class closes parts of the client in the wrong event loop.

        Faust calls this for a rebalance that comes while the app stops. Stopping closes all.
        """

    @property
    def fetched_bytes(self) -> int:
        """Size of the fetch results that nothing, or not all, was taken of; as they came, perhaps compressed."""
        consumer = self._consumer
        results = list(consumer._fetcher._records.values()) if consumer is not None else []
        sources = [getattr(result, "_partition_records", None) for result in results]
        return sum(source._records.size_in_bytes() for source in sources if source is not None)

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's
        """Fetch at most one batch per partition, as long as the consumer's epoch is the present one."""
        return await self.call_thread(
            self._fetch_batches,
            self._ensure_consumer()._fetcher,
            active_partitions,
            time.monotonic() + timeout,
            self.consumer.epoch,
        )

    async def _fetch_batches(
        self, fetcher: Any, partitions: set[TP], deadline: float, epoch: int
    ) -> dict[TopicPartition, RecordBatch]:
        """The batched twin of aiokafka's ``Fetcher.fetched_records``."""
        with fetcher._subscriptions.fetch_context():
            while self.consumer.reads(epoch):
                if fetcher._closed:
                    raise ConsumerStoppedError
                moving = fetcher._subscriptions.reassignment_in_progress
                drained = {} if moving else drain(fetcher, partitions, self.taken, self.breaks.look_into)
                left = deadline - time.monotonic()
                if drained or left <= 0:
                    return drained
                subscriptions = fetcher._subscriptions
                await _wait(
                    subscriptions.wait_for_assignment() if moving else fetcher._create_fetch_waiter(), left
                )
            return {}

    @Service.task
    async def _watch(self) -> None:
        """End the app on what nobody else would see: the group refuses us, or the fetcher died."""
        while not self.should_stop:
            await self.sleep(_WATCH_SECONDS)
            self.beats += 1
            consumer = self._consumer
            if consumer is not None and not consumer._closed:
                consumer._coordinator.check_errors()
                if consumer._fetcher._fetch_task.done():
                    consumer._fetcher._fetch_task.result()
                _look_for_topics(consumer)


def _look_for_topics(consumer: Any) -> None:
    """Ask for topics that are missing: aiokafka would find one that is made again minutes later."""
    subscription = consumer._subscription.subscription
    topics = subscription.topics if subscription is not None else ()
    if any(consumer._client.cluster.partitions_for_topic(topic) is None for topic in topics):
        consumer._client.force_metadata_update()


async def _wait(future: asyncio.Future[Any], seconds: float) -> None:
    """Wait for a future of aiokafka, at most for a time; an error of the group comes out here."""
    done, _ = await asyncio.wait([future], timeout=seconds)
    if done:
        future.result()
    else:
        future.cancel()
