"""Where a partition's log does not go on as it was read: what is missing, and where reading goes on.

Promises: a break is told only when the partition's leader has refused the very offset that comes next;
what is missing is told exactly; reading goes on at the beginning of what is there, never at its end.
Offsets that compaction or transactions leave out are no breaks: the broker does not refuse them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import TopicPartition

    from streams.worker.fetching import BatchConsumerThread

# Before an offset that was refused without a reason is asked for again.
_PAUSE_SECONDS = 0.1


class BreakReason(StrEnum):
    """Why the log does not go on where reading stood."""

    # The oldest records are gone before they were read: retention, or somebody deleted them.
    EXPIRED = "expired"
    # The log ends before what was read of it: the topic was made anew, or its end was lost.
    NEW_LOG = "new_log"


class LogBreak(NamedTuple):
    """One break: the offset that was to be read next, and the one that is read instead."""

    tp: TopicPartition
    reason: BreakReason
    from_offset: int
    to_offset: int


def judge(position: int, beginning: int, end: int) -> BreakReason | None:
    """Why the leader has refused an offset, by where its log begins and ends now.

    None: it has no reason to. Another leader answers by now, or the log has grown since.
    """
    if position < beginning:
        return BreakReason.EXPIRED
    return BreakReason.NEW_LOG if position > end else None


class LogBreaks:
    """Looks into refused offsets, in the consumer thread, one task per partition.

    Batches of an old log and of a new one never mix: if any was handed out in this epoch, the group is
    joined again, which ends the epoch, and the break is found again, and told, at the next one's start.
    """

    def __init__(self, thread: BatchConsumerThread) -> None:
        self._thread = thread
        self._found: deque[tuple[int, LogBreak]] = deque()
        self._looking: dict[TopicPartition, tuple[int, asyncio.Task[None]]] = {}

    def untold(self, epoch: int) -> Iterator[LogBreak]:
        """Breaks found in this epoch and not told yet; called from the main thread."""
        while self._found:
            found_in, found = self._found.popleft()
            if found_in == epoch:
                yield found

    def look_into(self, tp: TopicPartition) -> None:
        """The leader has refused the offset that comes next; its refusal stays with the fetcher meanwhile.

        Raises:
            Exception: looking into it has failed.
        """
        epoch = self._thread.consumer.epoch
        looking_in, task = self._looking.get(tp, (None, None))
        if task is not None and looking_in == epoch:
            if task.done():
                task.result()
            return
        self._looking[tp] = (epoch, asyncio.get_running_loop().create_task(self._look_into(tp, epoch)))

    async def _look_into(self, tp: TopicPartition, epoch: int) -> None:
        consumer: Any = self._thread.aiokafka_consumer
        state = position_state(consumer, tp)
        position = state._position if state is not None else None  # noqa: SLF001  # aiokafka has no public way
        if position is not None:
            reason, beginning = await _judged(consumer, tp, position)
            unmoved = position_state(consumer, tp) is state and state._position == position  # noqa: SLF001  # likewise
            if unmoved and self._thread.consumer.reads(epoch):
                if reason is BreakReason.NEW_LOG and self._thread.consumer.has_handed_out(tp):
                    # Stays among those looked into: the epoch ends.
                    consumer._coordinator.request_rejoin()  # noqa: SLF001  # likewise
                    return
                if reason is not None:
                    self._found.append((epoch, LogBreak(tp, reason, position, beginning)))
                    # What was heard of the end is worth nothing now.
                    state.lso = state.heard_at = None
                consumer._fetcher.seek_to(tp, position if reason is None else beginning)  # noqa: SLF001  # likewise
        if self._looking.get(tp, (None, None))[0] == epoch:
            del self._looking[tp]

    async def stop(self) -> None:
        """Look no further."""
        tasks = [task for _, task in self._looking.values()]
        self._looking.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _judged(
    consumer: AIOKafkaConsumer, tp: TopicPartition, position: int
) -> tuple[BreakReason | None, int]:
    """The leader's reason, and where its log begins."""
    try:
        ends, beginnings = await asyncio.gather(consumer.end_offsets([tp]), consumer.beginning_offsets([tp]))
    except KafkaError:
        reason, beginning = None, 0  # it is away: ask again
    else:
        reason, beginning = judge(position, beginnings[tp], ends[tp]), beginnings[tp]
    if reason is None:
        await asyncio.sleep(_PAUSE_SECONDS)
    return reason, beginning


def position_state(consumer: AIOKafkaConsumer, tp: TopicPartition) -> Any:  # noqa: ANN401  # aiokafka is not typed
    """What aiokafka knows of a partition's reading; None if the partition is not this consumer's."""
    subscription = consumer._subscription.subscription  # noqa: SLF001  # aiokafka has no public way
    assignment = subscription.assignment if subscription is not None else None
    return assignment.state_value(tp) if assignment is not None else None
