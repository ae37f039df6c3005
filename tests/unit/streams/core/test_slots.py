"""The hash table of fingerprints: finding, claiming, expiring, growing, 32-bit times."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.core.slots import SWEEP, WAYS, TimedSlots
from tests.support.columns import i32, i64, u64

if TYPE_CHECKING:
    from numpy.typing import NDArray

T0 = 1_762_689_600_000
DAY = 86_400_000
NEVER = -(1 << 62)
NOTHING = range(0)


def some_keys(count: int, seed: int = 1) -> NDArray[np.uint64]:
    """Distinct fingerprints."""
    keys = np.random.default_rng(seed).integers(2, 1 << 63, 2 * count, dtype=np.uint64)
    return np.unique(keys)[:count]


def clump(count: int) -> NDArray[np.uint64]:
    """Distinct keys of which all have the same two buckets in a new table."""
    part = np.arange(count, dtype=np.uint64) * np.uint64(1 << 19)
    return (part << np.uint64(32)) | (part + np.uint64(1))


def put(table: TimedSlots, keys: NDArray[np.uint64], times: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Remember keys with a time each."""
    slots = table.resolve(keys, NEVER)
    table.write_times(slots, np.broadcast_to(np.asarray(times, dtype=np.int64), keys.size))
    return slots


def put_since(table: TimedSlots, keys: NDArray[np.uint64], now: int) -> None:
    """Remember keys as of now; what is older has expired."""
    table.write_times(table.resolve(keys, now), np.full(keys.size, now))


def times_of(table: TimedSlots, keys: NDArray[np.uint64]) -> list[int]:
    """Times of keys that are there."""
    slots = table.find(keys)
    assert (slots >= 0).all()
    times: list[int] = table.times(slots)[0].tolist()
    return times


def follow(table: TimedSlots, copy: TimedSlots, swept: range = NOTHING, cutoff_ms: int = NEVER) -> list[int]:
    """Bring changes of a table, and all of a part of it, into a copy; the keys that were brought."""
    state = table.changes(swept, cutoff_ms)
    copy.apply(state, [np.frombuffer(column, dtype=np.int32) for column in state.payload], cutoff_ms)
    keys: list[int] = np.frombuffer(state.keys, dtype=np.uint64).tolist()
    return keys


