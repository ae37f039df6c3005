"""Several streams into one: what leaves when, and what holds what back."""

from __future__ import annotations

import numpy as np

from streams.core.interleaving import FOREVER, Interleaving
from streams.core.ordering import UNREAD


def of(*streams: str) -> Interleaving[str, str]:
    """An interleaving of streams."""
    waiting: Interleaving[str, str] = Interleaving()
    waiting.begin(streams)
    return waiting


def add(waiting: Interleaving[str, str], stream: str, name: str, *times: int) -> None:
    """A block of records with these event times."""
    waiting.add(stream, name, np.array(times, dtype=np.int64), 10)


def leave(
    waiting: Interleaving[str, str], limit_ms: int, most: int = 100
) -> tuple[list[tuple[str, int]], list[str]]:
    """What leaves, as (block, number) in order, and the blocks that are gone with it."""
    due = waiting.due(limit_ms, most)
    if due is None:
        return [], []
    flat = [(piece.content, index) for piece in due.pieces for index in range(piece.begin, piece.end)]
    return [flat[index] for index in due.order.tolist()], waiting.release(due)


def test_who_is_behind_holds_the_others_back() -> None:
    """Nothing leaves that lies beyond what every stream that may bring more has reached."""
    waiting = of("a", "b")
    assert waiting.reached(["a", "b"]) == UNREAD
    add(waiting, "a", "a1", 1, 5, 9)
    assert waiting.reached(["a", "b"]) == UNREAD
    add(waiting, "b", "b1", 4)
    assert waiting.reached(["a", "b"]) == 4
    assert leave(waiting, 4) == ([("a1", 0), ("b1", 0)], ["b1"])
    # All of b is read: it holds nobody back.
    assert leave(waiting, waiting.reached([])) == ([("a1", 1), ("a1", 2)], ["a1"])


def test_a_record_out_of_order_leaves_behind_those_before_it() -> None:
    """A stream's order stays, whatever its times; its progress never falls."""
    waiting = of("a", "b")
    add(waiting, "a", "a1", 8, 2)
    add(waiting, "a", "a2", UNREAD, 9)
    add(waiting, "b", "b1", 5, 8)
    order, gone = leave(waiting, 8)
    assert order == [("b1", 0), ("a1", 0), ("a1", 1), ("a2", 0), ("b1", 1)]
    assert gone == ["a1", "b1"]
    assert waiting.next_progress("a") == 9
    assert waiting.next_progress("b") == FOREVER


def test_many_of_one_time_leave_in_portions() -> None:
    """However many may leave, no more do than asked for, and none is left out or twice."""
    waiting = of("a", "b")
    add(waiting, "a", "a1", *[7] * 5)
    add(waiting, "b", "b1", *[7] * 3)
    portions = [leave(waiting, 7, 3)[0] for _ in range(4)]
    assert [len(portion) for portion in portions] == [3, 3, 2, 0]
    left = [record for portion in portions for record in portion]
    assert left == [("a1", n) for n in range(5)] + [("b1", n) for n in range(3)]


def test_a_stream_that_tells_no_time_holds_nobody_back() -> None:
    """Records without any time leave at once, and nobody waits for their stream."""
    waiting = of("a", "b")
    add(waiting, "a", "a1", UNREAD, UNREAD)
    assert leave(waiting, waiting.reached(["a", "b"]))[0] == [("a1", 0), ("a1", 1)]
    add(waiting, "b", "b1", 3)
    assert waiting.reached(["a", "b"]) == 3


def test_what_waits_is_weighed() -> None:
    """A block weighs until all of it has left."""
    waiting = of("a")
    add(waiting, "a", "a1", 1, 2)
    add(waiting, "a", "a2", 3)
    leave(waiting, 1)
    assert waiting.nbytes("a") == 20
    leave(waiting, 2)
    assert waiting.nbytes("a") == 10
