"""Recorded events through the same core as live ones, as fast as it goes. No I/O of its own.

The path is the worker's: decode, one :class:`SourcePartition`, rollups, merge. Only Kafka is
left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import orjson

from streams.closed import Progress
from streams.core.buckets import VISITORS
from streams.core.merge import Totals, column_of
from streams.core.pipeline import CLICKSTREAM, ORDERS, SourcePartition
from streams.core.vocabulary import Vocabulary
from streams.events import Outcome, Record, RecordBatch
from streams.formats.columns import BatchDecoder, create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.results import RollupWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from streams.core.settings import CountingSettings
    from streams.formats.base import Format
    from streams.results import Rollup

_Key = TypeVar("_Key")
TOPICS = ("clickstream", "orders")
_FETCH = 4096
_FLUSH_EVERY = 1 << 17


@dataclass(slots=True)
class Counts:
    """What was counted.

    Attributes:
        cells: (dimension, key, node, bucket_ms) -> (events, visitors).
        money: (dimension, key, currency, kind, bucket_ms) -> (orders, amount in minor units).
        outcomes: (topic, outcome) -> records.
        reasons: (topic, reason) -> records, for the invalid and unmapped ones.
    """

    cells: dict[tuple[str, str, str, int], tuple[int, int]] = field(default_factory=dict)
    money: dict[tuple[str, str, str, str, int], tuple[int, int]] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Take in the counts of another source partition."""
        _add_pairs(self.cells, other.cells)
        _add_pairs(self.money, other.money)
        for key, records in other.outcomes.items():
            self.outcomes[key] = self.outcomes.get(key, 0) + records
        self.reasons.update(other.reasons)

    def lines(self) -> Iterator[bytes]:
        """JSON lines, sorted: first the counts, then the money."""
        for (dimension, key, node, bucket), (events, visitors) in sorted(self.cells.items()):
            yield orjson.dumps(
                {
                    "dimension": dimension,
                    "key": key,
                    "node": node,
                    "bucket_ms": bucket,
                    "events": events,
                    "visitors": visitors,
                }
            )
        for (dimension, key, currency, kind, bucket), (orders, amount) in sorted(self.money.items()):
            yield orjson.dumps(
                {
                    "dimension": dimension,
                    "key": key,
                    "currency": currency,
                    "kind": kind,
                    "bucket_ms": bucket,
                    "orders": orders,
                    "amount_minor": amount,
                }
            )


def _add_pairs(into: dict[_Key, tuple[int, int]], other: dict[_Key, tuple[int, int]]) -> None:
    for key, (first, second) in other.items():
        held = into.get(key, (0, 0))
        into[key] = (held[0] + first, held[1] + second)


class Replay:
    """One source partition's records through the counting path.

    Args:
        settings: the contract's numbers.
        funnel: nodes and dimensions.
        formats: input format per topic, clickstream and orders; native if not given.
        tell: is given every rollup, in the order in which the worker would send them.
    """

    def __init__(
        self,
        settings: CountingSettings,
        *,
        funnel: Funnel | None = None,
        formats: tuple[Format, Format] | None = None,
        tell: Callable[[Rollup], object] = lambda _: None,
    ) -> None:
        funnel = funnel or Funnel()
        self._vocabulary = Vocabulary(funnel, key_objection, max_keys=settings.max_tracked_keys, shards=1)
        native = NativeFormat(funnel=funnel, extra_fields=funnel.extra_dimensions)
        forms = formats or (native, native)
        self._decoders: tuple[BatchDecoder, ...] = tuple(
            create_columns(form, self._vocabulary) for form in forms
        )
        self._bound = settings.max_out_of_orderness_ms
        self._partition = SourcePartition(self._vocabulary, settings)
        self._writer = RollupWriter(self._vocabulary, 0, 0)
        self._totals = Totals()
        self._tell = tell
        self._reasons: Counter[tuple[str, str]] = Counter()

    def run(
        self,
        clickstream: Iterable[Record],
        orders: Iterable[Record],
        fetch: Callable[[], int] | None = None,
    ) -> Counts:
        """Count all records; ``fetch`` gives the size of each read."""
        sources = (iter(clickstream), iter(orders))
        open_topics = [CLICKSTREAM, ORDERS]
        unflushed = 0
        while open_topics:
            # The topic that is behind is read next, so that the other one's events need not wait.
            topic = min(open_topics, key=lambda number: self._partition.newest[number])
            batch = list(islice(sources[topic], fetch() if fetch else _FETCH))
            if not batch:
                open_topics.remove(topic)
                continue
            self._ingest(topic, RecordBatch.of(batch))
            newest = [self._partition.newest[number] for number in open_topics]
            unflushed += self._partition.process(min(newest) - self._bound)
            if unflushed >= _FLUSH_EVERY:
                self._flush()
                unflushed = 0
        self._partition.drain()
        self._flush()
        return self._counts()

    def _ingest(self, topic: int, batch: RecordBatch) -> None:
        decoded = self._decoders[topic].decode(batch)
        rejected = self._partition.ingest(topic, decoded, np.array(batch.timestamps, dtype=np.int64))
        for item in rejected:
            if item.reason is not None:
                self._reasons[TOPICS[topic], str(item.reason)] += 1

    def _flush(self) -> None:
        partition = self._partition
        # Nobody waits for a clock here: what was read last says what time it is.
        progress = Progress(partition.limit_ms, max(*partition.newest, 0), idle=False)
        for rollup in self._writer.rollups(partition.flush(), partition.counted_until, progress):
            self._totals.add(rollup)
            self._tell(rollup)

    def _counts(self) -> Counts:
        stages = self._vocabulary.stages
        counts = counts_of(self._totals, stages.names, stages.nodes)
        counts.reasons = self._reasons
        return counts


def counts_of(totals: Totals, stages: Sequence[str], nodes: int) -> Counts:
    """Merged totals under the names of their stages, of which the first ``nodes`` are nodes."""
    counts = Counts()
    for (bucket, dimension, key), cells in totals.cells.items():
        for node in {column_of(cell)[0] for cell in cells}:
            if node < nodes:
                pair = (cells[node], cells[VISITORS + node])
                counts.cells[dimension, key, stages[node], bucket] = pair
    for (bucket, money), amounts in totals.money.items():
        counts.money[money.dimension, money.key, money.currency, money.kind, bucket] = amounts
    for (topic, outcome), records in totals.outcomes.items():
        counts.outcomes[TOPICS[topic], str(Outcome(outcome))] = records
    return counts


def count_records(
    clickstream: Iterable[Record],
    orders: Iterable[Record],
    settings: CountingSettings,
    *,
    funnel: Funnel | None = None,
    fetch: Callable[[], int] | None = None,
    tell: Callable[[Rollup], object] = lambda _: None,
) -> Counts:
    """Counts of one source partition's native records, in offset order per topic."""
    return Replay(settings, funnel=funnel, tell=tell).run(clickstream, orders, fetch)
