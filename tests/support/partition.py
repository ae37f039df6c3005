"""One source partition on its whole way: records, columns, counts, rollups, totals.

It promises the worker's path without Kafka and without a clock; the test says what is read, how
far counting may go on, and when the partition changes hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.codec import decode_rollup, encode_rollup
from streams.core.merge import Applied, MoneyKey, ShardMerge, Totals
from streams.core.pipeline import SourcePartition
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.events import Outcome, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.results import RollupWriter

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
        first_skus: SKUs that it has met after these.
    """

    def __init__(
        self,
        settings: CountingSettings = DEFAULTS,
        *,
        funnel: Funnel | None = None,
        first_keys: Sequence[str] = (),
        first_skus: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.funnel = funnel or Funnel()
        self.vocabulary = Vocabulary(self.funnel, key_objection, max_keys=settings.max_tracked_keys, shards=1)
        for table in self.vocabulary.tables:
            for key in first_keys:
                table[key]
        for sku in first_skus:
            self.vocabulary.sku[sku]
        form = NativeFormat(funnel=self.funnel, extra_fields=self.funnel.extra_dimensions)
        self._decoder = create_columns(form, self.vocabulary)
        self.counts = SourcePartition(self.vocabulary, settings)
        self._merge = ShardMerge()
        self._totals = Totals()
        self._writer = RollupWriter(self.vocabulary, 0, 1)

    def read(self, topic: int, records: Sequence[Record]) -> list[Rejected]:
        """Take in one batch of a topic."""
        batch = RecordBatch.of(records)
        return self.counts.ingest(
            topic, self._decoder.decode(batch), np.array(batch.timestamps, dtype=np.int64)
        )

    def process(self) -> int:
        """Count what both topics are past, as a replay does."""
        return self.counts.process(min(self.counts.newest) - self.settings.max_out_of_orderness_ms)

    def flush(self) -> None:
        """Bring what was counted into the totals, over the wire format.

        Every rollup must be a new one, with none missing before it.
        """
        for rollup in self._writer.rollups(self.counts.flush(), self.counts.counted_until):
            read = decode_rollup(encode_rollup(rollup))
            applied = self._merge.apply(read)
            if applied is not Applied.APPLIED or self._merge.missing(0):
                raise AssertionError(f"rollup {read.sequence} of life {read.generation}: {applied}")
            self._totals.add(read)

    def hand_over(self, first_keys: Sequence[str] = (), first_skus: Sequence[str] = ()) -> CountedPartition:
        """The next owner: another process, whose vocabulary met these keys first."""
        self.flush()
        owner = CountedPartition(
            self.settings, funnel=self.funnel, first_keys=first_keys, first_skus=first_skus
        )
        owner.counts.restore(self.counts.snapshot())
        owner._merge, owner._totals = self._merge, self._totals
        owner._writer = RollupWriter(owner.vocabulary, 0, self._writer.generation + 1)
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
