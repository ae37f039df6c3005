"""The batch transport: one Faust event per fetched batch of records.

Faust hands an agent one record at a time, at the price of two asyncio tasks each. Here a
fetched record list of one partition travels as *one* message whose value is a
:class:`streams.events.RecordBatch`. Group membership, assignment, acknowledgements and commits
stay Faust's: a batch is acknowledged as a whole, and the offset committed is that behind the
last batch of an unbroken run of acknowledged ones.

Promises, per partition and assignment: batches in offset order, none twice, none left out; an
acknowledgement counts for the very batch it is of, so one of a batch from before a rebalance does
nothing. What cannot go on ends the app: an error in a hook, in the group or in a fetch.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict, deque
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from aiokafka.errors import KafkaConnectionError
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from faust.types.tuples import ack_lock
from mode.utils.futures import notify

from streams.worker.fetching import BatchConsumerThread, GroupListener
from streams.worker.log_breaks import BreakReason
from streams.worker.messages import BatchMessage, BatchSchema, parts_of
from streams.worker.positions import UNKNOWN, Position, Positions
from streams.worker.watchdog import Reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

    from faust.types import Message

    from streams.events import RecordBatch

__all__ = ["BatchConsumer", "BatchSchema", "BatchTransport", "Position"]

_LOG = logging.getLogger(__name__)

# How often to look whether reading may begin again.
_PAUSE_SECONDS = 0.02
# How long to wait for Kafka to take a last commit, before leaving without it.
_LAST_COMMIT_SECONDS = 5.0
# Faust gives up silently on a seek longer than `broker_request_timeout` (90 s); we, loudly, before.
_SEEK_SECONDS = 60.0


class BatchConsumer(Consumer):
    """Faust's consumer, one message per batch.

    ``before_revoke`` is awaited with the partitions that are about to go, while this worker is
    still a member of the group (unless its session has ended): agents get nothing more, and what it
    acknowledges is committed before they move. Likewise when the app stops.
    ``after_assign`` is awaited with all partitions of the worker before any of them is read. What it
    puts into ``start_at`` is read from that very offset on, in this assignment; the others are read
    from where the group has committed. Of a partition that is sought again the same records come again.
    ``on_gap`` is called with ``(partition, from, to)`` when the records of ``[from, to)`` were deleted
    before they were read; reading goes on at ``to``. Batches from before the gap may still be queued.
    ``on_new_log`` is called with ``(partition, from, to)`` when the log ends before ``from``, which was
    to be read next: the topic was made anew, or lost its end. Reading goes on at ``to``, its beginning;
    offsets known of it mean nothing any more. No batch of the old log is in any queue then.
    Both before anything from ``to`` on is handed out. An error in any hook ends the app.
    """

    RebalanceListener = GroupListener
    _thread: BatchConsumerThread

    before_revoke: Callable[[set[TP]], Awaitable[None]] | None = None
    after_assign: Callable[[set[TP]], Awaitable[None]] | None = None
    on_gap: Callable[[TP, int, int], None] | None = None
    on_new_log: Callable[[TP, int, int], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Batches handed out per partition, oldest first, from the first that is not committed.
        self._spans: dict[TP, deque[BatchMessage]] = defaultdict(deque)
        self._positions = Positions(self._thread)
        self.start_at: dict[TP, int] = {}
        self._taken: Counter[TP] = Counter()
        # Counts assignments and revocations: what was fetched in one is worth nothing in the next.
        self.epoch = 0
        self._ready_epoch = -1
        self._failed = False

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # ------------------------------------------------------------------ reading

    def reads(self, epoch: int) -> bool:
        """Whether records may be taken for this epoch. Also called from the consumer thread."""
        return self.flow_active and epoch == self.epoch == self._ready_epoch

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109  # Faust's
        """Yield messages for each partition with anything new."""
        epoch, active = self.epoch, self._get_active_partitions()
        if not active or not self.reads(epoch):
            await self.sleep(_PAUSE_SECONDS)
            return
        try:
            fetched = cast("Mapping[TP, RecordBatch]", await self._getmany(active, timeout))
            self._tell_breaks(epoch)
            for tp, part in chain.from_iterable(parts_of(tp, batch) for tp, batch in fetched.items()):
                if self.should_stop or not self.reads(epoch):
                    return  # read again by whoever has the partition next
                yield tp, self._hand_out(tp, part)
        finally:
            self._thread.taken.clear()

    def _hand_out(self, tp: TP, batch: RecordBatch) -> BatchMessage:
        message = BatchMessage(tp, batch, self.app.consumer_generation_id)
        self._spans[tp].append(message)
        self._positions.hand_out(tp, message.behind)
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        # Faust would drop what lies below the offset read last, and look for gaps; here order is certain.
        self._read_offset[tp] = None
        return message

    def has_handed_out(self, tp: TP) -> bool:
        """Whether anything of a partition was handed out in this epoch. Also called from the consumer thread."""
        return self._positions.handed_out(tp)

    def _tell_breaks(self, epoch: int) -> None:
        for found in self._thread.breaks.untold(epoch):
            tp = TP(found.tp.topic, found.tp.partition)
            place = {"topic": tp.topic, "partition": tp.partition}
            offsets = {"from_offset": found.from_offset, "to_offset": found.to_offset}
            if found.reason is BreakReason.NEW_LOG:
                _LOG.error(
                    "log ends before what was read of it: a new topic is read from its start",
                    extra=place | offsets,
                )
                hook = self.on_new_log
            else:
                _LOG.error("records were deleted before they were read", extra=place | offsets)
                hook = self.on_gap
            if hook is not None:
                hook(tp, found.from_offset, found.to_offset)

    def read_position(self, topic: str, partition: int) -> Position:
        """Where reading of a topic-partition stands."""
        return self._positions.of(topic, partition) if self.reads(self.epoch) else UNKNOWN

    def throttle(self, tps: Iterable[TP]) -> None:
        """Stop reading these partitions until :meth:`unthrottle`."""
        self.pause_partitions(tps)

    def unthrottle(self, tps: Iterable[TP]) -> None:
        """Read these partitions again."""
        assigned = self.assignment()
        self.resume_partitions({tp for tp in tps if tp in assigned})

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Read again, unless the agent's queue is full of them."""
        super().resume_partitions(tps)
        self._get_active_partitions().difference_update(self._buffered_partitions)

    def on_buffer_drop(self, tp: TP) -> None:
        """The agent has caught up with this partition: read it again, unless it is throttled."""
        super().on_buffer_drop(tp)
        if tp in self._paused_partitions:
            self._get_active_partitions().discard(tp)

    def rejoin(self) -> None:
        """Have the group assign anew: somebody else holds what it gave to us, or what it took from us."""
        self._thread.rejoin()

    # ------------------------------------------------------------------ watching

    def took(self, message: Message) -> None:
        """Take note that an agent has taken a batch."""
        if isinstance(message, BatchMessage) and not message.taken:
            message.taken = True
            self._taken[message.tp] += 1

    @property
    def beats(self) -> int:
        """Rises as long as the reading thread lives."""
        return self._thread.beats

    @property
    def unacknowledged(self) -> bool:
        """Whether an agent has taken a batch that is not acknowledged."""
        return any(message.taken and not message.acked for spans in self._spans.values() for message in spans)

    def readings(self) -> dict[TP, Reading]:
        """How the reading of each assigned partition goes, for the watchdog; none between assignments."""
        if not self.reads(self.epoch):
            return {}
        return {tp: self._reading(tp) for tp in self.assignment()}

    def _reading(self, tp: TP) -> Reading:
        untaken = sum(not message.taken for message in list(self._spans.get(tp, ())))
        left, mark = self._positions.left(tp)
        return Reading(left and tp not in self._paused_partitions, mark, untaken, self._taken[tp])

    @property
    def fetched_bytes(self) -> int:
        """What was fetched and has not been handed to an agent yet."""
        return self._thread.fetched_bytes

    # ------------------------------------------------------------------ acknowledging

    def ack(self, message: Message) -> bool:
        """Take note that a batch is done with."""
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            self._unacked_messages.discard(message)
            self._n_acked += 1
            notify(self._waiting_for_ack)
            return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._spans) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset behind the unbroken run of acknowledged batches, if it moved."""
        # Faust's compiled streams write down acknowledgements by themselves; nobody else would tidy up.
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        spans, behind = self._spans[tp], None
        while spans and spans[0].acked:
            behind = spans.popleft().behind
        return behind

    def _should_commit(self, tp: TP, offset: int) -> bool:
        """Also backwards: a topic made anew begins at 0."""
        return offset != self._committed_offset[tp]

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to do: batches know where they end, so offsets between them are no gaps."""

    async def commit_and_end_transactions(self) -> None:
        """Commit what is acknowledged by now, also if an earlier commit is still under way."""
        if self._thread.broken:
            return
        try:
            async with asyncio.timeout(_LAST_COMMIT_SECONDS):
                # Not by Faust's own wait: it takes the timeout's cancellation for that of the commit.
                while self._commit_fut is not None and not self._commit_fut.done():
                    await asyncio.wait([self._commit_fut])
                await self.commit(start_new_transaction=False)
        except TimeoutError:
            self.log.warning("kafka did not take the last commit: what it covers is read again")

    # ------------------------------------------------------------------ coming and going

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the worker finish what it holds, commit it, then let go."""
        self.epoch += 1
        if revoked:
            await self._let_go(revoked)
            await self.commit_and_end_transactions()
        await super().on_partitions_revoked(revoked)
        self._forget()

    async def _let_go(self, tps: set[TP]) -> None:
        self._halt()
        if self.before_revoke is None or self._failed:
            return
        try:
            await self.before_revoke(tps)
        except Exception as error:  # noqa: BLE001  # the edge: Kafka's group protocol would swallow it
            await self.fail(error)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Let the worker get ready, then begin to read."""
        self.epoch += 1
        self.start_at.clear()
        try:
            if self.after_assign is not None:
                await self.after_assign(assigned)
        except Exception as error:  # noqa: BLE001  # the edge: Kafka's group protocol would swallow it
            await self.fail(error)
            return
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_task_error(self, exc: BaseException) -> None:
        """An agent failed: Faust would start it anew behind the batch that it failed on."""
        await self.fail(exc)

    async def fail(self, error: BaseException) -> None:
        """End the app: agents get nothing more, nothing more is acknowledged, hooks are not asked again."""
        self._failed = True
        self._halt()
        await self.crash(error)

    def _crash(self, reason: BaseException) -> None:
        """Not the thread and the queue by which it calls us: both are needed to leave in order."""
        self._crashed.set()
        self.crash_reason = reason

    def _halt(self) -> None:
        self.stop_flow()
        self.app.flow_control.suspend()

    async def perform_seek(self) -> None:
        """Read on from where the worker says, or from what is committed; what was handed out since comes again."""
        epoch = self.epoch
        self._forget()
        try:
            async with asyncio.timeout(_SEEK_SECONDS):
                sought = await self._thread.seek_start(dict(self.start_at))
        except TimeoutError:
            raise KafkaConnectionError(
                f"kafka did not tell committed offsets in {_SEEK_SECONDS:g} s"
            ) from None
        self._read_offset.update({tp: start for tp, (start, _) in sought.items()})
        self._committed_offset.update({tp: committed for tp, (_, committed) in sought.items()})
        self._ready_epoch = epoch

    def _forget(self) -> None:
        self._spans.clear()
        self._taken.clear()
        self._positions.forget()
        self._buffered_partitions.clear()

    async def on_stop(self) -> None:
        """Let the worker finish what it holds, commit it, then leave the group."""
        if self._thread.aiokafka_consumer is not None and not self._thread.broken and self.assignment():
            await self._let_go(self.assignment())
        await super().on_stop()


class BatchTransport(Transport):
    """Faust's aiokafka transport with the batch consumer.

    Attributes:
        fetch_options: options of aiokafka's consumer that Faust does not pass on, by name:
            ``fetch_min_bytes``, ``fetch_max_bytes``, ``fetch_max_wait_ms``.
    """

    Consumer = BatchConsumer

    def __init__(self, *args: Any, fetch_options: Mapping[str, int] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fetch_options = dict(fetch_options or {})
