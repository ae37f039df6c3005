"""Records of all source partitions in the order in which they came, by their own timestamps.

Timestamps of a topic-partition may go back a little (producers set them); then the record came when
the one before it did. What a file says of partitions is taken as it is.
"""

from __future__ import annotations

from heapq import merge
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from streams.errors import ConfigError
from streams.files import read_partitions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from streams.events import Record
    from streams.formats.base import Format

    Placed = Iterable[tuple[int, Record]]


class Arrival(NamedTuple):
    """One record as it came. ``topic`` is 0 for the clickstream, 1 for orders; times are ms."""

    at_ms: int
    partition: int
    topic: int
    record: Record


_TIME = attrgetter("at_ms")


def from_files(files: tuple[Path | None, Path | None], forms: tuple[Format, Format]) -> Iterator[Arrival]:
    """Of the files of both topics, each with the format it has; ``.parquet`` are Parquet files.

    Raises:
        ConfigError: a file is not there, or cannot be read for want of the extra.
    """
    for path in files:
        if path is not None and not path.is_file():
            raise ConfigError("backtest", f"a file that exists, not {path}")
    return merge(
        *(
            _in_order(topic, _read(path, form))
            for topic, (path, form) in enumerate(zip(files, forms, strict=True))
            if path is not None
        ),
        key=_TIME,
    )


def from_partitions(records: Mapping[tuple[int, int], Iterable[Record]]) -> Iterator[Arrival]:
    """Of records by (source partition, topic)."""
    return merge(
        *(
            _in_order(topic, zip(repeat(partition), each, strict=False))
            for (partition, topic), each in records.items()
        ),
        key=_TIME,
    )


def _read(path: Path, form: Format) -> Placed:
    if path.suffix == ".parquet":
        from streams.backtest.parquet import read_parquet  # noqa: PLC0415  # an extra

        return read_parquet(path, form)
    return read_partitions(path, form)


def _in_order(topic: int, records: Placed) -> Iterator[Arrival]:
    at_ms = 0
    for partition, record in records:
        at_ms = max(at_ms, record.timestamp_ms)
        yield Arrival(at_ms, partition, topic, record)
