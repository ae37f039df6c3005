"""A state log in memory: real entries, real writers and readers, no Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.pipeline import SourcePartition
from streams.worker.state_log import (
    Life,
    LogReader,
    Marker,
    StateLog,
    decode_entry,
    encode_entry,
    life_key,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.settings import CountingSettings
    from streams.core.vocabulary import Vocabulary
    from streams.worker.publishing import Outgoing

TOPIC = "state"


class MemoryLog:
    """The entries of one source partition's log, by offset.

    Attributes:
        entries: (key, value) by offset.
        unsent: the rollups that the last life had to send again.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[bytes | None, bytes | None]] = []
        self.unsent: list[bytes] = []

    def append(self, messages: Sequence[Outgoing]) -> None:
        """Take messages in, as a broker does, and say so."""
        for message in messages:
            self.entries.append((message.key, message.value))
            if message.arrived is not None:
                message.arrived(len(self.entries) - 1)

    def newest(self) -> Marker | None:
        """The newest marker."""
        for _, value in reversed(self.entries):
            entry = None if value is None else decode_entry(value)
            if isinstance(entry, Marker):
                return entry
        return None

    def reader(
        self, vocabulary: Vocabulary, settings: CountingSettings, *, compacted: bool = True
    ) -> LogReader:
        """What has read all that has to be read."""
        newest = self.newest()
        reader = LogReader(
            SourcePartition(vocabulary, settings),
            vocabulary,
            shape_of(vocabulary, settings.attribution),
            newest.begin if newest else None,
        )
        deleted = {key for key, value in self.entries if value is None} if compacted else set()
        for offset in range(reader.offset, len(self.entries)):
            key, value = self.entries[offset]
            reader.take(offset, key, None if key in deleted else value)
        return reader

    def life(self, reader: LogReader, generation: int) -> None:
        """A life claims the partition and begins."""
        for begun in (False, True):
            life = Life(generation, 1, begun)
            self.entries.append((life_key(generation, begun=begun), encode_entry(life)))
            reader.take(len(self.entries) - 1, *self.entries[-1])

    def begin(self, vocabulary: Vocabulary, settings: CountingSettings) -> tuple[SourcePartition, StateLog]:
        """The state that the log tells, and a life that goes on with it."""
        reader = self.reader(vocabulary, settings)
        self.life(reader, reader.seen + 1)
        reader.check()
        self.unsent = [data for rollups in reader.unsent for _, data in rollups]
        return reader.counts, StateLog(TOPIC, 0, reader, vocabulary)
