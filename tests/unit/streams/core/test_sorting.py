"""Stable order by packing the place in: the same answer as numpy's stable argsort, always."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.sorting import first_of_each, sorted_once, stable_order
from tests.support.columns import i64

HUGE = 1 << 62


@pytest.mark.parametrize(
    "values",
    [
        i64(),
        i64(7),
        i64(3, 1, 2),
        i64(1, 1, 0, 1, 0),
        i64(-5, 5, -5, 0),
        i64(HUGE, HUGE - 1, HUGE),
        i64(HUGE, -HUGE, HUGE, -HUGE),
        i64(1_762_689_600_000, 1_762_689_599_999, 1_762_689_600_000),
    ],
    ids=str,
)
def test_order_is_the_stable_one(values: np.typing.NDArray[np.int64]) -> None:
    """Equal values stay in their order, also where value and place do not fit into one number."""
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()


@pytest.mark.parametrize("bits", [1, 8, 40, 50, 62])
@pytest.mark.parametrize("size", [2, 255, 256, 257, 5_000])
def test_order_at_the_edge_of_what_fits(bits: int, size: int) -> None:
    """Ranges and numbers of rows on both sides of the 63 bits there are."""
    values = np.random.default_rng(bits * size).integers(-(1 << (bits - 1)), 1 << (bits - 1), size)
    assert np.array_equal(stable_order(values), np.argsort(values, kind="stable"))


@pytest.mark.parametrize("size", [2, 3, 300])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_order_where_the_last_bit_decides(size: int, beyond: int) -> None:
    """A range that just fits beside the places, one that just does not, and one beyond that."""
    spread = (1 << (63 - size.bit_length() + max(beyond, 0))) - (beyond < 0)
    values = np.zeros(size, dtype=np.int64)
    values[0], values[-1] = spread, spread // 2
    assert np.array_equal(stable_order(values), np.argsort(values, kind="stable"))


def test_order_is_of_the_distance_to_the_lowest() -> None:
    """Values around a power of two, whose sums would not fit where their differences do."""
    values = np.random.default_rng(1).permutation(300) + (1 << 53) - 150
    assert np.array_equal(stable_order(values), np.argsort(values, kind="stable"))


@pytest.mark.parametrize("values", [i64(), i64(4), i64(2, 1, 2, 1, 3), i64(HUGE, -HUGE, HUGE)], ids=str)
def test_firsts_are_those_of_unique(values: np.typing.NDArray[np.int64]) -> None:
    """Where each distinct value stands first, in the order of the values."""
    assert first_of_each(values).tolist() == np.unique(values, return_index=True)[1].tolist()


def test_values_are_left_as_they_are() -> None:
    """Sorting works on a copy."""
    values = i64(3, 1, 2)
    stable_order(values)
    first_of_each(values)
    assert values.tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    "values", [i64(), i64(7), i64(3, 1, 3, 2, 1), i64(HUGE, -HUGE, HUGE, 0), i64(5, 5, 5)]
)
def test_each_value_once(values: np.typing.NDArray[np.int64]) -> None:
    """Ascending, whatever the order, and what was given stays as it was."""
    given = values.copy()
    assert sorted_once(values).tolist() == sorted(set(values.tolist()))
    assert np.array_equal(values, given)
