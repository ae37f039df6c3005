"""Reading the log of one source partition into a copy of its state.

Reading begins where the newest marker says. Only whole flushes count, and only those of the newest
life that had begun; what is missing or damaged where it matters is told by :meth:`LogReader.check`.
:mod:`streams.worker.state_log` says why that is enough.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec
from xxhash import xxh3_64_intdigest

from streams.core.changes import ChangeReader
from streams.core.reading import SourceOffsets
from streams.errors import CodecError
from streams.worker.log_entries import NO_LIFE, Body, Chunk, Life, Marker, Place, decode_body, decode_entry

if TYPE_CHECKING:
    from streams.core.pipeline import SourcePartition
    from streams.core.vocabulary import Vocabulary
    from streams.worker.log_entries import Entry, Shape
    from streams.worker.state_log import StateLog

# The first of those that matter is told.
_MOST_PROBLEMS = 100


class LogReader:
    """Reads the log of one source partition, entry by entry, into a copy of its state.

    Args:
        counts: a new source partition.
        vocabulary: the reader's names.
        shape: what the state has to be like.
        begin: where the newest marker says that reading begins; None for the log's first entry.

    Attributes:
        counts: the copy; rows that wait are not in it.
        offset: of the next entry to read.
        generation: the newest life that has begun; ``NO_LIFE`` for none.
        owner: of that life.
        last: the last flush that was applied, (generation, flush).
        seen: the highest generation that any life chose.
        sources: where clickstream and orders are read on.
        unsent: per flush the rollups that may not have come before a fence, oldest first.
        begin: where reading begins by the newest marker.
        bytes_read: of entries.
    """

    def __init__(
        self, counts: SourcePartition, vocabulary: Vocabulary, shape: Shape, begin: Place | None = None
    ) -> None:
        self.counts = counts
        self._changes = ChangeReader(counts, vocabulary)
        self.shape = shape
        self.begin = begin
        self.offset = begin.offset if begin else 0
        self.generation = self.seen = begin.generation if begin else NO_LIFE
        self.owner = 0
        self.sources = (SourceOffsets(), SourceOffsets())
        self.unsent: list[list[tuple[int, bytes]]] = []
        self.bytes_read = 0
        self._claimed = self.generation
        self._expected = (begin.generation, begin.flush) if begin else (NO_LIFE, 0)
        # The last flush that was applied.
        self.last = (NO_LIFE, 0)
        # All flushes from this one on were applied without a gap; None before the first.
        self._whole_from: tuple[int, int] | None = None
        self._chunks: dict[int, bytes] = {}
        self._chunks_of = 0
        self._keys: deque[tuple[int, bytes]] = deque()
        self._problems: deque[tuple[int, str]] = deque()

    @property
    def keys(self) -> list[bytes]:
        """Keys of all entries from the beginning on, to be deleted when they are needed no more."""
        return [key for _, key in self._keys]

    def take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Read one entry."""
        self.offset = offset + 1
        if value is None:
            return
        self.bytes_read += len(value)
        self._keys.append((offset, key or b""))
        try:
            self._take(decode_entry(value))
        except CodecError as error:
            self._note(str(error))
            self._whole_from = None

    def _note(self, problem: str) -> None:
        """What stands before where reading has to begin does no harm, and that may move on."""
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append((self.offset - 1, problem))

    def _take(self, entry: Entry) -> None:
        if isinstance(entry, Life):
            self._take_life(entry)
        elif entry.generation > self.generation:
            # Deleted by its own life, which did not need it: whoever needs it has slept for too long.
            raise CodecError(f"life {entry.generation} has no beginning")
        elif (entry.generation, entry.flush) < self._expected:
            # Of a life that was over, or come once more, in the middle of another flush perhaps.
            if isinstance(entry, Marker) and self._whole_from is None and _begins_itself(entry, self.begin):
                # The first flush of all was void already: there is nothing that reading could begin with.
                self.begin = None
        elif isinstance(entry, Chunk):
            if entry.flush != self._chunks_of:
                self._chunks_of, self._chunks = entry.flush, {}
            self._chunks[entry.index] = entry.data
        else:
            self._close(entry)

    def _take_life(self, life: Life) -> None:
        self.seen = max(self.seen, life.generation)
        self._claimed = max(self._claimed, life.generation)
        if life.begun and life.generation > self.generation:
            self.generation, self.owner = life.generation, life.owner
            self._expected = (life.generation, 0)
            self._chunks, self._chunks_of = {}, 0
            self._changes.begin_life()

    def _close(self, marker: Marker) -> None:
        place = (marker.generation, marker.flush)
        if place != self._expected:
            self._note(f"flushes from number {self._expected[1]} of life {self._expected[0]} on are missing")
        elif self._whole_from is not None and marker.after != self.last:
            self._note(f"flush {marker.after[1]} of life {marker.after[0]} is missing")
        body = self._assembled(marker)
        if marker.shape != self.shape:
            raise CodecError(f"state of {_differences(marker.shape, self.shape)}")
        self._changes.apply(body.changes)
        if self._whole_from is None or marker.after != self.last:
            self._whole_from = place
        self.last = place
        self._expected = (marker.generation, marker.flush + 1)
        self.sources = marker.sources
        # A void marker, of which reading began, may have known of a rotation that ended with a flush that counts.
        if self.begin is None or _age(marker.begin) > _age(self.begin):
            self.begin = marker.begin
        if self._claimed == marker.generation:
            self.unsent.clear()
        self.unsent.append(body.rollups)
        for noted in (self._keys, self._problems):
            while noted and noted[0][0] < self.begin.offset:
                noted.popleft()

    def _assembled(self, marker: Marker) -> Body:
        chunks = self._chunks if self._chunks_of == marker.flush else {}
        missing = set(range(marker.chunks)) - chunks.keys()
        if missing:
            raise CodecError(
                f"flush {marker.flush} is incomplete: chunk {min(missing) + 1} of {marker.chunks} is missing"
            )
        data = b"".join(chunks[index] for index in range(marker.chunks))
        self._chunks = {}
        if xxh3_64_intdigest(data) != marker.checksum:
            raise CodecError(f"flush {marker.flush} is damaged: its checksum is wrong")
        try:
            return decode_body(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CodecError(f"flush {marker.flush} is of another layout") from error

    def check(self) -> None:
        """Whether what was read is a whole state; nothing at all is one as well.

        Raises:
            CodecError: something that is needed is missing, damaged, of another version or shape.
        """
        begin = self.begin
        for offset, problem in self._problems:
            # The first says what is wrong, others may follow from it.
            if begin is None or offset >= begin.offset:
                raise CodecError(f"offset {offset}: {problem}")
        if begin is None:
            return
        if self._whole_from is None or self._whole_from > _age(begin):
            raise CodecError(
                f"offset {begin.offset}: flushes from number {begin.flush} of life {begin.generation} on are missing"
            )

    def continue_after(self, log: StateLog) -> None:
        """Go on behind what a life of our own wrote, with its state as it stands."""
        self.offset, self.last = log.behind, log.last
        self._keys = deque((log.behind, key) for key in log.keys)
        if log.last_rollups is not None:
            self.begin, self.sources = log.begin, log.sources
            self.unsent = [log.last_rollups]
            self._expected = (log.generation, log.flushes)
            if self._whole_from is None:
                self._whole_from = (log.generation, 0)
        # Rows that wait are read again; until then they take memory.
        self.counts.rewind((log.sources[0].newest_ms, log.sources[1].newest_ms))


def _age(place: Place) -> tuple[int, int]:
    return place.generation, place.flush


def _begins_itself(marker: Marker, begin: Place | None) -> bool:
    return marker.begin == begin and (marker.generation, marker.flush) == _age(begin)


def _differences(theirs: Shape, ours: Shape) -> str:
    if theirs.stages != ours.stages:
        return "another funnel"
    if theirs.dimensions != ours.dimensions:
        return "other dimensions"
    return f"attribution {theirs.attribution}, these settings say {ours.attribution}"
