"""Changes flush by flush: names once a rotation, numbers of another process, and how long rotations are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from streams.core.changes import ChangeReader, Changes, ChangeWriter, Progress
from streams.core.orders import PaidOrder
from streams.core.pipeline import CLICKSTREAM, SourcePartition
from streams.core.rows import Decoded, Line
from streams.core.settings import CountingSettings
from streams.core.slots import TableState
from streams.core.vocabulary import OTHER_CODE, Vocabulary
from streams.errors import CodecError
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from tests.support.columns import i32, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.changes import Taken

T0 = 1_762_689_600_000
NEVER = -(1 << 62)
SLOT, BANNER, SKU = 0, 1, 2
PROGRESS = Progress(T0, T0, NEVER)
TABLES = {"dedupe": 0, "visitors": 0, "clicks": 2, "clicks_by_sku": 2, "attempts": 1}


def vocabulary(slots: Iterable[str] = (), skus: Iterable[str] = (), max_keys: int = 1_000) -> Vocabulary:
    """One that has met these keys, in this order."""
    known = Vocabulary(Funnel(), key_objection, max_keys=max_keys)
    for name in slots:
        known.slot[name]
    for name in skus:
        known.sku[name]
    return known


class Owner:
    """A source partition, and who writes or reads its changes."""

    def __init__(self, known: Vocabulary) -> None:
        self.known = known
        self.counts = SourcePartition(known, CountingSettings())
        self.writer = ChangeWriter(self.counts, known)
        self.reader = ChangeReader(self.counts, known)
        self._events = 0

    def click(self, *slots: str, t: int = 0, first: int | None = None) -> None:
        """Count clicks of visitors who never came before, one per slot; ``first`` numbers the first."""
        first = self._events + 1 if first is None else first
        self._events = first + len(slots) - 1
        ids = range(first, first + len(slots))
        keys = [(self.known.slot[slot], 0, 0) for slot in slots]
        some = rows(len(slots), keys, time=T0 + t, event=ids, visitor=ids)
        self.counts.ingest(CLICKSTREAM, Decoded(some), np.full(len(slots), T0 + t))
        self.counts.drain()

    def pay(self, order: int, slot: str, sku: int) -> None:
        """Remember a paid order."""
        self.counts.paid.remember(order, PaidOrder("CNY", (Line(sku, self.known.slot[slot], 0, 5),)))

    def rotation(self) -> list[Taken]:
        """All changes up to the end of a rotation."""
        taken = [self.writer.take()]
        while not taken[-1].ends:
            taken.append(self.writer.take())
        return taken

    def clicked(self) -> dict[int, str]:
        """Slot of the newest click per visitor."""
        table, _ = self.counts.tables()["clicks"]
        keys, _, payload = table.live(NEVER)
        return {
            key: self.known.slot.names[code]
            for key, code in zip(keys.tolist(), payload[0].tolist(), strict=True)
        }


def over_the_wire(changes: Changes) -> Changes:
    """As they come to the next owner."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(changes), type=Changes)


def made(names: list[list[tuple[int, str]]], codes: Iterable[int] = (), **fields: object) -> Changes:
    """Changes written by hand: one click per code of a slot."""
    codes = list(codes)
    empty = {name: TableState(None, b"", b"", [b""] * columns) for name, columns in TABLES.items()}
    keys = np.arange(1, len(codes) + 1, dtype=np.uint64).tobytes()
    times = np.full(len(codes), 5, dtype=np.uint32).tobytes()
    payload = [i32(*codes).tobytes(), i32(*[0] * len(codes)).tobytes()]
    clicks = TableState(T0, keys, times, payload)
    return msgspec.structs.replace(Changes(PROGRESS, names, {**empty, "clicks": clicks}, []), **fields)


# --- names ---------------------------------------------------------------------------------------


def test_names_are_written_once_a_rotation() -> None:
    """Where a key is used first; a reader that begins with a rotation needs nothing before it."""
    owner = Owner(vocabulary(["unused"]))
    owner.click("a", "b")
    first = owner.writer.take()
    assert (first.begins, first.changes.names[SLOT]) == (True, [(3, "a"), (4, "b")])
    owner.click("b", "c")
    assert owner.writer.take().changes.names[SLOT] == [(5, "c")]
    owner.click("a", "b", "c")
    assert owner.writer.take().changes.names[SLOT] == []
    while not owner.writer.take().ends:
        pass
    names = [name for taken in owner.rotation() for name in taken.changes.names[SLOT]]
    assert sorted(names) == [(3, "a"), (4, "b"), (5, "c")]


def test_keys_of_everybody_need_no_name() -> None:
    """(none) and (other) have the same number everywhere."""
    owner = Owner(vocabulary(["a"], max_keys=1))
    owner.click("a", "z")
    owner.pay(1, "z", 0)
    owner.pay(2, "z", OTHER_CODE)
    assert owner.writer.take().changes.names == [[(2, "a")], [], [], []]


