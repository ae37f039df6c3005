"""How far a topic of a source partition was read, and from where it would have to be read again.

What was read and not yet counted is not kept for the next owner: it reads it again. So it has to
know where to begin, what the newest event time was there, and up to where it only looks for what
waited.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from streams.core.ordering import UNREAD
from streams.core.republished import Republished, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.events import RecordBatch


class SourceOffsets(msgspec.Struct, array_like=True, frozen=True):
    """Where a topic of a source partition is to be read on.

    Attributes:
        resume: offset of the first record of which anything waits; None before the first record.
        newest_ms: newest event time read before that one.
        behind: offset behind the last record taken in.
        republished: of a topic that we key by visitor, what was known of its origin before ``resume``.
    """

    resume: int | None = None
    newest_ms: int = UNREAD
    behind: int | None = None
    republished: tuple[Seen, ...] = ()


class _Batch(NamedTuple):
    offset: int
    before_ms: int
    newest_ms: int
    ack: Callable[[], object]


class Reading:
    """One topic of a source partition, batch by batch.

    Args:
        offsets: where to begin.
        keyed: whether it is a topic that we key by visitor, in which records may be repeated.
    """

    def __init__(self, offsets: SourceOffsets = SourceOffsets(), *, keyed: bool = False) -> None:  # noqa: B008  # it is frozen
        self._filter = Republished() if keyed else None
        if self._filter is not None:
            self._filter.restore(offsets.republished)
        self.next_offset = offsets.resume
        self.newest_ms = offsets.newest_ms
        self._known = offsets.behind or 0
        self._batches: deque[_Batch] = deque()

    @property
    def unacknowledged(self) -> int:
        """Batches that something waits of."""
        return len(self._batches)

    def fresh(self, batch: RecordBatch) -> RecordBatch | None:
        """The part of a batch that is to be taken in; None if there is none."""
        return batch.since(self.next_offset or 0)

    def unrepeated(self, batch: RecordBatch) -> RecordBatch | None:
        """What of a fresh batch was not republished before; None if all of it was. Once per batch."""
        return batch if self._filter is None else self._filter.fresh(batch)

    def known(self, batch: RecordBatch) -> int:
        """How many records at its front an owner before us took in."""
        return bisect_left(batch.offsets, self._known)

    def take(self, batch: RecordBatch, newest_ms: int, ack: Callable[[], object]) -> None:
        """Note that a fresh batch was taken in; ``newest_ms`` is the newest event time up to its end."""
        self._batches.append(_Batch(batch.offsets[0], self.newest_ms, newest_ms, ack))
        self.next_offset, self.newest_ms = batch.offsets[-1] + 1, newest_ms

    def counted(self, limit_ms: int) -> list[Callable[[], object]]:
        """Let go of the batches in front that have nothing at or behind an ordering time; their acks."""
        acks = []
        batches = self._batches
        # A batch before the first valid record has nothing that could wait.
        while batches and (batches[0].newest_ms < limit_ms or batches[0].newest_ms == UNREAD):
            acks.append(batches.popleft().ack)
        return acks

    def offsets(self) -> SourceOffsets:
        """Where the next owner would have to begin now."""
        behind = max(self.next_offset or 0, self._known) if self.next_offset is not None else None
        resume, newest = self.next_offset, self.newest_ms
        if self._batches:
            resume, newest = self._batches[0].offset, self._batches[0].before_ms
        seen = () if self._filter is None or resume is None else tuple(self._filter.state(resume))
        return SourceOffsets(resume, newest, behind, seen)
