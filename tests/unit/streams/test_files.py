"""Recorded topics as files of JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.events import MAX_TIME_MS, Record
from streams.files import read_records
from streams.formats.ga4 import Ga4Format
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from tests.support.bad_records import valid
from tests.support.builders import T0, click

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = NativeFormat(funnel=Funnel())


def records(tmp_path: Path, *lines: bytes, end: bytes = b"\n") -> list[Record]:
    """Records of a file with these lines."""
    path = tmp_path / "topic.jsonl"
    path.write_bytes(b"".join(line + end for line in lines))
    return list(read_records(path, NATIVE))


def stamped(stamp: str) -> bytes:
    """An event at T0 with a text as its Kafka timestamp."""
    return click(t=0)[:-1] + f', "kafka_timestamp": {stamp}}}'.encode()


def test_a_line_is_a_record(tmp_path: Path) -> None:
    """Offsets are line numbers from 0, values the lines without their end."""
    lines = [click(t=0), click(t=5)]
    assert records(tmp_path, *lines) == [Record(0, T0, lines[0]), Record(1, T0 + 5, lines[1])]


def test_windows_line_ends_are_no_part_of_a_value(tmp_path: Path) -> None:
    """A file that was edited elsewhere reads the same."""
    lines = [click(t=0), click(t=5)]
    assert records(tmp_path, *lines, end=b"\r\n") == records(tmp_path, *lines)


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    """A file cut from a stream ends where it ends."""
    assert [record.value for record in records(tmp_path, b"{}", end=b"")] == [b"{}"]


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    """Not even an empty one."""
    assert records(tmp_path) == []


def test_a_recorded_timestamp_is_the_records(tmp_path: Path) -> None:
    """Then replay decides about the future as live did."""
    assert records(tmp_path, stamped(str(T0 - 7)))[0].timestamp_ms == T0 - 7


@pytest.mark.parametrize("stamp", ["null", '"now"', "1.5", "-1", str(MAX_TIME_MS + 1), "9" * 30])
def test_what_is_no_timestamp_is_passed_over(tmp_path: Path, stamp: str) -> None:
    """Kafka's -1 for none, other types, numbers that no clock shows: the event's own time stands in."""
    assert records(tmp_path, stamped(stamp))[0].timestamp_ms == T0


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"[" * 100_000, b'{"event": "scroll"}', b"[1]"])
def test_a_line_that_cannot_be_read_is_a_record(tmp_path: Path, line: bytes) -> None:
    """It is rejected where it is counted; here it only has no time."""
    assert records(tmp_path, line) == [Record(0, 0, line)]


def test_an_unreadable_event_keeps_its_recorded_timestamp(tmp_path: Path) -> None:
    """The stamp does not depend on the rest of the line."""
    line = b'{"event": "scroll", "kafka_timestamp": 1762689600000}'
    assert records(tmp_path, line)[0].timestamp_ms == T0


def test_lines_may_be_of_any_format(tmp_path: Path) -> None:
    """The time of a record of several events is that of its first."""
    path = tmp_path / "topic.jsonl"
    path.write_bytes(valid("ga4.click"))
    form = Ga4Format(funnel=Funnel())
    (record,) = read_records(path, form)
    assert record.timestamp_ms == form.decode(record)[0].time_ms
