"""The tables that state is kept in, against dictionaries and plain loops.

:class:`TimedSlots` is a dictionary with expiry, :class:`RecentKeys` a loop over rows,
an attribution model a loop over clicks and questions - whatever the keys, the times and the cuts
into batches.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.clicks import Clicks
from streams.core.credit import Asking, FirstTouch, LastClick, LinearTouches, Model
from streams.core.lines import Lines
from streams.core.recent import RecentKeys
from streams.core.slots import SWEEP, TimedSlots
from streams.core.sorting import first_of_each, stable_order

if TYPE_CHECKING:
    from collections.abc import Callable

T0 = 1_762_689_600_000
SECOND, DAY = 1_000, 86_400_000
# Next to each other, so that they share both buckets; zero, which marks an empty slot; and any.
EVEN = frozenset(range(1, SWEEP, SWEEP // 63 + 1))
KEYS = st.one_of(st.integers(2, 60), st.just(0), st.integers(2, 2**64 - 1))
# A jump may be longer than 32 bits of milliseconds.
JUMPS = st.sampled_from([0, 1, SECOND, 60 * SECOND, DAY, 9 * DAY, 30 * DAY, 50 * DAY, 400 * DAY])


def u64(values: list[int]) -> np.typing.NDArray[np.uint64]:
    """Fingerprints."""
    return np.array(values, dtype=np.uint64)


# --- TimedSlots ----------------------------------------------------------------------------------


class Batch(NamedTuple):
    """Keys resolved at once: ``jump`` after the batch before, each so much behind its time."""

    jump: int
    kept_ms: int
    keys: list[tuple[int, int]]  # key, how far its time lies back
    flood: int  # so many further keys


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Up to ten days are kept."""
    kept = draw(st.sampled_from([0, SECOND, 60 * SECOND, DAY, 10 * DAY]))
    keys = draw(st.lists(st.tuples(KEYS, st.integers(0, kept)), max_size=30))
    return Batch(draw(JUMPS), kept, keys, draw(st.sampled_from([0, 0, 0, 300, 2_000])))


def _follow(table: TimedSlots, copy: TimedSlots, swept: range, cutoff: int) -> None:
    _follow_both(table, (copy,), swept, cutoff)


@given(story=st.lists(batches(), max_size=12), copied=st.sets(st.integers(0, 11)))
def test_slots_are_a_dictionary_with_expiry(story: list[Batch], copied: set[int]) -> None:
    """Times and payload of every key not older than the cutoff, and nothing of the others.

    The table grows, forgets, moves its base and is replaced by a copy on the way; cutoffs never go
    back.
    """
    table, model = TimedSlots(payload=1), dict[int, tuple[int, int]]()
    now, cutoff = T0, T0 - 10 * DAY
    for number, batch in enumerate(story):
        now += batch.jump
        cutoff = max(cutoff, now - batch.kept_ms)
        if number in copied:
            copy = TimedSlots(payload=1)
            _follow(table, copy, range(SWEEP), cutoff)
            table = copy
        _resolve_both(table, model, *_written(batch, number, now, cutoff, model), cutoff)
    _compare(table, model, cutoff)


@st.composite
def sweeps(draw: st.DrawFn) -> list[range]:
    """A partition of all parts, of any sizes."""
    cuts = draw(st.one_of(st.sets(st.integers(1, SWEEP - 1), max_size=12), st.just(EVEN)))
    return [range(start, end) for start, end in itertools.pairwise([0, *sorted(cuts), SWEEP])]


@given(
    before=st.lists(batches(), max_size=4),
    story=st.lists(st.tuples(batches(), st.integers(0, 4)), max_size=10),
    swept=sweeps(),
)
def test_whoever_has_all_parts_and_all_changes_has_everything(
    before: list[Batch], story: list[tuple[Batch, int]], swept: list[range]
) -> None:
    """However the parts are cut, and whatever was written between any two of them.

    A copy that begins with the first part has at the end every entry that is alive, with its time and
    payload, and has no other that is; so has one that lagged behind with old entries of its own.
    """
    table, model, stale = TimedSlots(payload=1), dict[int, tuple[int, int]](), TimedSlots(payload=1)
    now, cutoff = T0, T0 - 10 * DAY
    for number, batch in enumerate(before):
        now, cutoff = now + batch.jump, max(cutoff, now + batch.jump - batch.kept_ms)
        _resolve_both(table, model, *_written(batch, number, now, cutoff, model), cutoff)
        _follow(table, stale, range(number % 3 * 20_000), cutoff)
    table.changes(range(0), cutoff)
    copy, parts = TimedSlots(payload=1), iter(swept)
    for number, (batch, taken) in enumerate(story, 100):
        now, cutoff = now + batch.jump, max(cutoff, now + batch.jump - batch.kept_ms)
        _resolve_both(table, model, *_written(batch, number, now, cutoff, model), cutoff)
        for part in itertools.islice(parts, taken):
            _follow_both(table, (copy, stale), part, cutoff)
    for part in parts:
        _follow_both(table, (copy, stale), part, cutoff)
    _follow_both(table, (copy, stale), range(0), cutoff)
    for one in (table, copy, stale):
        _compare(one, model, cutoff)


