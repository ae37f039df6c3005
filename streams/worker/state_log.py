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

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from streams.core.changes import ChangeReader, Changes, ChangeWriter, Taken
from streams.core.reading import SourceOffsets
from streams.errors import CodecError
from streams.worker.publishing import Outgoing

if TYPE_CHECKING:
    from streams.core.pipeline import SourcePartition
    from streams.core.vocabulary import Vocabulary

VERSION = 4
_MAGIC = b"FWL"
_HEAD = len(_MAGIC) + 1
_BODY = _HEAD + 8
_CHUNK_BYTES = 768 * 1024
NO_LIFE = -1
# The first of those that matter is told.
_MOST_PROBLEMS = 100
# Behind every offset there will be.
_FAR_BEHIND = 1 << 62


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where reading begins: an offset, and the first flush behind it that is needed."""

    offset: int
    generation: int
    flush: int


class Shape(msgspec.Struct, array_like=True, frozen=True):
    """What has to be the same for whoever goes on counting with a state."""

    stages: tuple[str, ...]
    dimensions: tuple[str, ...]
    attribution: str


class Life(msgspec.Struct, array_like=True, frozen=True, tag="life"):
    """A life claims the partition (``begun`` false), or begins: flushes of older lives behind it are void.

    ``owner`` tells lives apart that chose the same generation.
    """

    generation: int
    owner: int
    begun: bool


class Chunk(msgspec.Struct, array_like=True, frozen=True, tag="chunk"):
    """One piece of a flush."""

    generation: int
    flush: int
    index: int
    data: bytes


class Marker(msgspec.Struct, array_like=True, frozen=True, tag="marker"):
    """Closes a flush: how many chunks, their checksum, and from where sources and log are read on.

    ``after`` is the flush before it that counts, (generation, flush), of an older life perhaps.
    """

    generation: int
    flush: int
    after: tuple[int, int]
    chunks: int
    checksum: int
    sources: tuple[SourceOffsets, SourceOffsets]
    begin: Place
    shape: Shape


class Body(msgspec.Struct, array_like=True):
    """What the chunks of a flush hold: changes, and rollups by shard."""

    changes: Changes
    rollups: list[tuple[int, bytes]]


Entry = Life | Chunk | Marker
_encoder = msgspec.msgpack.Encoder()
_read_entry = msgspec.msgpack.Decoder(Entry).decode
_read_body = msgspec.msgpack.Decoder(Body).decode


def encode_entry(entry: Entry) -> bytes:
    """Bytes of an entry: a magic, a version, a checksum of the rest, then MessagePack."""
    body = _encoder.encode(entry)
    return b"".join((_MAGIC, bytes((VERSION,)), xxh3_64_digest(body), body))


def decode_entry(data: bytes) -> Entry:
    """An entry from its bytes.

    Raises:
        CodecError: not an entry, another version, or damaged.
    """
    if len(data) < _HEAD or not data.startswith(_MAGIC):
        raise CodecError("not an entry of this log: of an older version, or not ours")
    if data[_HEAD - 1] != VERSION:
        raise CodecError(f"state version {data[_HEAD - 1]}, this build reads version {VERSION}")
    # A life whose number is wrong would void flushes that count, and nobody would see it.
    if xxh3_64_digest(data[_BODY:]) != data[_HEAD:_BODY]:
        raise CodecError("a damaged entry")
    try:
        entry: Entry = _read_entry(data[_BODY:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("an entry of another layout") from error
    return entry


def shape_of(vocabulary: Vocabulary, attribution: str) -> Shape:
    """The shape of a state."""
    return Shape(vocabulary.stages.names, vocabulary.funnel.dimensions, attribution)


def life_key(life: Life) -> bytes:
    """Key of a life's entry: its own, lest compaction takes one that began for one that came too late."""
    return f"{'life' if life.begun else 'claim'}/{life.generation}/{life.owner}".encode()


def _chunk_key(generation: int, flush: int, index: int) -> bytes:
    return f"chunk/{generation}/{flush}/{index}".encode()


def _marker_key(generation: int, flush: int) -> bytes:
    return f"marker/{generation}/{flush}".encode()


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
            return _read_body(data)
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
        data = _encoder.encode(Body(captured.taken.changes, rollups))
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
            (_chunk_key(generation, flush, index), Chunk(generation, flush, index, piece))
            for index, piece in enumerate(pieces)
        ]
        entries.append((_marker_key(generation, flush), marker))
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
