"""What the keyed topics hold more than once is counted once.

Each republished record says where it stands in its raw topic. Within one keyed partition the
records of one raw partition appear for the first time in the order of their raw offsets, so one
whose offset is not above the highest seen is a repetition: it is dropped before anything looks at
it. Why nothing that was not there before is ever dropped: see :mod:`streams.worker.rekeying`.

The rule needs nothing but the highest offset per raw partition. A record above which there is a
higher offset but whose Kafka timestamp is newer than all before it is none of those before: then
the raw topic was made anew, and its offsets count from there.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from streams.events import RecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from streams.events import RawRecord, Record

    I64 = NDArray[np.int64]
    Bools = NDArray[np.bool_]

HEADER: Final = "fw-raw"
_WHERE = struct.Struct(">iqq")
_COLUMNS = np.dtype([("partition", ">i4"), ("offset", ">i8"), ("timestamp", ">i8")])
_NEVER: Final = -(1 << 62)
# Of a record that nobody republished: it is what it is.
_FOREIGN: Final = -1


class Origin(NamedTuple):
    """Where a republished record stands in its raw topic, and Kafka's timestamp there, ms."""

    partition: int
    offset: int
    timestamp_ms: int


def headers_of(partition: int, offsets: Sequence[int], timestamps: Sequence[int]) -> list[bytes]:
    """Values of :data:`HEADER` for records of one raw partition."""
    columns = np.empty(len(offsets), dtype=_COLUMNS)
    columns["partition"] = partition
    columns["offset"] = np.array(offsets, dtype=np.int64)
    columns["timestamp"] = np.array(timestamps, dtype=np.int64)
    packed, size = columns.tobytes(), _COLUMNS.itemsize
    return [packed[start : start + size] for start in range(0, len(packed), size)]


def origin_of(record: Record | RawRecord) -> Origin | None:
    """Where a record comes from; None if nobody republished it."""
    headers = record.headers
    # Ours is behind whatever the record had: also behind one of that name.
    if not headers or headers[-1][0] != HEADER or len(headers[-1][1]) != _WHERE.size:
        return None
    return Origin._make(_WHERE.unpack(headers[-1][1]))


def _origins(raw: Sequence[RawRecord]) -> tuple[I64, I64, I64]:
    """Raw partition, offset and timestamp per record; partition ``_FOREIGN`` if it has none."""
    foreign = _WHERE.pack(_FOREIGN, 0, 0)
    packed = b"".join([_value(record.headers, foreign) for record in raw])
    columns = np.frombuffer(packed, dtype=_COLUMNS)
    partition, offset, timestamp = (
        columns[name].astype(np.int64) for name in ("partition", "offset", "timestamp")
    )
    return partition, offset, timestamp


def _value(headers: Sequence[tuple[str, bytes]], foreign: bytes) -> bytes:
    if not headers:
        return foreign
    name, value = headers[-1]
    return value if name == HEADER and len(value) == _WHERE.size else foreign


class Seen(NamedTuple):
    """What is known of one raw partition: highest offset, newest Kafka timestamp (ms)."""

    partition: int
    offset: int
    timestamp_ms: int


class _Step(NamedTuple):
    """Records let through, in the order of the keyed partition: what they made known."""

    offsets: I64
    partition: I64
    raw_offset: I64
    timestamp: I64


