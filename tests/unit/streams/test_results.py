"""Rollups out of bucket changes: by shard, under names, with values before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.core.buckets import COLUMN_BITS, BucketChange, OpenBuckets
from streams.core.vocabulary import Vocabulary, shard_of
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from streams.results import (
    VERSION,
    KeyCounts,
    MoneyCounts,
    OutcomeCounts,
    Rollup,
    RollupSource,
    build_rollups,
)
from tests.support.columns import i64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUCKET = 1_762_689_600_000
SOURCE = RollupSource(partition=3, generation=44, open_from=5, counted_until_ms=BUCKET + 1_234)
ALL, SLOT, BANNER, SKU, CHANNEL = range(5)
Named = dict[tuple[str, str, int], tuple[int, int]]


@pytest.fixture
def vocabulary() -> Vocabulary:
    """Slots and SKUs S0 to S9 from code 2 on, in four shards."""
    known = Vocabulary(Funnel(extra_dimensions=("channel",)), key_objection, shards=4)
    for table in known.tables:
        for number in range(10):
            table[f"S{number}"]
    return known


def cell(code: int, column: int) -> int:
    """A cell's number."""
    return code << COLUMN_BITS | column


def change(counts: Mapping[int, Sequence[tuple[int, int, int]]]) -> BucketChange:
    """Dimension -> (cell, value, previous) rows."""
    columns = [
        tuple(i64(*column) for column in zip(*counts[d], strict=True))
        if d in counts
        else (i64(), i64(), i64())
        for d in range(5)
    ]
    return BucketChange(BUCKET, 7, [(c[0], c[1], c[2]) for c in columns], [], [])


def named(rollups: Sequence[Rollup]) -> Named:
    """(dimension, key, column) -> (value, previous), from all shards."""
    found: Named = {}
    for rollup in rollups:
        for counts in rollup.counts:
            columns = [column.tolist() for column in counts.cells()]
            for at, column, value, previous in zip(*columns, strict=True):
                found[counts.dimension, counts.keys[at], column] = (value, previous)
    return found


def test_counts_travel_by_name(vocabulary: Vocabulary) -> None:
    """Dimension and key by name, stages by number, with both values."""
    counts = {
        ALL: [(cell(0, 1), 9, 4)],
        SLOT: [(cell(2, 1), 5, 0), (cell(2, 17), 3, 1), (cell(0, 1), 4, 4)],
        SKU: [(cell(1, 0), 2**40, 7)],
        CHANNEL: [(cell(11, 6), 1, 0)],
    }
    assert named(list(build_rollups([change(counts)], vocabulary, SOURCE))) == {
        ("all", "all", 1): (9, 4),
        ("slot", "S0", 1): (5, 0),
        ("slot", "S0", 17): (3, 1),
        ("slot", "(none)", 1): (4, 4),
        ("sku", "(other)", 0): (2**40, 7),
        ("channel", "S9", 6): (1, 0),
    }


def test_a_rollup_says_where_it_is_from(vocabulary: Vocabulary) -> None:
    """Version, source, bucket and part, and the names of stages."""
    (rollup,) = build_rollups([change({ALL: [(cell(0, 1), 1, 0)]})], vocabulary, SOURCE)
    assert (rollup.version, rollup.partition, rollup.generation, rollup.part) == (VERSION, 3, 44, 7)
    assert (rollup.bucket_ms, rollup.open_from, rollup.counted_until_ms) == (BUCKET, 5, BUCKET + 1_234)
    assert (rollup.stages, rollup.nodes) == (vocabulary.stages.names, 7)
    assert rollup.shard == vocabulary.all_shard


def test_every_key_goes_to_its_shard(vocabulary: Vocabulary) -> None:
    """One rollup per shard with anything in it, and in it only keys of that shard."""
    counts = [(cell(code, 1), code, 0) for code in range(12)]
    rollups = list(build_rollups([change({SLOT: counts, SKU: counts})], vocabulary, SOURCE))
    shards = [rollup.shard for rollup in rollups]
    assert len(set(shards)) == len(shards) == 4
    for rollup in rollups:
        for keys in rollup.counts:
            assert {shard_of(keys.dimension, key, 4) for key in keys.keys} == {rollup.shard}
    assert len(named(rollups)) == 24


