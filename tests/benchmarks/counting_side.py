"""A worker's counting side in this process: real state log on a real Kafka, records given by hand.

Promises: everything of the worker but Faust and fetching; a flush comes where it is asked for, so how
much is written depends on the records alone. CPU time is the process's, all threads, and is split into
the log's part and the rest within one run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import uvloop

from streams.config import load_settings
from streams.core.slots import SWEEP, TableState
from streams.demo.sinks import partition_of
from streams.events import Record, RecordBatch
from streams.worker.app import Worker
from streams.worker.positions import Position
from streams.worker.state_log import StateLog
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence

    from streams.core.reading import SourceOffsets
    from streams.demo.simulator import SimulatedRecord
    from streams.worker.assigned import AssignedPartition
    from streams.worker.publishing import Outgoing
    from streams.worker.state_log import Captured


class Flush(NamedTuple):
    """What one flush of one source partition wrote into the log.

    Attributes:
        offset: of its marker.
        bytes: of its entries.
        entries: of tables, and orders.
        begins: a copy of everything begins with it.
    """

    offset: int
    bytes: int
    entries: int
    begins: bool


@dataclass(slots=True)
class LogCosts:
    """CPU seconds of the log: taking changes and encoding them, and compressing and sending them."""

    encode: float = 0.0
    send: float = 0.0
    encoded_at: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.encode + self.send


class MeteredLog(StateLog):
    """A state log that notes what it costs and writes.

    Sending begins when the last partition of a flush is encoded, and ends when its marker is
    acknowledged; nothing else runs in between.
    """

    costs: LogCosts
    flushes_written: list[Flush]
    sizes: dict[bytes, int]

    @classmethod
    def over(cls, log: StateLog, costs: LogCosts) -> Self:
        """The same log, from here on with this meter."""
        metered = cls.__new__(cls)
        vars(metered).update(vars(log))
        metered.costs, metered.flushes_written, metered.sizes = costs, [], {}
        return metered

    def capture(self, sources: tuple[SourceOffsets, SourceOffsets]) -> Captured:
        """Take what changed."""
        begun = time.process_time()
        captured = super().capture(sources)
        self.costs.encode += time.process_time() - begun
        return captured

    def messages(self, captured: Captured, rollups: list[tuple[int, bytes]]) -> list[Outgoing]:
        """The messages of a flush."""
        begun = time.process_time()
        messages = super().messages(captured, rollups)
        self.costs.encoded_at = time.process_time()
        self.costs.encode += self.costs.encoded_at - begun
        size = 0
        for message in messages:
            key = message.key or b""
            if message.value is None:
                self.sizes.pop(key, None)
            else:
                self.sizes[key] = len(message.value)
                size += len(message.value)
        self.flushes_written.append(Flush(-1, size, captured.taken.changes.entries, captured.taken.begins))
        return messages

    def _acknowledged(self, offset: int) -> None:
        super()._acknowledged(offset)
        now = time.process_time()
        self.costs.send += now - self.costs.encoded_at
        self.costs.encoded_at = now
        self.flushes_written[-1] = self.flushes_written[-1]._replace(offset=offset)

    @property
    def kept(self) -> int:
        """Bytes of entries that are not deleted: what compaction leaves."""
        return sum(self.sizes.values())

    def to_read(self) -> list[Flush]:
        """What whoever takes the partition over now would have to read."""
        found = list[Flush]()
        for flush in reversed(self.flushes_written):
            if flush.offset < self.begin.offset:
                break
            found.append(flush)
        return found


def run(main: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Run it on the event loop that the worker runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@asynccontextmanager
async def parts(servers: str, now_ms: int, **settings: str) -> AsyncIterator[Worker]:
    """A worker's parts, connected; its app is not started, so nobody but the caller moves partitions."""
    environment = {
        f"FUNNELWATCH__{name}": value
        for name, value in {"KAFKA__BOOTSTRAP_SERVERS": servers, **settings}.items()
    }
    worker = Worker(load_settings(None, environment), ManualClock(now_ms))
    await worker.producer.connect(lambda _: None)
    try:
        yield worker
    finally:
        await worker.recovery.stop()
        await worker.producer.stop()


