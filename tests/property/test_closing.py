"""Closed buckets depend on what each source partition said and in which order, on nothing else."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.core.closing import Closing, ClosingState
from streams.core.shard_progress import ClosingSettings
from tests.support.logs_of_rollups import BUCKET, Speaker, Sums, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.closed import ClosedBucket
    from streams.results import Rollup
    from tests.support.rollups import Counts

SHARDS = 2
PARTITIONS = 3
END = 400_000
NEVER = ClosingSettings(patience_ms=1 << 40, forget_after_ms=1 << 40)


class Saying(NamedTuple):
    """What is said next: how much further, of which bucket before or after, what was counted."""

    advance: int
    bucket: int
    key: str
    times: int
    pause: int
    idle: bool


SAYINGS = st.lists(
    st.builds(
        Saying,
        st.sampled_from([0, 500, 4_000, 9_999, 10_000, 25_000]),
        st.integers(-3, 2),
        st.sampled_from("ABCD"),
        st.integers(0, 3),
        st.sampled_from([0, 1_000, 6_000, 30_000]),
        st.booleans(),
    ),
    max_size=7,
)
# In what order the source partitions' and shards' words come.
SEEDS = st.integers(0, 1 << 32)
# One list for every source partition and shard.
LOGS = st.lists(SAYINGS, min_size=SHARDS * PARTITIONS, max_size=SHARDS * PARTITIONS)


def stream(number: int, sayings: Sequence[Saying]) -> list[Rollup]:
    """What one source partition says to one shard, up to the end of everything."""
    speaker, complete, told = Speaker(number // SHARDS, number % SHARDS), 0, 0
    said = [speaker.says(0, told_at=1)]
    for advance, bucket, key, times, pause, idle in sayings:
        complete, told = complete + advance, told + pause
        counts: Counts = {("sku", key): {0: times, 17: 1}, ("all", "all"): {0: times}} if times else {}
        where = max(complete // BUCKET + bucket, 0)
        said.append(speaker.says(complete, counts, bucket=where, told_at=told, idle=idle))
    return [*said, speaker.says(END, told_at=END)]


def streams_of(logs: Sequence[Sequence[Saying]]) -> list[list[Rollup]]:
    """By source partition and shard."""
    return [stream(number, sayings) for number, sayings in enumerate(logs)]


def mixed(streams: Sequence[Sequence[Rollup]], seed: int) -> list[Rollup]:
    """Any interleaving that keeps the order of each."""
    turns = [at for at, stream in enumerate(streams) for _ in stream]
    random.Random(seed).shuffle(turns)
    rest = [iter(stream) for stream in streams]
    return [next(rest[turn]) for turn in turns]


def closing(settings: ClosingSettings = NEVER, partitions: Iterable[int] = range(PARTITIONS)) -> Closing:
    """Whoever closes, from nothing."""
    return Closing(SHARDS, partitions=partitions, settings=settings)


def play(closing: Closing, rollups: Iterable[Rollup]) -> list[ClosedBucket]:
    """Buckets as they close."""
    closed: list[ClosedBucket] = []
    for rollup in rollups:
        closing.take(rollup.shard, rollup)
        closed += closing.closed()
    return closed


def sums_of(rollups: Iterable[Rollup]) -> Counter[tuple[int, str, str, int]]:
    """Counts in rollups, each taken once."""
    sums: Counter[tuple[int, str, str, int]] = Counter()
    for rollup in rollups:
        for counts in rollup.counts:
            for index, column, count in zip(*(part.tolist() for part in counts.cells()), strict=True):
                sums[rollup.bucket_ms, counts.dimension, counts.keys[index], column] += count
    return sums


@given(logs=LOGS, seed=SEEDS)
def test_any_interleaving_and_any_repetition(logs: list[list[Saying]], seed: int) -> None:
    """While nobody is given up, the same buckets close with the same content, whatever is mixed how."""
    streams = streams_of(logs)
    straight = [rollup for stream in streams for rollup in stream]
    written, again = mixed(streams, seed), random.Random(seed)
    repeated = [written[i] for at in range(len(written)) for i in (at, again.randint(0, at))]
    one, other = play(closing(), straight), play(closing(), repeated)
    assert [plain(closed) for closed in one] == [plain(closed) for closed in other]


@given(logs=LOGS, seed=SEEDS)
def test_shards_may_be_read_in_any_interleaving(logs: list[list[Saying]], seed: int) -> None:
    """Also while source partitions are late, silent, given up and forgotten: each log decides by itself."""
    settings = ClosingSettings(patience_ms=7_000, forget_after_ms=20_000)
    written = mixed(streams_of(logs), seed)
    by_shard = [[rollup for rollup in written if rollup.shard == shard] for shard in range(SHARDS)]
    one = play(closing(settings, ()), mixed(by_shard, seed))
    other = play(closing(settings, ()), [*by_shard[1], *by_shard[0]])
    assert [plain(closed) for closed in one] == [plain(closed) for closed in other]


@given(logs=LOGS, seed=SEEDS, patience_ms=st.sampled_from([2_000, 7_000, 1 << 40]))
def test_nothing_is_lost_and_nothing_is_twice(logs: list[list[Saying]], seed: int, patience_ms: int) -> None:
    """Counts of all closed buckets and what is late add up to all rollups, bucket by bucket, money too."""
    written = mixed(streams_of(logs), seed)
    # Whoever was given up has all of it told in the end.
    last = [Speaker(p, s, 1_000).says(END + 60_000) for p in range(PARTITIONS) for s in range(SHARDS)]
    sums = Sums()
    for closed in play(closing(ClosingSettings(patience_ms=patience_ms)), [*written, *last]):
        sums.add(closed)
    assert sums.counts + sums.late == sums_of(written)
    assert (sums.orders, sums.amount) == (money := sum(len(r.money) for r in written), 100 * money)
    assert sums.records == len(written) + len(last)


@given(logs=LOGS, seed=SEEDS)
def test_buckets_follow_each_other(logs: list[list[Saying]], seed: int) -> None:
    """Ten seconds after ten seconds without a gap, each named once, and time never goes back."""
    settings = ClosingSettings(patience_ms=7_000)
    closed = play(closing(settings, ()), mixed(streams_of(logs), seed))
    starts = [bucket.start_ms for bucket in closed]
    assert starts == list(range(starts[0], starts[0] + len(starts) * BUCKET, BUCKET)) if starts else True
    told = [bucket.closed_at_ms for bucket in closed]
    assert told == sorted(told)


@given(logs=LOGS, seed=SEEDS, patience_ms=st.sampled_from([7_000, 1 << 40]))
def test_a_snapshot_and_the_rest_are_the_whole(logs: list[list[Saying]], seed: int, patience_ms: int) -> None:
    """Cut anywhere, the state taken over as bytes: what closes after is what would have."""
    written = mixed(streams_of(logs), seed)
    cut = seed % (len(written) + 1)
    settings = ClosingSettings(patience_ms=patience_ms)
    first, second = closing(settings), closing(settings)
    closed = play(first, written[:cut])
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot()), type=ClosingState))
    closed += play(second, written[cut:])
    whole = play(closing(settings), written)
    assert [plain(bucket) for bucket in closed] == [plain(bucket) for bucket in whole]
