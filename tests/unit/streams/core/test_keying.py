"""Where records belong."""

from __future__ import annotations

import numpy as np

from streams.core.hashing import fingerprints
from streams.core.keying import keyed_partitions


def test_a_visitor_has_one_partition_for_good() -> None:
    """Wherever records of a visitor come from, their partition is the same, also in the next version."""
    visitors = fingerprints(["v1", "v2", "v3"])
    known = np.ones(3, dtype=np.bool_)
    here, there = (keyed_partitions(visitors, known, raw, [raw, 7, 9], 64) for raw in (0, 5))
    assert here.tolist() == there.tolist() == [23, 53, 61]


def test_visitors_spread_evenly_and_within_a_partition_too() -> None:
    """Partitions are of one size, and fingerprints of one partition do not share their upper bits."""
    visitors = fingerprints([f"v{number}" for number in range(20_000)])
    places = keyed_partitions(visitors, np.ones(20_000, dtype=np.bool_), 0, range(20_000), 8)
    sizes = np.bincount(places, minlength=8)
    assert sizes.size == 8
    assert (abs(sizes - 2_500) < 250).all()
    upper = np.bincount((visitors[places == 0] >> np.uint64(61)).astype(np.int64), minlength=8)
    assert (upper > 200).all()


def test_records_of_nobody_go_where_they_always_go() -> None:
    """Without a visitor the place in the raw topic decides, and spreads."""
    nobody = fingerprints([""] * 1_000)
    unknown = np.zeros(1_000, dtype=np.bool_)
    first = keyed_partitions(nobody, unknown, 3, range(1_000), 4)
    again = keyed_partitions(nobody[500:], unknown[500:], 3, range(500, 1_000), 4)
    assert first[500:].tolist() == again.tolist()
    assert (np.bincount(first) > 200).all()
