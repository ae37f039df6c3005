"""What is merged of a shard comes back from its bytes, and nothing else does."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.merge import Applied, PartitionState, ShardMerge, Totals
from streams.core.totals_state import (
    CellState,
    decode_bucket,
    decode_shard,
    encode_bucket,
    encode_shard,
)
from streams.errors import CodecError
from streams.results import VERSION, Fence
from tests.support.rollups import T0, Counts, Outcomes, rollup

A = ("slot", "A")
COUNTS = st.dictionaries(
    st.tuples(st.sampled_from(["slot", "sku"]), st.sampled_from("ABC坑")),
    st.dictionaries(st.integers(0, 31), st.integers(0, 2**40), min_size=1, max_size=4),
    max_size=6,
)
MONEY = st.dictionaries(
    st.tuples(st.just("sku"), st.sampled_from("AB"), st.sampled_from(["CNY", "JPY"]), st.just("paid")),
    st.tuples(st.integers(0, 2**40), st.integers(0, 2**60)),
    max_size=3,
)


def merged(*flushes: tuple[Counts, Outcomes]) -> tuple[ShardMerge, Totals]:
    """A shard after flushes of one source partition."""
    merge, totals = ShardMerge(), Totals()
    for number, (counts, outcomes) in enumerate(flushes):
        one = rollup(counts, None, outcomes, sequence=number)
        assert merge.apply(one) is Applied.APPLIED
        totals.add(one)
    return merge, totals


@given(parts=st.lists(st.tuples(COUNTS, MONEY, st.integers(0, 2)), max_size=5))
def test_buckets_come_back(
    parts: list[tuple[Counts, dict[tuple[str, str, str, str], tuple[int, int]], int]],
) -> None:
    """Counts of any size by key and column, and money; and they can be added to as before."""
    totals, again = Totals(), Totals()
    for counts, money, bucket in parts:
        totals.add(rollup(counts, money, bucket_ms=T0 + bucket * 10_000))
    for start, bucket_totals in totals.buckets.items():
        assert decode_bucket(encode_bucket(start, bucket_totals), again) == start
    assert (again.cells, again.money) == (totals.cells, totals.money)
    for counts, money, bucket in parts:
        for each in (totals, again):
            each.add(rollup(counts, money, bucket_ms=T0 + bucket * 10_000))
    assert (again.cells, again.money) == (totals.cells, totals.money)


def test_what_was_seen_comes_back() -> None:
    """Numbers, generations, fences and records by outcome: what was known is known again."""
    merge, totals = merged(({A: {1: 5}}, {(0, "late"): 2}), ({A: {1: 7}}, {(1, "accepted"): 9}))
    merge.apply(rollup({A: {1: 1}}, sequence=5))
    merge.fence(Fence(VERSION, 3, 9, 0))
    restored = Totals()
    again, series = decode_shard(encode_shard(merge, totals, b"series"), restored)
    assert series == b"series"
    assert restored.outcomes == totals.outcomes
    assert again.snapshot() == merge.snapshot()
    for known in (0, 1, 5):
        assert again.apply(rollup(sequence=known)) is Applied.REPEATED
    assert again.missing(0) == 3
    assert again.apply(rollup(partition=3, generation=8)) is Applied.STALE
    assert again.apply(rollup(sequence=3)) is Applied.APPLIED


def test_damage_is_refused() -> None:
    """Cut anywhere, it is no shard and no bucket; nothing but CodecError is raised."""
    merge, totals = merged(({A: {1: 5}}, {(0, "late"): 2}))
    shard, bucket = encode_shard(merge, totals, b"series"), encode_bucket(T0, totals.buckets[T0])
    for end in range(len(shard)):
        with pytest.raises(CodecError, match="damaged"):
            decode_shard(shard[:end], Totals())
    for end in range(len(bucket)):
        with pytest.raises(CodecError, match="damaged"):
            decode_bucket(bucket[:end], Totals())


@pytest.mark.parametrize(
    "cells",
    [
        CellState("slot", [], ("<u1", b"\1"), ("<u1", b"\1")),
        CellState("slot", ["A"], ("<u1", b"\1\1"), ("<u1", b"\1")),
        CellState("slot", ["A"], ("<u4", b"\1\1"), ("<u1", b"\1")),
        CellState("slot", ["A"], ("|O", b"\1"), ("<u1", b"\1")),
        CellState("slot", ["A"], ("<u1", b"\1"), ("<u8", b"\xff" * 8)),
    ],
    ids=["no key", "unequal", "half a number", "no such type", "below zero"],
)
def test_what_cannot_be_is_refused(cells: CellState) -> None:
    """Every cell is some key's, columns are of one length, counts are counts."""
    totals = Totals()
    with pytest.raises(CodecError, match="a bucket cannot be read"):
        decode_bucket(msgspec.msgpack.encode([T0, [cells], []]), totals)
    assert totals.buckets == {}


@pytest.mark.parametrize("runs", [([3], [3]), ([3, 4], [5, 6]), ([5, 1], [6, 2]), ([1], [])])
def test_runs_that_cannot_be_are_refused(runs: tuple[list[int], list[int]]) -> None:
    """Runs ascend and are apart: else a number would be seen and not be."""
    with pytest.raises(ValueError, match=r"seen twice|argument"):
        ShardMerge.restore({0: PartitionState(1, 1, *runs)})
