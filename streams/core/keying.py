"""Which partition of the keyed topics a record belongs to.

Promises: all records of a visitor in one partition, in either topic, whoever asks and whenever; a
record that names no visitor has its place by where it stands in the raw topic, so that it too goes
to the same partition each time. The answer depends on nothing but the number of partitions. A
heartbeat belongs to all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.core.hashing import combine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    U64 = NDArray[np.uint64]
    Bools = NDArray[np.bool_]

# The tables of visitors' clicks place a fingerprint by its upper bits: scaled as it is, all of a
# partition's visitors would crowd into the same part of every table.
_SALT = np.uint64(0x6B65796564)
_SHIFT = np.uint64(32)
# Of a record that has to be in each partition: a heartbeat.
EVERY_PARTITION = -1


def keyed_partitions(
    visitors: U64, known: Bools, raw_partition: int, offsets: Sequence[int], count: int
) -> NDArray[np.int32]:
    """Partition of each record of one raw partition, shape (n,).

    Args:
        visitors: fingerprint of each record's visitor; anything where there is none.
        known: whether it has a visitor.
        raw_partition: where the records come from.
        offsets: their offsets there.
        count: partitions there are.
    """
    places = np.array(offsets, dtype=np.uint64)
    nobody = combine(places, np.uint64(raw_partition))
    mixed = combine(np.where(known, visitors, nobody), _SALT)
    return ((mixed >> _SHIFT) * np.uint64(count) >> _SHIFT).astype(np.int32)


def spread(keyed: I64, topics: I64, places: I64, count: int) -> tuple[I64, I64]:
    """Records in the order in which they leave, those for every partition once for each.

    Args:
        keyed: partition of each, or ``EVERY_PARTITION``; shape (n,).
        topics: topic of each, 0 clickstream, 1 orders.
        places: which record each is.
        count: partitions there are.

    Returns:
        places, and the lane of each: topic * count + partition; shape (n or more,).
    """
    every = keyed == EVERY_PARTITION
    times = np.where(every, count, 1)
    first = np.repeat(np.cumsum(times) - times, times)
    partition = np.where(np.repeat(every, times), np.arange(first.size) - first, np.repeat(keyed, times))
    return np.repeat(places, times), np.repeat(topics, times) * count + partition
