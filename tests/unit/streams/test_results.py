"""Rollups out of bucket changes: by shard, under names, numbered without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.closed import Progress
from streams.codec import decode_rollup, encode_rollup
from streams.core.buckets import COLUMN_BITS, BucketChange, BucketCounts
from streams.core.ordering import UNREAD
from streams.core.vocabulary import Vocabulary, shard_of
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from streams.results import VERSION, KeyCounts, MoneyCounts, OutcomeCounts, Rollup, RollupWriter
from tests.support.columns import i64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BUCKET = 1_762_689_600_000
UNTIL = BUCKET + 1_234
PROGRESS = Progress(BUCKET, UNTIL, idle=False)
ALL, SLOT, BANNER, SKU, CHANNEL = range(5)
Named = dict[tuple[str, str, int], int]


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


def change(counts: Mapping[int, Sequence[tuple[int, int]]], bucket_ms: int = BUCKET) -> BucketChange:
    """Dimension -> (cell, how many were added) rows, the cells ascending."""
    columns = [
        (i64(*(c for c, _ in counts.get(d, ()))), i64(*(n for _, n in counts.get(d, ())))) for d in range(5)
    ]
    return BucketChange(bucket_ms, columns, [], [])


def write(vocabulary: Vocabulary, *changes: BucketChange) -> list[Rollup]:
    """The rollups of a first flush in which something was counted."""
    return counted(RollupWriter(vocabulary, 3, 44).rollups(changes, UNTIL, PROGRESS))


def counted(rollups: Iterable[Rollup]) -> list[Rollup]:
    """Those in which something was."""
    return [rollup for rollup in rollups if rollup.counts or rollup.money or rollup.outcomes]


def named(rollups: Iterable[Rollup]) -> Named:
    """(dimension, key, column) -> how many were added, from all shards."""
    found: Named = {}
    for rollup in rollups:
        for counts in rollup.counts:
            columns = [column.tolist() for column in counts.cells()]
            for at, column, count in zip(*columns, strict=True):
                found[counts.dimension, counts.keys[at], column] = count
    return found


def numbers(rollups: Iterable[Rollup]) -> dict[int, list[int]]:
    """Shard -> sequence numbers in the order in which they were written."""
    found: dict[int, list[int]] = {}
    for rollup in rollups:
        found.setdefault(rollup.shard, []).append(rollup.sequence)
    return found


def test_counts_travel_by_name(vocabulary: Vocabulary) -> None:
    """Dimension and key by name, stages by number, and what was added."""
    counts = {
        ALL: [(cell(0, 1), 9)],
        SLOT: [(cell(0, 1), 4), (cell(2, 1), 5), (cell(2, 17), 3)],
        SKU: [(cell(1, 0), 2**40)],
        CHANNEL: [(cell(11, 6), 1)],
    }
    assert named(write(vocabulary, change(counts))) == {
        ("all", "all", 1): 9,
        ("slot", "S0", 1): 5,
        ("slot", "S0", 17): 3,
        ("slot", "(none)", 1): 4,
        ("sku", "(other)", 0): 2**40,
        ("channel", "S9", 6): 1,
    }


def test_a_rollup_says_where_it_is_from(vocabulary: Vocabulary) -> None:
    """Version, source, life, bucket, how far was counted and is complete, and the names of stages."""
    (rollup,) = write(vocabulary, change({ALL: [(cell(0, 1), 1)]}))
    assert (rollup.version, rollup.partition, rollup.generation, rollup.sequence) == (VERSION, 3, 44, 0)
    assert (rollup.bucket_ms, rollup.counted_until_ms, rollup.progress) == (BUCKET, UNTIL, PROGRESS)
    assert (rollup.stages, rollup.nodes) == (vocabulary.stages.names, 7)
    assert rollup.shard == vocabulary.all_shard


def test_every_key_goes_to_its_shard(vocabulary: Vocabulary) -> None:
    """One rollup per shard with anything in it, and in it only keys of that shard."""
    counts = [(cell(code, 1), code + 1) for code in range(12)]
    rollups = write(vocabulary, change({SLOT: counts, SKU: counts}))
    shards = [rollup.shard for rollup in rollups]
    assert len(set(shards)) == len(shards) == 4
    for rollup in rollups:
        for keys in rollup.counts:
            assert {shard_of(keys.dimension, key, 4) for key in keys.keys} == {rollup.shard}
    names = vocabulary.slot.names
    assert named(rollups) == {
        (dimension, names[code], 1): code + 1 for dimension in ("slot", "sku") for code in range(12)
    }


def test_a_key_is_named_once(vocabulary: Vocabulary) -> None:
    """However many of its columns were counted: names are the larger part of a rollup."""
    cells = [(cell(code, column), 5) for code in (3, 11) for column in (1, 2, 17)]
    for rollup in write(vocabulary, change({CHANNEL: cells})):
        (counts,) = rollup.counts
        assert len(set(counts.keys)) == len(counts.keys)
        assert [column.size for column in counts.cells()] == [3 * len(counts.keys)] * 3


# --- numbers -------------------------------------------------------------------------------------


def test_rollups_are_numbered_without_a_gap_per_shard(vocabulary: Vocabulary) -> None:
    """From zero, over buckets and flushes; a shard in which nothing was counted uses up no number."""
    writer = RollupWriter(vocabulary, 3, 44)
    written: list[Rollup] = []
    for flush in range(6):
        codes = range(flush, 12, flush + 1)
        changes = [
            change({SLOT: [(cell(code, 1), 1) for code in codes]}, BUCKET + at * 10_000) for at in range(3)
        ]
        written += writer.rollups(changes, UNTIL, PROGRESS)
    by_shard = numbers(written)
    assert by_shard == {shard: list(range(len(found))) for shard, found in by_shard.items()}
    assert len(set(map(len, by_shard.values()))) > 1


def test_numbers_go_on_from_flush_to_flush(vocabulary: Vocabulary) -> None:
    """Also over flushes in which there was nothing."""
    writer = RollupWriter(vocabulary, 3, 44)
    one = change({ALL: [(cell(0, 1), 1)]})
    found = [
        [rollup.sequence for rollup in counted(writer.rollups(changes, UNTIL, PROGRESS))]
        for changes in ([one, one], [], [one], [change({})], [one])
    ]
    assert found == [[0, 1], [], [2], [], [3]]


def test_every_life_and_partition_has_its_own_numbers(vocabulary: Vocabulary) -> None:
    """A new writer begins anew; it says whose life it writes."""
    one = change({ALL: [(cell(0, 1), 1)]})
    for partition, generation in ((3, 44), (3, 45), (4, 44)):
        writer = RollupWriter(vocabulary, partition, generation)
        assert writer.generation == generation
        assert [
            (rollup.partition, rollup.generation, rollup.sequence)
            for rollup in counted(writer.rollups([one, one], 0, PROGRESS))
        ] == [(partition, generation, 0), (partition, generation, 1)]


def test_money_and_outcomes_are_numbered_too(vocabulary: Vocabulary) -> None:
    """With whatever else there is for their shard: one rollup, one number."""
    counts = {SLOT: [(cell(code, 1), 1) for code in range(12)]}
    money = [((SLOT, code, "CNY", "paid"), 1, 5) for code in range(12)]
    outcomes = [((topic, "late"), 1) for topic in (0, 1)]
    rollups = write(vocabulary, change(counts)._replace(money=money, outcomes=outcomes))
    assert numbers(rollups) == {shard: [0] for shard in range(4)}
    assert sum(len(rollup.money) for rollup in rollups) == 12
    alone = write(vocabulary, change({})._replace(money=money), change({})._replace(outcomes=outcomes))
    found = numbers(alone)
    assert found == {shard: list(range(len(of))) for shard, of in found.items()}


# --- how far a source partition is ---------------------------------------------------------------


def told(writer: RollupWriter, progress: Progress, *changes: BucketChange) -> dict[int, list[Progress]]:
    """Shard -> what the rollups of a flush say of progress, in their order."""
    found: dict[int, list[Progress]] = {}
    for rollup in writer.rollups(changes, UNTIL, progress):
        found.setdefault(rollup.shard, []).append(rollup.progress)
    return found


def at(complete: int, told_at: int, *, idle: bool = False) -> Progress:
    """Progress, seconds after the bucket begins."""
    return Progress(BUCKET + 1000 * complete, BUCKET + 1000 * told_at, idle=idle)


def test_every_shard_is_told_first(vocabulary: Vocabulary) -> None:
    """Also those for which nothing was counted: with an empty rollup, numbered like the others."""
    written = list(
        RollupWriter(vocabulary, 3, 44).rollups([change({ALL: [(cell(0, 1), 1)]})], UNTIL, at(15, 20))
    )
    assert numbers(written) == {shard: [0] for shard in range(4)}
    assert {rollup.progress for rollup in written} == {at(15, 20)}
    assert {rollup.bucket_ms for rollup in written if not rollup.counts} == {BUCKET + 10_000}
    assert {rollup.version for rollup in written} == {VERSION}


@pytest.mark.parametrize(
    ("progress", "due"),
    [
        (at(15, 21), False),
        (at(19, 29), False),
        (at(20, 21), True),
        (at(15, 30), True),
        (at(15, 21, idle=True), True),
        # Somebody has set the clock.
        (at(15, 19), True),
    ],
)
def test_when_every_shard_is_told_again(vocabulary: Vocabulary, progress: Progress, *, due: bool) -> None:
    """When another bucket is complete, when idleness changes, after ten seconds; then not for a while."""
    writer = RollupWriter(vocabulary, 3, 44)
    told(writer, at(15, 20))
    assert writer.due(progress) is due
    assert told(writer, progress) == ({shard: [progress] for shard in range(4)} if due else {})
    assert not writer.due(progress)
    assert told(writer, progress) == {}


def test_who_is_told_anyway_hears_the_newest(vocabulary: Vocabulary) -> None:
    """A rollup with counts says how far counting is, whether or not the other shards are told."""
    writer = RollupWriter(vocabulary, 3, 44)
    told(writer, at(15, 20))
    assert told(writer, at(16, 21), change({ALL: [(cell(0, 1), 1)]})) == {vocabulary.all_shard: [at(16, 21)]}


def test_progress_is_true_of_every_rollup(vocabulary: Vocabulary) -> None:
    """Of a flush of several buckets, only the last rollup of a shard says that all of them are complete."""
    writer = RollupWriter(vocabulary, 3, 44, BUCKET + 5_000)
    buckets = [change({ALL: [(cell(0, 1), 1)]}, BUCKET + start) for start in (0, 10_000, 20_000)]
    begun = Progress(BUCKET + 5_000, 0, idle=False)
    mine = vocabulary.all_shard
    assert told(writer, at(30, 31), *buckets)[mine] == [begun, begun, at(30, 31)]
    assert told(writer, at(60, 61), *buckets)[mine] == [at(30, 31), at(30, 31), at(60, 61)]


def test_a_partition_of_which_nothing_was_read_is_told_too(vocabulary: Vocabulary) -> None:
    """Nobody need wait for it."""
    writer = RollupWriter(vocabulary, 3, 44)
    nothing = Progress(UNREAD, UNTIL, idle=True)
    written = list(writer.rollups([], UNREAD, nothing))
    assert [decode_rollup(encode_rollup(rollup)) for rollup in written] == written
    assert [(rollup.progress, rollup.bucket_ms) for rollup in written] == [(nothing, 0)] * 4


# --- what else there is in a rollup --------------------------------------------------------------


def test_money_goes_with_its_keys(vocabulary: Vocabulary) -> None:
    """To the shard of the key, that of ``all`` to its own."""
    sums = (2, 300)
    keys = [(ALL, 0, "CNY", "paid"), (SLOT, 4, "JPY", "refunded"), (SKU, 1, "XXX", "cancelled")]
    money = [(key, *sums) for key in keys]
    rollups = write(vocabulary, change({})._replace(money=money))
    found = [(rollup.shard, item) for rollup in rollups for item in rollup.money]
    assert sorted(found, key=lambda pair: pair[1].dimension) == [
        (shard_of("all", "all", 4), MoneyCounts("all", "all", "CNY", "paid", *sums)),
        (shard_of("sku", "(other)", 4), MoneyCounts("sku", "(other)", "XXX", "cancelled", *sums)),
        (shard_of("slot", "S2", 4), MoneyCounts("slot", "S2", "JPY", "refunded", *sums)),
    ]


def test_outcomes_of_a_topic_go_to_one_shard(vocabulary: Vocabulary) -> None:
    """One owner exports all records of a topic, so that they add up at any moment."""
    outcomes = [((0, "accepted"), 9), ((0, "late"), 1), ((1, "accepted"), 5)]
    rollups = write(vocabulary, change({})._replace(outcomes=outcomes))
    found = {
        (item.topic, item.outcome): (rollup.shard, item) for rollup in rollups for item in rollup.outcomes
    }
    assert found == {
        (topic, outcome): (shard_of("records", str(topic), 4), OutcomeCounts(topic, outcome, records))
        for (topic, outcome), records in outcomes
    }


def test_every_bucket_has_rollups_of_its_own(vocabulary: Vocabulary) -> None:
    """Two buckets are never put together."""
    one = change({ALL: [(cell(0, 1), 1)]})
    other = one._replace(bucket_ms=BUCKET + 10_000)
    rollups = write(vocabulary, one, other)
    assert [(rollup.bucket_ms, rollup.sequence) for rollup in rollups] == [(BUCKET, 0), (BUCKET + 10_000, 1)]


def test_nothing_counted_no_rollups(vocabulary: Vocabulary) -> None:
    """A quiet flush writes nothing."""
    assert write(vocabulary) == []
    assert write(vocabulary, change({})) == []


@pytest.mark.parametrize("shards", [1, 300, 1024])
def test_any_number_of_shards(shards: int) -> None:
    """Up to what the configuration allows, every count arrives."""
    vocabulary = Vocabulary(Funnel(), key_objection, shards=shards)
    buckets = BucketCounts(4)
    codes = np.array([vocabulary.sku[f"S{number}"] for number in range(2_000)], dtype=np.int64)
    buckets.count(SKU, np.full(codes.size, BUCKET), codes << COLUMN_BITS)
    rollups = write(vocabulary, *buckets.flush())
    assert named(rollups) == {("sku", f"S{number}", 0): 1 for number in range(2_000)}
    assert max(rollup.shard for rollup in rollups) < shards


def test_columns_are_little_endian() -> None:
    """The same bytes on every machine."""
    counts = KeyCounts("all", ["all"], b"\1\0\0\0", b"\2", b"\3" + b"\0" * 7)
    assert [column.tolist() for column in counts.cells()] == [[1], [2], [3]]
