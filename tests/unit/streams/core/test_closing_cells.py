"""Numbers of keys: by name, growing, bounded; and the names that each bucket has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.closing_cells import KeyNumbers, Late, Names, Numbering
from streams.funnel import OTHER
from tests.support.rollups import rollup

if TYPE_CHECKING:
    from streams.closed import Cells

SOME = {("sku", "b"): {0: 1, 1: 2}, ("sku", "a"): {0: 3}, ("slot", "top"): {0: 4}}


def test_names_do_not_grow_with_the_list() -> None:
    """A bucket keeps the names that there were."""
    names = ["a", "b"]
    before = Names(names)
    names.append("c")
    assert (len(before), [*before], before[1], before[1:]) == (2, ["a", "b"], "b", ["b"])
    assert before == ("a", "b")
    assert before != Names(names)
    with pytest.raises(IndexError):
        before[2]


def test_new_keys_are_numbered_by_name() -> None:
    """Whoever came first; known ones keep their number."""
    numbers = KeyNumbers(["m"])
    assert numbers.admit(["z", "m", "a", "z"], ["k"], 10).tolist() == [3, 0, 1, 3]
    assert numbers.names == ("m", "a", "k", "z")


def test_beyond_the_bound_they_are_other() -> None:
    """It gets a number itself when the first is turned away."""
    numbers = KeyNumbers()
    assert numbers.admit(["c", "b", "a"], [], 2).tolist() == [2, 1, 0]
    assert numbers.admit(["d"], [], 2).tolist() == [2]
    assert numbers.names == ("a", "b", OTHER)


def test_groups_are_added_up_apart() -> None:
    """Parts of one group are one; a dimension that a group has nothing of is not there."""
    counted = Numbering(10).cells([[rollup(SOME), rollup(SOME)], [rollup({("sku", "b"): {0: 7}})]])
    first, second = counted.group(0), counted.group(1)
    assert lists(first["sku"]) == [[0, 1, 1], [0, 0, 1], [6, 2, 4]]
    assert lists(second["sku"]) == [[1], [0], [7]]
    assert ("slot" in first, "slot" in second) == (True, False)


def test_all_groups_of_a_dimension_stand_behind_each_other() -> None:
    """Beside each count stands what is said of its group; a dimension without counts is not there."""
    paid = rollup({("sku", "b"): {0: 7}}, {("banner", "x", "EUR", "paid"): (1, 5)})
    whole = Numbering(10).cells([[rollup(SOME)], [], [paid]]).whole([30, 20, 10])
    assert sorted(whole) == ["sku", "slot"]
    cells, starts = whole["sku"]
    assert [*lists(cells), starts.tolist()] == [[0, 1, 1, 1], [0, 0, 1, 0], [3, 1, 2, 7], [30, 30, 30, 10]]


def test_what_is_late_is_by_bucket() -> None:
    """A bucket of which only money came late has no counts; it compares like a tuple."""
    paid = rollup({}, {("sku", "b", "EUR", "paid"): (1, 5)})
    late = Late(Numbering(10).cells([[rollup(SOME)], [paid], [rollup({("sku", "b"): {0: 7}})]]), [10, 20])
    assert (len(late), late[0][0], lists(late[0][1]["sku"])) == (1, 20, [[1], [0], [7]])
    assert Late(Numbering(10).cells([[rollup(SOME)]]), []) == ()


def lists(cells: Cells) -> list[list[int]]:
    """Columns as lists."""
    return [column.tolist() for column in cells]
