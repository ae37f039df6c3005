"""The closed bucket: what all source partitions together counted in ten seconds, and what came late.

Every decision stands on these. They come in the order of time, each bucket once; which counts are in
which closed bucket depends on what each source partition said and in which order, never on how the
partitions' and shards' words were mixed on the way. So a replay decides as live did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.buckets import VISITORS
from streams.core.money import EXPONENTS
from streams.core.settings import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from streams.core.merge import MoneyKey

    I64 = NDArray[np.int64]

__all__ = [
    "BUCKET_MS",
    "COMBINATION",
    "EXPONENTS",
    "LAG",
    "NO_CELLS",
    "PAYMENT_METHOD",
    "VISITORS",
    "Cells",
    "ClosedBucket",
    "Progress",
]

# Dimensions of our own, which are never exported. ``lag``: visitors of each node by the time since
# they were counted at the node before; keys are the lower edges in whole seconds, "0" to "1800", and
# the column is the later node's. A resolved payment's lag since its attempt stands in the columns
# (events) of ``paid`` and ``payment_failed``.
LAG = "(lag)"
# ``payment_method``: payment attempts, failures and payments (events) by the attempt's method.
PAYMENT_METHOD = "(payment_method)"
# ``combination``: clicks, and what follows, by slot, banner and SKU together, joined by "\x1f".
COMBINATION = "(combination)"


class Cells(NamedTuple):
    """Counts of one dimension: key numbers, columns and counts, each of shape (n,).

    A column is the stage number for events, ``VISITORS`` + node for visitors.
    """

    keys: I64
    columns: I64
    counts: I64

    def column(self, column: int, keys: int) -> I64:
        """Counts of one column by key number, shape (keys,)."""
        mine = self.columns == column
        return np.bincount(self.keys[mine], self.counts[mine], minlength=keys).astype(np.int64)[:keys]


NO_CELLS = Cells(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class Progress:
    """What a source partition last said of itself.

    Attributes:
        complete_until_ms: all events before this event time are counted, but for late ones.
        told_at_ms: when it said so, by its worker's clock.
        idle: it had read all there was, so nothing is held back.
    """

    complete_until_ms: int
    told_at_ms: int
    idle: bool


@dataclass(frozen=True, slots=True)
class ClosedBucket:
    """See the module.

    Attributes:
        start_ms: event time at which the bucket starts; it lasts ``BUCKET_MS``.
        closed_at_ms: time of day at which it closed: the newest that any source partition has told.
        complete: every source partition had counted past its end. Else waiting ended: a partition
            was behind for too long, and what it has of this bucket will come as late.
        stages: names behind the columns, nodes first in funnel order.
        nodes: how many of the stages are nodes.
        names: keys of each dimension, by number; they only grow.
        counts: of this bucket, by dimension.
        late: (bucket start, counts by dimension) of buckets that were closed before.
        money: (orders, amount in minor units) added, late ones included.
        late_money: what of it came late, by (bucket start, what) of the buckets before.
        records: records read by (source partition, topic: 0 clickstream, 1 orders; outcome), since
            the bucket before was closed.
        progress: of each source partition.
        whole: what :meth:`everything` answers, by dimension, if whoever closed the bucket knows it.
    """

    start_ms: int
    closed_at_ms: int
    complete: bool
    stages: tuple[str, ...]
    nodes: int
    names: Mapping[str, Sequence[str]]
    counts: Mapping[str, Cells]
    late: Sequence[tuple[int, Mapping[str, Cells]]] = ()
    money: Mapping[MoneyKey, tuple[int, int]] = field(default_factory=dict)
    records: Mapping[tuple[int, int, str], int] = field(default_factory=dict)
    progress: Mapping[int, Progress] = field(default_factory=dict)
    whole: Mapping[str, tuple[Cells, I64]] | None = field(default=None, repr=False, compare=False)
    late_money: Sequence[tuple[int, Mapping[MoneyKey, tuple[int, int]]]] = ()

    @property
    def end_ms(self) -> int:
        """Event time at which the bucket ends."""
        return self.start_ms + BUCKET_MS

    def cells(self, dimension: str) -> Cells:
        """Counts of one dimension; none if it has none."""
        return self.counts.get(dimension, NO_CELLS)

    def everything(self, dimension: str) -> tuple[Cells, I64]:
        """Counts of one dimension with the late ones behind, and the start of each one's bucket, shape (n,)."""
        if self.whole is not None:
            return self.whole.get(dimension, (NO_CELLS, NO_CELLS.keys))
        parts = [(self.start_ms, self.counts), *self.late]
        known = [(start, counts[dimension]) for start, counts in parts if dimension in counts]
        if not known:
            return NO_CELLS, NO_CELLS.keys
        starts = np.repeat([start for start, _ in known], [cells.keys.size for _, cells in known])
        if len(known) == 1:
            return known[0][1], starts
        columns = zip(*(cells for _, cells in known), strict=True)
        return Cells(*(np.concatenate(column) for column in columns)), starts