@dataclass
class CountingSide:
    """Source partitions in a worker's hands, fed by hand.

    Args:
        worker: its parts.
        partitions: how many source partitions there are; it has all of them.
    """

    worker: Worker
    partitions: int
    costs: LogCosts = field(default_factory=LogCosts)
    cpu: float = 0.0
    fed: int = 0
    _offsets: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))

    @property
    def _clock(self) -> ManualClock:
        if not isinstance(self.worker.clock, ManualClock):
            raise TypeError("event time is the clock of what is fed by hand")
        return self.worker.clock

    def _position(self, topic: str, partition: int) -> Position:
        """Nothing is left to read: a topic that gets no records is idle, and the other goes on."""
        offset = self._offsets[partition, topic]
        return Position(offset, offset, offset)

    async def begin(self) -> None:
        """Take all partitions."""
        await self.worker.recovery.take(range(self.partitions))
        for assigned in self.assigned():
            assigned.log = MeteredLog.over(assigned.log, self.costs)

    def assigned(self) -> list[AssignedPartition]:
        """The partitions."""
        return list(self.worker.counting.partitions.values())

    def logs(self) -> list[MeteredLog]:
        """Their logs."""
        return [assigned.log for assigned in self.assigned() if isinstance(assigned.log, MeteredLog)]

    async def feed(self, records: Sequence[SimulatedRecord]) -> None:
        """Take records in, count what is due, and bring it to the broker."""
        batches = list(self._batches(records))
        self._clock.move_to(max(records[-1].arrival_ms, self._clock.now_ms()))
        begun = time.process_time()
        for topic, partition, batch in batches:
            self.worker.counting.take(topic, partition, batch, _ignore)
        if not await self.worker.counting.flush(self._position):
            raise RuntimeError("the broker does not take messages")
        self.cpu += time.process_time() - begun
        self.fed += len(records)

    def _batches(self, records: Sequence[SimulatedRecord]) -> Iterator[tuple[str, int, RecordBatch]]:
        places = defaultdict[tuple[int, str], list[Record]](list)
        for record in records:
            place = partition_of(record.key, self.partitions), record.topic
            offset = self._offsets[place]
            self._offsets[place] += 1
            places[place].append(Record(offset, record.arrival_ms, record.value, record.key))
        for (partition, topic), mine in sorted(places.items()):
            yield topic, partition, RecordBatch.of(mine)

    def remember_ids(self, number: int, times: range) -> None:
        """So many ids that nobody sends again, seen evenly over a span of event time, as if recovered."""
        rng = np.random.default_rng(number)
        for assigned in self.assigned():
            counts = assigned.counts
            empty = counts.changes(range(0), range(0))
            ids = rng.integers(1, 1 << 63, number // self.partitions, dtype=np.uint64)
            seen = np.linspace(1, len(times), ids.size, dtype=np.uint32)
            empty.tables["dedupe"] = TableState(times.start, ids.tobytes(), seen.tobytes(), [])
            counts.apply(empty)

    def live_entries(self) -> int:
        """Entries of tables that are still needed; changes since the last flush are forgotten."""
        return sum(
            len(table.keys) // 8
            for assigned in self.assigned()
            for table in assigned.counts.changes(range(SWEEP), range(0)).tables.values()
        )

    def start_again(self) -> None:
        """Forget what it has cost so far."""
        self.cpu, self.fed = 0.0, 0
        self.costs.encode = self.costs.send = 0.0


def _ignore() -> None:
    """Nobody waits for these acknowledgements."""


def by_interval(records: Iterable[SimulatedRecord], interval_ms: int) -> Iterator[list[SimulatedRecord]]:
    """Records by the interval in which they arrive, as flushes would find them."""
    chunk, end_ms = list[Any](), 0
    for record in records:
        if record.arrival_ms >= end_ms:
            if chunk:
                yield chunk
            chunk, end_ms = [], record.arrival_ms // interval_ms * interval_ms + interval_ms
        chunk.append(record)
    if chunk:
        yield chunk


class TakenOver(logging.Handler):
    """Hears how many bytes of log were read for each partition that is taken over; a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self._logger = logging.getLogger("streams.worker.recovery")
        self._level = self._logger.level

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        """Add up what it says."""
        fields: Mapping[str, Any] = vars(record)
        if record.getMessage() == "state taken over":
            self.bytes += fields["bytes"]