def parts(count: int) -> list[range]:
    """All of a table in so many parts, which do not end where buckets end."""
    ends = [number * SWEEP // count for number in range(count + 1)]
    return [range(start, end) for start, end in itertools.pairwise(ends)]


def entries(table: TimedSlots, cutoff_ms: int = NEVER) -> dict[int, tuple[int, ...]]:
    """Time and payload per key, of all that are not older than a cutoff."""
    keys, _, payload = table.live(cutoff_ms)
    times = table.times(table.find(keys))[0].tolist()
    return dict(zip(keys.tolist(), zip(times, *payload.tolist(), strict=True), strict=True))


def test_an_unknown_key_has_no_slot() -> None:
    """A key nobody resolved answers -1, also while others are there."""
    table = TimedSlots()
    put(table, u64(5), T0)
    assert table.find(u64(7, 5)).tolist() == [-1, table.find(u64(5))[0]]


def test_a_key_keeps_its_slot() -> None:
    """Resolving and finding give the same slot every time."""
    table = TimedSlots()
    keys = some_keys(50)
    slots = put(table, keys, T0)
    assert table.resolve(keys, NEVER).tolist() == slots.tolist()
    assert table.find(keys).tolist() == slots.tolist()


def test_equal_keys_get_one_slot_and_others_their_own() -> None:
    """In one batch too, whether or not the keys are known."""
    table = TimedSlots()
    slots = table.resolve(u64(5, 7, 5, 9, 7), NEVER).tolist()
    assert slots[0] == slots[2]
    assert slots[1] == slots[4]
    assert len(set(slots)) == 3


def test_keys_that_want_the_same_slot_at_once_get_different_ones() -> None:
    """Sixteen new keys with the same two buckets: fifteen lose the first race, all find room."""
    table = TimedSlots()
    slots = table.resolve(clump(2 * WAYS), NEVER)
    assert len(set(slots.tolist())) == 2 * WAYS
    assert table.find(clump(2 * WAYS)).tolist() == slots.tolist()


def test_a_claimed_slot_is_fresh_until_it_has_a_time() -> None:
    """Fresh says that nothing was remembered under the key before."""
    table = TimedSlots()
    slots = table.resolve(u64(5), NEVER)
    assert table.times(slots)[1].tolist() == [True]
    table.write_times(slots, i64(T0))
    times, fresh = table.times(slots)
    assert (times.tolist(), fresh.tolist()) == ([T0], [False])


def test_the_last_time_written_to_a_slot_stays() -> None:
    """A slot may be named twice in one batch, the later row counts."""
    table = TimedSlots()
    slots = table.resolve(u64(5, 5), NEVER)
    table.write_times(slots, i64(T0 + 9, T0 + 3))
    assert times_of(table, u64(5)) == [T0 + 3]


def test_a_key_that_hashes_to_zero_is_remembered() -> None:
    """Zero marks an empty slot, yet a key of zero is found again."""
    table = TimedSlots()
    assert table.find(u64(0)).tolist() == [-1]
    put(table, u64(0), T0)
    assert times_of(table, u64(0)) == [T0]


def test_an_expired_key_is_fresh_again() -> None:
    """Older than the cutoff: the key starts anew. At the cutoff it is still remembered."""
    table = TimedSlots()
    put(table, u64(5, 7), i64(T0, T0 + 1))
    slots = table.resolve(u64(5, 7), T0 + 1)
    assert table.times(slots)[1].tolist() == [True, False]


def test_expired_slots_are_used_again() -> None:
    """Ten times as many keys as fit, each batch after the former expired: nothing grows."""
    table = TimedSlots()
    before = table.nbytes
    for batch in range(20):
        now = T0 + batch * 1_000
        keys = some_keys(500, seed=batch)
        table.write_times(table.resolve(keys, now), np.full(500, now))
    assert table.nbytes == before


def test_a_new_key_does_not_take_the_slot_of_an_expired_one_that_came_back() -> None:
    """In one batch an expired key is held for itself before new keys look for room."""
    table = TimedSlots()
    old, new = clump(2 * WAYS), clump(4 * WAYS)[2 * WAYS :]
    put(table, old, T0)
    slots = table.resolve(np.concatenate((new, old)), T0 + 1)
    assert len(set(slots.tolist())) == 4 * WAYS


def test_growing_keeps_times_and_payload() -> None:
    """Many more keys than the table was made for, taken in by turns."""
    table = TimedSlots(payload=2)
    keys = some_keys(20_000)
    for start in range(0, keys.size, 3_000):
        part = keys[start : start + 3_000]
        slots = put(table, part, T0 + np.arange(start, start + part.size))
        table.payload[0, slots] = np.arange(start, start + part.size)
        table.payload[1, slots] = -np.arange(start, start + part.size)
    assert times_of(table, keys) == [T0 + number for number in range(20_000)]
    assert table.payload[0, table.find(keys)].tolist() == list(range(20_000))
    assert table.payload[1, table.find(keys)].tolist() == [-number for number in range(20_000)]


def test_growing_drops_what_has_expired() -> None:
    """A table grows by what is alive only."""
    table = TimedSlots()
    old, new = some_keys(3_000, seed=1), some_keys(30_000, seed=2)
    put(table, old, T0)
    table.write_times(table.resolve(new, T0 + 1), np.full(new.size, T0 + 1))
    assert table.live(NEVER)[0].size == pytest.approx(new.size, rel=0.05)
    assert (table.find(new) >= 0).all()


def test_a_table_is_filled_well_before_it_grows() -> None:
    """Two candidate buckets of eight: more than half of the slots are in use at the last growth."""
    table = TimedSlots()
    keys = some_keys(30_000)
    capacity = used = 0
    for start in range(0, keys.size, 100):
        size = table.nbytes
        put(table, keys[start : start + 100], T0)
        if table.nbytes > size:
            capacity, used = size // 13, start
    assert used / capacity > 0.5


def test_keys_that_share_both_buckets_still_find_room() -> None:
    """More keys than two buckets hold, in a table that is almost empty: another salt parts them."""
    table = TimedSlots()
    slots = put(table, clump(3 * WAYS), T0)
    assert len(set(slots.tolist())) == 3 * WAYS
    assert table.nbytes == TimedSlots().nbytes


def test_keys_made_to_share_their_buckets_cost_no_memory() -> None:
    """Ids can be chosen so that their fingerprints are next to each other; no size would part them."""
    table = TimedSlots()
    keys = np.arange(1, 401, dtype=np.uint64)
    slots = put(table, keys, T0)
    assert len(set(slots.tolist())) == 400
    assert table.nbytes == TimedSlots().nbytes
    assert table.find(keys).tolist() == slots.tolist()


def test_live_entries_are_those_not_older_than_the_cutoff() -> None:
    """The cutoff itself is alive."""
    table = TimedSlots(payload=1)
    slots = put(table, u64(5, 7, 9), i64(T0, T0 + 1, T0 + 2))
    table.payload[0, slots] = i32(50, 70, 90)
    keys, _, payload = table.live(T0 + 1)
    assert dict(zip(keys.tolist(), payload[0].tolist(), strict=True)) == {7: 70, 9: 90}


def test_no_times_change_nothing() -> None:
    """Writing no times to no slots is allowed before anything is known about time."""
    table = TimedSlots()
    table.write_times(i64(), i64())
    assert table.changes(range(SWEEP), NEVER).base_ms is None


@pytest.mark.parametrize("jump", [DAY, 24 * DAY, 49 * DAY, 50 * DAY, 400 * DAY, 10_000 * DAY])
def test_times_may_go_on_for_ever(jump: int) -> None:
    """Times are 32 bits above a base that moves: the newest is exact however far it jumped."""
    table = TimedSlots()
    put(table, u64(5), T0)
    put(table, u64(7), T0 + jump)
    assert times_of(table, u64(7)) == [T0 + jump]
    expected = T0 if jump < 49 * DAY else T0 + jump - (1 << 31) + 1
    assert times_of(table, u64(5)) == [max(T0, expected)]


@pytest.mark.parametrize("beyond", range(-4, 4))
def test_times_at_the_edge_of_32_bits_are_exact(beyond: int) -> None:
    """The last millisecond above the base, and the first that moves it."""
    table = TimedSlots()
    put(table, u64(5), T0)
    put(table, u64(7), T0 + (1 << 31) + beyond)
    assert times_of(table, u64(7)) == [T0 + (1 << 31) + beyond]
    assert table.times(table.find(u64(7)))[1].tolist() == [False]


def test_moving_the_base_keeps_the_last_24_days_exactly() -> None:
    """What is older than that stops at the base: still older than any horizon may be."""
    table = TimedSlots()
    times = T0 + np.arange(60) * DAY
    for number, time in enumerate(times.tolist()):
        put(table, u64(number + 1), time)
    newest = T0 + 59 * DAY
    kept = times_of(table, u64(*range(1, 61)))
    assert kept[-24:] == times[-24:].tolist()
    assert all(time <= newest - 10 * DAY for time in kept[:36])


def test_moving_the_base_leaves_empty_and_fresh_slots_alone() -> None:
    """An empty slot stays free; a slot claimed in the same batch stays fresh."""
    table = TimedSlots()
    put(table, u64(5), T0)
    fresh = table.resolve(u64(7), NEVER)
    put(table, u64(9), T0 + 100 * DAY)
    assert table.times(fresh)[1].tolist() == [True]
    assert table.live(NEVER)[0].size == 3


def test_a_cutoff_beyond_the_reach_of_32_bits_expires_everything() -> None:
    """After a jump of a hundred days all that was is old, and slots in use by this batch are not."""
    table = TimedSlots()
    put(table, u64(5), T0)
    slots = table.resolve(u64(5, 7), T0 + 100 * DAY)
    assert table.times(slots)[1].tolist() == [True, True]
    assert slots[0] != slots[1]


def test_a_time_before_the_base_counts_as_the_base() -> None:
    """A time 25 days before the newest cannot be told from one a little older."""
    table = TimedSlots()
    put(table, u64(5), T0)
    put(table, u64(7), T0 - 30 * DAY)
    assert times_of(table, u64(7)) == [T0 - (1 << 31) + 1]


@pytest.mark.parametrize("count", [0, 1, 1_000, 70_000])
def test_a_copy_knows_the_same(count: int) -> None:
    """Keys, times and payload come over, whatever their number."""
    table = TimedSlots(payload=1)
    keys = some_keys(count)
    slots = put(table, keys, T0 + np.arange(count))
    table.payload[0, slots] = np.arange(count)
    copy = TimedSlots(payload=1)
    follow(table, copy, range(SWEEP))
    assert times_of(copy, keys) == [T0 + number for number in range(count)]
    assert copy.payload[0, copy.find(keys)].tolist() == list(range(count))
    assert copy.live(NEVER)[0].size == count


def test_a_copy_goes_on_as_the_first_would() -> None:
    """Time goes on from the same base: later times, cutoffs and new keys work on."""
    table = TimedSlots()
    put(table, u64(5), T0)
    copy = TimedSlots()
    follow(table, copy, range(SWEEP))
    put(copy, u64(7), T0 + 60 * DAY)
    assert times_of(copy, u64(7)) == [T0 + 60 * DAY]
    assert copy.times(copy.resolve(u64(5), T0 + 60 * DAY))[1].tolist() == [True]


def test_changes_are_told_once() -> None:
    """What was written since the last call, again if it was written again."""
    table, copy = TimedSlots(), TimedSlots()
    put(table, u64(5, 7), T0)
    assert sorted(follow(table, copy)) == [5, 7]
    assert follow(table, copy) == []
    put(table, u64(7), T0 + 1)
    assert follow(table, copy) == [7]
    assert entries(copy) == entries(table) == {5: (T0,), 7: (T0 + 1,)}


def test_what_was_only_asked_for_is_no_change() -> None:
    """Finding, and resolving what is known or never gets a time."""
    table = TimedSlots()
    put(table, u64(5), T0)
    table.changes(NOTHING, NEVER)
    table.find(u64(5, 9))
    table.resolve(u64(5, 7), NEVER)
    assert table.changes(range(SWEEP), NEVER).keys == u64(5).tobytes()
    assert table.changes(NOTHING, NEVER).keys == b""


def test_changes_are_counted() -> None:
    """How many were written; what is only copied is not."""
    table = TimedSlots()
    put(table, some_keys(100), T0)
    assert table.written == 0
    table.changes(range(SWEEP), NEVER)
    assert table.written == 100
    put(table, some_keys(3), T0 + 1)
    table.changes(range(SWEEP), NEVER)
    assert table.written == 3
    table.changes(range(SWEEP), NEVER)
    assert table.written == 0


def test_changes_that_nobody_takes_take_little_memory() -> None:
    """However often entries are written while the log cannot be, each is told once in the end."""
    table, keys = TimedSlots(), some_keys(3_000)
    put(table, keys, T0)
    tracemalloc.start()
    for later in range(500):
        put(table, keys, T0 + later)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 << 20
    table.changes(NOTHING, NEVER)
    assert table.written == keys.size


def test_what_is_brought_is_no_change_of_the_copy() -> None:
    """Whoever goes on with a copy tells what it changes itself; also of an entry that was brought."""
    table, copy = TimedSlots(), TimedSlots()
    put(table, some_keys(3_000), T0)
    follow(table, copy, range(SWEEP))
    assert copy.changes(NOTHING, NEVER).keys == b""
    put(copy, some_keys(1), T0 + 1)
    assert copy.changes(NOTHING, NEVER).keys == some_keys(1).tobytes()


def test_expired_entries_are_not_told() -> None:
    """Neither as changes nor in a copy; the cutoff itself is alive."""
    table = TimedSlots()
    put(table, u64(5, 7), i64(T0, T0 + 1))
    assert follow(table, TimedSlots(), range(SWEEP), T0 + 1) == [7]
    put(table, u64(9), T0)
    assert follow(table, TimedSlots(), NOTHING, T0 + 1) == []


def test_nothing_brings_nothing() -> None:
    """A table that never had a time, and one of which nothing changed."""
    copy = TimedSlots(payload=2)
    follow(TimedSlots(payload=2), copy, range(SWEEP))
    assert entries(copy) == {}
    table = TimedSlots(payload=2)
    put(table, u64(5), T0)
    table.changes(NOTHING, NEVER)
    follow(table, copy)
    assert entries(copy) == {}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100, 127, 129, 601])
