"""Recorded topics as files: JSON lines in, records out.

A line is a record's value. The record's timestamp is the field ``kafka_timestamp`` (ms) where a
line has one that a clock can show, else the event's own time; offsets are line numbers, from 0. Where
several source partitions stand in one file, the field ``kafka_partition`` tells them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from streams.errors import RejectedRecord
from streams.events import MAX_TIME_MS, Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.formats.base import Format


MAX_PARTITIONS: Final = 1024


class _Stamped(msgspec.Struct):
    kafka_timestamp: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)] | None = None
    kafka_partition: Annotated[int, msgspec.Meta(ge=0, lt=MAX_PARTITIONS)] = 0


_read_stamp = msgspec.json.Decoder(_Stamped).decode
_NOT_STAMPED = _Stamped()


def read_records(path: Path, form: Format) -> Iterator[Record]:
    """Records of one topic-partition in file order, whatever partitions the lines name.

    Args:
        path: file of JSON lines; an empty line is a record without content.
        form: format of the lines, asked for the event time where no timestamp is given.
    """
    return (record for _, record in read_partitions(path, form))


def read_partitions(path: Path, form: Format) -> Iterator[tuple[int, Record]]:
    """The same, with the number of each record's source partition."""
    with path.open("rb") as file:
        for offset, line in enumerate(file):
            value = line.rstrip(b"\r\n")
            yield stamped(offset, value, form)


def stamped(offset: int, value: bytes, form: Format) -> tuple[int, Record]:
    """Partition and record of one line."""
    try:
        stamp = _read_stamp(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        stamp = _NOT_STAMPED
    timestamp_ms = stamp.kafka_timestamp
    if timestamp_ms is None:
        timestamp_ms = _event_time(value, form)
    return stamp.kafka_partition, Record(offset, timestamp_ms, value)


def _event_time(value: bytes, form: Format) -> int:
    try:
        return form.decode(Record(0, 0, value))[0].time_ms
    except RejectedRecord:
        return 0  # it is turned away again when it is counted; no one asks for its time
