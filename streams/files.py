"""Recorded topics as files: JSON lines in, records out.

A line is a record's value. The record's timestamp is the field ``kafka_timestamp`` (ms) where a
line has one that a clock can show, else the event's own time; offsets are line numbers, from 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from streams.errors import RejectedRecord
from streams.events import MAX_TIME_MS, Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.formats.base import Format


class _Stamped(msgspec.Struct):
    kafka_timestamp: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)] | None = None


_read_stamp = msgspec.json.Decoder(_Stamped).decode


def read_records(path: Path, form: Format) -> Iterator[Record]:
    """Records of one topic-partition in file order.

    Args:
        path: file of JSON lines; an empty line is a record without content.
        form: format of the lines, asked for the event time where no timestamp is given.
    """
    with path.open("rb") as file:
        for offset, line in enumerate(file):
            value = line.rstrip(b"\r\n")
            yield Record(offset, _timestamp(value, form), value)


def _timestamp(value: bytes, form: Format) -> int:
    try:
        stamp = _read_stamp(value).kafka_timestamp
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        stamp = None
    if stamp is not None:
        return stamp
    try:
        return form.decode(Record(0, 0, value))[0].time_ms
    except RejectedRecord:
        return 0  # it is turned away again when it is counted; no one asks for its time