def test_names_of_orders_are_written() -> None:
    """Slots, banners and SKUs of their lines; a SKU without a number carries what it is."""
    known = vocabulary(["a"], ["A"], max_keys=1)
    owner = Owner(known)
    owner.pay(1, "a", known.sku["A"])
    owner.pay(2, "a", known.sku["B"])
    assert owner.writer.take().changes.names == [[(2, "a")], [], [(2, "A")], []]


@pytest.mark.parametrize("flush", [0, 1, 7])
def test_a_reader_may_begin_with_any_rotation(flush: int) -> None:
    """What was there before the rotation, and what came in the middle of it."""
    owner, copy = Owner(vocabulary(["x", "y"])), Owner(vocabulary(["c", "b", "a"]))
    owner.click("a", "b", "a")
    owner.rotation()
    for number in range(8):
        if number == flush:
            owner.click("c", "a")
        copy.reader.apply(over_the_wire(owner.writer.take().changes))
    assert copy.clicked() == owner.clicked() == {1: "a", 2: "b", 3: "a", 4: "c", 5: "a"}


def test_numbers_are_those_of_a_life() -> None:
    """The next writer numbers the same keys otherwise; what the one before said means nothing any more."""
    one, other, copy = Owner(vocabulary()), Owner(vocabulary(["b", "a"])), Owner(vocabulary(["c"]))
    one.click("a", "b")
    flush = one.writer.take().changes
    for reading in (other, copy):
        reading.reader.apply(over_the_wire(flush))
    other.click("b", "a", first=3)
    copy.reader.begin_life()
    copy.reader.apply(over_the_wire(other.writer.take().changes))
    assert copy.clicked() == other.clicked() == {1: "a", 2: "b", 3: "b", 4: "a"}


def test_keys_beyond_the_readers_bound_become_other() -> None:
    """A smaller vocabulary holds what it can."""
    owner, copy = Owner(vocabulary()), Owner(vocabulary(["c"], max_keys=2))
    owner.click("a", "b", "c")
    copy.reader.apply(over_the_wire(owner.writer.take().changes))
    assert copy.clicked() == {1: "a", 2: "(other)", 3: "c"}


def test_orders_follow_their_names() -> None:
    """Slots by their table, SKUs by theirs; one that has no number here or there is what it was."""
    theirs, ours = vocabulary(["x", "a"], ["A", "B"], max_keys=2), vocabulary(["a"], ["B"], max_keys=1)
    owner, copy = Owner(theirs), Owner(ours)
    for order, sku in enumerate("ABC"):
        owner.pay(order, "a", theirs.sku[sku])
    copy.reader.apply(over_the_wire(owner.writer.take().changes))
    for order, sku in enumerate("ABC"):
        paid = copy.counts.paid.get(order)
        assert paid is not None
        assert paid.lines == (Line(ours.sku[sku], ours.slot["a"], 0, 5),)
    assert ours.sku["B"] == 2
    assert ours.sku["A"] < 0


def test_numbers_of_names_may_be_far_apart() -> None:
    """A rotation names what it needs, out of many."""
    copy = Owner(vocabulary())
    copy.reader.apply(made([[(100_000, "z")], [], [], []], [100_000]))
    copy.reader.apply(made([[(7, "a"), (200_000, "y")], [], [], []], [7, 200_000, 100_000]))
    assert copy.clicked() == {1: "a", 2: "y", 3: "z"}


@pytest.mark.parametrize("code", [3, 6, 7, 500, -1, -(1 << 31)])
def test_a_key_without_a_name_is_refused(code: int) -> None:
    """Below the highest that has one, above, or no number at all: better none than another's."""
    copy = Owner(vocabulary())
    copy.reader.apply(made([[(2, "a"), (5, "b")], [(6, "c")], [], []], [2, 5]))
    with pytest.raises(CodecError, match=r"^a key has no name$"):
        copy.reader.apply(made([[], [], [], []], [2, code]))
    for line in (Line(0, code, 0), Line(0, 0, code if code != 6 else 7), Line(9, 0, 0)):
        with pytest.raises(CodecError, match=r"^a key has no name$"):
            copy.reader.apply(made([[], [], [], []], paid=[(0, 1, PaidOrder("CNY", (line,)))]))
    assert copy.clicked() == {1: "a", 2: "b"}
    assert len(copy.counts.paid) == 0


