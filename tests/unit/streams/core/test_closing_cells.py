"""Numbers of keys: by name, growing, bounded; and the names that each bucket has."""

from __future__ import annotations

import pytest

from streams.core.closing_cells import KeyNumbers, Names, Numbering
from streams.funnel import OTHER
from tests.support.rollups import rollup

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
    first, second = Numbering(10).cells([[rollup(SOME), rollup(SOME)], [rollup({("sku", "b"): {0: 7}})]])
    assert [column.tolist() for column in first["sku"]] == [[0, 1, 1], [0, 0, 1], [6, 2, 4]]
    assert [column.tolist() for column in second["sku"]] == [[1], [0], [7]]
    assert ("slot" in first, "slot" in second) == (True, False)
