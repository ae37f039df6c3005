"""One source partition on its whole way: records, columns, counts, rollups, totals.

It promises the worker's path without Kafka and without a clock; the test says what is read, how
far counting may go on, and when the partition changes hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.codec import decode_rollup, encode_rollup
from streams.core.merge import MoneyKey, ShardMerge, Totals
from streams.core.pipeline import SourcePartition
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.events import Outcome, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.results import RollupSource, build_rollups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.rows import Rejected
    from streams.events import Record

DEFAULTS = CountingSettings()


class Tables(NamedTuple):
    """Everything counted, ready to be compared."""

    cells: dict[tuple[int, str, str], dict[int, int]]
    money: dict[tuple[int, MoneyKey], tuple[int, int]]
    outcomes: dict[tuple[int, str], int]


class CountedPartition:
    """A source partition and the totals that its rollups make.

    Args:
        settings: the contract's numbers.
        funnel: nodes and dimensions.
        first_keys: SKUs, slots and banners the vocabulary has met before, in this order.
    """

    def __init__(
        self,
        settings: CountingSettings = DEFAULTS,
        *,
        funnel: Funnel | None = None,
        first_keys: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.funnel = funnel or Funnel()
        self.vocabulary = Vocabulary(self.funnel, key_objection, max_keys=settings.max_tracked_keys, shards=1)
        for table in self.vocabulary.tables:
            for key in first_keys:
                table[key]
        form = NativeFormat(funnel=self.funnel, extra_fields=self.funnel.extra_dimensions)
        self._decoder = create_columns(form, self.vocabulary)
        self.counts = SourcePartition(self.vocabulary, settings)
        self._merge = ShardMerge()
        self._totals = Totals()
        self._generation = 1

    def read(self, topic: int, records: Sequence[Record]) -> list[Rejected]:
        """Take in one batch of a topic."""
        batch = RecordBatch.of(records)
        return self.counts.ingest(
            topic, self._decoder.decode(batch), np.array(batch.timestamps, dtype=np.int64)
        )

    def process(self) -> int:
        """Count what both topics are past, as a replay does."""
        return self.counts.process(min(self.counts.newest) - self.settings.max_out_of_orderness_ms)

    def flush(self, *, close_all: bool = False) -> None:
        """Bring what changed into the totals, over the wire format."""
        changes = self.counts.flush(close_all=close_all)
        source = RollupSource(0, self._generation, self.counts.open_from, self.counts.counted_until)
        for rollup in build_rollups(changes, self.vocabulary, source):
            self._totals.add(self._merge.apply(decode_rollup(encode_rollup(rollup)))[1])

    def hand_over(self, first_keys: Sequence[str] = ()) -> CountedPartition:
        """The next owner: another process, whose vocabulary met these keys first."""
        self.flush(close_all=True)
        owner = CountedPartition(self.settings, funnel=self.funnel, first_keys=first_keys)
        owner.counts.restore(self.counts.snapshot())
        owner._merge, owner._totals = self._merge, self._totals
        owner._generation = self._generation + 1
        return owner

    def finish(self) -> Tables:
        """Count all that waits, and everything counted so far by all owners."""
        self.counts.drain()
        self.flush()
        return Tables(
            {key: {cell: n for cell, n in cells.items() if n} for key, cells in self._totals.cells.items()},
            self._totals.money,
            {(topic, Outcome(word)): n for (topic, word), n in self._totals.outcomes.items()},
        )