class Republished:
    """Filter of one keyed topic-partition, its batches in offset order, each once.

    Attributes:
        repeated: records dropped so far.
        begun_anew: how often a raw partition was found to be made anew.
    """

    def __init__(self) -> None:
        self._highest: dict[int, int] = {}
        self._newest: dict[int, int] = {}
        self._settled: dict[int, Seen] = {}
        self._steps: deque[_Step] = deque()
        self.repeated = 0
        self.begun_anew = 0

    def fresh(self, batch: RecordBatch) -> RecordBatch | None:
        """The records not seen before, with the timestamps of their raw topic; None if there are none.

        Offsets are those of the keyed topic. What is read next begins behind the *batch*, not behind
        what is left of it here.
        """
        partition, offset, timestamp = _origins(batch.raw)
        fresh = np.ones(len(partition), dtype=np.bool_)
        for number in np.unique(partition).tolist():
            if number != _FOREIGN:
                at = np.flatnonzero(partition == number)
                fresh[at] = self._judge(number, offset[at], timestamp[at])
        kept = np.flatnonzero(fresh & (partition != _FOREIGN))
        keyed = np.array(batch.offsets, dtype=np.int64)
        self._steps.append(_Step(keyed[kept], partition[kept], offset[kept], timestamp[kept]))
        stamps = np.where(partition == _FOREIGN, np.array(batch.timestamps, dtype=np.int64), timestamp)
        return self._selected(batch._replace(timestamps=stamps.tolist()), fresh)

    def _selected(self, batch: RecordBatch, fresh: Bools) -> RecordBatch | None:
        if fresh.all():
            return batch
        left = np.flatnonzero(fresh).tolist()
        self.repeated += len(batch.offsets) - len(left)
        if not left:
            return None
        offsets, timestamps, values, raw = batch
        return RecordBatch(
            [offsets[at] for at in left],
            [timestamps[at] for at in left],
            [values[at] for at in left],
            [raw[at] for at in left],
        )

    def _judge(self, number: int, offsets: I64, timestamps: I64) -> Bools:
        """Which records of one raw partition are not repetitions."""
        highest, newest = self._highest.get(number, -1), self._newest.get(number, _NEVER)
        before = np.maximum.accumulate(np.append(highest, offsets))
        stamped = np.maximum.accumulate(np.append(newest, timestamps))
        fresh = offsets > before[:-1]
        if (~fresh & (timestamps > stamped[:-1])).any():
            return self._judge_singly(number, offsets, timestamps)
        self._highest[number], self._newest[number] = int(before[-1]), int(stamped[-1])
        return np.asarray(fresh)

    def _judge_singly(self, number: int, offsets: I64, timestamps: I64) -> Bools:
        highest, newest = self._highest.get(number, -1), self._newest.get(number, _NEVER)
        fresh = np.zeros(offsets.size, dtype=np.bool_)
        for index, (offset, timestamp) in enumerate(zip(offsets.tolist(), timestamps.tolist(), strict=True)):
            anew = offset <= highest and timestamp > newest
            self.begun_anew += anew
            if anew or offset > highest:
                fresh[index] = True
                highest = offset
            newest = max(newest, timestamp)
        self._highest[number], self._newest[number] = highest, newest
        return fresh

    def state(self, before: int) -> list[Seen]:
        """What was known before a record of the keyed partition, for who reads on from there.

        Args:
            before: offset in the keyed partition, never less than at the last call. Whoever reads
                some records again must not take them for repetitions of themselves.
        """
        while self._steps:
            step = self._steps[0]
            end = int(np.searchsorted(step.offsets, before))
            self._settle(_Step(*(column[:end] for column in step)))
            if end < step.offsets.size:
                self._steps[0] = _Step(*(column[end:] for column in step))
                break
            self._steps.popleft()
        return sorted(self._settled.values())

    def _settle(self, step: _Step) -> None:
        for number in np.unique(step.partition).tolist():
            at = np.flatnonzero(step.partition == number)
            known, newest = self._settled.get(number), int(step.timestamp[at].max())
            # The last one let through is the highest, or the highest since the topic was made anew.
            self._settled[number] = Seen(
                number,
                int(step.raw_offset[at[-1]]),
                newest if known is None else max(known.timestamp_ms, newest),
            )

    def restore(self, state: Iterable[Sequence[int]]) -> None:
        """Take up a state; this filter must be new."""
        self._settled = {seen.partition: seen for seen in map(Seen._make, state)}
        self._highest = {seen.partition: seen.offset for seen in self._settled.values()}
        self._newest = {seen.partition: seen.timestamp_ms for seen in self._settled.values()}
