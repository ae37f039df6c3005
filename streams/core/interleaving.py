"""Several streams into one, in step by event time.

Each stream's records stay in their order. Their *progress* is the newest event time of the stream up
to each; records leave in the order of their progress, and none before every stream that may still
bring something has progressed as far. So in what comes out a record lies behind the newest event
time by no more than it lay behind that of its own stream: interleaving adds no disorder. A stream
that has nothing left to read holds nobody back, nor does one that has told no time yet.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import numpy as np

from streams.core.ordering import UNREAD
from streams.core.sorting import stable_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

K = TypeVar("K")
B = TypeVar("B")

FOREVER: Final = 1 << 62


@dataclass(slots=True)
class _Block(Generic[B]):
    """Records that came together; those before ``begin`` have left."""

    content: B
    progress: I64
    nbytes: int
    begin: int = 0

    def until(self, limit_ms: int) -> int:
        """Where the records end that have progressed no further than this."""
        return int(np.searchsorted(self.progress, limit_ms, side="right"))


@dataclass(slots=True)
class _Stream(Generic[B]):
    newest: int = UNREAD
    told: bool = False
    blocks: deque[_Block[B]] = field(default_factory=deque)
    nbytes: int = 0


class Piece(NamedTuple, Generic[K, B]):
    """Records ``[begin, end)`` of one block of one stream, and the progress of each."""

    stream: K
    content: B
    begin: int
    end: int
    progress: I64


class Due(NamedTuple, Generic[K, B]):
    """What may leave: pieces, and their records in order.

    Attributes:
        pieces: each a run of records; several of one stream in their order.
        order: numbers of the records, counted through all pieces, in the order to leave.
    """

    pieces: Sequence[Piece[K, B]]
    order: I64


class Interleaving(Generic[K, B]):
    """See the module. ``K`` names streams, ``B`` is what a caller keeps of a block."""

    def __init__(self) -> None:
        self._streams: dict[K, _Stream[B]] = {}

    def begin(self, streams: Iterable[K]) -> None:
        """Begin anew, with these streams and nothing of what was there."""
        self._streams = {stream: _Stream() for stream in streams}

    def __contains__(self, stream: object) -> bool:
        return stream in self._streams

    @property
    def streams(self) -> Sequence[K]:
        """All streams."""
        return list(self._streams)

    @property
    def newest(self) -> int:
        """Event time that the foremost stream has reached; ``UNREAD`` if none has told any."""
        return max((stream.newest for stream in self._streams.values()), default=UNREAD)

    def add(self, stream: K, content: B, times: I64, nbytes: int) -> None:
        """Take in a block of records.

        Args:
            stream: whose they are.
            content: handed back with them.
            times: event time per record, ``UNREAD`` where it tells none; shape (n,), n > 0.
            nbytes: what it weighs.
        """
        into = self._streams[stream]
        progress = np.maximum(np.maximum.accumulate(times), into.newest)
        into.newest = int(progress[-1])
        into.told = True
        into.nbytes += nbytes
        into.blocks.append(_Block(content, progress, nbytes))

    def nbytes(self, stream: K) -> int:
        """What a stream's waiting blocks weigh."""
        return self._streams[stream].nbytes

    def reached(self, holding: Iterable[K]) -> int:
        """Event time that all of these streams have reached; those that never told any do not count."""
        streams = (self._streams[stream] for stream in holding)
        return min((s.newest for s in streams if not s.told or s.newest != UNREAD), default=FOREVER)

    def next_progress(self, stream: K) -> int:
        """The progress of what would leave next of a stream; ``FOREVER`` if nothing of it waits."""
        blocks = self._streams[stream].blocks
        return int(blocks[0].progress[blocks[0].begin]) if blocks else FOREVER

    def due(self, limit_ms: int, most: int) -> Due[K, B] | None:
        """Up to ``most`` records that have progressed no further than the limit; None if there are none.

        They stay until :meth:`release`.
        """
        pieces = self._pieces(limit_ms)
        if sum(piece.end - piece.begin for piece in pieces) > most:
            every = _progress(pieces)
            limit_ms = int(np.partition(every, most - 1)[most - 1])
            pieces = self._pieces(limit_ms)
        if not pieces:
            return None
        order = stable_order(_progress(pieces))
        if order.size <= most:
            return Due(pieces, order)
        # Many of one time. A stable order takes the head of each piece, so what is left stays in order.
        sizes = np.array([piece.end - piece.begin for piece in pieces])
        return self._heads(pieces, sizes, order[:most])

    def _pieces(self, limit_ms: int) -> list[Piece[K, B]]:
        found = []
        for name, stream in self._streams.items():
            for block in stream.blocks:
                end = block.until(limit_ms)
                if end > block.begin:
                    part = block.progress[block.begin : end]
                    found.append(Piece(name, block.content, block.begin, end, part))
                if end < len(block.progress):
                    break
        return found

    @staticmethod
    def _heads(pieces: Sequence[Piece[K, B]], sizes: I64, order: I64) -> Due[K, B]:
        starts = np.cumsum(sizes) - sizes
        owner = np.searchsorted(starts, order, side="right") - 1
        taken = np.bincount(owner, minlength=sizes.size)
        moved = np.cumsum(taken) - taken
        heads = [
            piece._replace(end=piece.begin + int(count), progress=piece.progress[:count])
            for piece, count in zip(pieces, taken, strict=True)
            if count
        ]
        return Due(heads, order - starts[owner] + moved[owner])

    def release(self, due: Due[K, B]) -> list[B]:
        """Let go of what has left; the contents of the blocks that are now wholly gone, in order."""
        gone = []
        for piece in due.pieces:
            stream = self._streams[piece.stream]
            block = stream.blocks[0]
            block.begin = piece.end
            if block.begin == len(block.progress):
                stream.blocks.popleft()
                stream.nbytes -= block.nbytes
                gone.append(block.content)
        return gone


def _progress(pieces: Iterable[Piece[K, B]]) -> I64:
    return np.concatenate([piece.progress for piece in pieces])
