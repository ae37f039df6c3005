"""Who each record is about and when it happened: all that rekeying has to know.

Promises: wherever the whole decoder finds an event, the visitor found here is the event's (of several
events in one record, the first's), and the time is its own. Says nothing about validity: what the
decoder would reject may have a visitor or none here, and the same record always the same answer.
The native format is read for these two fields only, at a fraction of the price of decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from streams.core.hashing import digests, from_digests
from streams.core.ordering import UNREAD
from streams.errors import RejectedRecord
from streams.events import MAX_RECORD_BYTES, MAX_TIME_MS, MIN_TIME_MS
from streams.formats.fields import event_time
from streams.formats.native import NativeFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.events import RecordBatch
    from streams.formats.base import Format

_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Visits:
    """Columns of a batch; arrays of shape (records,).

    Attributes:
        visitors: fingerprint of the visitor; without meaning where there is none.
        known: whether there is a visitor.
        times: event time, ms; ``ordering.UNREAD`` where there is none.
    """

    visitors: NDArray[np.uint64]
    known: NDArray[np.bool_]
    times: NDArray[np.int64]


class VisitorReader(Protocol):
    """Finds visitors and times of a batch of records."""

    def read(self, batch: RecordBatch) -> Visits:
        """One visit per record."""
        ...


def create_visitor_reader(form: Format) -> VisitorReader:
    """The fastest reader of a format."""
    return NativeVisitors() if type(form) is NativeFormat else FormatVisitors(form)


class FormatVisitors:
    """Any format, by its decoder."""

    def __init__(self, form: Format) -> None:
        self._form = form

    def read(self, batch: RecordBatch) -> Visits:
        """One visit per record."""
        names, times = [], []
        for index in range(len(batch.values)):
            try:
                events = self._form.decode(batch.record(index))
            except RejectedRecord:
                names.append("")
                times.append(UNREAD)
            else:
                names.append(events[0].visitor_id)
                times.append(max(event.time_ms for event in events))
        return _visits(names, times)


class _Visit(msgspec.Struct, gc=False):
    visitor_id: str
    event_time: int | str


_NOBODY = _Visit("", UNREAD)


class NativeVisitors:
    """The native format: two fields of it."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Visit).decode

    def read(self, batch: RecordBatch) -> Visits:
        """One visit per record."""
        names: list[str] = []
        times: list[int] = []
        # As in decoding: one bad record costs its chunk, not the batch.
        for start in range(0, len(batch.values), _CHUNK):
            visits = self._documents(batch.values[start : start + _CHUNK])
            names += [visit.visitor_id for visit in visits]
            times += _times([visit.event_time for visit in visits])
        return _visits(names, times)

    def _documents(self, values: Sequence[bytes | None]) -> list[_Visit]:
        decode = self._decode
        try:
            return [decode(value) for value in values]  # type: ignore[arg-type]  # None raises
        except Exception:  # noqa: BLE001  # whatever it is, it is found below
            return [self._document(value) for value in values]

    def _document(self, value: bytes | None) -> _Visit:
        if value is None or len(value) > MAX_RECORD_BYTES:
            return _NOBODY
        try:
            return self._decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _NOBODY


def _times(values: list[int | str]) -> list[int]:
    return [
        value if type(value) is int and MIN_TIME_MS <= value <= MAX_TIME_MS else _odd_time(value)
        for value in values
    ]


def _odd_time(value: int | str) -> int:
    try:
        return event_time(value, "event_time") if isinstance(value, str) else UNREAD
    except RejectedRecord:
        return UNREAD


def _visits(names: list[str], times: list[int]) -> Visits:
    return Visits(
        from_digests([digests(names)]),
        np.fromiter(map(bool, names), dtype=np.bool_, count=len(names)),
        np.array(times, dtype=np.int64),
    )
