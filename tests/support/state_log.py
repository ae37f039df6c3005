"""A state log in memory: real entries, real writers and readers, no Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.pipeline import SourcePartition
from streams.errors import CodecError
from streams.worker.log_entries import Life, Marker, Place, decode_entry, encode_entry, life_key, shape_of
from streams.worker.log_reader import LogReader
from streams.worker.state_log import StateLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.core.settings import CountingSettings
    from streams.core.vocabulary import Vocabulary
    from streams.worker.publishing import Outgoing

TOPIC = "state"
# As in the worker: the newest marker is looked for among so many of the last entries, then among more.
_TAIL, _MORE = 16, 8


class MemoryLog:
    """The entries of one source partition's log, by offset.

    Attributes:
        entries: (key, value) by offset, None where compaction has removed one.
        unsent: the rollups that the last life had to send again.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, bytes | None] | None] = []
        self.unsent: list[bytes] = []

    def append(self, messages: Iterable[Outgoing]) -> None:
        """Take messages in, as a broker does, and say so."""
        for message in messages:
            self.entries.append((message.key or b"", message.value))
            if message.arrived is not None:
                message.arrived(len(self.entries) - 1)

    def newest(self) -> Marker | None:
        """The newest marker that can be read, as the worker finds it."""
        last = _TAIL
        while True:
            markers = [entry for _, entry in self.read(-last) if isinstance(entry, Marker)]
            if markers or last >= len(self.entries):
                return max(markers, key=lambda marker: (marker.generation, marker.flush), default=None)
            last *= _MORE

    def read(self, start: int = 0) -> Iterable[tuple[int, object]]:
        """Offsets and entries from one on, those that cannot be read left out."""
        for offset in range(*slice(start, None).indices(len(self.entries))):
            _, value = self.entries[offset] or (b"", None)
            try:
                if value is not None:
                    yield offset, decode_entry(value)
            except CodecError:
                continue

    def compact(self, end: int | None = None, *, deleted_only: bool = False) -> int:
        """Remove what a later entry with the same key replaces, up to an offset.

        Args:
            end: behind it nothing is looked at.
            deleted_only: leave in what came twice and was not deleted.

        Returns:
            How many entries were removed.
        """
        newest = {entry[0]: at for at, entry in enumerate(self.entries[:end]) if entry is not None}
        deleted = {key for key, at in newest.items() if (self.entries[at] or (b"", b""))[1] is None}
        gone = [
            at
            for at, entry in enumerate(self.entries[:end])
            if entry and newest[entry[0]] != at and (entry[0] in deleted or not deleted_only)
        ]
        for at in gone:
            self.entries[at] = None
        return len(gone)

    def reader(
        self, vocabulary: Vocabulary, settings: CountingSettings, begin: Place | None = None
    ) -> LogReader:
        """What has read all that has to be read, as the newest marker says or from ``begin`` on."""
        newest = self.newest()
        reader = LogReader(
            SourcePartition(vocabulary, settings),
            vocabulary,
            shape_of(vocabulary, settings.attribution),
            begin or (newest.begin if newest else None),
        )
        self.feed(reader)
        return reader

    def feed(self, reader: LogReader) -> None:
        """Give a reader all that it has not read."""
        for offset in range(reader.offset, len(self.entries)):
            entry = self.entries[offset]
            if entry is not None:
                reader.take(offset, *entry)

    def life(self, reader: LogReader, generation: int) -> None:
        """A life claims the partition and begins."""
        self.claim(generation)
        self.claim(generation, begun=True)
        self.feed(reader)

    def claim(self, generation: int, owner: int = 1, *, begun: bool = False) -> None:
        """One entry of a life."""
        life = Life(generation, owner, begun)
        self.entries.append((life_key(life), encode_entry(life)))

    def begin(
        self,
        vocabulary: Vocabulary,
        settings: CountingSettings,
        meanwhile: Callable[[int], object] = lambda _: None,
        partition: int = 0,
    ) -> tuple[SourcePartition, StateLog]:
        """The state that the log tells, and a life that goes on with it.

        Args:
            vocabulary: of the new owner.
            settings: the same.
            meanwhile: what happens between the claim and the beginning of this life.
            partition: whose log it is.
        """
        reader = self.reader(vocabulary, settings)
        generation = reader.seen + 1
        self.claim(generation)
        meanwhile(generation)
        self.claim(generation, begun=True)
        self.feed(reader)
        reader.check()
        self.unsent = [data for rollups in reader.unsent for _, data in rollups]
        return reader.counts, StateLog(TOPIC, partition, reader, vocabulary)
