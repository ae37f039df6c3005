"""Who continues the counters of dead owners, and what everybody else leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.metrics.inheritance import Inheritance, continued
from streams.metrics.series_part import RECORDS, Carried, KeyPart, RecordsPart, SeriesPart, Standing

if TYPE_CHECKING:
    from streams.metrics.held import Entries

VALUES: Entries = [(0, ("click",), 5)]
HELD: Entries = [(0, ("click",), 0)]


def part(owned: list[int], tenure: int = 1) -> SeriesPart:
    """SKU A was shown, B is held at zero, C is not judged; records of orders were shown."""
    keys = [
        KeyPart("sku", "A", Standing.SHOWN, 0, VALUES, []),
        KeyPart("sku", "B", Standing.SHOWN, 0, VALUES, HELD),
        KeyPart("sku", "C", Standing.FRESH, 0, VALUES, []),
    ]
    records = [RecordsPart("orders", [(0, ("orders", "late"), 1)], [])]
    return SeriesPart(tenure, owned, None, keys, [], records)


@pytest.mark.parametrize(
    ("owned", "carried", "begins", "goes_on"),
    [
        ({0, 1}, {0: Carried(part([0, 1]), mine=True), 1: Carried(part([0, 1]), mine=True)}, True, [0, 1]),
        # Nothing was ever written down of shard 1.
        ({0, 1}, {0: Carried(part([0, 1]), mine=True)}, True, [0]),
        ({0, 1}, {0: Carried(part([0, 1]), mine=True), 1: None}, True, None),
        ({0, 1}, {0: Carried(part([0, 2]), mine=True)}, True, None),
        ({0, 1}, {0: Carried(part([0, 1]), mine=False)}, True, None),
        ({0, 1}, {0: Carried(None, mine=True)}, True, None),
        ({0, 1}, {0: Carried(part([0]), mine=True)}, False, None),
        ({0, 1}, {}, True, None),
    ],
    ids=["all", "blank", "handed over", "elsewhere", "other address", "unknown", "not new", "nothing"],
)
def test_counters_continue_with_all_shards_they_are_of(
    owned: set[int], carried: dict[int, Carried | None], *, begins: bool, goes_on: list[int] | None
) -> None:
    """Under their address, in a process that has shown nothing yet."""
    found = continued(frozenset(owned), carried, begins=begins)
    assert (None if found is None else sorted(found.parts)) == goes_on


def test_the_newest_part_says_whose_they_are() -> None:
    """A shard that had gone elsewhere before the last write does not continue."""
    old, new = part([0, 1], tenure=1), part([1], tenure=2)
    carried = {0: Carried(old, mine=True), 1: Carried(new, mine=True)}
    found = continued(frozenset({0, 1}), carried, begins=True)
    assert found is not None
    assert (list(found.parts), found.newest) == ([1], new)


def test_what_may_have_been_shown_is_left_out_until_it_is_read_again() -> None:
    """What was held or not judged cannot have been; other shards and dimensions are their own."""
    inherited = Inheritance()
    inherited.leave_out(0, part([0]))
    assert inherited.only_new(0, "sku", ["A", "B", "C", "D"], [1, 2, 3, 4]) == (["B", "C", "D"], [2, 3, 4])
    assert inherited.is_new(1, "sku", "A")
    assert inherited.is_new(0, "banner", "A")
    assert not inherited.is_new(0, RECORDS, "orders")
    inherited.caught_up(0)
    assert inherited.is_new(0, "sku", "A")


def test_of_an_unknown_owner_all_is_left_out() -> None:
    """Until the shard is caught up with, or went elsewhere."""
    inherited = Inheritance()
    inherited.leave_out(0, None)
    assert inherited.only_new(0, "sku", ["A"], [1]) == ([], [])
    assert not inherited.is_new(0, RECORDS, "orders")
    inherited.lose(frozenset({0}))
    assert inherited.is_new(0, RECORDS, "orders")


def test_counters_are_behind_until_the_last_shard_is_caught_up_with() -> None:
    """One that goes elsewhere is not waited for."""
    inherited = Inheritance()
    parts = {shard: part([0, 1, 2]) for shard in range(3)}
    found = continued(frozenset(parts), {s: Carried(p, mine=True) for s, p in parts.items()}, begins=True)
    assert found is not None
    inherited.go_on(found)
    seen = [inherited.behind]
    inherited.caught_up(0)
    inherited.lose(frozenset({1}))
    seen.append(inherited.behind)
    inherited.caught_up(2)
    assert [*seen, inherited.behind] == [True, True, False]
