"""Flushes of counting state on their way: the log first, then the rollups that say the same, then the acks.

Promises: the broker has all chunks before a marker leaves, all markers before a rollup leaves, and all
rollups before a batch is acknowledged; so whatever rollups count, the log has it. What the broker does
not take now goes on from the same step next time, and nothing newer is put before it. Of a partition
that somebody else has taken over no rollup and no acknowledgement follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.worker.publishing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from streams.worker.assigned import AssignedPartition
    from streams.worker.publishing import Outbox


class Flush(NamedTuple):
    """A flush of one source partition: its marker and rollups (shard, bytes), and what it acknowledges."""

    assigned: AssignedPartition
    acks: list[Callable[[], object]]
    marker: Outgoing
    rollups: list[tuple[int, bytes]]


class Flushes:
    """See the module.

    Args:
        outbox: where messages leave.
        topic: of the rollups.
        is_over: asks whether another worker has taken a partition over; None if nobody knows now.
    """

    def __init__(
        self,
        outbox: Outbox,
        topic: str,
        is_over: Callable[[AssignedPartition], Awaitable[bool | None]],
    ) -> None:
        self._outbox = outbox
        self._topic = topic
        self._is_over = is_over
        self._under_way: list[Flush] = []
        self._steps_done = 0

    def begin(self, flush: Flush, chunks: Iterable[Outgoing]) -> None:
        """A flush is captured: its chunks may leave. What was begun before must be finished."""
        for chunk in chunks:
            self._outbox.put(chunk)
        self._under_way.append(flush)

    async def finish(self) -> bool:
        """Get what was begun to the broker, step by step; False if it did not take everything."""
        steps = (self._put_markers, self._put_rollups)
        if not await self._outbox.send():
            return False
        while self._steps_done < len(steps):
            if not await steps[self._steps_done]():
                return False
            self._steps_done += 1
            if not await self._outbox.send():
                return False
        for ack in [ack for item in self._under_way for ack in item.acks]:
            ack()
        self._under_way, self._steps_done = [], 0
        return True

    async def _put_markers(self) -> bool:
        """A marker that comes though a chunk before it does not would make a damaged log."""
        for item in self._under_way:
            self._outbox.put(item.marker)
        return True

    async def _put_rollups(self) -> bool:
        for item in list(self._under_way):
            over = await self._is_over(item.assigned)
            if over is None:
                return False
            if over:
                self._under_way.remove(item)
        for item in self._under_way:
            for shard, data in item.rollups:
                self._outbox.put(Outgoing(self._topic, shard, None, data))
        return True