def _follow_both(table: TimedSlots, copies: tuple[TimedSlots, ...], swept: range, cutoff: int) -> None:
    state = table.changes(swept, cutoff)
    payload = [np.frombuffer(column, dtype=np.int32) for column in state.payload]
    for copy in copies:
        copy.apply(state, payload, cutoff)


def _written(
    batch: Batch, number: int, now: int, cutoff: int, model: dict[int, tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """Keys and their times: none before the cutoff, which may be an earlier batch's, or before its last."""
    flood = np.random.default_rng(number).integers(2**40, 2**64, batch.flood, dtype=np.uint64).tolist()
    times = [max(now - back, cutoff, model.get(key, (0, 0))[0]) for key, back in batch.keys] + [now] * len(
        flood
    )
    return [key for key, _ in batch.keys] + flood, times


def _resolve_both(
    table: TimedSlots, model: dict[int, tuple[int, int]], keys: list[int], times: list[int], cutoff: int
) -> None:
    slots = table.resolve(u64(keys), cutoff)
    stored, fresh = table.times(slots)
    for at, key in enumerate(keys):
        known = model.get(key)
        alive = known is not None and known[0] >= cutoff
        assert bool(fresh[at]) is not alive
        if known is not None and alive:
            assert (int(stored[at]), int(table.payload[0, slots[at]])) == known
    table.write_times(slots, np.array(times, dtype=np.int64))
    table.payload[0, slots] = np.arange(len(keys))
    model.update({key: (time, at) for at, (key, time) in enumerate(zip(keys, times, strict=True))})


def _compare(table: TimedSlots, model: dict[int, tuple[int, int]], cutoff: int) -> None:
    alive = {key: value for key, value in model.items() if value[0] >= cutoff}
    keys, _, payload = table.live(cutoff)
    assert dict(zip(keys.tolist(), payload[0].tolist(), strict=True)) == {
        max(key, 1): at for key, (_, at) in alive.items()
    }
    slots = table.find(u64(list(alive)))
    assert (slots >= 0).all()
    assert table.times(slots)[0].tolist() == [time for time, _ in alive.values()]
    assert table.find(u64([2**63 + 12_345])).tolist() == [-1]


# --- RecentKeys ----------------------------------------------------------------------------------

WINDOW = 10 * SECOND
BACKS = st.one_of(
    st.integers(0, 2 * WINDOW), st.sampled_from([0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + 1])
)
ROWS = st.tuples(st.one_of(st.integers(2, 5), st.just(0)), st.one_of(st.just(0), JUMPS), BACKS)


def _admit_one(memory: dict[int, int], key: int, time: int, *, both_ways: bool) -> bool:
    last = memory.get(key)
    admitted = last is None or time - last > WINDOW or (both_ways and last - time > WINDOW)
    if admitted:
        memory[key] = time
    return admitted


def _cuts(times: list[int], cuts: set[int], *, both_ways: bool) -> list[int]:
    """Where batches begin: at the cuts, and wherever a batch would span more than it may."""
    span = WINDOW if both_ways else 20 * DAY
    starts: list[int] = []
    low = high = 0
    for at, time in enumerate(times):
        low, high = min(low, time), max(high, time)
        if not starts or at in cuts or high - low > span:
            starts.append(at)
            low = high = time
    return starts


@given(rows=st.lists(ROWS, max_size=40), cuts=st.sets(st.integers(0, 40)), both_ways=st.booleans())
def test_recent_keys_are_a_loop_over_rows(
    rows: list[tuple[int, int, int]],
    cuts: set[int],
    both_ways: bool,  # noqa: FBT001  # drawn
) -> None:
    """However the rows are cut into batches, and with everything forgotten that may be."""
    clock = np.cumsum([jump for _, jump, _ in rows], dtype=np.int64)
    times = [T0 + int(now) - back for now, (_, _, back) in zip(clock, rows, strict=True)]
    keys = [key for key, _, _ in rows]
    memory = RecentKeys(WINDOW, both_ways=both_ways)
    admitted: list[bool] = []
    starts = _cuts(times, cuts, both_ways=both_ways)
    for start, end in itertools.pairwise([*starts, len(rows)]):
        cutoff = min(times[start:]) - WINDOW
        part = np.array(times[start:end], dtype=np.int64)
        admitted += memory.admit(u64(keys[start:end]), part, cutoff).tolist()
    model: dict[int, int] = {}
    assert admitted == [
        _admit_one(model, key, time, both_ways=both_ways) for key, time in zip(keys, times, strict=True)
    ]


# --- attribution ---------------------------------------------------------------------------------


class Step(NamedTuple):
    """A click, or an event that asks."""

    is_click: bool
    visitor: int
    sku: int  # 0: none
    time: int


STEPS = st.builds(Step, st.booleans(), st.integers(1, 3), st.integers(0, 2), BACKS)
# One visitor on one SKU, who clicks three times as often as anything else happens.
ROBOTS = st.builds(Step, st.sampled_from([True, True, True, False]), st.just(1), st.integers(0, 1), BACKS)
MODELS: dict[str, Callable[[int], Model]] = {
    "last": LastClick,
    "first": FirstTouch,
    "linear": LinearTouches,
}
Clicked = dict[int, list[tuple[int, int]]]  # key -> (time, number of the click)


def _sku_key(step: Step) -> int:
    return step.visitor * 100 + step.sku


def _naive(steps: list[Step], model: str) -> list[list[int]]:
    """The clicks each step is owed to, by their numbers from 1; 0 for none. Clicks are owed to none."""
    by_visitor, by_sku, owed = Clicked(), Clicked(), []
    for number, step in enumerate(steps, 1):
        owed.append([0])
        places = [(by_visitor, step.visitor)] + [(by_sku, _sku_key(step))] * (step.sku > 0)
        for clicked, key in places:
            held = sorted(clicked.get(key, []))
            kept = held[-1:] if model == "last" else held[-16:]
            touches = [one for time, one in kept if step.time - WINDOW <= time <= step.time]
            if step.is_click:
                clicked.setdefault(key, []).append((step.time, number))
            elif touches:
                owed[-1] = touches[:1] if model == "first" else touches
    return owed


def _clicks(steps: list[Step], places: list[int], numbers: list[int], keys: list[int]) -> Clicks:
    codes = np.array(numbers, dtype=np.int32)
    times = np.array([T0 + step.time for step in steps], dtype=np.int64)
    return Clicks(u64(keys), np.array(places, dtype=np.int64), times, codes, -codes)


def _both_clicks(batch: list[tuple[int, Step]], start: int) -> tuple[Clicks, Clicks]:
    clicks = [(at, step) for at, step in batch if step.is_click]
    on_sku = [(at, step) for at, step in clicks if step.sku]
    by_visitor, by_sku = (
        _clicks([s for _, s in some], [at for at, _ in some], [start + at + 1 for at, _ in some], keys)
        for some, keys in (
            (clicks, [s.visitor for _, s in clicks]),
            (on_sku, [_sku_key(s) for _, s in on_sku]),
        )
    )
    return by_visitor, by_sku


def _credit(credit: Model, steps: list[Step], start: int, end: int) -> list[list[int]]:
    """What a batch of the steps is owed, by the real thing: a step is a row of one line."""
    batch = list(enumerate(steps[start:end]))
    asks = [(at, step) for at, step in batch if not step.is_click]
    # Without a SKU of its own a question asks under a key that no click has.
    questions = u64([s.visitor for _, s in asks]), u64([_sku_key(s) if s.sku else 7 for _, s in asks])
    places = np.array([at for at, _ in asks], dtype=np.int64)
    times = np.array([T0 + s.time for _, s in asks], dtype=np.int64)
    everyone = np.arange(len(batch))
    lines = Lines(everyone, np.zeros((3, len(batch)), dtype=np.int32), everyone < 0)
    cutoff = min(T0 + step.time for step in steps[start:]) - WINDOW
    lines = credit.attribute(
        lines, Asking(places, questions, places, times), _both_clicks(batch, start), cutoff
    )
    assert lines.keys[0].tolist() == [-banner for banner in lines.keys[1].tolist()]
    return [lines.keys[0, lines.row == at].tolist() for at, _ in batch]


@pytest.mark.parametrize("model", MODELS)
@given(
    steps=st.one_of(st.lists(STEPS, max_size=40), st.lists(ROBOTS, max_size=80)),
    cuts=st.sets(st.integers(0, 80)),
)
def test_attribution_is_a_loop_over_clicks_and_events(model: str, steps: list[Step], cuts: set[int]) -> None:
    """Each event sees exactly the clicks before it, however they are cut into batches."""
    credit = MODELS[model](WINDOW)
    ends = sorted({0, len(steps), *(cut for cut in cuts if cut < len(steps))})
    credited = [
        numbers for start, end in itertools.pairwise(ends) for numbers in _credit(credit, steps, start, end)
    ]
    assert credited == _naive(steps, model)


# --- sorting -------------------------------------------------------------------------------------


@given(
    values=st.lists(
        st.one_of(st.integers(-3, 3), st.integers(-(2**62), 2**62), st.integers(T0, T0 + 50)), max_size=300
    )
)
def test_sorting_is_numpys_stable_one(values: list[int]) -> None:
    """Whatever the values, and whether or not place and value fit into one number."""
    array = np.array(values, dtype=np.int64)
    assert stable_order(array).tolist() == np.argsort(array, kind="stable").tolist()
    assert first_of_each(array).tolist() == np.unique(array, return_index=True)[1].tolist()