def test_any_parts_make_a_whole(count: int) -> None:
    """More parts than buckets or fewer, and parts that end within a bucket."""
    table, copy = TimedSlots(payload=1), TimedSlots(payload=1)
    keys = some_keys(500)
    slots = put(table, keys, T0 + np.arange(500))
    table.payload[0, slots] = np.arange(500)
    table.changes(NOTHING, NEVER)
    for part in parts(count):
        follow(table, copy, part)
    assert entries(copy) == entries(table)


def test_a_part_is_about_as_large_as_it_says() -> None:
    """A hundredth of the parts is a hundredth of the entries: nothing is copied twice without need."""
    table = TimedSlots()
    put(table, some_keys(20_000), T0)
    table.changes(NOTHING, NEVER)
    sizes = [len(table.changes(part, NEVER).keys) // 8 for part in parts(100)]
    assert max(sizes) < 400
    assert sum(sizes) < 1.05 * 20_000


@pytest.mark.parametrize("grows_at", [0, 1, 37, 50, 99])
@pytest.mark.parametrize("count", [100, 601])
def test_buckets_may_double_in_the_middle_of_a_copy(grows_at: int, count: int) -> None:
    """No entry falls between two parts, though they were measured in other buckets."""
    table, copy = TimedSlots(payload=1), TimedSlots(payload=1)
    put(table, some_keys(500), T0)
    table.changes(NOTHING, NEVER)
    size = table.nbytes
    for number, part in enumerate(parts(count)):
        if number == grows_at:
            slots = put(table, some_keys(3_000, seed=2), T0 + 1)
            table.payload[0, slots] = np.arange(3_000)
        follow(table, copy, part)
    assert table.nbytes >= 4 * size
    assert entries(copy) == entries(table)


def test_growing_loses_no_change() -> None:
    """What was written before buckets doubled is a change still."""
    table, copy = TimedSlots(), TimedSlots()
    put(table, some_keys(400), T0)
    put(table, some_keys(4_000, seed=2), T0)
    assert len(follow(table, copy)) == 4_400
    assert entries(copy) == entries(table)


@pytest.mark.parametrize("spread_at", [0, 1, 50, 99])
def test_keys_may_be_spread_anew_in_the_middle_of_a_copy(spread_at: int) -> None:
    """All have another place then, some of them in a part that is copied already: all are told again."""
    table, copy = TimedSlots(), TimedSlots()
    keys = some_keys(200)
    put(table, keys, T0)
    table.changes(NOTHING, NEVER)
    for number, part in enumerate(parts(100)):
        if number == spread_at:
            put(table, clump(3 * WAYS), T0 + 1)
        follow(table, copy, part)
    assert table.nbytes == TimedSlots().nbytes
    assert entries(copy) == entries(table)


@pytest.mark.parametrize("jump", [0, 20 * DAY, 30 * DAY])
def test_times_are_the_same_on_another_base(jump: int) -> None:
    """The base of a copy is its own, whatever it had seen; within 24 days all times are exact."""
    table, copy = TimedSlots(), TimedSlots()
    put(table, u64(5), T0)
    put(table, u64(7), T0 + jump)
    put(copy, u64(11), T0 - 40 * DAY)
    follow(table, copy, range(SWEEP))
    newest = T0 + jump
    assert times_of(copy, u64(7)) == [newest]
    assert times_of(copy, u64(5)) == [max(T0, newest - (1 << 31) + 1) if jump > 20 * DAY else T0]


def test_a_copy_forgets_what_has_expired() -> None:
    """It needs no more room than what is alive, however many flushes it follows."""
    table, copy = TimedSlots(), TimedSlots()
    for batch in range(20):
        now = T0 + batch * 1_000
        put_since(table, some_keys(500, seed=batch), now)
        follow(table, copy, NOTHING, now)
    assert copy.nbytes == TimedSlots().nbytes


def test_bytes_are_those_of_the_arrays() -> None:
    """Twelve bytes a slot, and four more per payload column."""
    assert TimedSlots().nbytes == 128 * WAYS * 12
    assert TimedSlots(payload=2).nbytes == 128 * WAYS * 20
