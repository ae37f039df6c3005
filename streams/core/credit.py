"""The attribution models: whose slot and banner a line takes that lacks its own.

``last`` asks for one click, the newest; it must lie in ``[t - window, t]``. The others ask for the
*touches* of a line: the remembered clicks in ``[t - window, t]`` on the same SKU, or if there are
none those on anything. A click processed before the event but with a later event time is never a
touch, though it takes up one of the places of :data:`streams.core.touches.MAX_TOUCHES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from streams.core.clicks import NewestClicks
from streams.core.touches import RecentClicks, one_per_event

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.core.clicks import Clicks
    from streams.core.lines import Lines
    from streams.core.slots import TimedSlots
    from streams.core.touches import Touches

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    Bools = NDArray[np.bool_]

SLOT, BANNER = 0, 1


class Asking(NamedTuple):
    """Lines that lack a slot or a banner: which, the keys they ask under, and their event's place.

    ``keys`` are (by visitor, by visitor and SKU); ``line`` and ``place`` ascend; times are ms.
    """

    line: I64
    keys: tuple[U64, U64]
    place: I64
    time: I64


class Memory(Protocol):
    """Clicks of one kind of key."""

    @property
    def slots(self) -> TimedSlots:
        """The state: a time, a slot and a banner each."""

    def remember(self, clicks: Clicks, cutoff_ms: int) -> None:
        """Take in a batch's clicks. Those from before the cutoff may be forgotten."""


class Model(Protocol):
    """One way to credit clicks. ``memories`` are (by visitor, by visitor and SKU), as are clicks."""

    @property
    def memories(self) -> tuple[Memory, Memory]:
        """The clicks remembered."""

    def attribute(self, lines: Lines, asking: Asking, clicks: tuple[Clicks, Clicks], cutoff_ms: int) -> Lines:
        """The lines as credited; a batch's clicks are taken in after its questions are answered."""


class LastClick:
    """All to the newest click."""

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self.memories = (NewestClicks(), NewestClicks())

    def attribute(self, lines: Lines, asking: Asking, clicks: tuple[Clicks, Clicks], cutoff_ms: int) -> Lines:
        """Fill lines in, in place."""
        if asking.line.size:
            _fill(lines, asking.line, *self.credit(asking, clicks))
        _remember(self.memories, clicks, cutoff_ms)
        return lines

    def credit(self, asking: Asking, clicks: tuple[Clicks, Clicks]) -> tuple[I32, I32]:
        """Slot and banner of the click each question is owed to; code 0 where there is none."""
        by_visitor, by_sku = self.memories
        own_sku = by_sku.before(clicks[1], asking.keys[1], asking.place)
        any_sku = by_visitor.before(clicks[0], asking.keys[0], asking.place)
        slot = np.zeros(asking.place.size, dtype=np.int32)
        banner = np.zeros(asking.place.size, dtype=np.int32)
        for found in (any_sku, own_sku):
            inside = (found.time <= asking.time) & (found.time >= asking.time - self._window)
            slot[inside] = found.slot[inside]
            banner[inside] = found.banner[inside]
        return slot, banner


class FirstTouch:
    """All to the earliest touch."""

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self.memories = (RecentClicks(), RecentClicks())

    def attribute(self, lines: Lines, asking: Asking, clicks: tuple[Clicks, Clicks], cutoff_ms: int) -> Lines:
        """Fill lines in, in place."""
        single = one_per_event(clicks[0]), one_per_event(clicks[1])
        if asking.line.size:
            touches = _touches(self.memories, asking, single, self._window)
            earliest = touches.chosen.argmax(axis=0), np.arange(asking.line.size)
            _fill(lines, asking.line, touches.slot[earliest], touches.banner[earliest])
        _remember(self.memories, single, cutoff_ms)
        return lines


class LinearTouches:
    """An equal share to every touch."""

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self.memories = (RecentClicks(), RecentClicks())

    def attribute(self, lines: Lines, asking: Asking, clicks: tuple[Clicks, Clicks], cutoff_ms: int) -> Lines:
        """Split every line into its shares, the earliest touch first; one share where none is."""
        single = one_per_event(clicks[0]), one_per_event(clicks[1])
        parts = np.ones(lines.row.size, dtype=np.int64)
        touches = _touches(self.memories, asking, single, self._window)
        parts[asking.line] = touches.chosen.sum(axis=0)
        shared, at = lines.split(parts, asking.line)
        question, place = np.nonzero(touches.chosen.T)
        _fill(shared, at, touches.slot[place, question], touches.banner[place, question])
        _remember(self.memories, single, cutoff_ms)
        return shared


class _Chosen(NamedTuple):
    """Candidates (rows) of questions (columns), the earliest first, and which are chosen: at least one."""

    chosen: Bools
    slot: I32
    banner: I32


def _touches(
    memories: tuple[RecentClicks, RecentClicks],
    asking: Asking,
    clicks: tuple[Clicks, Clicks],
    window_ms: int,
) -> _Chosen:
    """The touches of each question; one without slot and banner where there is none."""
    by_visitor, by_sku = memories
    own_sku = by_sku.before(clicks[1], asking.keys[1], asking.place)
    any_sku = by_visitor.before(clicks[0], asking.keys[0], asking.place)
    on_sku = _inside(own_sku, asking, window_ms)
    on_any = _inside(any_sku, asking, window_ms) & ~on_sku.any(axis=0, keepdims=True)
    touched = np.concatenate((on_sku, on_any))
    none = ~touched.any(axis=0, keepdims=True)
    nowhere = np.zeros(none.shape, dtype=np.int32)
    return _Chosen(
        np.concatenate((touched, none))[::-1],
        np.concatenate((own_sku.slot, any_sku.slot, nowhere))[::-1],
        np.concatenate((own_sku.banner, any_sku.banner, nowhere))[::-1],
    )


def _inside(found: Touches, asking: Asking, window_ms: int) -> Bools:
    return (found.time <= asking.time) & (found.time >= asking.time - window_ms)


def _fill(lines: Lines, at: I64, slot: I32, banner: I32) -> None:
    """Give lines what they lack, in place; what they carry themselves wins."""
    for dimension, credited in ((SLOT, slot), (BANNER, banner)):
        held = lines.keys[dimension, at]
        lines.keys[dimension, at] = np.where(held == 0, credited, held)


def _remember(memories: tuple[Memory, Memory], clicks: tuple[Clicks, Clicks], cutoff_ms: int) -> None:
    for memory, some in zip(memories, clicks, strict=True):
        memory.remember(some, cutoff_ms)