@pytest.mark.parametrize(
    "state",
    [
        TableState(T0, b"1234567", b"", []),
        TableState(T0, b"12345678", b"123", []),
        TableState(T0, b"12345678", b"12345678", []),
        TableState(T0, b"12345678", b"1234", [b"1234"]),
        TableState(None, b"12345678", b"1234", []),
        TableState(T0, b"12345678", b"1234", [b"\0\0\0\0"] * 2),
        TableState(T0, b"12345678", b"1234", [b"\0\0\0\0"] * 4),
    ],
    ids=["half a key", "half a time", "more times", "one column", "no base", "columns", "more columns"],
)
def test_columns_that_do_not_fit_are_refused(state: TableState) -> None:
    """Sound bytes of another layout; nothing of them is taken up."""
    copy = Owner(vocabulary())
    changes = made([[], [], [], []])
    changes.progress = Progress(T0, T0, T0)
    changes.tables["dedupe"] = state
    with pytest.raises(CodecError):
        copy.reader.apply(changes)
    assert copy.counts.limit_ms == NEVER


@pytest.mark.parametrize(
    "names",
    [[], [[]], [[]] * 3, [[]] * 5, [[(-1, "a")], [], [], []], [[(1 << 31, "a")], [], [], []]],
    ids=["none", "one", "three", "five", "negative", "huge"],
)
def test_names_that_do_not_fit_are_refused(names: list[list[tuple[int, str]]]) -> None:
    """Of other dimensions, or under numbers that no writer gives."""
    with pytest.raises(CodecError):
        Owner(vocabulary()).reader.apply(made(names))


# --- rotations -----------------------------------------------------------------------------------


def test_a_rotation_of_a_still_partition_is_long() -> None:
    """Many entries of which none is written: at most twelve hundred flushes, each with a few of them."""
    owner = Owner(vocabulary())
    owner.click(*["a"] * 5_000)
    owner.rotation()
    taken = owner.rotation()
    assert 1_100 < len(taken) <= 1_200
    assert max(flush.changes.entries for flush in taken) < 200
    assert [flush.begins for flush in taken] == [True] + [False] * (len(taken) - 1)


def test_a_rotation_of_a_busy_partition_is_short() -> None:
    """All is written all the time: eight flushes make a copy."""
    owner = Owner(vocabulary())
    for t in range(30):
        owner.click(*["a"] * 300, t=t * 3_600_000)
        taken = owner.writer.take()
    sizes = []
    for t in range(30, 60):
        owner.click(*["a"] * 300, t=t * 3_600_000)
        taken = owner.writer.take()
        if taken.begins:
            sizes.append(t)
    assert len(sizes) > 2
    assert np.diff(sizes).tolist() == [8] * (len(sizes) - 1)


def test_an_empty_partition_rotates_too() -> None:
    """Nothing to copy takes no longer than it may."""
    assert len(Owner(vocabulary()).rotation()) <= 1_200


def test_half_of_a_rotation_is_copies() -> None:
    """What is copied keeps step with what is written, so the log is twice what there is."""
    owner = Owner(vocabulary())
    owner.click(*["a"] * 6_000)
    owner.rotation()
    copied = written = flushes = 0
    while True:
        flushes += 1
        owner.click(*["a"] * 100)
        taken = owner.writer.take()
        written += owner.counts.written
        copied += taken.changes.entries - owner.counts.written
        if taken.ends:
            break
    assert 0.5 < copied / written < 2
    assert flushes < 200


def test_parts_follow_each_other_to_the_end() -> None:
    """However the pace changes: every entry that was there is in every rotation."""
    owner, copy = Owner(vocabulary()), Owner(vocabulary())
    owner.click(*["a"] * 3_000)
    owner.rotation()
    number = 0
    while True:
        owner.click(*["b"] * (500 if number % 3 else 1))
        number += 1
        taken = owner.writer.take()
        copy.reader.apply(over_the_wire(taken.changes))
        if taken.ends:
            break
    assert copy.clicked() == owner.clicked()


def test_orders_are_copied_in_parts_as_well() -> None:
    """All that were remembered when a rotation began, and those that were paid in it."""
    owner, copy = Owner(vocabulary()), Owner(vocabulary())
    for order in range(1_000):
        owner.pay(order, "a", 0)
    owner.rotation()
    sizes = []
    for number in range(2_000):
        taken = owner.writer.take()
        sizes.append(len(taken.changes.paid))
        copy.reader.apply(over_the_wire(taken.changes))
        if taken.ends:
            break
        if number == 3:
            owner.pay(5, "b", 0)
            owner.pay(1_000, "b", 0)
    assert max(sizes) <= 200
    assert len(copy.counts.paid) == 1_001
    assert [copy.counts.paid.get(order) for order in (0, 5, 999, 1_000)] == [
        PaidOrder("CNY", (Line(0, copy.known.slot[slot], 0, 5),)) for slot in "abab"
    ]


def test_progress_comes_with_every_flush() -> None:
    """How far the writer had counted, read as it stands."""
    owner, copy = Owner(vocabulary()), Owner(vocabulary())
    owner.click("a", t=7)
    copy.reader.apply(over_the_wire(owner.writer.take().changes))
    assert (copy.counts.limit_ms, copy.counts.counted_until) == (owner.counts.limit_ms, T0 + 7)