def test_a_key_is_named_once(vocabulary: Vocabulary) -> None:
    """However many of its columns changed: names are the larger part of a rollup."""
    cells = [(cell(3, column), 5, 0) for column in (1, 2, 17)]
    (rollup,) = build_rollups([change({SLOT: cells})], vocabulary, SOURCE)
    assert rollup.counts[0].keys == ["S1"]
    assert [column.size for column in rollup.counts[0].cells()] == [3, 3, 3, 3]


def test_money_goes_with_its_keys(vocabulary: Vocabulary) -> None:
    """To the shard of the key, that of ``all`` to its own."""
    entry = (2, 300, 1, 100)
    keys = [(ALL, 0, "CNY", "paid"), (SLOT, 4, "JPY", "refunded"), (SKU, 1, "XXX", "cancelled")]
    money = [(key, *entry) for key in keys]
    rollups = build_rollups([change({})._replace(money=money)], vocabulary, SOURCE)
    found = [(rollup.shard, item) for rollup in rollups for item in rollup.money]
    assert sorted(found, key=lambda pair: pair[1].dimension) == [
        (shard_of("all", "all", 4), MoneyCounts("all", "all", "CNY", "paid", *entry)),
        (shard_of("sku", "(other)", 4), MoneyCounts("sku", "(other)", "XXX", "cancelled", *entry)),
        (shard_of("slot", "S2", 4), MoneyCounts("slot", "S2", "JPY", "refunded", *entry)),
    ]


def test_outcomes_of_a_topic_go_to_one_shard(vocabulary: Vocabulary) -> None:
    """One owner exports all records of a topic, so that they add up at any moment."""
    outcomes = [((0, "accepted"), 9, 2), ((0, "late"), 1, 0), ((1, "accepted"), 5, 0)]
    rollups = build_rollups([change({})._replace(outcomes=outcomes)], vocabulary, SOURCE)
    found = {
        (item.topic, item.outcome): (rollup.shard, item) for rollup in rollups for item in rollup.outcomes
    }
    assert found == {
        (topic, outcome): (shard_of("records", str(topic), 4), OutcomeCounts(topic, outcome, records, before))
        for (topic, outcome), records, before in outcomes
    }


def test_every_change_has_rollups_of_its_own(vocabulary: Vocabulary) -> None:
    """Two buckets are never put together."""
    one = change({ALL: [(cell(0, 1), 1, 0)]})
    other = one._replace(bucket_ms=BUCKET + 10_000, part=8)
    rollups = list(build_rollups([one, other], vocabulary, SOURCE))
    assert [(rollup.bucket_ms, rollup.part) for rollup in rollups] == [(BUCKET, 7), (BUCKET + 10_000, 8)]


def test_no_changes_no_rollups(vocabulary: Vocabulary) -> None:
    """A quiet flush writes nothing."""
    assert list(build_rollups([], vocabulary, SOURCE)) == []


@pytest.mark.parametrize("shards", [1, 300, 1024])
def test_any_number_of_shards(shards: int) -> None:
    """Up to what the configuration allows, every count arrives."""
    vocabulary = Vocabulary(Funnel(), key_objection, shards=shards)
    buckets = OpenBuckets(4)
    codes = np.array([vocabulary.sku[f"S{number}"] for number in range(2_000)], dtype=np.int64)
    buckets.count(SKU, np.full(codes.size, BUCKET), codes << COLUMN_BITS)
    rollups = list(build_rollups(buckets.flush(0), vocabulary, SOURCE))
    assert len(named(rollups)) == 2_000
    assert max(rollup.shard for rollup in rollups) < shards


def test_columns_are_little_endian() -> None:
    """The same bytes on every machine."""
    counts = KeyCounts("all", ["all"], b"\1\0\0\0", b"\2", b"\3" + b"\0" * 7, b"\4" + b"\0" * 7)
    assert [column.tolist() for column in counts.cells()] == [[1], [2], [3], [4]]
