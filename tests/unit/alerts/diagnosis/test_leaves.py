"""Leaves: sums by any dimensions, and which leaves lie in a scope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alerts.diagnosis import leaves as module
from alerts.model import EVERYWHERE, Place
from tests.support.diagnosis import at, shop


def test_groups_sum_to_the_whole() -> None:
    """Every grouping holds every leaf once."""
    leaves = shop(noise=1)
    for dimensions in ((), (0,), (2,), (0, 2), (0, 1, 2)):
        groups = leaves.groups(dimensions)
        assert groups.keys.shape == (len(groups.observed), len(dimensions))
        assert groups.observed.sum() == leaves.observed.sum()
        assert groups.expected.sum() == pytest.approx(leaves.expected.sum())


def test_a_group_holds_what_its_scope_holds() -> None:
    """A pair's counts are the sums over its leaves."""
    leaves = shop(noise=2)
    groups = leaves.groups((0, 2))
    for row in (0, 17, 100):
        slot, sku = groups.keys[row].tolist()
        inside = leaves.inside((leaves.place(0, slot), leaves.place(2, sku)))
        assert groups.observed[row] == leaves.observed[inside].sum()


@pytest.mark.parametrize(("counted", "codes"), [(0, 2**62), (0, 100)])
def test_many_possible_combinations_are_sorted_instead(
    monkeypatch: pytest.MonkeyPatch, counted: int, codes: int
) -> None:
    """Sorting, and numbering anew what would not fit, give the same groups as counting."""
    leaves = shop(noise=3)
    wanted = leaves.groups((0, 1, 2))
    monkeypatch.setattr(module, "MOST_COUNTED", counted)
    monkeypatch.setattr(module, "MOST_CODES", codes)
    found = leaves.groups((0, 1, 2))
    assert np.array_equal(found.keys, wanted.keys)
    assert np.array_equal(found.observed, wanted.observed)


def test_a_combination_that_never_occurred_has_no_group() -> None:
    """Nothing grows with the product of the dimensions."""
    leaves = shop()
    few = np.array([0, 5, 77])
    some = replace(
        leaves,
        codes=leaves.codes[few],
        observed=leaves.observed[few],
        expected=leaves.expected[few],
        entries=leaves.entries[few],
    )
    assert len(some.groups((0, 1, 2)).observed) == 3


def test_inside_everywhere_is_all_and_of_an_unknown_key_none() -> None:
    """A scope that the leaves do not know holds nothing, rather than failing."""
    leaves = shop()
    assert leaves.inside(EVERYWHERE).all()
    assert not leaves.inside(at(slot="new")).any()
    assert not leaves.inside((Place("channel", "app"),)).any()


def test_shapes_must_fit() -> None:
    """A key number without a name, and columns that do not fit, are refused."""
    leaves = shop()
    with pytest.raises(ValueError, match="no name"):
        replace(leaves, codes=leaves.codes + 1)
    with pytest.raises(ValueError, match="column"):
        replace(leaves, names=leaves.names[:2])
    with pytest.raises(ValueError, match="one number"):
        replace(leaves, entries=leaves.entries[1:])


@pytest.mark.parametrize("keys", [(), (0,), (2,), (0, 2)])
def test_rows_are_those_inside(keys: tuple[int, ...]) -> None:
    """Looked up by key, they are what a look at all leaves finds; none of a key that nobody knows."""
    leaves = shop(noise=4)
    scope = tuple(leaves.place(dimension, int(leaves.codes[17, dimension])) for dimension in keys)
    assert np.array_equal(leaves.rows(scope), np.flatnonzero(leaves.inside(scope)))
    assert not leaves.rows((*scope, Place("slot", "nowhere"))).size


def test_another_expectation_of_the_same_leaves() -> None:
    """Groups are the same, what is expected of them is not."""
    leaves = shop(noise=5)
    before = leaves.groups((0, 1, 2))
    after = leaves.expecting(leaves.expected * 2.0).groups((0, 1, 2))
    assert np.array_equal(after.keys, before.keys)
    assert np.array_equal(after.observed, before.observed)
    assert np.allclose(after.expected, before.expected * 2.0)
