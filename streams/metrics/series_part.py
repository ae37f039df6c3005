"""What the series of one shard are, as plain data that outlives the process.

Written down every few seconds (:mod:`streams.worker.totals_log`), it says what may have been shown
and what cannot have been. So who reads it either continues the counters exactly, under the address
where they were shown, or begins its own with what nobody was shown yet.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

import msgspec

from streams.errors import CodecError
from streams.funnel import OTHER
from streams.metrics.held import Entries, Labels

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = 1
# Where series are named by dimension and name, records have this dimension and their topic's name.
RECORDS: Final = ""


class Standing(IntEnum):
    """Where a key stands: not judged yet, shown, or frozen until its last value was scraped."""

    FRESH = 0
    SHOWN = 1
    FROZEN = 2


class KeyPart(msgspec.Struct, array_like=True):
    """The counters of one key; ``held`` are values at which series are shown for now."""

    dimension: str
    key: str
    standing: Standing
    day: int
    values: Entries
    held: Entries

    def untold(self) -> Entries:
        """What nobody was shown."""
        if self.standing is Standing.FRESH:
            return self.values
        return _above(self.values, self.held)

    @property
    def told(self) -> bool:
        """Whether what is counted further may have been shown."""
        return self.standing is Standing.SHOWN and len(self.held) < len(self.values)


class OtherPart(msgspec.Struct, array_like=True):
    """A shard's part of ``(other)`` of one dimension.

    Of it ``untold`` is not shown before it is written down again. ``before`` is what shards counted
    that are elsewhere now; it is not this shard's.
    """

    dimension: str
    values: Entries
    untold: Entries
    before: Entries


class RecordsPart(msgspec.Struct, array_like=True):
    """Records of one topic."""

    topic: str
    values: Entries
    held: Entries

    def untold(self) -> Entries:
        """What nobody was shown."""
        return _above(self.values, self.held)

    @property
    def told(self) -> bool:
        """Whether what is counted further may have been shown."""
        return len(self.held) < len(self.values)


class SeriesPart(msgspec.Struct, array_like=True):
    """All series of a shard.

    Attributes:
        tenure: how often the worker had got or lost shards when this was written.
        owned: its shards then.
        day: whose keys are shown; None before the first.
        keys: the keys known by name, without those that wait.
        other: by dimension.
        records: topics whose records the shard counts.
    """

    tenure: int
    owned: list[int]
    day: int | None
    keys: list[KeyPart]
    other: list[OtherPart]
    records: list[RecordsPart]

    def untold(self) -> Iterator[tuple[str, str, Entries]]:
        """What nobody was shown of its keys and its share of ``(other)``, by dimension and name."""
        for key in self.keys:
            yield key.dimension, key.key, key.untold()
        for share in self.other:
            yield share.dimension, OTHER, share.untold

    def told(self) -> frozenset[tuple[str, str]]:
        """(dimension, name) of what may have been shown when it counted on; of records ("", topic)."""
        keys = {(key.dimension, key.key) for key in self.keys if key.told}
        return frozenset(keys | {(RECORDS, records.topic) for records in self.records if records.told})


class Carried(msgspec.Struct, frozen=True):
    """What was written down of a shard that comes, and ``mine``: under this worker's address.

    Without a part nothing is known of what its owners have shown.
    """

    part: SeriesPart | None
    mine: bool


_encode = msgspec.msgpack.encode
_read = msgspec.msgpack.Decoder(SeriesPart).decode


def encode_series(part: SeriesPart) -> bytes:
    """Bytes of the series of a shard."""
    return _encode(part)


def decode_series(data: bytes) -> SeriesPart:
    """The series of a shard.

    Raises:
        CodecError: this is something else.
    """
    try:
        part = _read(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise CodecError("damaged: its series cannot be read") from error
    everything = [entry for key in part.keys for entry in (*key.values, *key.held)]
    everything += [entry for other in part.other for entry in (*other.values, *other.untold, *other.before)]
    if any(value < 0 for _, _, value in everything):
        raise CodecError("damaged: a counter below zero")
    return part


def _above(values: Entries, held: Entries) -> Entries:
    base: dict[tuple[int, Labels], int] = {(family, labels): value for family, labels, value in held}
    return [
        (family, labels, value - base[family, labels])
        for family, labels, value in values
        if value > base.get((family, labels), value)
    ]
