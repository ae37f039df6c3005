"""The write-ahead log of counting state, one per source partition: what stands in it and what counts.

A *life* is one owner's time with a source partition. It claims the partition, fences off what older
lives may still send (:class:`streams.results.Fence`), begins, and then writes flushes: chunks, and a
marker that closes them. A flush holds the changes of state since the one before and the rollups that
say the same; those are sent once the flush is acknowledged, and the next flush is written once they
are. So whatever rollups count, their flush is in the log, and the next life sends again those of which
it cannot know: the ones behind a claim, and the one before it. (tests/property/test_fencing.py has the
model, and every interleaving of it.)

Reading begins where the newest marker says: at the beginning of a finished copy of everything
(:mod:`streams.core.changes`). Only whole flushes count, and only those of the newest life that had
begun. What is missing or damaged behind that place is an error: to count on without it would be wrong
and nobody would see it. No I/O in here; :mod:`streams.worker.recovery` has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_64_intdigest

from streams.core.changes import ChangeWriter
from streams.worker.log_entries import (
    Body,
    Chunk,
    Marker,
    Place,
    chunk_key,
    encode_body,
    encode_entry,
    marker_key,
)
from streams.worker.publishing import Outgoing

if TYPE_CHECKING:
    from streams.core.changes import Taken
    from streams.core.reading import SourceOffsets
    from streams.core.vocabulary import Vocabulary
    from streams.worker.log_entries import Entry
    from streams.worker.log_reader import LogReader

_CHUNK_BYTES = 768 * 1024
# Behind every offset there will be.
_FAR_BEHIND = 1 << 62


class Captured(NamedTuple):
    """What a flush will say, as of one moment."""

    taken: Taken
    sources: tuple[SourceOffsets, SourceOffsets]


class StateLog:
    """Writes the log of one source partition, for one life of it.

    Args:
        topic: the log's name.
        partition: the source partition.
        reader: what has read the log up to where this life began.
        vocabulary: names behind the codes of its counts.

    Attributes:
        behind: offset behind the last entry that is known to be ours.
        begin: where reading begins by the last flush.
        sources: where sources are read on by the last flush.
        flushes: how many were captured.
        last: the last flush, of an older life before the first one here.
        last_rollups: those of the last flush; None before the first.
        strangers: offsets among which somebody else wrote, as the last acknowledgement told.
    """

    def __init__(self, topic: str, partition: int, reader: LogReader, vocabulary: Vocabulary) -> None:
        self._topic = topic
        self._partition = partition
        self._changes = ChangeWriter(reader.counts, vocabulary)
        self._shape = reader.shape
        self.generation = reader.generation
        self.flushes = 0
        self.behind = reader.offset
        self.begin = reader.begin or Place(reader.offset, reader.generation, 0)
        self.sources = reader.sources
        self.last = reader.last
        self.last_rollups: list[tuple[int, bytes]] | None = None
        self.strangers: range | None = None
        self._sent = 0
        # Where the copy under way began. Keys of entries in it, before it, not needed once the next
        # marker is there, and not needed any more.
        self._copy = self.begin
        self._since = reader.keys
        self._before: list[bytes] = []
        self._expiring: list[bytes] = []
        self._obsolete: list[bytes] = []

    @property
    def keys(self) -> list[bytes]:
        """Keys of all entries that are not deleted yet."""
        return self._obsolete + self._expiring + self._before + self._since

    def capture(self, sources: tuple[SourceOffsets, SourceOffsets]) -> Captured:
        """Take what changed since the last flush, which must be acknowledged; nothing waits in between."""
        taken = self._changes.take()
        if taken.begins:
            self._copy = Place(self.behind, self.generation, self.flushes)
            self._before += self._since
            self._since = []
        return Captured(taken, sources)

    def messages(self, captured: Captured, rollups: list[tuple[int, bytes]]) -> list[Outgoing]:
        """The messages of a flush. The last one closes it: it is sent when all others are acknowledged."""
        data = encode_body(Body(captured.taken.changes, rollups))
        generation, flush = self.generation, self.flushes
        self.flushes += 1
        pieces = [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]
        marker = Marker(
            generation,
            flush,
            self.last,
            len(pieces),
            xxh3_64_intdigest(data),
            captured.sources,
            self.begin,
            self._shape,
        )
        entries: list[tuple[bytes, Entry]] = [
            (chunk_key(generation, flush, index), Chunk(generation, flush, index, piece))
            for index, piece in enumerate(pieces)
        ]
        entries.append((marker_key(generation, flush), marker))
        self.last = generation, flush
        self._since += [key for key, _ in entries]
        self.sources, self.last_rollups = captured.sources, rollups
        obsolete, self._obsolete, self._expiring = self._obsolete, self._expiring, []
        if captured.taken.ends:
            # From the next marker on. What is older may go once that one is there.
            self.begin, self._expiring, self._before = self._copy, self._before, []
        *chunks, last = entries
        messages = [
            *(Outgoing(self._topic, self._partition, key, None) for key in obsolete),
            *(Outgoing(self._topic, self._partition, key, encode_entry(entry)) for key, entry in chunks),
            Outgoing(
                self._topic, self._partition, last[0], encode_entry(last[1]), arrived=self._acknowledged
            ),
        ]
        self._sent = len(messages)
        return messages

    def _acknowledged(self, offset: int) -> None:
        """The marker is there. Had nobody else written, ours would adjoin what was there before."""
        adjoining = offset == self.behind + self._sent - 1
        end = max(offset, self.behind) if offset >= 0 else _FAR_BEHIND
        self.strangers = None if adjoining else range(self.behind, end)
        self.behind = max(offset + 1, self.behind)
