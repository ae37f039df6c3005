"""Earlier times of the busiest keys: exact where they are known, refused where they are not."""

from __future__ import annotations

import numpy as np

from streams.core.packed_cells import COLUMNS, PackedCells, pack
from streams.core.window_history import SLOT_MS, History, KeptKeys


def events(*counts: int) -> PackedCells:
    """Events of the first node by key number."""
    keys = np.flatnonzero(np.array(counts))
    return pack(keys * COLUMNS, np.array(counts)[keys])


def put(history: History, slot: int, *counts: int) -> None:
    """Five minutes in which so much was counted of each key."""
    history.put(slot * SLOT_MS, {"sku": events(*counts)}, {"sku": np.array(counts)})


def found(history: History, key: int, start: int, end: int) -> int | None:
    """Events of a key in some slots; None if they are not known."""
    row = history.row("sku", key, start * SLOT_MS, end * SLOT_MS)
    return None if row is None else int(row[0])


def test_the_busiest_are_kept() -> None:
    """The others are refused, not told to be 0."""
    history = History(2)
    put(history, 0, 5, 9, 7)
    assert [found(history, key, 0, 1) for key in range(3)] == [None, 9, 7]


def test_a_key_that_was_never_seen_was_0() -> None:
    """Also once it is kept; one that was seen before counts from then on."""
    history = History(3)
    put(history, 0, 5)
    assert found(history, 1, 0, 1) == 0
    put(history, 1, 5, 9)
    assert found(history, 1, 0, 2) == 9


def test_a_place_changes_hands_for_twice_the_traffic() -> None:
    """And a hundred events. The loser is known up to there, the winner from there on."""
    history = History(1)
    put(history, 0, 80, 60)
    put(history, 1, 80, 159)
    assert found(history, 0, 0, 2) == 160
    put(history, 2, 80, 160)
    assert [found(history, 0, 0, 2), found(history, 0, 0, 3)] == [160, None]
    assert [found(history, 1, 2, 3), found(history, 1, 1, 3)] == [160, None]


def test_late_ones_are_added_where_they_belong() -> None:
    """Of keys that were kept then; others stay unknown."""
    history = History(1)
    put(history, 0, 9, 5)
    history.correct(0, "sku", events(1, 1))
    history.correct(SLOT_MS, "sku", events(4, 0))
    assert [found(history, 0, 0, 1), found(history, 0, 1, 2), found(history, 1, 0, 1)] == [10, 4, None]


def test_what_is_old_is_forgotten() -> None:
    """But for some spans; and who was kept only then is not known to have been."""
    history = History(1)
    for slot in range(4):
        put(history, slot, 1)
    history.forget_before(3 * SLOT_MS, [(SLOT_MS, 2 * SLOT_MS)])
    assert [found(history, 0, slot, slot + 1) for slot in range(4)] == [0, 1, 0, 1]
    kept = KeptKeys()
    kept.choose(np.array([1]), 0, 1)
    kept.choose(np.array([1, 200]), 5, 1)
    kept.forget_before(5)
    assert 0 not in kept.spans
