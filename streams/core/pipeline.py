"""One source partition: clickstream/p and orders/p through the counting contract.

Records of both topics come in as decoded batches in offset order; counts come out as changes of
ten-second buckets. What is counted depends on offsets, event times and record timestamps only.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streams.core.attribution import Attribution
from streams.core.buckets import BucketChange, BucketCounts, bucket_of
from streams.core.changes import Changes, Progress
from streams.core.hashing import combine
from streams.core.lines import open_lines
from streams.core.nodes import NodeCounts
from streams.core.ordering import UNREAD, Waiting, classify
from streams.core.orders import OrderBook
from streams.core.recent import RecentKeys
from streams.core.rows import Rejected
from streams.core.settings import BUCKET_MS, CountingSettings
from streams.core.sku_lists import SkuLists
from streams.core.sorting import distinct
from streams.errors import CodecError
from streams.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from streams.core.orders import PaidOrders
    from streams.core.rows import Decoded, Detail, Rows
    from streams.core.slots import TimedSlots
    from streams.core.vocabulary import Vocabulary

    I64 = NDArray[np.int64]
    Bools = NDArray[np.bool_]

CLICKSTREAM, ORDERS = 0, 1
# A topic that has fallen silent keeps the other one's memory alive for at most this long.
_MEMORY_SPREAD_MS = 6 * 3_600_000
_PROCESS_ROWS = 1 << 15


class SourcePartition:
    """The counting state of one source partition.

    Args:
        vocabulary: stages and key numbers, shared with the decoder.
        settings: the contract's numbers.
    """

    def __init__(self, vocabulary: Vocabulary, settings: CountingSettings) -> None:
        self._vocabulary = vocabulary
        self._stages = vocabulary.stages
        self._settings = settings
        self._waiting = Waiting()
        self._details: dict[int, Detail] = {}
        self._lists = SkuLists()
        self._serial = 0
        self._newest = [UNREAD, UNREAD]
        self._limit = UNREAD
        self._counted_until = UNREAD
        self._line = UNREAD
        self._seen_ids = RecentKeys(settings.dedupe_horizon_ms, both_ways=True)
        self._attribution = Attribution(vocabulary, settings.attribution, settings.attribution_window_ms)
        self._buckets = BucketCounts(len(vocabulary.funnel.dimensions))
        self._nodes = NodeCounts(vocabulary, self._buckets, settings.attribution_window_ms)
        self._book = OrderBook(vocabulary, self._buckets, settings.remembered_orders)

    @property
    def newest(self) -> tuple[int, int]:
        """Newest event time read per topic, ms; ``ordering.UNREAD`` before the first."""
        return self._newest[0], self._newest[1]

    @property
    def waiting(self) -> int:
        """Events read but not yet due."""
        return self._waiting.size

    @property
    def details(self) -> int:
        """How many of them have lines of their own."""
        return len(self._details)

    def drain(self) -> None:
        """Count everything that waits: there is nothing more to read."""
        if (newest := max(self._newest)) != UNREAD:
            self.process(newest + 1)

    @property
    def written(self) -> int:
        """How many entries of tables were written between the last two calls of :meth:`changes`."""
        return sum(table.written for table, _ in self.tables().values())

    @property
    def paid(self) -> PaidOrders:
        """The paid orders that are remembered."""
        return self._book.paid

    def changes(self, swept: range, orders: range) -> Changes:
        """What changed since the last call, and a part of everything, names left out.

        Args:
            swept: the part of the tables (:meth:`streams.core.slots.TimedSlots.changes`).
            orders: the part of the orders, by serial.
        """
        return Changes(
            Progress(self._limit, self._counted_until, self._line),
            [],
            {
                name: table.changes(swept, self._line - window)
                for name, (table, window) in self.tables().items()
            },
            self._book.paid.changes(orders),
        )

    def apply(self, changes: Changes) -> None:
        """Take up changes of a copy of this partition, under this process's codes.

        Raises:
            CodecError: they are those of a partition with other tables.
        """
        tables = self.tables()
        theirs = {name: len(state.payload) for name, state in changes.tables.items()}
        if theirs != {name: len(table.payload) for name, (table, _) in tables.items()}:
            raise CodecError("state of other tables")
        progress = changes.progress
        self._limit, self._counted_until, self._line = msgspec.structs.astuple(progress)
        for name, (table, window) in tables.items():
            state = changes.tables[name]
            payload = [np.frombuffer(column, dtype=np.int32) for column in state.payload]
            table.apply(state, payload, self._line - window)
        self._book.paid.apply(changes.paid)

    def rewind(self, newest: tuple[int, int]) -> None:
        """Forget what waits: it is read again, from where these were the newest event times read."""
        self._waiting = Waiting()
        self._details.clear()
        self._lists = SkuLists()
        self._buckets.clear()
        self._newest = list(newest)

    def tables(self) -> dict[str, tuple[TimedSlots, int]]:
        """Tables by name, and for how long each remembers, ms."""
        window = self._settings.attribution_window_ms
        return {
            "dedupe": (self._seen_ids.slots, self._settings.dedupe_horizon_ms),
            "visitors": (self._nodes.visitors.slots, window),
            **{name: (table, window) for name, table in self._attribution.tables().items()},
        }

    def nbytes(self) -> dict[str, int]:
        """Bytes of state by kind."""
        return {
            "dedupe": self._seen_ids.nbytes,
            "visitors": self._nodes.visitors.nbytes,
            "clicks": self._attribution.nbytes,
            "waiting": self._waiting.nbytes + self._lists.nbytes,
        }

    def ingest(self, topic: int, decoded: Decoded, timestamps: I64, known: int = 0) -> list[Rejected]:
        """Take in one batch of records of one topic in offset order.

        Args:
            topic: ``CLICKSTREAM`` or ``ORDERS``.
            decoded: what the records say.
            timestamps: Kafka's timestamp per record, ms, shape (records,).
            known: so many records at the front were taken in before :meth:`rewind`. Of these only
                what was not due then is to be counted, and nothing to be rejected again.

        Returns:
            The records that go to the dead-letter topic: what the decoder rejected, and those
            too late or too far in the future.
        """
        rows = decoded.rows
        before = self._newest[topic]
        arrival = classify(rows.time, timestamps[rows.record], before, self._settings)
        if len(rows):
            self._newest[topic] = int(arrival.newest[-1])
        refused: Bools = arrival.future | arrival.too_late
        rejected = decoded.rejected + [
            Rejected(int(rows.record[at]), outcome, None, "")
            for mask, outcome in ((arrival.future, Outcome.FUTURE), (arrival.too_late, Outcome.TOO_LATE))
            for at in np.flatnonzero(mask & rows.first).tolist()
        ]
        if known:
            rejected = [item for item in rejected if item.index >= known]
        self._count_rejected(topic, rejected, timestamps)
        rows.late = arrival.late
        rows.order_time = arrival.order_time
        rows.topic = np.full(len(rows), topic, dtype=np.int8)
        rows.event = combine(rows.event, np.uint64(topic))
        rows.detail = self._adopt(decoded, rows)
        if known:
            refused |= (rows.record < known) & (rows.order_time < self._limit)
        if refused.any():
            self._forget(rows.detail[refused])
            rows = rows.take(~refused)
        self._waiting.add(topic, rows)
        return rejected

    def _forget(self, serials: I64) -> None:
        for serial in serials[serials >= 0].tolist():
            del self._details[serial]

    def _adopt(self, decoded: Decoded, rows: Rows) -> I64:
        """Give a batch's details and lists numbers of this partition's own."""
        last = int(rows.order_time.max()) if len(rows) else UNREAD
        detail = self._lists.adopt(decoded.skus, rows.detail, last)
        if not decoded.details:
            return detail
        base = self._serial
        for number, value in decoded.details.items():
            self._details[base + number] = value
        self._serial = base + max(decoded.details) + 1
        return np.where(detail >= 0, detail + base, detail)

    def _count_rejected(self, topic: int, rejected: list[Rejected], timestamps: I64) -> None:
        if not rejected:
            return
        newest = self._newest[topic]
        clock = newest if newest != UNREAD else int(timestamps[0])
        for outcome, records in Counter(item.outcome for item in rejected).items():
            self._buckets.add_outcome(bucket_of(clock), (topic, outcome), records)

    def process(self, limit_ms: int) -> int:
        """Count all waiting events whose ordering time is below the limit; their number."""
        self._limit = max(self._limit, limit_ms)
        released = self._waiting.release(limit_ms)
        if released is None:
            return 0
        self._counted_until = max(self._counted_until, int(released.time.max()))
        for start in range(0, len(released), _PROCESS_ROWS):
            for rows in self._within_horizon(released.take(slice(start, start + _PROCESS_ROWS))):
                self._process(rows)
        self._lists.forget_before(limit_ms)
        return len(released)

    def _within_horizon(self, rows: Rows) -> Iterator[Rows]:
        """Split rows so that each piece spans no more event time than dedupe can do at once."""
        span = int(rows.time.max() - rows.time.min())
        if span <= self._settings.dedupe_horizon_ms or len(rows) == 1:
            yield rows
            return
        middle = len(rows) // 2
        yield from self._within_horizon(rows.take(slice(0, middle)))
        yield from self._within_horizon(rows.take(slice(middle, None)))

    def _process(self, rows: Rows) -> None:
        admitted = self._seen_ids.admit(
            rows.event, rows.time, self._cutoff(rows, self._settings.dedupe_horizon_ms)
        )
        self._count_outcomes(rows, admitted)
        dropped = rows.detail[~admitted]
        rows = rows.take(admitted)
        if len(rows):
            cutoff = self._cutoff(rows, self._settings.attribution_window_ms)
            lines = self._attribution.attribute(rows, open_lines(rows, self._details, self._lists), cutoff)
            self._nodes.count(rows, lines, cutoff)
            self._book.count(rows, lines, self._details)
        self._forget(rows.detail)
        self._forget(dropped)

    def _cutoff(self, rows: Rows, window_ms: int) -> int:
        """Event time before which nothing is needed any more, by these rows or any to come.

        What comes next is ordered no earlier than the first of these rows, or than what the
        slower topic reads next; a late event's own time lies up to the lateness behind.
        """
        read = [time for time in self._newest if time != UNREAD]
        slowest = max(min(read), max(read) - _MEMORY_SPREAD_MS) - self._settings.max_out_of_orderness_ms
        line = min(slowest, int(rows.order_time[0]))
        self._line = line - self._settings.allowed_lateness_ms
        return self._line - window_ms

    def _count_outcomes(self, rows: Rows, admitted: Bools) -> None:
        verdict = np.where(admitted, np.where(rows.late, 1, 2), 0)
        code = (rows.order_time // BUCKET_MS * 6 + rows.topic * 3 + verdict)[rows.first]
        for packed, records in zip(*(part.tolist() for part in distinct(code)), strict=True):
            bucket, rest = divmod(packed, 6)
            topic, which = divmod(rest, 3)
            outcome = (Outcome.DUPLICATE, Outcome.LATE, Outcome.ACCEPTED)[which]
            self._buckets.add_outcome(bucket * BUCKET_MS, (topic, outcome), records)

    def flush(self) -> Iterator[BucketChange]:
        """Take what was counted since the last flush, bucket by bucket."""
        return self._buckets.flush()

    @property
    def limit_ms(self) -> int:
        """Ordering time below which everything read so far is counted."""
        return self._limit

    @property
    def counted_until(self) -> int:
        """Newest event time counted so far, ms; ``ordering.UNREAD`` before the first."""
        return self._counted_until
